"""The Frobenius loss: how the loop moves both factors on X, and F for a given H."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.blocks import BlockLayout
from coupled_nmf.penalties import Penalties
from coupled_nmf.prepared import Prepared
from coupled_nmf.solve import SolveF, SolveGappyF
from coupled_nmf.solvers import HALS
from coupled_nmf.steps import InMemory, MoveF, MoveGappyF, MoveH, Sums


@dataclass(frozen=True)
class Point:
    """What F's move needs of an H: α⊙H, and H_b(α_b H_b)ᵀ, summed over the blocks unless each is needed; and H."""

    R: NDArray[Any]
    grams: NDArray[Any]
    H: NDArray[Any]


@dataclass(frozen=True)
class Solution:
    """F for a given H, and per block: its part of J, the squares of its residual, and what J is where nothing is known.

    The last is the loss of zeros, or of the block's mean where that of zeros would be infinite.
    """

    F: NDArray[Any]
    losses: NDArray[np.float64]
    squares: NDArray[np.float64]
    baseline: NDArray[np.float64]


class Groups(NamedTuple):
    """Columns of H that move by one gram, from an edge to the next, and l1 and l2 of each block as they enter it."""

    edges: NDArray[np.int64]
    l1: NDArray[np.float64]
    l2: NDArray[np.float64]


def group_columns(data: Prepared, penalties: Penalties) -> Groups:
    """All columns are one group; where samples lack entries, or penalties differ, each block is one."""
    l1, l2 = penalties.of_H(data.alpha)
    bounds = data.X.layout.bounds
    by_block = data.gaps is not None or bool(np.ptp(l1) or np.ptp(l2))
    return Groups(bounds if by_block else bounds[[0, -1]], l1, l2)


class Frobenius(InMemory):
    """J = Σ_b α_b ‖X_b − F H_b‖² over the observed entries, with penalties, on X itself: a `Reading`."""

    grows_with_totals = False  # but with the squares of X

    def __init__(self, data: Prepared, penalties: Penalties) -> None:
        self.data, self.tiles, self.penalties, self.backend = data, data.X, penalties, data.backend
        self.weighted_squares = data.weighted_squares
        self._alpha = data.column_weights
        self._edges, self._l1_H, self._l2_H = group_columns(data, penalties)
        self._buffers: list[Sums] = []

    def point_of(self, H: NDArray[Any]) -> Point:
        """The point of H itself."""
        R = (H * self._alpha).astype(H.dtype)
        products = [H[:, a:b] @ R[:, a:b].T for a, b in zip(self._edges[:-1], self._edges[1:], strict=True)]
        return self._point(R, H, np.stack(products))

    def _point(self, R: NDArray[Any], H: NDArray[Any], products: NDArray[Any]) -> Point:
        if self.data.gaps is not None:
            return Point(R, products.astype(R.dtype), H)
        return Point(R, products.sum(axis=0).astype(R.dtype), H)

    def move_f(
        self, solver: Any, point: Point, F: NDArray[Any], other: NDArray[Any], betas: tuple[float, float]
    ) -> Sums:
        """Move F; return FᵀX, FᵀF (of each block, where samples lack some), and two numbers, see `steps`."""
        data, l1, l2 = self.data, self.penalties.l1_F, self.penalties.l2_F
        step: Any
        if data.gaps is None:
            gram = point.grams + (l2 * np.eye(len(point.grams))).astype(F.dtype) if l2 else point.grams
            step = MoveF(data.X, solver, point.R, gram, F, other, *betas, self._buffers, l1, l2, data.weights)
        else:
            step = MoveGappyF(
                data.X, solver, data.gaps.absent, data.gaps.scattered, point.R, point.H, data.alpha, point.grams, F,
                other, *betas, self._buffers, l1, l2, data.weights,
            )  # fmt: skip
        sums: Sums = data.backend.sweep(data.X, step)
        return sums

    def move_h(
        self, solver: Any, sums: Sums, H: NDArray[Any], other: NDArray[Any], betas: tuple[float, float]
    ) -> tuple[float, Point]:
        """Move H in ranges of its columns; return J at what is written to ``other``, and the point further on.

        Where entries are missing, J is that of X with its gaps filled by the H before: above J by the squares of what
        the move changes there, which vanish as the loop settles.
        """
        FtX, FtFs, extras = sums
        edges = self._edges if FtFs.ndim == 2 else self.data.X.layout.bounds
        n_groups = len(edges) - 1
        FtFs = np.broadcast_to(FtFs, (n_groups, *FtFs.shape[-2:])).copy()
        value = self.weighted_squares + float(extras.sum())
        l1s = self._l1_H[:n_groups].astype(H.dtype)
        FtFs += self._l2_H[:n_groups, None, None] * np.eye(len(H))
        R = np.empty_like(H)
        step = MoveH(solver, FtX, FtFs.astype(H.dtype), l1s, edges, H, other, *betas, self._alpha, R)
        products, energy = self.data.backend.sweep_columns(H.shape[1], step)
        return value + float(energy[0]), self._point(R, self._further(other, H, betas[1]), products)

    def _further(self, H: NDArray[Any], before: NDArray[Any], beta: float) -> NDArray[Any]:
        """H extrapolated, where gaps are filled by it."""
        if beta == 0 or self.data.gaps is None:
            return H
        return np.maximum(H + H.dtype.type(beta) * (H - before), 0)

    def solve(self, H: NDArray[Any]) -> Solution:
        """F for the given H from a cold start, and what is left."""
        data, H = self.data, np.ascontiguousarray(H)
        F, H64 = np.empty((data.X.shape[0], len(H)), dtype=H.dtype), H.astype(np.float64)
        grams = np.stack([H_b @ H_b.T for H_b in data.X.layout.split(H64).values()])
        R = H64 * self._alpha
        arguments = (
            data.X,
            H,
            R.astype(H.dtype),
            R @ H64.T,
            grams,
            data.alpha,
            F,
            self.penalties.l1_F,
            self.penalties.l2_F,
            data.weights,
        )
        step = SolveF(*arguments) if data.gaps is None else SolveGappyF(*arguments, data.gaps)
        (residual,) = data.backend.sweep(data.X, step)
        residual = np.maximum(residual, 0.0)
        return Solution(F, residual, residual, data.squares)

    def sums_of(self, F: NDArray[Any], H: NDArray[Any]) -> Sums:
        """What H's move needs of an F that stays; ``FᵀF`` of each block, whether or not samples lack some."""
        FtX, FtFs, extras = self.move_f(HALS(0), self.point_of(H), F, F, (0.0, 0.0))
        return FtX, np.broadcast_to(FtFs, (len(self.data.alpha), *FtFs.shape[-2:])).copy(), extras

    @staticmethod
    def shapes_of_sums(n_components: int, layout: BlockLayout) -> list[tuple[int, ...]]:
        """Shapes of what `sums_of` gives."""
        return [(n_components, layout.n_features), (len(layout.names), n_components, n_components), (2,)]
