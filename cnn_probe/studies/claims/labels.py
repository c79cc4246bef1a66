"""Claims on single classes: which are recognized, and which share the neurons that fire for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from cnn_probe.measures.counting.exact import at_least, at_most, one_of, together
from cnn_probe.studies.claims.claim import NOTHING, Chart, Claim, Levels, Tally, learned

if TYPE_CHECKING:
    from cnn_probe.studies.record import NetworkRecord, Records

Pair = tuple[int, int]
Overlaps = list[list[float]]  # for each seed, of each pair


def recognizes(text: str, place: int) -> Claim:
    """Claim that networks trained class after class recognize, of one class, more than half of the images.

    It is asked of every network whose plan has an order. Under no effect the class at a place of an order is any of
    the classes, whatever its networks recognize. All networks of an order then hit or miss together, so that one order
    can say little, with however many seeds: they may all recognize a class because it is an easy one.

    Against the claim stands how unlikely so few are if every second network did as it says.

    Parameters
    ----------
    text : str
    place : int
        Of the class in the order: 0 the first that is trained, -1 the last.
    """
    test = (
        "exact test with the class drawn from all, for each order; against it: binomial test, every second network "
        "recognizing it"
    )

    def tally(records: Records, levels: Levels, ranks: Sequence[int]) -> Tally:
        by_order: dict[tuple[int, ...], list[NetworkRecord]] = {}
        for run in (run for runs in records.values() for run in runs):
            if run.class_order:
                by_order.setdefault(run.class_order, []).append(run)
        if not by_order:
            return NOTHING
        hits = {
            order: [sum(run.recognizes(label) for run in runs) for label in order] for order, runs in by_order.items()
        }
        parts = [
            {"order": list(order), "holds": hits[order][place], "comparisons": len(runs)}
            for order, runs in by_order.items()
        ]
        holds, networks = sum(found[place] for found in hits.values()), sum(map(len, by_order.values()))
        return Tally(
            holds=holds,
            comparisons=networks,
            networks=networks,
            seeds=len({run.training["plan"]["seed"] for runs in by_order.values() for run in runs}),
            chance=at_least(holds, together(map(one_of, hits.values()))),
            against=at_most(holds, together([one_of([0, 1])] * networks)),
            least_chance=prod(1 / len(order) for order in by_order),
            parts=tuple(parts),
        )

    return Claim(text, "networks", test, tally, Chart("recognized"))


def fires(text: str, condition: str, pairs: Sequence[Pair], *, alike: bool) -> Claim:
    """Claim that pairs of classes share more (``alike``) or fewer of the last layer's neurons than they do otherwise.

    Otherwise: in the network of the same seed that was trained on all images in shuffled order, and in the untrained
    one where there is one. Held against both, the claim is as likely by chance as against the one that it beats less
    surely. Pairs of one network are not independent: by chance all of them turn at once.
    """
    counted = "pairs of classes and seeds, each held against the same pair in networks trained otherwise"
    test = "exact sign test over seeds, all pairs of a seed turned at once, against each reference; the larger chance"
    sign = 1 if alike else -1

    def tally(records: Records, levels: Levels, ranks: Sequence[int]) -> Tally:
        references = [runs for runs in records.values() if all(run.saw_everything or run.untrained for run in runs)]
        if not references:
            return NOTHING
        ours = records[condition]
        gaps = [_gaps(ours, others, pairs, sign) for others in references]
        whole = _sign_test(gaps)
        alone = [[[[row[i]] for row in rows] for rows in gaps] for i in range(len(pairs))]
        parts = [{"pair": list(pair), **_sign_test(rows)} for pair, rows in zip(pairs, alone, strict=True)]
        against = _sign_test([[[-gap for gap in row] for row in rows] for rows in gaps])["chance"]
        return Tally(
            **whole,
            networks=len(ours) * (1 + len(references)),
            seeds=len(ours),
            against=against,
            least_chance=0.5 ** len(ours),
            parts=tuple(parts),
            **learned(run for runs in (ours, *references) for run in runs),
        )

    return Claim(text, counted, test, tally, Chart("overlap"))


def _gaps(ours: list[NetworkRecord], others: list[NetworkRecord], pairs: Sequence[Pair], sign: int) -> Overlaps:
    """How much more of their neurons pairs share here than there."""
    return [
        [sign * (run.firing_overlap[a][b] - other.firing_overlap[a][b]) for a, b in pairs]
        for run, other in zip(ours, others, strict=True)
    ]


def _sign_test(gaps: list[Overlaps]) -> dict[str, Any]:
    """For each reference, seed and pair: in how many all gaps are above 0, and the chance of that."""
    holds = sum(all(gap > 0 for gap in one) for seed in zip(*gaps, strict=True) for one in zip(*seed, strict=True))
    chances = []
    for rows in gaps:
        ups, downs = _counts(rows, lambda gap: gap > 0), _counts(rows, lambda gap: gap < 0)
        chances.append(at_least(sum(ups), together(map(one_of, zip(ups, downs, strict=True)))))
    return {"holds": holds, "comparisons": sum(map(len, gaps[0])), "chance": max(chances)}


def _counts(rows: Overlaps, test: Callable[[float], bool]) -> list[int]:
    return [sum(map(test, row)) for row in rows]
