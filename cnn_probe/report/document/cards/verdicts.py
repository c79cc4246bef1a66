"""The verdicts that a page begins with: a card a question, with a number, how sure it is, and what it cannot tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_probe.measures.answering.answers import Answers
from cnn_probe.measures.causes.ablation import FEW, Ablation
from cnn_probe.measures.comparing.stability import FactorStability
from cnn_probe.measures.counting.exact import LEVEL, interval
from cnn_probe.measures.diagnostics import enough
from cnn_probe.measures.labels.errors import LabelErrors
from cnn_probe.measures.use import NetworkUse
from cnn_probe.report.document.cards.card import Card, card, commonest, signed
from cnn_probe.report.document.cards.of_inputs import labels_card, unexplained_card

NARROW = 3  # times as many columns as patterns, below which random numbers are often taken apart in one way alone
SPREAD_OVER_TWO = 0.5  # mean squared cosine of directions from which on they are spread over two or fewer
OVER_FEW = " The layer's activations spread over two directions or fewer: to surpass directions like them says little."


def cards_of(
    asked: Answers,
    *,
    ablation: Ablation | None,
    stability: FactorStability | None,
    use: NetworkUse | None,
    suspects: Mapping[str, LabelErrors],
    part: Mapping[str, Any],
) -> list[Card]:
    """Return the cards of a result; ``part`` is what else the page says of it."""
    found = [
        _accuracy(asked),
        _shared(asked),
        _again(stability, part),
        _causes(ablation),
        _idle(part),
        _used(use, asked),
        unexplained_card(asked, part),
        labels_card(asked, suspects),
        *([] if part["comparison"] is None else [comparison_card(part["comparison"])]),
    ]
    return [one for one in found if one is not None]


def _accuracy(asked: Answers) -> Card | None:
    if asked.accuracy is None or asked.labels is None:
        return None
    n = len(asked.labels)
    low, high = interval(round(asked.accuracy * n), n)
    guess = commonest(asked.labels)
    little = " It has learned little, and so what is found in it says little." if asked.accuracy < enough(guess) else ""
    return card(
        "How right is the network?",
        f"{asked.accuracy:.1%}",
        f"of {n:,} inputs get their label; always naming the commonest class would get {guess:.1%}.{little}",
        f"95% interval over inputs {low:.1%} to {high:.1%}.",
        "Whether it would be as right elsewhere, and whether the labels are.",
        "inputs",
    )


def _shared(asked: Answers) -> Card:
    k, n = asked.result.F.shape[1], len(asked.result.F)
    found = asked.patterns.labels
    if found is None:
        prevalence = asked.patterns.prevalence
        return card(
            "Which inputs share a pattern?",
            f"{k} patterns",
            f"each carried by {prevalence.min():,.0f} to {prevalence.max():,.0f} of {n:,} inputs (effective numbers).",
            "No interval: these are counts over the inputs at hand.",
            "Whether a pattern is a concept. It is what occurs together in these inputs and in all layers.",
            "patterns",
        )
    goes = found.beyond_chance
    beyond = int(goes.sum())
    much = ""
    if beyond:
        lift = f"{np.median(found.preference.lift[goes]):.1f} times"
        much = f": the median of them has {lift} as much of its class as the class's part of the inputs would give it"
    return card(
        "Which inputs share a pattern?",
        f"{beyond} of {k}",
        f"patterns go with a class, beyond what permuted labels give{much}. The factorization saw no labels.",
        f"p < {LEVEL} by permutation, of all {k} together: where none goes with a class, any is counted in {LEVEL:.0%} "
        "of cases.",
        "Whether a pattern is a concept, or was learned: patterns of untrained networks go with classes, too, as do "
        "single pixels. Chance takes inputs for independent: of near-copies p is too small.",
        "patterns",
    )


def _again(stability: FactorStability | None, part: Mapping[str, Any]) -> Card | None:
    if stability is None:
        return None
    k, width = part["rank"], sum(block["n_features"] for block in part["blocks"])
    again, errors = int(np.sum(stability.again == 1)), [part["rmse"], *stability.rmse_starts]
    few = f" With {width} columns, patterns of random numbers come out again, too." if width < NARROW * k else ""
    rule = np.concatenate([stability.threshold_starts, stability.threshold_halves])
    return card(
        "Do the patterns come out again?",
        f"{again} of {k}",
        f"come out of all {len(stability.starts)} other starts and {len(stability.halves)} halves of the inputs. "
        f"The RMSE of the {len(errors)} starts is {min(errors):.4g} to {max(errors):.4g}; shown is the first.",
        "A pattern comes out again where one as like it is found (a cosine over the inputs) as halfway between 1 and "
        f"what shuffled inputs reach in 95% of cases: here {np.nanmin(rule):.2f} to {np.nanmax(rule):.2f}.",
        f"Which of several ways to take the activations apart is right, for those that do not.{few}",
        "patterns",
    )


def _causes(ablation: Ablation | None) -> Card | None:
    if ablation is None:
        return None
    k = len(ablation.factors)
    points = 100 * ablation.change[np.arange(k), ablation.hit]
    worst = int(points.argmin())
    counted, beyond, sure = _beside_others(ablation)
    return card(
        "What do the patterns cause?",
        f"{counted} of {k}",
        f"take a point of probability or more from a class when taken out of {ablation.layer}{beyond}. Pattern "
        f"{ablation.factors[worst] + 1} takes most: {signed(points[worst])} points from class "
        f"{ablation.classes[ablation.hit[worst]]}.",
        f"{sure} n = {int(ablation.n_inputs.sum()):,} inputs.",
        "Whether a loss is the pattern's own: most of what is taken out of the space that a layer uses hurts. What "
        "others make up for does not show, and an input with a pattern taken out may be like none that exists.",
        "patterns",
    )


def _beside_others(ablation: Ablation) -> tuple[int, str, str]:
    """How many are counted, what they take beside other directions, and how sure that is."""
    k, n_each = len(ablation.factors), ablation.shuffled.shape[1]
    if ablation.n_inputs.max() < FEW:
        return 0, "", f"No class has {FEW} inputs, and of fewer nothing is said."
    if not ablation.tested:
        sure = (
            "The interval of each such loss lies below 0 (95%, of all classes together; by Student's t over the inputs "
            f"of a class, of which there must be {FEW}). Chance was not tested: that takes 20 shuffled directions each "
            f"or more, and there are {n_each}."
        )
        return int(ablation.hurts.sum()), "", sure
    causing, own = int(ablation.causes.sum()), int(ablation.beyond_alike.sum())
    which = f"; {own or 'none'} of them more than directions drawn like the layer's own activations" if causing else ""
    sure = (
        f"Beside {n_each} directions of each kind (p < 0.05). Shuffled neurons are easily surpassed where many are "
        f"hardly active. Were the patterns drawn like directions of a kind, about {ablation.expected_by_chance:.1f} of "
        f"{k} would surpass it; they are drawn like neither.{OVER_FEW if ablation.likeness >= SPREAD_OVER_TWO else ''}"
    )
    return causing, f", and more than shuffled neurons do{which}", sure


def _few(chosen: NDArray[np.bool_], most: int = 6) -> str:
    """Numbers of those that are chosen, or how many where they are many."""
    numbers = np.flatnonzero(chosen)
    return ", ".join(map(str, numbers)) if len(numbers) <= most else f"{len(numbers)} of them"


def _idle(part: Mapping[str, Any]) -> Card | None:
    units = part["units"]
    if not units:
        return None
    dead = [int(np.sum(one["rate"] == 0)) for one in units]
    total = sum(one["n"] for one in units)
    kinds = sorted({f"{one['kind']}s" for one in units})
    where = [f"{one['block']}: {_few(one['rate'] == 0)}" for one, count in zip(units, dead, strict=True) if count]
    listed = f" ({_first(where, '; ')})" if where else ""
    return card(
        "Which units are idle?",
        f"{sum(dead)} of {total:,}",
        f"{', '.join([*kinds[:-2], ' and '.join(kinds[-2:])])} are active for none of the {part['n']:,} inputs{listed}."
        f"{_at_places(units)}{_held(units)}",
        f"A dead unit is active for fewer than {100 * units[0]['bound']:.2g}% of such inputs, with 95% confidence "
        "(each by itself). No interval for the squares: they are those of these inputs.",
        "Whether they would be active for inputs of another kind, and whether the others are used. Small activations "
        "may matter: a later layer can scale them up.",
        "units",
    )


def _first(parts: Sequence[str], between: str, most: int = 4) -> str:
    return between.join(parts[:most]) + (" and more" if len(parts) > most else "")


def _at_places(units: Sequence[Mapping[str, Any]]) -> str:
    """What of the neurons is dead where channels have several: one may be at some places and not at others."""
    of = [one["neurons"] for one in units if one["neurons"] is not None and one["neurons"]["n"] > one["n"]]
    if not of:
        return ""
    dead, total = (sum(one[what] for one in of) for what in ("dead", "n"))
    return f" Of the {total:,} neurons of channels (one at each place) {dead:,} are active for none."


def _held(units: Sequence[Mapping[str, Any]]) -> str:
    """How few units hold nearly all of a layer's squares, of the layers where they are the smallest part."""
    some = [one for one in units if one["holding"]["n"]]
    if not some:
        return ""
    least = sorted(some, key=lambda one: one["holding"]["n"] / one["n"])[:4]
    shown = [one for one in some if any(one is other for other in least)]
    told = [f"{one['holding']['n']} of {one['n']:,} {one['kind']}s of {one['block']}" for one in shown]
    among = f", of {len(some)} layers those of the smallest parts" if len(some) > len(shown) else ""
    pooled = " (pooled: of what was recorded)" if any(one["neurons"] is None for one in shown) else ""
    part = some[0]["holding"]["part"]
    return f" {part:.0%} of a layer's squares{pooled} are held by {', '.join(told)}{among}."


