"""Exact tests for few repetitions: every way in which chance could have dealt is counted, none is drawn.

NumPy and SciPy are imported where they count: the command line knows studies and their claims by name, and has no need
of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from math import comb, prod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LEVEL = 0.05  # chance up to which something is not taken for chance


def interval(k: int, n: int) -> tuple[float, float]:
    """Ends of the exact 95% interval of a part k of n (Clopper and Pearson).

    Examples
    --------
    >>> [round(end, 3) for end in interval(0, 10)]
    [0.0, 0.308]
    """
    from scipy.stats import beta

    low = float(beta.ppf(LEVEL / 2, k, n - k + 1)) if k else 0.0
    high = float(beta.ppf(1 - LEVEL / 2, k + 1, n - k)) if k < n else 1.0
    return low, high


def count_rises(values: Sequence[float], levels: Sequence[int]) -> int:
    """Pairs of different levels in which the higher level has the larger value; equal values are no rise.

    Examples
    --------
    >>> count_rises([0.1, 0.3, 0.2], [0, 1, 2])
    2
    """
    pairs = list(zip(levels, values, strict=True))
    return sum(low < high and a < b for low, a in pairs for high, b in pairs)


def rises_by_chance(values: Sequence[float], levels: Sequence[int]) -> Floats:
    """Return the probabilities of 0, 1, 2 … rises if the values had been dealt to the levels at random.

    What Jonckheere and Terpstra's statistic is in one block, with ties as they are.

    Examples
    --------
    >>> rises_by_chance([0.1, 0.3], [0, 1]).tolist()
    [0.5, 0.5]
    """
    ties = tuple(len(list(alike)) for _, alike in itertools.groupby(sorted(values)))
    sizes = tuple(len(list(alike)) for _, alike in itertools.groupby(sorted(levels)))
    return _dealt(ties, sizes).copy()


@lru_cache(maxsize=256)
def _dealt(ties: tuple[int, ...], sizes: tuple[int, ...]) -> Floats:
    """Deal the values from the smallest on, those that are equal at once; all that counts is what each level has."""
    import numpy as np

    most = sum(a * b for a, b in itertools.combinations(sizes, 2))
    start = np.zeros(most + 1)
    start[0] = 1.0
    held = {(0,) * len(sizes): start}
    for n_alike in ties:
        dealt: dict[tuple[int, ...], Floats] = {}
        for has, chances in held.items():
            room = tuple(size - n for size, n in zip(sizes, has, strict=True))
            for given in _ways(n_alike, room):
                weight = prod(map(comb, room, given)) / comb(sum(room), n_alike)
                gain = sum(n * sum(has[:level]) for level, n in enumerate(given))
                into = dealt.setdefault(tuple(map(sum, zip(has, given, strict=True))), np.zeros(most + 1))
                into[gain:] += weight * chances[: most + 1 - gain]
        held = dealt
    return held[sizes]


def _ways(n: int, room: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """All ways to give n things to places that have so much room."""
    if not room:
        if n == 0:
            yield ()
        return
    for here in range(max(0, n - sum(room[1:])), min(n, room[0]) + 1):
        yield from ((here, *rest) for rest in _ways(n - here, room[1:]))


def together(parts: Iterable[Floats]) -> Floats:
    """Return the probabilities of 0, 1, 2 … of a sum, from those of its independent parts.

    Examples
    --------
    >>> together([one_of([0, 1])] * 2).tolist()
    [0.25, 0.5, 0.25]
    """
    import numpy as np

    whole = np.ones(1)
    for part in parts:
        whole = np.convolve(whole, part)
    return whole


def one_of(values: Sequence[int]) -> Floats:
    """Return the probabilities of 0, 1, 2 … if one of these whole numbers is drawn.

    Examples
    --------
    >>> one_of([0, 2]).tolist()
    [0.5, 0.0, 0.5]
    """
    import numpy as np

    return np.bincount(values) / len(values)


def at_least(found: int, chances: Floats) -> float:
    """Return the chance of so many or more."""
    return min(1.0, float(chances[max(found, 0) :].sum()))


def at_most(found: int, chances: Floats) -> float:
    """Return the chance of so many or fewer."""
    return min(1.0, float(chances[: found + 1].sum()))
