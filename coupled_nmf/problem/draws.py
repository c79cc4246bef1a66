"""What is drawn for each row of X: any rows find their own, whoever holds them, and nothing is as long as X."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

SEEDS = 2**31  # what a seed is less than
DRAWN = 4096  # rows that are drawn by one stream of numbers


def stream_of(rng: np.random.RandomState) -> np.random.Generator:
    """Numbers that go by ``rng`` and come faster than its own: for arrays as wide as X."""
    return np.random.Generator(np.random.SFC64(int(rng.randint(SEEDS))))


@dataclass(frozen=True)
class RowSample:
    """One of every ``share`` consecutive rows, which of them is drawn."""

    share: int
    seed: int

    def of(self, rows: slice) -> NDArray[np.int64]:
        """Those among some rows, counted from the first of these."""
        share = np.uint64(self.share)
        groups = np.arange(rows.start // self.share, -(-rows.stop // self.share), dtype=np.uint64)
        found = (groups * share + _mixed(groups + np.uint64(self.seed << 32)) % share).astype(np.int64)
        return found[(found >= rows.start) & (found < rows.stop)] - rows.start


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Numbers that look drawn (SplitMix64: Steele, Lea and Flood 2014)."""
    numbers = (numbers + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


@dataclass(frozen=True)
class DrawnF:
    """An F that is yet to be made: each entry drawn from [0, 1), or ``value``; then columns times ``scale`` (k,)."""

    scale: NDArray[np.float64]
    dtype: np.dtype[Any]
    value: float | None = None
    seed: int = 0

    def scaled(self, first: NDArray[Any]) -> DrawnF:
        """The same with its first columns multiplied by so much more."""
        scale = self.scale.copy()
        scale[: len(first)] *= first
        return replace(self, scale=scale)

    def rows(self, rows: slice) -> NDArray[Any]:
        """Those rows of it."""
        shape = (rows.stop - rows.start, len(self.scale))
        drawn = self._uniform(rows) if self.value is None else np.full(shape, self.value)
        return (drawn * self.scale).astype(self.dtype)

    def _uniform(self, rows: slice) -> NDArray[np.float64]:
        found = np.empty((rows.stop - rows.start, len(self.scale)))
        for number in range(rows.start // DRAWN, -(-rows.stop // DRAWN)):
            begin = number * DRAWN
            first, last = max(begin, rows.start), min(begin + DRAWN, rows.stop)
            stream = np.random.Generator(np.random.Philox(key=np.array([self.seed, number], dtype=np.uint64)))
            found[first - rows.start : last - rows.start] = stream.random((last - begin, len(self.scale)))[
                first - begin :
            ]
        return found


def made(F: Any, n_samples: int) -> Any:
    """F, made if it is yet to be."""
    return F.rows(slice(0, n_samples)) if isinstance(F, DrawnF) else F
