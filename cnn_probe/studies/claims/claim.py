"""A statement of the paper, what bears it out, and how likely that is by chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cnn_probe.measures.counting.exact import LEVEL

if TYPE_CHECKING:
    from cnn_probe.studies.record import Records

Levels = Mapping[str, int]  # by condition


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

    @property
    def verdict(self) -> str:
        """What the numbers say."""
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
        What one comparison is, for readers: "in 3 of 4 …".
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

    def verdict(self, records: Records, levels: Levels, ranks: Sequence[int]) -> dict[str, Any]:
        """Hold the claim against the networks.

        Returns
        -------
        dict
            ``claim``, ``counted``, ``test``, ``chart`` (its `Chart`); all of the `Tally`; and ``verdict``: 'reproduced'
            if the claim holds in all comparisons, 'partly' if in more than half, both only where chance does as well in
            5% of the cases or fewer; 'not' if what speaks against it is as unlikely; else 'undecided'. ``little``: how
            many of the networks have learned little, so that the verdict stands on less than it seems.
        """
        found = self.tally(records, levels, ranks)
        little = sum(run.learned_little for runs in records.values() for run in runs)
        said = {"claim": self.text, "verdict": found.verdict, "counted": self.counted, "test": self.test}
        return {**said, "chart": asdict(self.chart), **asdict(found), "parts": list(found.parts), "little": little}
