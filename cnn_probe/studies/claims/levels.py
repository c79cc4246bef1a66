"""Claims that a measure goes up or down with how well the networks are trained."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import TYPE_CHECKING, Any

from cnn_probe.measures.counting.exact import at_least, count_rises, rises_by_chance, together
from cnn_probe.studies.claims.claim import NOTHING, Chart, Claim, Levels, Tally, learned

if TYPE_CHECKING:
    from cnn_probe.studies.record import NetworkRecord, Records

Measure = Callable[["NetworkRecord", int], float]
COUNTED = "pairs of networks of one seed, {}"
TEST = (
    "exact Jonckheere–Terpstra test, the networks of a seed dealt to its conditions in every way; of several rows of "
    "conditions the larger chance"
)
Values = list[list[float]]  # of each seed, of each condition of a row


def rises(text: str, measure: Measure, chart: Chart, *, by_rank: bool = False) -> Claim:
    """Claim that a measure is larger the better a network is trained.

    A comparison is a pair of networks of one seed and of different levels of a row: levels of which none is left out.
    Under no effect the conditions of a seed could change places, which says how many rises chance makes in each seed,
    and, seeds being independent, in all: pairs that share a network are not taken for independent ones. Several rows of
    a study need not be independent of each other, so that of their chances the larger one counts.

    Parameters
    ----------
    text : str
    measure : callable
        ``measure(record, rank)``.
    chart : Chart
        What shows the measure.
    by_rank : bool, default=False
        Whether it goes with the rank of the factorization. A network then counts once, by its mean over the ranks.
    """
    return Claim(text, COUNTED, TEST, _tally_of(measure, by_rank, 1), chart)


def falls(text: str, measure: Measure, chart: Chart, *, by_rank: bool = False) -> Claim:
    """Claim that a measure is smaller the better a network is trained; else as `rises`."""
    return Claim(text, COUNTED, TEST, _tally_of(measure, by_rank, -1), chart)


def rows_of(records: Iterable[str], levels: Levels) -> list[list[str]]:
    """Conditions that are compared with each other, by row: those of at least two levels of which none is left out.

    Examples
    --------
    >>> rows_of("abcde", {"a": 0, "b": 1, "c": 1, "d": 3, "e": 5})
    [['a', 'b', 'c']]
    """
    rows: list[list[str]] = []
    for label in sorted(records, key=lambda label: levels[label]):
        if rows and levels[label] - levels[rows[-1][-1]] <= 1:
            rows[-1].append(label)
        else:
            rows.append([label])
    return [row for row in rows if levels[row[0]] < levels[row[-1]]]


def _tally_of(measure: Measure, by_rank: bool, sign: int) -> Callable[[Records, Levels, Sequence[int]], Tally]:
    def tally(records: Records, levels: Levels, ranks: Sequence[int]) -> Tally:
        rows = rows_of(records, levels)
        asked = list(ranks) if by_rank else list(ranks)[:1]
        found = [
            _judged([_values(records, row, measure, rank, sign) for rank in asked], [levels[label] for label in row])
            for row in rows
        ]
        if not found:
            return NOTHING
        parts = tuple({"conditions": row, **_counts(one)} for row, one in zip(rows, found, strict=True))
        leanings = [sum(leaning) for leaning in zip(*(one.leanings for one in found), strict=True)]
        whole = sum(one.holds - one.falls for one in found)
        return Tally(
            holds=sum(one.holds for one in found),
            comparisons=sum(one.comparisons for one in found),
            networks=sum(one.seeds * len(row) for row, one in zip(rows, found, strict=True)),
            seeds=max(one.seeds for one in found),
            chance=max(one.chance for one in found),
            against=max(one.against for one in found),
            least_chance=max(one.least_chance for one in found),
            same_ranks=sum(_sign(leaning) == _sign(whole) for leaning in leanings) if by_rank else None,
            ranks=len(leanings) if by_rank else None,
            parts=parts if len(parts) > 1 else (),
            more_accurate=sum(
                _rises(_values(records, row, _accuracy, 0, 1), [levels[label] for label in row]) for row in rows
            ),
            **learned(run for row in rows for label in row for run in records[label]),
        )

    return tally


@dataclass(frozen=True)
class _Row:
    """What was found in a row of conditions; ``leanings``: by how much more pairs rise than fall at each rank."""

    seeds: int
    holds: int
    falls: int
    comparisons: int
    chance: float
    against: float
    least_chance: float
    leanings: list[int]


def _values(records: Records, row: list[str], measure: Measure, rank: int, sign: int) -> Values:
    seeds = zip(*(records[label] for label in row), strict=True)
    return [[sign * measure(run, rank) for run in runs] for runs in seeds]


def _accuracy(record: NetworkRecord, rank: int) -> float:
    return record.accuracy


def _judged(by_rank: list[Values], levels: list[int]) -> _Row:
    seeds = [[mean(of_run) for of_run in zip(*of_seed, strict=True)] for of_seed in zip(*by_rank, strict=True)]
    up, down = _rises(seeds, levels), _rises(_negated(seeds), levels)
    perfect = rises_by_chance(range(len(levels)), levels)  # of values that all differ
    return _Row(
        seeds=len(seeds),
        holds=up,
        falls=down,
        comparisons=len(seeds) * (len(perfect) - 1),
        chance=at_least(up, together(rises_by_chance(values, levels) for values in seeds)),
        against=at_least(down, together(rises_by_chance(values, levels) for values in _negated(seeds))),
        least_chance=float(perfect[-1]) ** len(seeds),
        leanings=[_rises(values, levels) - _rises(_negated(values), levels) for values in by_rank],
    )


def _counts(row: _Row) -> dict[str, Any]:
    return {"holds": row.holds, "comparisons": row.comparisons, "chance": row.chance}


def _rises(seeds: Values, levels: list[int]) -> int:
    return sum(count_rises(values, levels) for values in seeds)


def _negated(seeds: Values) -> Values:
    return [[-value for value in values] for values in seeds]


def _sign(value: int) -> int:
    return (value > 0) - (value < 0)
