"""How F moves where entries, or whole blocks of samples, are missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.backends.cpu.kernels import compiled, rule_of
from coupled_nmf.backends.cpu.moves.route import Point
from coupled_nmf.backends.cpu.tile_step import Orders, Sweeps, TileStep, gate, take_buffers
from coupled_nmf.data.tiled_matrix import Tile, TiledMatrix
from coupled_nmf.problem.contracts import Sums
from coupled_nmf.problem.penalties import Penalties
from coupled_nmf.problem.problem import Gaps, Problem
from coupled_nmf.problem.solvers import Rule


class GapLists:
    """Of each tile, where its gaps are; made once, if X is in memory: two bytes for each gap are less than X."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, int], tuple[NDArray[np.uint16], NDArray[np.int64]]] = {}

    def of(self, X: TiledMatrix, rows: slice, *tile: Any) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
        """The places of a tile's gaps, and where each chunk's list ends; ``tile`` is as `move_gappy_tile` takes it."""
        key = (rows.start, rows.stop)
        if key in self._found:
            return self._found[key]
        places, ends = np.empty(0, np.uint16), np.empty(0, np.int64)
        ends = np.empty(compiled.list_gaps(*tile, ends, places), np.int64)
        compiled.list_gaps(*tile, ends, places)
        places = np.empty(ends[-1] if len(ends) else 0, np.uint16)
        compiled.list_gaps(*tile, ends, places)
        if X.in_memory:
            self._found[key] = places, ends
        return places, ends


@dataclass
class MoveGappyF(TileStep):
    """As `MoveF`, where entries are missing: ``FᵀF`` of each block, squares of what the gaps are filled with, penalty.

    ``grams`` (n_blocks, k, k) are H_b(α_b H_b)ᵀ, ``alpha`` is that of each block. With the rows of F come ``absent``
    (rows, n_blocks) and ``scattered`` (rows,), which say who lacks what.
    """

    X: TiledMatrix
    rule: Rule
    R: NDArray[Any]
    H: NDArray[Any]
    alpha: NDArray[np.float64]
    grams: NDArray[Any]
    beta: float
    next_beta: float
    buffers: list[Sums]
    orders: Orders
    lists: GapLists
    l1: float = 0.0
    l2: float = 0.0

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the sums."""
        return [self.R.shape, self.grams.shape, (2,)]

    @property
    def depth(self) -> int:
        """The rank."""
        return len(self.R)

    def __call__(
        self,
        tile: Tile,
        rows: slice,
        F: NDArray[Any],
        other: NDArray[Any],
        weights: NDArray[np.float64],
        absent: NDArray[np.bool_],
        scattered: NDArray[np.bool_],
    ) -> Sums:
        """Move one tile's rows of F."""
        sums = take_buffers(self.buffers, self.R, self.grams)
        order = self.orders.of(rows, absent, scattered)
        given = gate(self.X, tile), self.X.layout.bounds, order, absent, scattered
        compiled.move_gappy_tile(
            *rule_of(self.rule), *given, *self.lists.of(self.X, rows, *given), self.R, self.H, self.alpha, self.grams,
            self.l1, self.l2, F, other, self.beta, self.next_beta, weights, *sums,
        )  # fmt: skip
        return sums

    def recycle(self, sums: Sums) -> None:
        """Take back the arrays of a tile's sums once they are added."""
        self.buffers.append(sums)


class OverGaps:
    """The route for an X with gaps."""

    def __init__(self, problem: Problem, gaps: Gaps, penalties: Penalties, sweeps: Sweeps) -> None:
        self._problem, self._gaps, self._penalties, self._sweeps = problem, gaps, penalties, sweeps
        self._buffers: list[Sums] = []
        self._orders, self._lists = Orders(), GapLists()

    def move(self, rule: Rule, point: Point, F: NDArray[Any], other: NDArray[Any], betas: tuple[float, float]) -> Sums:
        """Move F, see `Route`."""
        problem, gaps, penalties = self._problem, self._gaps, self._penalties
        step = MoveGappyF(
            problem.X, rule, point.R, point.H, problem.alpha, point.grams, *betas, self._buffers, self._orders,
            self._lists, penalties.l1_F, penalties.l2_F,
        )  # fmt: skip
        return self._sweeps.sweep(problem.X, step, F, other, problem.weights, gaps.absent, gaps.scattered)
