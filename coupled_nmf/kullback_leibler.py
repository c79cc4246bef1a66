"""The Kullback–Leibler loss: multiplicative updates on X, and F for a given H."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.blocks import BlockLayout
from coupled_nmf.divergence_rows import solve_divergence_tile
from coupled_nmf.divergences import mean_root, move_divergence_tile
from coupled_nmf.frobenius import Solution
from coupled_nmf.penalties import Penalties
from coupled_nmf.prepared import Prepared
from coupled_nmf.solvers import MultiplicativeUpdate
from coupled_nmf.solvers.panels import SMALLEST_DOUBLE, SMALLEST_SINGLE
from coupled_nmf.steps import InMemory, Sums, TileStep, addresses, order_of
from coupled_nmf.tiled import Tile

# A row is solved for when a step moves its entries by less than this part of its largest: the next step would move them
# by about the square.
SOLVE_TOL = {"f": 1e-4, "d": 1e-7}
ROUNDING = 1e-13  # of the sums of logarithms, in float64, whatever the dtype of X


@dataclass(frozen=True)
class Point:
    """What F's move needs of an H: H, α⊙H, H turned, and the sums of each H_b (n_blocks, k)."""

    H: NDArray[Any]
    R: NDArray[Any]
    Ht: NDArray[Any]
    sums: NDArray[np.float64]


@dataclass(frozen=True)
class MoveF(TileStep):
    """Move F in place; sum ``Fᵀ(X / F H)``, the sums of F per block, and 2 Σ α D with the penalty."""

    data: Prepared
    point: Point
    F: NDArray[Any]
    n_sweeps: int
    penalties: Penalties

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the sums."""
        return [self.point.H.shape, self.point.sums.shape, (2,)]

    @property
    def depth(self) -> int:
        """The rank."""
        return self.F.shape[1]

    def __call__(self, tile: Tile, rows: slice) -> Sums:
        """Move one tile's rows."""
        data, point, kind = self.data, self.point, self.F.dtype.type
        sums = (np.empty_like(point.H), np.empty(point.sums.shape), np.empty(2))
        absent = absent_of(data, rows)
        move_divergence_tile(
            self.n_sweeps, addresses(data.X, tile), data.X.layout.bounds, order_of(absent, absent[:, 0]), absent,
            point.H, point.R, point.Ht, point.sums, data.alpha, kind(self.penalties.l1_F), kind(self.penalties.l2_F),
            data.weights[rows], self.F[rows], *sums,
        )  # fmt: skip
        return sums


@dataclass(frozen=True)
class SolveF(TileStep):
    """Solve for F from a cold start; sum 2 D, the squares of the residual, x log x and x, of each block."""

    data: Prepared
    H: NDArray[Any]
    sums: NDArray[np.float64]
    grams: NDArray[np.float64]
    F: NDArray[Any]
    penalties: Penalties

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the sums."""
        return [self.data.alpha.shape] * 4

    @property
    def depth(self) -> int:
        """The rank."""
        return len(self.H)

    def __call__(self, tile: Tile, rows: slice) -> Sums:
        """Solve for one tile's rows."""
        data, sums = self.data, tuple(np.zeros(shape) for shape in self.shapes)
        solve_divergence_tile(
            addresses(data.X, tile), data.X.layout.bounds, absent_of(data, rows), self.H, data.alpha, self.sums,
            self.grams, self.penalties.l1_F, self.penalties.l2_F, data.weights[rows], SOLVE_TOL[self.F.dtype.char],
            self.F[rows], *sums,
        )  # fmt: skip
        return sums


def baseline_of(
    logs: NDArray[np.float64], totals: NDArray[np.float64], entries: NDArray[np.float64]
) -> NDArray[np.float64]:
    """2 D of each block from its mean, by its sums of x log x and of x; 0 for a constant, where it is rounding."""
    of_means = totals * np.log(np.divide(totals, entries, out=np.ones_like(totals), where=totals > 0))
    found = 2 * (logs - of_means)
    found[found <= ROUNDING * (np.abs(logs) + np.abs(of_means) + totals)] = 0.0
    return found


