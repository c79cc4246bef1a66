"""What the controls say of RMSE as a sign of training quality, by rule, from the numbers."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from cnn_probe.studies.findings.measured import Found, balanced_at, rmse_at
from cnn_probe.studies.record import NetworkRecord, Records

#: Controls whose networks are compared by twos, and what a pair of them is.
PAIRS = {
    "untrained": "an untrained network and a trained one",
    "steps": "networks of as many steps on more and less data",
    "examples": "networks of as many images of some classes and of all",
    "epochs": "networks of fewer and more epochs",
}
CONTROLS = ("scaling", "memorised", *PAIRS)


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

    It is, if no control speaks against it. One does if the same function, scaled, has an RMSE that moves by 1% or
    more; if the error without scale does not go with accuracy in every seed; if networks that memorised random labels
    have the RMSE of trained ones or more, in any seed; or if in any seed the network that is better on the test images
    has the higher RMSE in no more than half of a control's pairs.

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
    evidence = [
        *_scale(moves, rank),
        *_without_scale(table, rank),
        *_memorised(found.get("memorised", {}), rank),
        *(_pairs(name, what, found[name], rank) for name, what in PAIRS.items() if name in found),
    ]
    if not any(one.control in CONTROLS for one in evidence):
        return "No control was run, so that nothing is known of RMSE as a sign of training quality.", []
    against, support = ([one.text for one in evidence if one.speaks_for is side] for side in (False, True))
    if not against:
        return f"RMSE is borne out as a sign of training quality by all controls: {'; '.join(support)}.", evidence
    text = f"RMSE is no sign of training quality by itself: {'; '.join(against)}."
    return text + (f" For it speaks: {'; '.join(support)}." if support else ""), evidence


def _scale(moves: Sequence[Mapping[str, Any]], rank: int) -> list[Evidence]:
    row = next((row for row in moves if row["measure"] == rmse_at(rank)), None)
    if row is None:
        return []
    by_factor = " and ".join(f"{move:+.0f}% (layer × {factor})" for factor, move in row["moves"].items())
    return [Evidence("scaling", f"it moves by {by_factor} while the network computes the same", row["scale_free"])]


def _without_scale(table: Sequence[Mapping[str, Any]], rank: int) -> list[Evidence]:
    rows = {row["measure"]: row["all"] for row in table}
    raw, free = rows.get(rmse_at(rank)), rows.get(balanced_at(rank))
    if raw is None or free is None:
        return []
    text = (
        f"over all networks its rank correlation with test accuracy is {raw['correlation']:.2f}, and that of the error "
        f"without scale, each block counting the same, {free['correlation']:.2f} ({free['low']:.2f} to "
        f"{free['high']:.2f} by seed)"
    )
    return [Evidence("all networks", text, free["low"] > 0)]


def _memorised(records: Records, rank: int) -> list[Evidence]:
    runs = [run for some in records.values() for run in some]
    random = [run for run in runs if run.training["plan"]["shuffle_labels"]]
    trained = [run for run in runs if run.saw_everything]
    if not random or not trained:
        return []
    text = (
        f"networks that learned random labels by heart, {fmean(run.train_accuracy for run in random):.0%} of them, and "
        f"are right on {fmean(run.accuracy for run in random):.0%} of the test images, have an RMSE of "
        f"{fmean(run.fits[rank].rmse for run in random):.2f}, and those trained on all images, right on "
        f"{fmean(run.accuracy for run in trained):.0%}, one of {fmean(run.fits[rank].rmse for run in trained):.2f}"
    )
    lower = all(a.fits[rank].rmse < b.fits[rank].rmse for a, b in zip(random, trained, strict=True))
    return [Evidence("memorised", text, lower)]


def _pairs(name: str, what: str, records: Records, rank: int) -> Evidence:
    """Count in how many pairs of networks of a seed the better one has the higher RMSE."""
    held, n_pairs, fair = 0, 0, True
    for runs in zip(*records.values(), strict=True):
        agree = [_agree(a, b, rank) for a, b in itertools.combinations(runs, 2) if a.accuracy != b.accuracy]
        held, n_pairs = held + sum(agree), n_pairs + len(agree)
        fair = fair and 2 * sum(agree) > len(agree)
    text = f"of {what}, the one that is better on the test images has the higher RMSE in {held} of {n_pairs} pairs"
    return Evidence(name, text, fair)


def _agree(a: NetworkRecord, b: NetworkRecord, rank: int) -> bool:
    return (a.accuracy > b.accuracy) == (a.fits[rank].rmse > b.fits[rank].rmse)
