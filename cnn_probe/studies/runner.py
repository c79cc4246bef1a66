"""Run studies: every distinct network is trained, measured and written to disk once."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cnn_probe.data.images import ImageData
from cnn_probe.networks.paper_net import build_network
from cnn_probe.networks.training import TrainingPlan, order_of_training
from cnn_probe.probing.probe import provenance
from cnn_probe.probing.recording import prepare
from cnn_probe.studies.measuring import fit_ranks, measure_network
from cnn_probe.studies.record import NetworkRecord
from cnn_probe.studies.records import DamagedRecordError, read_record, record_key, write_record
from cnn_probe.studies.settings import Settings
from cnn_probe.studies.study import Study
from cnn_probe.system.locks import only_one
from cnn_probe.system.names import shown
from coupled_nmf import Blocks

Progress = Callable[[str, int, int], None]
Notice = Callable[[str], None]
Wanted = dict[str, list[TrainingPlan]]  # plans by condition, one a seed
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
) -> dict[str, Any]:
    """Run studies and return what ``results.json`` holds.

    Parameters
    ----------
    studies : sequence of Study
        Which; networks that several of them need are trained once.
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

    Returns
    -------
    dict
        ``provenance``, and per study its ``records`` by condition (one a seed) and ``verdicts``.

    Raises
    ------
    ValueError
        If the data do not suffice for what is asked, before any network is trained.
    BlockingIOError
        If another run is writing to ``out``.
    """
    tell = _warn if notice is None else notice
    wanted = {study.name: plans_of(study, data, settings) for study in studies}
    plans = _distinct(wanted)
    check_request(data, settings, plans)
    folder = out / "networks"
    folder.mkdir(parents=True, exist_ok=True)
    fingerprint = data.fingerprint()
    keys = {plan: record_key(fingerprint, plan, settings) for plan in plans}
    with only_one(folder):
        records = _records(folder, keys, data, settings, resume, progress or _ignore, tell)
        others = [study for study in keep if study.name not in wanted]
        kept = {study.name: _kept(folder, fingerprint, study, data, settings, tell) for study in others}
    found = {
        name: {label: [records[plan] for plan in some] for label, some in by_label.items()}
        for name, by_label in wanted.items()
    } | {name: by_label for name, by_label in kept.items() if by_label}
    in_order = {study.name: study for study in (*keep, *studies) if study.name in found}
    return {
        "provenance": provenance(
            None,
            data=fingerprint,
            dataset=data.name,
            classes=list(data.class_names),
            settings=asdict(settings),
        ),
        "studies": {name: _results(study, found[name], data, settings) for name, study in in_order.items()},
    }


def plans_of(study: Study, data: ImageData, settings: Settings) -> Wanted:
    """How the networks of a study are trained, by condition."""
    return {
        condition.label: [replace(condition.plan, seed=seed) for seed in settings.seeds]
        for condition in study.conditions(data.n_classes, settings.epochs)
    }


def _distinct(wanted: dict[str, Wanted]) -> list[TrainingPlan]:
    return list(dict.fromkeys(plan for by_label in wanted.values() for some in by_label.values() for plan in some))


def check_studies(studies: Sequence[Study], data: ImageData, settings: Settings) -> None:
    """Raise ValueError if `run_studies` would, before it touches its folder."""
    check_request(data, settings, _distinct({study.name: plans_of(study, data, settings) for study in studies}))


def check_request(data: ImageData, settings: Settings, plans: Sequence[TrainingPlan]) -> None:
    """Find out before the training what would fail after it."""
    for part, images in (("train", data.train), ("test", data.test)):
        if images.labels is None:
            raise ValueError(f"data.{part} has no labels; studies train on labels and count accuracies")
    assert data.train.labels is not None
    for plan in plans:
        order_of_training(data.train.labels.cpu(), plan)
    network = build_network(data.in_channels, data.image_size, data.n_classes, seed=0)
    shapes = prepare(network, data.test, layers=network.paper_layers, pool="whole").shapes
    n_features = sum(map(math.prod, shapes.values()))
    most, largest = min(len(data.test), n_features), max(settings.ranks)
    if largest > most:
        raise ValueError(
            f"ranks: {largest} is more than {len(data.test)} test images with {n_features} pixels and neurons can "
            f"hold; {most} is the most"
        )
    tiny = Blocks({"tiny": np.arange(1, 13, dtype=np.float32).reshape(4, 3)})
    fit_ranks(tiny, 0, replace(settings, ranks=(1,), max_iter=1, starts=1), lambda done, total: None)


def _records(
    folder: Path,
    keys: dict[TrainingPlan, str],
    data: ImageData,
    settings: Settings,
    resume: bool,
    progress: Progress,
    tell: Notice,
) -> dict[TrainingPlan, NetworkRecord]:
    """Take every network's record from disk, or train and measure the network and write it."""
    records: dict[TrainingPlan, NetworkRecord] = {}
    progress("network", 0, len(keys))
    for number, (plan, key) in enumerate(keys.items(), start=1):
        path = folder / f"{key}.json"
        found = _finished(path, data, plan, settings, tell) if resume else None
        if found is None:
            record, arrays = measure_network(data, plan, settings, partial(_staged, progress, number, len(keys)))
            write_record(path, record, arrays)
            found = read_record(path, data, plan, settings)
        records[plan] = found
        progress("network", number, len(keys))
    return records


def _staged(progress: Progress, number: int, n_networks: int, stage: str, done: int, total: int) -> None:
    progress(f"network {number} of {n_networks}: {stage}", done, total)


def _finished(
    path: Path, data: ImageData, plan: TrainingPlan, settings: Settings, tell: Notice
) -> NetworkRecord | None:
    try:
        return read_record(path, data, plan, settings)
    except FileNotFoundError:
        return None
    except DamagedRecordError as error:
        tell(f"{shown(str(path), None)} is damaged: {error}; the network is trained and measured anew")
        return None


def _kept(folder: Path, fingerprint: str, study: Study, data: ImageData, settings: Settings, tell: Notice) -> Found:
    """Records of a study, by condition, if all of its networks are there; else nothing."""
    found: Found = {}
    try:
        for label, plans in plans_of(study, data, settings).items():
            paths = {folder / f"{record_key(fingerprint, plan, settings)}.json": plan for plan in plans}
            found[label] = [read_record(path, data, plan, settings) for path, plan in paths.items()]
    except DamagedRecordError as error:
        tell(f"study {shown(study.name)} is left out, a record of it is damaged: {error}; run it again with resume")
        return {}
    except (FileNotFoundError, ValueError):  # never run here, or these data do not suffice for it
        return {}
    return found


def _results(study: Study, found: Found, data: ImageData, settings: Settings) -> dict[str, Any]:
    conditions = study.conditions(data.n_classes, settings.epochs)
    levels = {condition.label: condition.level for condition in conditions}
    return {
        "title": study.title,
        "figures": list(study.figures),
        "paper_accuracy": {
            condition.label: condition.paper_accuracy if data.name == "mnist" else None for condition in conditions
        },
        "verdicts": [claim.verdict(found, levels, settings.ranks) for claim in study.claims(data.class_names)],
        "records": {label: [run.to_json() for run in runs] for label, runs in found.items()},
    }


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=3)


def _ignore(what: str, done: int, total: int) -> None:
    pass