def absent_of(data: Prepared, rows: slice) -> NDArray[np.bool_]:
    """Which of those samples lack which blocks."""
    if data.gaps is not None:
        return data.gaps.absent[rows]
    return np.zeros((rows.stop - rows.start, len(data.alpha)), dtype=bool)


class KullbackLeibler(InMemory):
    """J = 2 Σ_b α_b Σ (x log(x / fh) − x + fh) over the observed entries, with penalties: a `Reading`.

    Twice, as for the Frobenius loss, so that J stands to scikit-learn's objective as there. The value that `move_h`
    returns is that of the F moved and the H before, since that of both would cost another pass.
    """

    grows_with_totals = True

    def __init__(self, data: Prepared, penalties: Penalties) -> None:
        self.data, self.tiles, self.penalties, self.backend = data, data.X, penalties, data.backend
        self.weighted_squares = 2 * float(data.alpha @ data.totals)

    def point_of(self, H: NDArray[Any]) -> Point:
        """The point of H itself."""
        return Point(H, (H * self.data.column_weights).astype(H.dtype), np.ascontiguousarray(H.T), self._block_sums(H))

    def _block_sums(self, H: NDArray[Any]) -> NDArray[np.float64]:
        return np.stack([H_b.sum(axis=1, dtype=np.float64) for H_b in self.data.X.layout.split(H).values()])

    def move_f(
        self, solver: Any, point: Point, F: NDArray[Any], other: NDArray[Any], betas: tuple[float, float]
    ) -> Sums:
        """Move F in place (it is never extrapolated); return H⊙Fᵀ(X / F H), ΣF of each block, and J's two parts.

        The first two are numerator and divisor of the new H, and can be added up over batches.
        """
        step = MoveF(self.data, point, F, solver.inner_sweeps, self.penalties)
        FtQ, Fsums, extras = self.data.backend.sweep(self.data.X, step)
        FtQ *= point.H
        return FtQ, Fsums, extras

    def move_h(
        self, solver: Any, sums: Sums, H: NDArray[Any], other: NDArray[Any], betas: tuple[float, float]
    ) -> tuple[float, Point]:
        """Move H once; return J before it, and the new point."""
        numerator, Fsums, extras = sums
        smallest = SMALLEST_SINGLE if H.dtype.char == "f" else SMALLEST_DOUBLE
        l1s, l2s = self.penalties.of_H(self.data.alpha)
        value = float(extras.sum()) + self.penalties.on_H(H, self.data.X.layout)
        for number, columns in enumerate(self.data.X.layout.slices.values()):
            part = numerator[:, columns]
            divisor = mean_root((Fsums[number] + l1s[number])[:, None], l2s[number] * part)
            moved = part / np.maximum(divisor, SMALLEST_DOUBLE)
            other[:, columns] = np.where(moved < smallest, 0, moved)
        other[: solver.fixed] = H[: solver.fixed]
        return value, self.point_of(other)

    def solve(self, H: NDArray[Any]) -> Solution:
        """F for the given H from a cold start, and what is left."""
        data, H = self.data, np.ascontiguousarray(H)
        F, H64 = np.empty((data.X.shape[0], len(H)), dtype=H.dtype), H.astype(np.float64)
        grams = np.stack([H_b @ H_b.T for H_b in data.X.layout.split(H64).values()])
        step = SolveF(data, H, self._block_sums(H), grams, F, self.penalties)
        losses, squares, logs, totals = data.backend.sweep(data.X, step)
        return Solution(F, np.maximum(losses, 0.0), np.maximum(squares, 0.0), baseline_of(logs, totals, data.entries))

    def sums_of(self, F: NDArray[Any], H: NDArray[Any]) -> Sums:
        """What H's move needs of an F that stays."""
        return self.move_f(MultiplicativeUpdate(0), self.point_of(H), F, F, (0.0, 0.0))

    @staticmethod
    def shapes_of_sums(n_components: int, layout: BlockLayout) -> list[tuple[int, ...]]:
        """Shapes of what `sums_of` gives."""
        return [(n_components, layout.n_features), (len(layout.names), n_components), (2,)]
