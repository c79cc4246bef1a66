"""The Kullback–Leibler loss on the host: multiplicative updates on X, and F for a given H."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.backends.cpu.kernels import compiled
from coupled_nmf.backends.cpu.losses.objective import HostBackend, HostObjective
from coupled_nmf.backends.cpu.tile_step import ColumnStep, Orders, TileStep, gate
from coupled_nmf.data.tiled_matrix import Tile, TiledMatrix
from coupled_nmf.problem.contracts import Solution, Sums
from coupled_nmf.problem.penalties import Penalties
from coupled_nmf.problem.problem import Problem
from coupled_nmf.problem.solvers import MultiplicativeUpdate, Rule

# A row is solved for when a step moves its entries by less than this part of its largest: the next step would move them
# by about the square.
SOLVE_TOL = {"f": 1e-4, "d": 1e-7}
DIVISION = 16  # multiplications that take as long, about
ROUNDING = 1e-13  # of the sums of logarithms, in float64, whatever the dtype of X


@dataclass(frozen=True)
class Point:
    """What F's move needs of an H: H, α⊙H, and the sums of each H_b (n_blocks, k)."""

    H: NDArray[Any]
    R: NDArray[Any]
    sums: NDArray[np.float64]


@dataclass(frozen=True)
class MoveF(TileStep):
    """Move F; sum ``Fᵀ(X / F H)``, the sums of F per block, and 2 Σ α D with the penalty."""

    X: TiledMatrix
    alpha: NDArray[np.float64]
    point: Point
    n_sweeps: int
    beta: float
    penalties: Penalties
    orders: Orders

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the sums."""
        return [self.point.H.shape, self.point.sums.shape, (2,)]

    @property
    def depth(self) -> int:
        """The rank."""
        return len(self.point.H)

    def __call__(
        self,
        tile: Tile,
        rows: slice,
        F: NDArray[Any],
        other: NDArray[Any],
        weights: NDArray[np.float64],
        absent: NDArray[np.bool_],
    ) -> Sums:
        """Move one tile's rows of F."""
        X, point = self.X, self.point
        order = _order(self.orders, rows, len(F), absent, np.zeros(len(absent), dtype=bool))
        absent = _whole(absent, len(F))
        sums = (np.empty_like(point.H), np.empty(point.sums.shape), np.empty(2))
        compiled.move_divergence_tile(
            self.n_sweeps, gate(X, tile), X.layout.bounds, order, absent, point.H, point.R, point.sums,
            self.alpha, self.penalties.l1_F, self.penalties.l2_F, weights, F, other, self.beta, *sums,
        )  # fmt: skip
        return sums


@dataclass
class MoveH(ColumnStep):
    """Move H, in ranges of its columns; sum the point further on by block (n_blocks, k), and what penalties add to J.

    As in `MoveF`, ``other`` gets what is found; ``point`` gets the point further on, ``R`` α⊙ that.
    """

    fixed: int
    bounds: NDArray[np.int64]
    parts: NDArray[np.float64]
    Fsums: NDArray[np.float64]
    penalties: NDArray[np.float64]
    alpha: NDArray[np.float64]
    H: NDArray[Any]
    other: NDArray[Any]
    beta: float
    next_beta: float
    point: NDArray[Any]
    R: NDArray[Any]

    def __post_init__(self) -> None:
        self.shapes = [self.Fsums.shape, (1,)]
        self.work = DIVISION * self.H.size

    def __call__(self, columns: slice) -> Sums:
        """Move those columns."""
        sums = np.empty(self.Fsums.shape)
        cost = compiled.move_components(
            self.fixed, self.bounds, self.parts, self.Fsums, self.penalties, self.alpha, self.H, self.other, self.beta,
            self.next_beta, self.point, self.R, sums, columns.start, columns.stop,
        )  # fmt: skip
        return sums, np.array([cost])


@dataclass(frozen=True)
class SolveF(TileStep):
    """Solve for F from a cold start; sum 2 D, the squares of the residual, x log x and x, of each block."""

    X: TiledMatrix
    alpha: NDArray[np.float64]
    H: NDArray[Any]
    sums: NDArray[np.float64]
    grams: NDArray[np.float64]
    penalties: Penalties

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the sums."""
        return [self.alpha.shape] * 4

    @property
    def depth(self) -> int:
        """The rank."""
        return len(self.H)

    def __call__(
        self,
        tile: Tile,
        rows: slice,
        F: NDArray[Any],
        weights: NDArray[np.float64],
        absent: NDArray[np.bool_],
        scattered: NDArray[np.bool_],
    ) -> Sums:
        """Solve for one tile's rows of F."""
        X, sums = self.X, tuple(np.zeros(shape) for shape in self.shapes)
        near = _order(Orders(), rows, len(F), absent, scattered)
        if len(scattered):  # updates would go on filling single gaps by an F that is far off
            near = near[~scattered[near]]
        compiled.solve_divergence_tile(
            gate(X, tile), X.layout.bounds, near, _whole(absent, len(F)), self.H, self.sums,
            self.alpha, self.grams, self.penalties.l1_F, self.penalties.l2_F, weights, SOLVE_TOL[F.dtype.char], F,
            *sums,
        )  # fmt: skip
        return sums


