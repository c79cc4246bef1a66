"""A statement of the paper, what bears it out, and how likely that is by chance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cnn_probe.measures.counting.exact import LEVEL

if TYPE_CHECKING:
    from cnn_probe.studies.record import NetworkRecord, Records

Levels = Mapping[str, int]  # by condition
LATER = "one of them of a later condition"  # of pairs of which nothing more is said


@dataclass(frozen=True)
class Tally:
    """What was found for a claim.

    Attributes
    ----------
    holds, comparisons : int
        In how many of how many comparisons the claim holds.
    networks, seeds : int
        That were compared; ranks of one network are one network.
    chance : float
        Of holding in so many or more, if there were no effect.
    against : float
        Of what speaks as strongly against the claim, if there were no effect; `Claim.test` says of what.
    least_chance : float
        The smallest `chance` that so many networks can reach.
    same_ranks, ranks : int or None
        Of a measure that goes with the rank: at how many of how many ranks, each taken alone, more (or fewer)
        comparisons rise than fall as they do on the mean over the ranks. None of any other measure.
    parts : tuple of dict
        What the claim is put together from, each with counts of its own.
    more_accurate : int or None
        Of pairs: in how many the one that the claim takes for better trained is the more accurate one, too.
    meant, little : int
        How many of the networks were meant to learn, and how many of these learned little.
    """

    holds: int
    comparisons: int
    networks: int
    seeds: int
    chance: float
    against: float
    least_chance: float
    same_ranks: int | None = None
    ranks: int | None = None
    parts: tuple[dict[str, Any], ...] = ()
    more_accurate: int | None = None
    meant: int = 0
    little: int = 0

    @property
    def reason(self) -> str | None:
        """Why nothing is decided whatever the counts are; None where they decide."""
        if not self.meant or self.little < self.meant:
            return None
        if self.meant == 1:
            return "the only network that was meant to learn learned little"
        which = "" if self.meant == self.networks else " that were meant to learn"
        return f"all {self.meant} networks{which} learned little"

    @property
    def verdict(self) -> str:
        """What the numbers say."""
        if self.reason is not None:
            return "undecided"
        if self.chance <= LEVEL and 2 * self.holds > self.comparisons:
            return "reproduced" if self.holds == self.comparisons else "partly"
        return "not" if self.against <= LEVEL else "undecided"


@dataclass(frozen=True)
class Chart:
    """What a reader can see a claim in: a kind of chart, and the layer that it is of.

    Attributes
    ----------
    kind : str
        "rmse", "error" (of a layer), "measures", "recognized" or "overlap".
    place : int or None
        Of the layer among those of a network, from either end; None of a chart that is of no single layer.
    """

    kind: str
    place: int | None = None


NOTHING = Tally(0, 0, 0, 0, 1.0, 1.0, 1.0)  # no two networks that the claim compares


@dataclass(frozen=True)
class Claim:
    """A statement of the paper, and the comparisons that would bear it out.

    Attributes
    ----------
    text : str
        The claim.
    counted : str
        What one comparison is, for readers: "in 3 of 4 …"; ``{}`` stands for what tells the networks of a pair apart.
    test : str
        Where its chance comes from.
    tally : callable
        ``tally(records, levels, ranks)`` counts.
    chart : Chart
        What it can be seen in.
    """

    text: str
    counted: str
    test: str
    tally: Callable[[Records, Levels, Sequence[int]], Tally]
    chart: Chart

    def verdict(self, records: Records, levels: Levels, ranks: Sequence[int], differ: str = LATER) -> dict[str, Any]:
        """Hold the claim against the networks; ``differ`` says what tells those of a pair apart.

        Returns
        -------
        dict
            ``claim``, ``counted``, ``test``, ``chart`` (its `Chart`); all of the `Tally`; and ``verdict``: 'reproduced'
            if the claim holds in all comparisons, 'partly' if in more than half, both only where chance does as well in
            5% of the cases or fewer; 'not' if what speaks against it is as unlikely; else 'undecided', which it is as
            well if all of its networks that were meant to learn have learned little: ``reason`` says so, or is None.
        """
        found = self.tally(records, levels, ranks)
        said = {"claim": self.text, "verdict": found.verdict, "reason": found.reason, "test": self.test}
        counted = self.counted.format(differ)
        return {**said, "counted": counted, "chart": asdict(self.chart), **asdict(found), "parts": list(found.parts)}


def learned(runs: Iterable[NetworkRecord]) -> dict[str, int]:
    """How many networks were meant to learn, and how many of these learned little, as a `Tally` has it."""
    meant = [run for run in runs if run.meant_to_learn]
    return {"meant": len(meant), "little": sum(run.learned_little for run in meant)}
