"""Run studies: every distinct network is trained, measured and written to disk once."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from cnn_probe.data.images import ImageData
from cnn_probe.networks.paper_net import build_network
from cnn_probe.networks.training import order_of_training
from cnn_probe.probing.fitting import Progress, ignore, within
from cnn_probe.probing.probe import provenance
from cnn_probe.probing.recording import prepare
from cnn_probe.studies.findings import findings
from cnn_probe.studies.making import Made, Maker, Notice, make_at_once
from cnn_probe.studies.measuring import fit_ranks
from cnn_probe.studies.record import NetworkRecord, in_words
from cnn_probe.studies.records import DamagedRecordError, Shelf
from cnn_probe.studies.settings import Case, Settings
from cnn_probe.studies.study import Given, Study
from cnn_probe.studies.told import TellMore
from cnn_probe.system.locks import only_one
from cnn_probe.system.names import shown
from coupled_nmf import Blocks

Wanted = dict[str, list[Case]]  # by condition, one a seed
Found = dict[str, list[NetworkRecord]]  # records, likewise


def run_studies(
    studies: Sequence[Study],
    data: ImageData,
    settings: Settings,
    out: Path,
    *,
    resume: bool = False,
    keep: Sequence[Study] = (),
    progress: Progress | None = None,
    notice: Notice | None = None,
    made: Notice | None = None,
    tell_more: TellMore | None = None,
    jobs: int = 1,
) -> dict[str, Any]:
    """Run studies and return what ``results.json`` holds.

    Parameters
    ----------
    studies : sequence of Study
        Which; networks that several of them need are trained once, and those that are treated not again.
    data : ImageData
        Images to train and to probe with, all labelled.
    settings : Settings
        Ranks, seeds, solver.
    out : Path
        Folder; each finished network is at once in ``out/networks``.
    resume : bool, default=False
        Take networks that are there and were made with the same data and settings. What is damaged is made anew.
    keep : sequence of Study, default=()
        Studies that go into what is returned as well, if ``out`` holds all of their networks already, made with the
        same data and settings.
    progress : callable, default=None
        ``progress(what, done, total)``.
    notice : callable, default=None
        ``notice(text)`` hears which records are damaged, and why; None warns.
    made : callable, default=None
        ``made(line)`` hears of each network that is trained and measured, and not taken: which it is, its accuracy, and
        how long it took.
    tell_more : TellMore, default=None
        ``tell_more(probed)`` makes bytes of what is `Probed`, for each network of the first seed and of a study that
        is ``told``; they are kept as ``out/networks/<key>.page``, and `read_page` returns them. With ``resume`` those
        that are there are taken; what is missing or damaged is made anew, for which no network is trained again.
    jobs : int, default=1
        Processes that make networks at once, each with one thread; ``tell_more`` is then pickled. With 1 this process
        makes them one after the other, with the threads that it has: PyTorch's bits go by their number.

    Returns
    -------
    dict
        ``provenance``; what `findings` says of all networks together; and ``studies``, per study its ``title`` and
        ``question``, whether it is a ``control``, its ``records`` by condition (one a seed) and ``verdicts``.

    Raises
    ------
    ValueError
        If the data do not suffice for what is asked, before any network is trained.
    BlockingIOError
        If another run is writing to ``out``.
    """
    tell = _warn if notice is None else notice
    given = given_by(data, settings)
    wanted = {study.name: cases_of(study, given, settings) for study in studies}
    cases = _distinct(wanted)
    check_request(data, settings, cases)
    shelf = Shelf(out / "networks", data.fingerprint(), data, settings)
    shelf.folder.mkdir(parents=True, exist_ok=True)
    with only_one(shelf.folder):
        telling = {case for study in studies if study.told for some in wanted[study.name].values() for case in some}
        telling = {case for case in telling if tell_more is not None and case.plan.seed == settings.seeds[0]}
        maker, said = Maker(shelf, resume, telling, tell_more), _in_a_line(made, wanted, len(cases))
        if jobs > 1:
            make_at_once(maker, cases, jobs, progress or ignore, tell, said)
            maker = replace(maker, resume=True)  # all is there
        records = _records(maker, cases, progress or ignore, tell, said)
        others = [study for study in keep if study.name not in wanted]
        kept = {study.name: _kept(shelf, study, given, tell) for study in others}
    found = {
        name: {label: [records[case] for case in some] for label, some in by_label.items()}
        for name, by_label in wanted.items()
    } | {name: by_label for name, by_label in kept.items() if by_label}
    in_order = {study.name: study for study in (*keep, *studies) if study.name in found}
    found = {name: found[name] for name in in_order}
    return {
        "provenance": provenance(
            None,
            data=shelf.fingerprint,
            dataset=data.name,
            classes=list(data.class_names),
            settings=asdict(settings),
            test_images=len(data.test),
        ),
        **findings(found, [name for name, study in in_order.items() if study.control], settings),
        "studies": {name: _results(study, found[name], data, given, settings) for name, study in in_order.items()},
    }


def given_by(data: ImageData, settings: Settings) -> Given:
    """What conditions of studies are made from; ValueError if images have no labels."""
    for part, images in (("train", data.train), ("test", data.test)):
        if images.labels is None:
            raise ValueError(f"data.{part} has no labels; studies train on labels and count accuracies")
    assert data.train.labels is not None
    sizes = data.train.labels.cpu().bincount(minlength=data.n_classes).tolist()
    return Given(tuple(sizes), len(data.test), settings.epochs)


def cases_of(study: Study, given: Given, settings: Settings) -> Wanted:
    """The networks of a study, by condition, one a seed."""
    seeds = settings.seeds[: study.most_seeds]
    return {
        condition.label: [Case(replace(condition.plan, seed=seed), condition.treatment) for seed in seeds]
        for condition in study.conditions(given)
    }


def _distinct(wanted: Mapping[str, Wanted]) -> list[Case]:
    """Each case once; a network that is treated comes after the same as it was trained, of which it is made."""
    every = [case for by_label in wanted.values() for some in by_label.values() for case in some]
    return list(dict.fromkeys(one for case in every for one in (Case(case.plan), case)))


def check_studies(studies: Sequence[Study], data: ImageData, settings: Settings) -> None:
    """Raise ValueError if `run_studies` would, before it touches its folder."""
    given = given_by(data, settings)
    check_request(data, settings, _distinct({study.name: cases_of(study, given, settings) for study in studies}))


def check_request(data: ImageData, settings: Settings, cases: Sequence[Case]) -> None:
    """Find out before the training what would fail after it."""
    assert data.train.labels is not None, "given_by has seen to it"
    for case in cases:
        order_of_training(data.train.labels.cpu(), case.plan)
    network = build_network(data.in_channels, data.image_size, data.n_classes, seed=0)
    shapes = prepare(network, data.test, layers=network.paper_layers, pool="whole").shapes
    n_features = sum(map(math.prod, shapes.values()))
    n_shown = min([len(data.test), *(case.treatment.test_images or len(data.test) for case in cases)])
    most, largest = min(n_shown, n_features), max(settings.ranks)
    if largest > most:
        raise ValueError(
            f"ranks: {largest} is more than {n_shown} test images with {n_features} pixels and neurons can "
            f"hold; {most} is the most"
        )
    tiny = Blocks({"tiny": np.arange(1, 13, dtype=np.float32).reshape(4, 3)})
    fit_ranks(tiny, 0, replace(settings, ranks=(1,), max_iter=1, starts=1), lambda done, total: None)


def _in_a_line(made: Notice | None, wanted: Mapping[str, Wanted], n: int) -> Made:
    """Return what says in a line of each network that it is made, by the first condition that it is of."""
    every = [(case, label) for by_label in wanted.values() for label, some in by_label.items() for case in some]
    every.reverse()  # the first stands
    labels = {Case(case.plan): label for case, label in every} | dict(every)

    def say(number: int, case: Case, record: NetworkRecord) -> None:
        if made is not None:
            what = "untrained" if record.untrained else f"trained on {in_words(labels[case])}"
            accuracy, took = f"accuracy {record.accuracy:.1%}", f"{record.seconds:.0f} s"
            made(f"network {number} of {n}: {what}, seed {case.plan.seed}, {accuracy}, {took}")

    return say


def _records(
    maker: Maker, cases: Sequence[Case], progress: Progress, tell: Notice, made: Made
) -> dict[Case, NetworkRecord]:
    """Take every network's record from disk, or train and measure the network and write it."""
    records: dict[Case, NetworkRecord] = {}
    progress("network", 0, len(cases))
    for number, case in enumerate(cases, start=1):
        records[case], is_new = maker(case, records, within(progress, f"network {number} of {len(cases)}"), tell)
        if is_new:
            made(number, case, records[case])
        progress("network", number, len(cases))
    return records


def _kept(shelf: Shelf, study: Study, given: Given, tell: Notice) -> Found:
    """Records of a study, by condition, if all of its networks are there; else nothing."""
    found: Found = {}
    try:
        for label, cases in cases_of(study, given, shelf.settings).items():
            found[label] = [shelf.read(case) for case in cases]
    except DamagedRecordError as error:
        tell(f"study {shown(study.name)} is left out, a record of it is damaged: {error}; run it again with resume")
        return {}
    except (FileNotFoundError, ValueError):  # never run here, or these data do not suffice for it
        return {}
    return found


def _results(study: Study, found: Found, data: ImageData, given: Given, settings: Settings) -> dict[str, Any]:
    conditions = study.conditions(given)
    levels = {condition.label: condition.level for condition in conditions}
    return {
        "title": study.title,
        "question": study.question,
        "control": study.control,
        "figures": list(study.figures),
        "paper_accuracy": {
            condition.label: condition.paper_accuracy if data.name == "mnist" else None for condition in conditions
        },
        "verdicts": [
            claim.verdict(found, levels, settings.ranks, study.differ) for claim in study.claims(data.class_names)
        ],
        "records": {label: [run.to_json() for run in runs] for label, runs in found.items()},
    }


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=3)
