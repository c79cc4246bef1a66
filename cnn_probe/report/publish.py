"""What studies leave in a folder besides the networks: figures, ``results.json`` and the page, all of one run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cnn_probe.report.document.packing import from_file
from cnn_probe.report.document.shell import render
from cnn_probe.report.document.studies.of_networks import names_of_networks, network_id
from cnn_probe.report.document.studies.of_studies import (
    in_short,
    quality_part,
    studies_part,
    study_cards,
)
from cnn_probe.report.pages import Shown, Telling, document_of, put_results
from cnn_probe.report.standing import Mark, pages, remove_others
from cnn_probe.report.study_figures import draw_figures, refuse_figures
from cnn_probe.studies.record import NetworkRecord, records_of
from cnn_probe.studies.records import COMPARED, DamagedRecordError, read_page
from cnn_probe.system.names import shown
from coupled_nmf import atomic_open

Results = dict[str, Any]
RESULTS = "results.json"
PAPER = (
    "A Peek Into the Hidden Layers of a Convolutional Neural Network Through a Factorization Lens (Saini and others)"
)
BESIDE = "some stand beside it here: choose one to be shown, and see the studies"
TRAIN_NONE = "cnn-probe study untrained measures some"
LIMITS = (
    "What holds of other networks, data and training than these. Chances are of each claim by itself, not of all of "
    "them together.",
    "What the paper's RMSE is to the letter: it does not define it. Here it is √(Σ‖X_b − F H_b‖² / entries).",
)


def publish(
    results: Results,
    out: Path,
    *,
    command: str | None = None,
    images: bool = True,
    notice: Callable[[str], None] | None = None,
) -> Path:
    """Draw the figures, write ``results.json`` and the page, and return the page's path.

    What stands there of other data or other settings goes first, so that no page ever shows another run's figures,
    also when this is interrupted. Networks stay, and so does the page of a run, under a name of its own.

    Parameters
    ----------
    results : dict
        What `run_studies` returned.
    out : Path
        The folder that it was given.
    command : str, default=None
        How to run it again, for the page.
    images : bool, default=True
        Whether the page may show images; networks of which patterns were kept with images are left out otherwise.
    notice : callable, default=None
        ``notice(text)`` hears that an earlier page goes, or gets another name.
    """
    refuse_figures({name: study["figures"] for name, study in results["studies"].items()})
    mark = mark_of_study(results)
    odd = _what_is_odd(out / RESULTS, results) if (out / RESULTS).exists() else None
    if odd is not None:
        if notice is not None:
            notice(f"{shown(str(out), None)} held a page of {odd}; it is replaced, its finished networks are kept")
        for page in pages(out, mark.kind):
            page.unlink()
        (out / RESULTS).unlink(missing_ok=True)
    remove_others(out, mark, notice)
    drawn = draw_figures(results, results["provenance"]["classes"], out)
    with atomic_open(out / RESULTS) as file:
        file.write(json.dumps(results, allow_nan=False).encode())
    files = [RESULTS, *(file for pairs in drawn.values() for file, _ in pairs)]
    networks, told = _page(results, out, command, files, images=images)
    return put_results(out, networks, told, mark, notice)


def write_page(results: Results, out: Path, path: Path, *, images: bool = True) -> Path:
    """Write the page alone, into a file of its own, and return its path; ``out`` is the folder of the networks."""
    document = document_of(*_page(results, out, images=images))
    with atomic_open(path) as file:
        file.write(render(document, mark="own").encode())
    return path


def _page(
    results: Results, out: Path, command: str | None = None, files: Sequence[str] = (), *, images: bool
) -> tuple[list[Shown], Telling]:
    """What the page shows of single networks, and what it says besides."""
    networks = list(_shown(results, out, images=images))
    told = telling_of(results, out, command, files, images=images)
    beside = any(one.part["untrained"] for one in networks)
    return networks, replace(told, untrained=BESIDE) if beside else told


def mark_of_study(results: Results) -> Mark:
    """What the page of these results is known by."""
    return Mark.of("study", results["provenance"]["data"], results["provenance"]["settings"])


def telling_of(
    results: Results,
    out: Path,
    command: str | None = None,
    files: Sequence[str] = (),
    *,
    images: bool = True,
) -> Telling:
    """What the page says besides the patterns of single networks; ``out`` is the folder that holds their arrays."""
    origin = results["provenance"]
    settings = origin["settings"]
    runs = [run for study in results["studies"].values() for some in study["records"].values() for run in some]
    lead = [
        in_short(results),
        f"The paper: {PAPER}. Data {origin['dataset']}: {counted(runs)}, {_listed('seed', settings['seeds'])}, "
        f"{_listed('rank', settings['ranks'])}, {origin['test_images']:,} test images.",
    ]
    facts = [
        ("data", f"{origin['dataset']}, {origin['data']}"),
        ("settings", ", ".join(f"{name} {value}" for name, value in settings.items())),
        ("versions", ", ".join(f"{name} {version}" for name, version in origin["versions"].items())),
        ("durations", _durations(runs)),
    ]
    return Telling(
        "What the paper claims, and what holds",
        lead,
        facts,
        command=command,
        cards=study_cards(results),
        studies=studies_part(results, out, images=images),
        limits=LIMITS,
        untrained=TRAIN_NONE,
        more={"quality": quality_part(results)},
        files=files,
    )


def counted(runs: Sequence[Results]) -> str:
    """How many networks were trained, and how many there are with those that were treated otherwise afterwards."""
    trained = {json.dumps(run["training"]["plan"], sort_keys=True) for run in runs}
    n_all = len({run["key"] for run in runs})
    more = f", {n_all} with those that were scaled, or factored otherwise" if n_all > len(trained) else ""
    return f"{len(trained)} networks trained{more}"


def _listed(what: str, values: Sequence[Any]) -> str:
    return f"{what}{'' if len(values) == 1 else 's'} {', '.join(map(str, values))}"


def _durations(runs: Sequence[Results]) -> str:
    """What training, factoring and measuring the networks took; each network once, in whichever session it was."""
    seconds = list({run["key"]: run["seconds"] for run in runs}.values())
    if len(seconds) == 1:
        return f"a network, trained and measured: {seconds[0]:.1f} s"
    return (
        f"{len(seconds)} networks, trained and measured: from {min(seconds):.1f} to {max(seconds):.1f} s each, "
        f"{sum(seconds):,.0f} s one after the other (with --jobs several are made at once)"
    )


def _shown(results: Results, out: Path, *, images: bool) -> Iterator[Shown]:
    """Networks of which patterns were kept, each once: those that saw everything first."""
    taken: dict[str, tuple[bool, str, Any]] = {}
    names = names_of_networks(results)
    for study in results["studies"].values():
        for run, *_ in records_of(study).values():
            if not run.page or run.key in taken:
                continue
            try:
                content = read_page(out / "networks" / f"{run.key}.json", run)
            except (FileNotFoundError, DamagedRecordError):
                continue
            try:
                told = from_file(content)
            except ValueError:  # of an earlier version
                continue
            part = told["part"]
            if part is not None and told["images"] <= images:
                part = {**_with_comparison(part, out, run, images=images), "untrained": run.untrained}
                taken[run.key] = (not run.saw_everything, names[run.key], part)
    for _, label, part in sorted(taken.values(), key=lambda one: one[0]):
        yield Shown(network_id(label), label, part)


def _with_comparison(part: dict[str, Any], out: Path, run: NetworkRecord, *, images: bool) -> dict[str, Any]:
    """What is said of a network, with what sets another apart from it, if they were compared."""
    try:
        found = from_file((out / "networks" / f"{run.key}{COMPARED}").read_bytes())
        if found["networks"][0] != run.arrays or found["images"] > images:
            return part
        return {**part, "comparison": found["part"], "cards": [*part["cards"], found["card"]]}
    except (OSError, ValueError):  # none was made, or not whole
        return part


def _what_is_odd(path: Path, results: Results) -> str | None:
    """Say what sets the results at the path apart from these; None if they are of the same data and settings."""
    try:
        earlier, now = json.loads(path.read_bytes())["provenance"], json.loads(json.dumps(results["provenance"]))
        differ = [what for what in ("data", "settings") if earlier[what] != now[what]]
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError):
        return f"which the {RESULTS} is damaged"
    return f"other {' and '.join(differ)}" if differ else None