def _order(
    orders: Orders, rows: slice, n_rows: int, absent: NDArray[np.bool_], scattered: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """The rows of a tile, those together that lack the same blocks."""
    return orders.of(rows, absent, scattered) if len(absent) else np.arange(n_rows, dtype=np.int64)


def _whole(absent: NDArray[np.bool_], n_rows: int) -> NDArray[np.bool_]:
    """Which blocks each row lacks; none, where no row of X lacks any."""
    return absent if len(absent) else np.zeros((n_rows, absent.shape[1]), dtype=bool)


def baseline_of(
    logs: NDArray[np.float64], totals: NDArray[np.float64], entries: NDArray[np.float64]
) -> NDArray[np.float64]:
    """2 D of each block from its mean, by its sums of x log x and of x; 0 for a constant, where it is rounding."""
    of_means = totals * np.log(np.divide(totals, entries, out=np.ones_like(totals), where=totals > 0))
    found = 2 * (logs - of_means)
    found[found <= ROUNDING * (np.abs(logs) + np.abs(of_means) + totals)] = 0.0
    return found


class KullbackLeibler(HostObjective):
    """J = 2 Σ_b α_b Σ (x log(x / fh) − x + fh) over the observed entries, with penalties: an `Objective`.

    Twice, as for the Frobenius loss, so that J stands to scikit-learn's objective as there. The value that `move_h`
    returns is that of the F moved and the H of the point, from which H moves: that of both would cost another pass.
    Since both moves only lower J, it is no lower than J of what they lead to, and never rises, also after a rejection.
    """

    def __init__(self, problem: Problem, penalties: Penalties, backend: HostBackend) -> None:
        super().__init__(problem, penalties, backend)
        self.weighted_squares = 2 * float(problem.alpha @ problem.totals)
        n_blocks, gaps = len(problem.alpha), problem.gaps
        self._absent = np.zeros((0, n_blocks), dtype=bool) if gaps is None else gaps.absent
        self._scattered = np.zeros(0, dtype=bool) if gaps is None else gaps.scattered
        self._orders, self._by_block = Orders(), penalties.by_block(problem.alpha, problem.X.dtype)

    def point_of(self, H: NDArray[Any]) -> Point:
        """The point of H itself."""
        return Point(H, (H * self.problem.column_weights).astype(H.dtype), self._block_sums(H))

    def _block_sums(self, H: NDArray[Any]) -> NDArray[np.float64]:
        return np.stack([H_b.sum(axis=1, dtype=np.float64) for H_b in self.problem.X.layout.split(H).values()])

    def unpacked(self, arrays: tuple[NDArray[Any], ...]) -> Point:
        """The point of which these are the arrays."""
        return Point(*arrays)

    def move_f(
        self, rule: Rule, point: Point, F: NDArray[Any], other: NDArray[Any], betas: tuple[float, float]
    ) -> Sums:
        """Move F; return H⊙Fᵀ(X / F H), ΣF of each block, and J's two parts.

        The first two are numerator and divisor of the new H, and can be added up over batches.
        """
        step = MoveF(
            self.problem.X, self.problem.alpha, point, rule.inner_sweeps, betas[0], self.penalties, self._orders
        )
        FtQ, Fsums, extras = self.backend.sweep(self.problem.X, step, F, other, self.problem.weights, self._absent)
        FtQ *= point.H
        return FtQ, Fsums, extras

    def move_h(
        self, rule: Rule, sums: Sums, H: NDArray[Any], other: NDArray[Any], betas: tuple[float, float]
    ) -> tuple[float, Point]:
        """Move H once, from its point; return J there, and the point further on."""
        parts, Fsums, extras = sums
        X, alpha = self.problem.X, self.problem.alpha
        point, R = np.empty_like(H), np.empty_like(H)
        step = MoveH(
            rule.fixed, X.layout.bounds, parts, Fsums, self._by_block, alpha, H, other, *betas, point, R
        )  # fmt: skip
        Hsums, cost = self.backend.sweep_columns(H.shape[1], step)
        return float(extras.sum() + cost[0]), Point(point, R, Hsums)

    def solved(self, H: NDArray[Any]) -> tuple[NDArray[Any], Sums]:
        """F for the given H from a cold start; of each block 2 D, squares of the residual, x log x and x."""
        problem, H = self.problem, np.ascontiguousarray(H)
        F, H64 = np.empty((problem.X.shape[0], len(H)), dtype=H.dtype), H.astype(np.float64)
        grams = np.stack([H_b @ H_b.T for H_b in problem.X.layout.split(H64).values()])
        step = SolveF(problem.X, problem.alpha, H, self._block_sums(H), grams, self.penalties)
        return F, self.backend.sweep(problem.X, step, F, problem.weights, self._absent, self._scattered)

    def solution(self, F: Any, sums: Sums) -> Solution:
        """F, and what is left by the sums over all of X."""
        losses, squares, logs, totals = sums
        baseline = baseline_of(logs, totals, self.problem.entries)
        return Solution(F, np.maximum(losses, 0.0), np.maximum(squares, 0.0), baseline)

    def sums_of(self, F: NDArray[Any], H: NDArray[Any]) -> Sums:
        """What H's move needs of an F that stays."""
        return self.move_f(MultiplicativeUpdate(0), self.point_of(H), F, F, (0.0, 0.0))
