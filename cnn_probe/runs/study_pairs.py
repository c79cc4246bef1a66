"""What ``cnn-probe study`` compares: pairs of networks of the first seed, from their records, without training."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from cnn_probe.data.images import ImageData
from cnn_probe.measures.comparing.comparison import compare
from cnn_probe.measures.comparing.stability import refits
from cnn_probe.probing.fitting import Progress
from cnn_probe.report.document.cards.verdicts import comparison_card
from cnn_probe.report.document.of_comparison import comparison_part
from cnn_probe.report.document.packing import as_file, from_file
from cnn_probe.report.document.studies.of_networks import names_of_networks
from cnn_probe.runs.against_run import STARTS
from cnn_probe.runs.saying import FORMAT
from cnn_probe.runs.study_run import asked_of
from cnn_probe.studies import STUDIES, Settings
from cnn_probe.studies.record import NetworkRecord, records_of
from cnn_probe.studies.records import COMPARED, Shelf
from cnn_probe.studies.runner import cases_of, given_by
from cnn_probe.studies.settings import Case
from cnn_probe.studies.told import Probed, probed_again
from coupled_nmf import atomic_open

Results = dict[str, Any]


@dataclass(frozen=True)
class One:
    """A network of a pair: its case, its record, and what it is called."""

    case: Case
    record: NetworkRecord
    name: str


def pairs_of(results: Results, data: ImageData, settings: Settings) -> list[tuple[One, One]]:
    """Return pairs of networks, each first one once: on its part of the page the second stands beside it.

    Of each study that is told these are the condition that is worst trained, and the one that saw everything; of an
    untrained network and a trained one, the trained one is the first, whose page then says what training made.
    """
    given = given_by(data, settings)
    names, found = names_of_networks(results), dict[Case, tuple[One, One]]()
    for name, study in results["studies"].items():
        if not STUDIES[name].told:
            continue
        cases = cases_of(STUDIES[name], given, settings)
        own = [One(cases[label][0], runs[0], names[runs[0].key]) for label, runs in records_of(study).items()]
        full = next((one for one in own if one.record.saw_everything), None)
        if full is None or own[0].case == full.case:
            continue
        first, second = (full, own[0]) if own[0].record.untrained else (own[0], full)
        found.setdefault(first.case, (first, second))
    return list(found.values())


def compare_pairs(
    results: Results, data: ImageData, settings: Settings, out: Path, *, images: bool, progress: Progress
) -> None:
    """Compare networks that were measured in ``out``, unless it is done; what a page says of it is kept beside them.

    Parameters
    ----------
    results : dict
        What `run_studies` returned for ``out``.
    data : ImageData
    settings : Settings
        Those of the run.
    out : Path
    images : bool
        Whether the page may show images.
    progress : callable
        ``progress(what, done, total)``.
    """
    shelf = Shelf(out / "networks", data.fingerprint(), data, settings)
    # Most pairs share the network that saw everything.
    side = lru_cache(maxsize=2)(partial(_side, shelf, progress))
    for a, b in pairs_of(results, data, settings):
        path = shelf.path(a.case).with_suffix(COMPARED)
        # Arrays hold the weights, so that a network that was trained anew is another.
        asked = {"format": FORMAT, "images": images, "networks": [a.record.arrays, b.record.arrays]}
        if _holds(path, asked):
            continue
        part = _part(side(a.case, a.record.key), side(b.case, b.record.key), b.name, images)
        with atomic_open(path) as file:
            file.write(as_file({**asked, "part": part, "card": comparison_card(part)}))


Side = tuple[Probed, tuple[NDArray[Any], ...]]


def _side(shelf: Shelf, progress: Progress, case: Case, key: str) -> Side:
    """A network, factored as it was measured, and F of other starts."""
    probed = probed_again(shelf, case, shelf.read(case))
    tell = partial(progress, f"comparing {key}: other starts")
    return probed, refits(probed.recorded.X, probed.result.model, STARTS, random_state=_seed_of(key), progress=tell)


def _seed_of(key: str) -> int:
    """Of other starts: not the same of two networks, and of one always the same."""
    return int(key[:8], 16)


def _part(a: Side, b: Side, name: str, images: bool) -> dict[str, Any]:
    found = compare(
        a[0].result,
        b[0].result,
        starts_a=a[1],
        starts_b=b[1],
        X_a=a[0].recorded.X,
        X_b=b[0].recorded.X,
        random_state=a[0].case.plan.seed,
    )
    return comparison_part(found, asked_of(b[0]), name, images=images)


def _holds(path: Path, asked: dict[str, Any]) -> bool:
    """Whether what stands there says this, and is whole."""
    try:
        return bool(asked.items() <= from_file(path.read_bytes()).items())
    except (OSError, ValueError):
        return False