def _used(use: NetworkUse | None, asked: Answers) -> Card | None:
    if use is None:
        return None
    layers = {block.name for block in asked.result.blocks if block.layer is not None}
    last = next(block for block in reversed(use.blocks) if block.name in layers)
    low, high = last.spectrum.effective_rank_bounds
    margin = f"Between {low:.1f} and {high:.1f}" if f"{low:.1f}" < f"{high:.1f}" else "The whole spectrum was taken,"
    beside = ""
    if use.untrained is not None:
        other = next((block for block in use.untrained.blocks if block.name == last.name), None)
        beside = "" if other is None else f" The untrained network: {other.spectrum.effective_rank:.1f}."
    return card(
        "How much of the network is used?",
        f"{last.spectrum.effective_rank:.1f} of {last.width}",
        f"dimensions of {last.name}, as an effective rank (Roy and Vetterli); {last.zeros:.0%} of its activations are "
        f"zero.{beside}",
        f"{margin} for these {use.n:,} inputs; it grows with their number.",
        "Whether what is used is of use.",
        "about",
    )


def comparison_card(found: Mapping[str, Any]) -> Card:
    """The card of a comparison, as of `comparison_part`."""
    counts = found["counts"]
    return card(
        "What differs from the other network?",
        f"{counts['lost']} only here, {counts['new']} only there",
        f"patterns (there: {found['with']}); {counts['matched']} matched, "
        f"{counts['changed']} changed, "
        f"{counts['unmatched']} without a match that say nothing.",
        f"Beyond the spread of {found['n_own']} starts of each; by chance about {found['by_chance']:.1f} would be.",
        "Whether what only one has matters for its outputs.",
        "comparison",
    )
