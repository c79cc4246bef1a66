"""What the controls say of RMSE as a sign of training quality, by rule, from the numbers."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from cnn_probe.studies.claims.claim import learned
from cnn_probe.studies.findings.measured import Found, balanced_at, rmse_at
from cnn_probe.studies.record import NetworkRecord, Records

#: Controls whose networks are compared by twos, and what a pair of them is.
PAIRS = {
    "untrained": "an untrained network and a trained one",
    "steps": "networks of as many steps on more and less data",
    "examples": "networks of as many images of some classes and of all",
    "epochs": "networks of fewer and more epochs",
}
GOES = 0.5  # the least rank correlation of which it is said that a measure goes with accuracy
CONTROLS = ("scaling", "memorised", *PAIRS)
RULE = (
    "It is a sign if no check speaks against it. One does where the same function, scaled, has an RMSE that moves by "
    f"1% or more; where a layer's error without scale does not go with accuracy (a rank correlation of {GOES} or more, "
    "and above 0 in every seed); where for any seed networks that were trained on random labels have no lower an RMSE "
    "than others; or where for any seed the better network, by however few images, has the higher RMSE in half of the "
    "pairs or less. With one seed, one network decides."
)


@dataclass(frozen=True)
class Evidence:
    """What one control says.

    Attributes
    ----------
    control : str
        Name of the study.
    text : str
        A clause, for people.
    speaks_for : bool
        Whether it bears out that RMSE is a sign of training quality.
    """

    control: str
    text: str
    speaks_for: bool


def finding(
    found: Found, rank: int, table: Sequence[Mapping[str, Any]], moves: Sequence[Mapping[str, Any]]
) -> tuple[str, list[Evidence]]:
    """Say whether RMSE is a sign of training quality.

    By `RULE`, which is said beside the evidence. Of networks that all learned little only what moves with scale is.

    Parameters
    ----------
    found : mapping
        Of each study, the records by condition.
    rank : int
        Of the factorization whose RMSE is judged.
    table, moves : sequence of dict
        What `quality` and `scale_table` say.

    Returns
    -------
    text : str
        The finding, one sentence or two.
    evidence : list of Evidence
        What it stands on.
    """
    evidence = [*_scale(moves, rank), *_training(found, table, rank)]
    if not any(one.control in CONTROLS for one in evidence):
        return "No control that was run says anything of RMSE as a sign of training quality.", []
    against, support = ([one.text for one in evidence if one.speaks_for is side] for side in (False, True))
    if not against:
        return f"RMSE (rank {rank}) is borne out as a sign of training quality: {'; '.join(support)}.", evidence
    text = f"RMSE (rank {rank}) is no sign of training quality by itself: {'; '.join(against)}."
    return text + (f" For it speaks: {'; '.join(support)}." if support else ""), evidence


def _training(found: Found, table: Sequence[Mapping[str, Any]], rank: int) -> list[Evidence]:
    """What RMSE has to do with training; nothing, where all networks that were meant to learn have learned little."""
    tally = learned(run for records in found.values() for runs in records.values() for run in runs)
    if tally["meant"] and tally["little"] == tally["meant"]:
        return []
    return [
        *_without_scale(found, table, rank),
        *_memorised(found.get("memorised", {}), rank),
        *(one for name, what in PAIRS.items() if name in found for one in _pairs(name, what, found[name], rank)),
    ]


def _scale(moves: Sequence[Mapping[str, Any]], rank: int) -> list[Evidence]:
    row = next((row for row in moves if row["measure"] == rmse_at(rank)), None)
    if row is None or not row["moves"]:
        return []
    moves_by = {factor: "more than all" if move is None else f"{move:+.1f}%" for factor, move in row["moves"].items()}
    by_factor = " and ".join(f"{move} (layer × {factor})" for factor, move in moves_by.items())
    means = max(abs(move or 0.0) for move in row["moves"].values())
    spread = row["most"] is not None and row["most"] >= means + 1  # means over seeds hide it
    most = f", and by {row['most']:.1f}% at most," if spread else ""
    text = f"it moves by {by_factor}{most} while the network computes the same"
    return [Evidence("scaling", text, row["scale_free"])]


def _without_scale(found: Found, table: Sequence[Mapping[str, Any]], rank: int) -> list[Evidence]:
    layers = next((run.layers for records in found.values() for runs in records.values() for run in runs), ())
    rows = {row["measure"]: row["all"] for row in table}
    raw = rows.get(rmse_at(rank))
    free = {layer: row for layer in layers if (row := rows.get(balanced_at(rank, layer))) is not None}
    if raw is None or len(free) < len(layers):
        return []
    by_layer = " and ".join(f"{row['correlation']:.2f} ({layer})" for layer, row in free.items())
    text = (
        f"over all networks its rank correlation with test accuracy is {raw['correlation']:.2f}, and that of a layer's "
        f"error without scale, each block counting the same, {by_layer}"
    )
    goes = all(row["low"] > 0 and row["correlation"] >= GOES for row in free.values())
    return [Evidence("all networks", text, goes)]


def _memorised(records: Records, rank: int) -> list[Evidence]:
    """Hold networks that know nothing but random labels against others of the same plan, and against those of all."""
    runs = [run for some in records.values() for run in some]
    random = [run for run in runs if run.training["plan"]["shuffle_labels"]]
    trained = [run for run in runs if run.saw_everything]
    true = [run for run in runs if run not in random and run not in trained]
    if not random or not true or not trained:
        return []
    text = (
        f"networks that were trained on random labels, and know {fmean(run.train_accuracy for run in random):.0%} of "
        f"them by heart, have an RMSE of {_told(random, rank)}, those of the same images with true labels "
        f"{_told(true, rank)}, and those of all images {_told(trained, rank)}"
    )
    lower = [
        a.fits[rank].rmse < min(b.fits[rank].rmse, c.fits[rank].rmse)
        for a, b, c in zip(random, true, trained, strict=True)
    ]
    text += "" if all(lower) or not any(lower) else f" (lower than both in {sum(lower)} of {len(lower)} seeds)"
    return [Evidence("memorised", text, all(lower))]


def _told(runs: Sequence[NetworkRecord], rank: int) -> str:
    rmse, accuracy = fmean(run.fits[rank].rmse for run in runs), fmean(run.accuracy for run in runs)
    return f"{rmse:.2f} (right on {accuracy:.0%} of the test images)"


def _pairs(name: str, what: str, records: Records, rank: int) -> list[Evidence]:
    """Count in how many pairs of networks of a seed the better one has the higher RMSE.

    Seeds without a better one say nothing.
    """
    found = [
        [_agree(a, b, rank) for a, b in _paired(name, runs) if a.accuracy != b.accuracy]
        for runs in zip(*records.values(), strict=True)
    ]
    seeds = [agree for agree in found if agree]
    if not seeds:
        return []
    held, n_pairs = sum(map(sum, seeds)), sum(map(len, seeds))
    unfair = sum(2 * sum(agree) <= len(agree) for agree in seeds)
    text = f"of {what}, the one that is better on the test images has the higher RMSE in {held} of {n_pairs} pairs"
    if unfair and 2 * held > n_pairs:
        which = f"{unfair} of {len(seeds)} seeds" if len(seeds) > 1 else "the only seed"
        text += f", but in no more than half of those of {which}"
    return [Evidence(name, text, not unfair)]


def _paired(name: str, runs: Sequence[NetworkRecord]) -> Iterable[tuple[NetworkRecord, NetworkRecord]]:
    """Of the examples, only networks of as many images are a pair: neighbours, as the study has them; else all."""
    return zip(runs[::2], runs[1::2], strict=True) if name == "examples" else itertools.combinations(runs, 2)


def _agree(a: NetworkRecord, b: NetworkRecord, rank: int) -> bool:
    return (a.accuracy - b.accuracy) * (a.fits[rank].rmse - b.fits[rank].rmse) > 0
