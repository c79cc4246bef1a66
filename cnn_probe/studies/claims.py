"""What the paper says that the numbers show, each as something that can be counted."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnn_probe.studies.record import NetworkRecord, Records

Levels = Mapping[str, int]


@dataclass(frozen=True)
class Claim:
    """A statement of the paper, and the comparisons that would bear it out.

    Attributes
    ----------
    text : str
        The claim.
    counted : str
        What one comparison is, for readers: "in 3 of 4 …".
    compare : callable
        ``compare(records, levels, ranks)`` says of each comparison whether the claim holds in it.
    """

    text: str
    counted: str
    compare: Callable[[Records, Levels, Sequence[int]], Iterable[bool]]

    def verdict(self, records: Records, levels: Levels, ranks: Sequence[int]) -> dict[str, Any]:
        """Count in how many comparisons the claim holds.

        Returns
        -------
        dict
            ``claim``, ``counted``, ``holds`` and ``comparisons``, and ``verdict``: 'reproduced' if it holds in all,
            'partly' if in more than half, else 'not'. ``little``: how many of the networks have learned little, so that
            the verdict stands on less than it seems.
        """
        found = [bool(holds) for holds in self.compare(records, levels, ranks)]
        holds, n = sum(found), len(found)
        verdict = "reproduced" if holds == n > 0 else "partly" if 2 * holds > n else "not"
        little = sum(run.learned_little for runs in records.values() for run in runs)
        counts = {"counted": self.counted, "holds": holds, "comparisons": n, "little": little}
        return {"claim": self.text, "verdict": verdict, **counts}


def rises(text: str, measure: Callable[[NetworkRecord, int], float]) -> Claim:
    """Claim that a measure rises from every level of conditions to the next, for each seed and rank."""

    def compare(records: Records, levels: Levels, ranks: Sequence[int]) -> Iterator[bool]:
        for lower, higher in itertools.permutations(records, 2):
            if levels[higher] == levels[lower] + 1:
                for a, b in zip(records[lower], records[higher], strict=True):
                    yield from (measure(b, rank) > measure(a, rank) for rank in ranks)

    return Claim(text, "comparisons of neighbouring conditions", compare)


def recognizes(text: str, condition: str, label: int) -> Claim:
    """Claim that networks trained under a condition recognize more than half of one class."""

    def compare(records: Records, levels: Levels, ranks: Sequence[int]) -> Iterator[bool]:
        return (run.class_accuracy[label] > 0.5 for run in records[condition])

    return Claim(text, "networks", compare)


def fires(text: str, condition: str, pairs: Sequence[tuple[int, int]], *, alike: bool) -> Claim:
    """Claim that pairs of classes share more (``alike``) or fewer of the last layer's neurons than most pairs do.

    A pair is held against the median, over all pairs, of the Jaccard overlap of the neurons that fire.
    """

    def compare(records: Records, levels: Levels, ranks: Sequence[int]) -> Iterator[bool]:
        for run in records[condition]:
            overlap = run.firing_overlap
            middle = median(overlap[a][b] for a, b in itertools.combinations(range(len(overlap)), 2))
            for a, b in pairs:
                yield overlap[a][b] > middle if alike else overlap[a][b] < middle

    return Claim(text, "pairs of classes and networks, each held against the median pair", compare)


def rmse(record: NetworkRecord, rank: int) -> float:
    """Return the RMSE of the fit at that rank."""
    return record.fits[rank].rmse


def relative_error(record: NetworkRecord, rank: int) -> float:
    """‖X_b − F H_b‖²/‖X_b‖², averaged over the layers: it does not move with the scale of the activations."""
    errors = record.fits[rank].block_relative_error
    return sum(errors[layer] for layer in record.layers) / len(record.layers)


def deepest_effective_rank(record: NetworkRecord, rank: int) -> float:
    """Effective rank of the deepest layer; the same at every rank of the factorization."""
    return record.effective_rank[record.layers[-1]]


QUALITY_CLAIMS = (
    rises("RMSE rises with the quality of training", rmse),
    rises("the layers' relative error, free of scale, rises with the quality of training", relative_error),
    rises("the deepest layer's effective rank rises with the quality of training", deepest_effective_rank),
)
