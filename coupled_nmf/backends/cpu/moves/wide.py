"""How F moves where X has few rows and many columns: its columns are divided among threads, since its rows are not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.backends.cpu.kernels import compiled, rule_of
from coupled_nmf.backends.cpu.moves.by_rows import MoveF
from coupled_nmf.backends.cpu.moves.route import Point
from coupled_nmf.backends.cpu.sweep import ALONE
from coupled_nmf.backends.cpu.tile_step import TILES, ColumnStep, Sweeps
from coupled_nmf.data.tile_heights import PARTS, tile_rows
from coupled_nmf.data.tiled_matrix import TiledMatrix, is_plain
from coupled_nmf.problem.contracts import Sums
from coupled_nmf.problem.penalties import Penalties
from coupled_nmf.problem.problem import Problem
from coupled_nmf.problem.solvers import Rule

WIDE = 8  # columns for each row, at least


def pays_by_ranges(X: TiledMatrix, k: int) -> bool:
    """Whether X is dense, in memory, worth threads, and has too few tiles of rows for them: however it lies there."""
    n, width = X.shape
    if not X.in_memory or X.dense_width < width or width < WIDE * n or X.n_entries * k <= ALONE:
        return False
    return -(-n // tile_rows(X)) <= PARTS // 2


@dataclass
class CrossRanges(ColumnStep):
    """Sum X Rᵀ over ranges of columns; ``ranges`` gives X's as compiled code takes them."""

    ranges: Ranges
    R: NDArray[Any]

    def __post_init__(self) -> None:
        n, k = self.ranges.n, len(self.R)
        self.shapes, self.work = [(n, k)], n * self.R.shape[1] * k

    def __call__(self, columns: slice) -> Sums:
        """Those columns' part."""
        out = np.empty(self.shapes[0], self.R.dtype)
        compiled.multiply_tile(self.ranges.held(columns), self.R[:, columns], out)
        return (out,)


@dataclass
class MomentRanges(ColumnStep):
    """Write G X to ``FtX``, a range of columns after the other."""

    ranges: Ranges
    G: NDArray[Any]
    FtX: NDArray[np.float64]

    def __post_init__(self) -> None:
        self.shapes, self.work = [], self.G.size * self.FtX.shape[1]

    def __call__(self, columns: slice) -> Sums:
        """Sum for those columns."""
        for part, own in self.ranges.parts(columns):
            found = np.zeros((len(self.G), part.shape[1]), self.G.dtype)
            compiled.add_outers(self.G, part, found)
            self.FtX[:, own] = found
        return ()


class Ranges:
    """Ranges of the columns of a dense X."""

    def __init__(self, X: TiledMatrix) -> None:
        self.n, self._X = X.shape[0], X

    def parts(self, columns: slice) -> list[tuple[NDArray[Any], slice]]:
        """X's columns in that range, part by part, as they are read, and where they are in X."""
        found = []
        for part, own in zip(self._X.parts, self._X.part_columns, strict=True):
            first, last = max(own.start, columns.start), min(own.stop, columns.stop)
            if first < last:
                some = part[:, first - own.start : last - own.start]
                if some.dtype != self._X.dtype or not is_plain(some):
                    with np.errstate(over="ignore"):  # of a longer dtype; infinity was refused
                        some = np.ascontiguousarray(some, dtype=self._X.dtype)
                found.append((some, slice(first, last)))
        return found

    def held(self, columns: slice) -> Any:
        """The range as a tile of its own."""
        tile = TILES[self._X.dtype.char](self.n)
        for part, own in self.parts(columns):
            tile.add_dense(part, own.start - columns.start)
        return tile


def move_wide(
    sweeps: Sweeps, ranges: Ranges, step: MoveF, F: NDArray[Any], other: NDArray[Any], weights: NDArray[np.float64]
) -> Sums:
    """Move F as ``step`` says; return what it sums."""
    k, dtype = step.depth, F.dtype
    (cross,) = sweeps.sweep_columns(step.R.shape[1], CrossRanges(ranges, step.R))
    # Rows move by their crosses alone, so these stand for X, and the identity for R.
    held, small = TILES[dtype.char](len(F)), np.ascontiguousarray(cross, dtype=dtype)
    held.add_dense(small, 0)
    FtF, extras = np.empty((k, k), dtype), np.zeros(2)
    compiled.move_tile(
        *rule_of(step.rule), held, np.eye(k, dtype=dtype), step.gram, step.l1, step.l2, F, other, step.beta,
        step.next_beta, weights, np.empty((k, k), dtype), FtF, extras,
    )  # fmt: skip
    G = other if step.next_beta == 0 else np.maximum(other + dtype.type(step.next_beta) * (other - F), 0)
    if weights.size:
        G = (G * weights[:, None]).astype(dtype)
    FtX = sweeps.totals([(k, step.R.shape[1]), FtF.shape, extras.shape])[0]  # of the shapes that come back free
    sweeps.sweep_columns(step.R.shape[1], MomentRanges(ranges, np.ascontiguousarray(G.T), FtX))
    return FtX, FtF.astype(np.float64), extras


class ByRanges:
    """The route for an X of few rows and many columns."""

    def __init__(self, problem: Problem, penalties: Penalties, sweeps: Sweeps) -> None:
        self._problem, self._penalties, self._sweeps = problem, penalties, sweeps
        self._ranges = Ranges(problem.X)

    def move(self, rule: Rule, point: Point, F: NDArray[Any], other: NDArray[Any], betas: tuple[float, float]) -> Sums:
        """Move F, see `Route`."""
        X, l1, l2 = self._problem.X, self._penalties.l1_F, self._penalties.l2_F
        step = MoveF(X, rule, point.R, point.gram(l2), *betas, [], l1, l2)
        return move_wide(self._sweeps, self._ranges, step, F, other, self._problem.weights)
