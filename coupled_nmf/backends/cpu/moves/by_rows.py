"""How F moves by tiles of rows, where nothing is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.backends.cpu.kernels import compiled, rule_of
from coupled_nmf.backends.cpu.moves.route import Point
from coupled_nmf.backends.cpu.tile_step import Sweeps, TileStep, gate, take_buffers
from coupled_nmf.data.tiled_matrix import Tile, TiledMatrix
from coupled_nmf.problem.contracts import Sums
from coupled_nmf.problem.penalties import Penalties
from coupled_nmf.problem.problem import Problem
from coupled_nmf.problem.solvers import Rule


# The moves are made anew each iteration, and are not frozen: of a small X, that would be a tenth of its time.
@dataclass
class MoveF(TileStep):
    """Move F by the rule and sum what H's move needs: ``FᵀX``, ``FᵀF``, and the rows' energies and the penalty.

    Plain, ``other`` is F, which moves in place. Extrapolated (Ang and Gillis 2019), ``other`` is the F before: a row
    moves from F + ``beta`` (F − other) to its new place, which is written to ``other``; the sums are those of a point
    further on, by ``next_beta``. Two arrays do: after a rejection, F is there, and the one before is not needed.

    ``gram`` holds ``l2`` already. ``buffers`` keeps the arrays of the sums from tile to tile and sweep to sweep: fresh
    ones cost page faults.
    """

    X: TiledMatrix
    rule: Rule
    R: NDArray[Any]
    gram: NDArray[Any]
    beta: float
    next_beta: float
    buffers: list[Sums]
    l1: float = 0.0
    l2: float = 0.0
    with_energy: bool = False

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the sums."""
        return [self.R.shape, self.gram.shape, (2,)]

    @property
    def depth(self) -> int:
        """The rank."""
        return len(self.R)

    def __call__(
        self, tile: Tile, rows: slice, F: NDArray[Any], other: NDArray[Any], weights: NDArray[np.float64]
    ) -> Sums:
        """Move one tile's rows of F."""
        sums = take_buffers(self.buffers, self.R, self.gram)
        sums[-1][0] = self.with_energy
        compiled.move_tile(
            *rule_of(self.rule), gate(self.X, tile), self.R, self.gram, self.l1, self.l2, F, other, self.beta,
            self.next_beta, weights, *sums,
        )  # fmt: skip
        return sums

    def recycle(self, sums: Sums) -> None:
        """Take back the arrays of a tile's sums once they are added."""
        self.buffers.append(sums)


class ByRows:
    """The route for whatever no other serves better."""

    def __init__(self, problem: Problem, penalties: Penalties, sweeps: Sweeps) -> None:
        self._problem, self._penalties, self._sweeps = problem, penalties, sweeps
        self._buffers: list[Sums] = []

    def move(self, rule: Rule, point: Point, F: NDArray[Any], other: NDArray[Any], betas: tuple[float, float]) -> Sums:
        """Move F, see `Route`."""
        X, l1, l2 = self._problem.X, self._penalties.l1_F, self._penalties.l2_F
        step = MoveF(X, rule, point.R, point.gram(l2), *betas, self._buffers, l1, l2)
        return self._sweeps.sweep(X, step, F, other, self._problem.weights)
