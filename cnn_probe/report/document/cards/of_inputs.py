"""The cards of single inputs: what is explained least of them, and which labels look wrong."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from cnn_probe.measures.answering.answers import Answers
from cnn_probe.measures.counting.exact import LEVEL, interval
from cnn_probe.measures.labels.errors import LabelErrors, agreed_by_chance
from cnn_probe.measures.residuals import fence
from cnn_probe.report.document.cards.card import Card, card, commonest

NO_MORE = " That is not clearly less: what it suspects says nothing of the labels."


def unexplained_card(asked: Answers, part: Mapping[str, Any]) -> Card | None:
    """Which inputs are explained least, and whether any stands out; ``part`` is what else the page says."""
    if not len(part["worst"]):
        return None
    worst, of = int(asked.residuals.worst(1)[0]), asked.residuals.of_inputs
    left = of[~np.isnan(of)]
    level, n = fence(left), len(left)
    stand_out = int(np.sum(left > level))
    many = f"{stand_out:,}" if stand_out else "None"
    names = part["inputs"]["names"]
    name = f"#{worst}" if names is None else names[part["worst"][0]]
    called = f"#{worst}" if name == f"#{worst}" else f"#{worst} ({name})"
    most = f"{of[worst]:.0%} of it is unexplained" if stand_out else f"Most is unexplained of {called}: {of[worst]:.0%}"
    return card(
        "Which inputs are explained least?",
        called if stand_out else "none stands out",
        f"{most}; the median input has {np.median(left):.0%}. {many} of {n:,} "
        f"{'stand' if stand_out > 1 else 'stands'} out.",
        f"No interval: a measure of each input at this rank. {_rule(level, n)}",
        "Why: rare inputs, mistaken labels and inputs from elsewhere look alike here.",
        f"inputs/input-{worst}",
    )


def _rule(level: float, n: int) -> str:
    """What stands out of n inputs, by the level of `fence`."""
    if level < 1:
        return (
            f"What has more than {level:.0%} unexplained stands out: were its logarithm normally distributed, of {n:,} "
            f"inputs any would in about {LEVEL:.0%} of cases."
        )
    if np.isfinite(level):
        return (
            "What is unexplained is so much, or differs so much from input to input, that even an input of which "
            "nothing is explained would not stand out."
        )
    return "So much is unexplained of too many alike to say what stands out."


def labels_card(asked: Answers, suspects: Mapping[str, LabelErrors]) -> Card | None:
    """Which labels look wrong to the best source, and whether it knows more of them than a guess."""
    if not suspects or asked.labels is None:
        return None
    right = {source: np.mean(found.suggested == found.labels) for source, found in suspects.items()}
    best = max(suspects, key=lambda source: (suspects[source].out_of_sample, right[source]))
    n, guess = len(asked.labels), commonest(asked.labels)
    little = interval(round(right[best] * n), n)[0] <= guess
    heart = " The network itself may have seen them, and know wrong ones by heart." * (not asked.unseen)
    return card(
        "Which labels look wrong?",
        f"{int(suspects[best].suspect.sum()):,} of {n:,}",
        f"labels are suspected by the {best} (confident learning), by which, out of sample, {right[best]:.0%} of the "
        f"inputs get their label: the most of such sources. Always naming the commonest class would get {guess:.0%}."
        f"{NO_MORE if little else _agreement(suspects.values())}",
        f"No rate of error is known: what it would name of labels that are all right cannot be told from here.{heart}",
        "Whether they are wrong: look at them. Rare and unclear inputs are suspected, too, and by all sources.",
        "inputs",
    )


def _agreement(suspects: Collection[LabelErrors]) -> str:
    """On how many labels all sources agree, beside how many that would be by chance."""
    if len(suspects) < 2:
        return ""
    together = int(np.all([found.suspect for found in suspects], axis=0).sum())
    names, expected = ", ".join(found.source for found in suspects), agreed_by_chance(suspects)
    by_chance = f"about {expected:.1f}" if expected >= 0.05 else "fewer than 0.1"
    return (
        f" All {len(suspects)} sources ({names}) agree on {together:,}, and would on {by_chance} if each "
        "suspected as many of each class at random."
    )
