"""The Frobenius loss on the host: how the loop moves both factors on X, and F for a given H."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.backends.cpu.losses.objective import HostBackend, HostObjective
from coupled_nmf.backends.cpu.moves.small import Small, pays_at_once
from coupled_nmf.backends.cpu.moves.sparse import MoveSparseF, pays_by_columns
from coupled_nmf.backends.cpu.moves.wide import Ranges, move_wide, pays_by_ranges
from coupled_nmf.backends.cpu.solve import SolveF, SolveGappyF
from coupled_nmf.backends.cpu.tile_step import GapLists, MoveF, MoveGappyF, MoveH, Orders
from coupled_nmf.problem.column_groups import group_columns
from coupled_nmf.problem.contracts import Pair, Solution, Sums
from coupled_nmf.problem.penalties import Penalties
from coupled_nmf.problem.problem import Problem
from coupled_nmf.problem.solvers import HALS, Rule


@dataclass
class Point:
    """What F's move needs of an H: α⊙H, and H_b(α_b H_b)ᵀ, summed over the blocks unless each is needed; and H."""

    R: NDArray[Any]
    grams: NDArray[Any]
    H: NDArray[Any]


class Frobenius(HostObjective):
    """J = Σ_b α_b ‖X_b − F H_b‖² over the observed entries, with penalties, on X itself: an `Objective`."""

    def __init__(self, problem: Problem, penalties: Penalties, backend: HostBackend) -> None:
        super().__init__(problem, penalties, backend)
        self.weighted_squares = problem.weighted_squares
        self._alpha = problem.column_weights
        self._edges, self._l1_H, self._l2_H = group_columns(problem, penalties)
        self._buffers: list[Sums] = []
        self._by_columns = problem.gaps is None and pays_by_columns(problem.X)
        self._orders, self._gap_lists = Orders(), GapLists()
        dtype = problem.X.dtype
        self._l1s, self._has_l2 = self._l1_H.astype(dtype), bool(self._l2_H.any())
        self._small: Small | None = None

    def point_of(self, H: NDArray[Any]) -> Point:
        """The point of H itself."""
        R = (H * self._alpha).astype(H.dtype)
        products = [H[:, a:b] @ R[:, a:b].T for a, b in zip(self._edges[:-1], self._edges[1:], strict=True)]
        return self._point(R, H, np.stack(products))

    def _point(self, R: NDArray[Any], H: NDArray[Any], products: NDArray[Any]) -> Point:
        if self.problem.gaps is not None:
            return Point(R, products.astype(R.dtype), H)
        summed = products[0] if len(products) == 1 else products.sum(axis=0)
        return Point(R, summed.astype(R.dtype, copy=False), H)

    def unpacked(self, arrays: tuple[NDArray[Any], ...]) -> Point:
        """The point of which these are the arrays."""
        return Point(*arrays)

    def move_f(
        self, rule: Rule, point: Point, F: NDArray[Any], other: NDArray[Any], betas: tuple[float, float]
    ) -> Sums:
        """Move F; return FᵀX, FᵀF (of each block, where samples lack some), and two numbers, see `tile_step`."""
        if not self._by_columns:
            return self._move_by_rows(rule, point, F, other, betas)
        moves, l1, l2 = self.backend.sparse_moves, self.penalties.l1_F, self.penalties.l2_F
        step = MoveSparseF(self.problem.X, rule, moves.turned(point.R), self._gram(point), *betas, l1, l2)
        return moves.sweep(self.backend, step, F, other, self.problem.weights)

    def move_both(
        self, rules: tuple[Rule, Rule], point: Point, F: Pair, H: Pair, betas: tuple[float, float]
    ) -> tuple[float, Point]:
        """Move F, then H, see `Alternated`; in one call where X is small."""
        by_tiles = self.problem.gaps is None and not self._by_columns  # of rows, and all by one gram
        if not by_tiles or self._has_l2 or not pays_at_once(self.problem.X, len(point.R)):
            return super().move_both(rules, point, F, H, betas)
        if self._small is None:
            self._small = Small(self.problem, self.penalties, self._edges, self._l1s[: len(self._edges) - 1])
        (penalty, energy), R, products = self._small.move(rules, point.R, self._gram(point), F, H, betas)
        return self.weighted_squares + penalty + energy, self._point(R, H[1], products)

    def _gram(self, point: Point) -> NDArray[Any]:
        """What F moves by, l2 included."""
        l2, grams = self.penalties.l2_F, point.grams
        return grams + (l2 * np.eye(len(grams))).astype(grams.dtype) if l2 else grams

    def _move_by_rows(
        self, rule: Rule, point: Point, F: NDArray[Any], other: NDArray[Any], betas: tuple[float, float]
    ) -> Sums:
        problem, l1, l2, gaps = self.problem, self.penalties.l1_F, self.penalties.l2_F, self.problem.gaps
        if gaps is None:
            step = MoveF(problem.X, rule, point.R, self._gram(point), *betas, self._buffers, l1, l2)
            if pays_by_ranges(problem.X, step.depth):
                return move_wide(self.backend, Ranges(problem.X), step, F, other, problem.weights)
            return self.backend.sweep(problem.X, step, F, other, problem.weights)
        gappy = MoveGappyF(
            problem.X, rule, point.R, point.H, problem.alpha, point.grams, *betas, self._buffers, self._orders,
            self._gap_lists, l1, l2,
        )  # fmt: skip
        return self.backend.sweep(problem.X, gappy, F, other, problem.weights, gaps.absent, gaps.scattered)

    def move_h(
        self, rule: Rule, sums: Sums, H: NDArray[Any], other: NDArray[Any], betas: tuple[float, float]
    ) -> tuple[float, Point]:
        """Move H in ranges of its columns; return J at what is written to ``other``, and the point further on.

        Where entries are missing, J is that of X with its gaps filled by the H before: above J by the squares of what
        the move changes there, which vanish as the loop settles.
        """
        FtX, FtFs, extras = sums
        edges = self._edges if FtFs.ndim == 2 else self.problem.X.layout.bounds
        n_groups = len(edges) - 1
        value = self.weighted_squares + float(extras[0] + extras[1])
        if FtFs.ndim == 2:
            FtFs = FtFs[None] if n_groups == 1 else np.repeat(FtFs[None], n_groups, axis=0)
        if self._has_l2:
            FtFs = FtFs + self._l2_H[:n_groups, None, None] * np.eye(len(H))
        R, l1s = np.empty_like(H), self._l1s[:n_groups]
        step = MoveH(rule, FtX, FtFs.astype(H.dtype, copy=False), l1s, edges, H, other, *betas, self._alpha, R)
        if self.problem.X.by_columns is not None:
            step.turned = self.backend.sparse_moves.room_for(R)
        products, energy = self.backend.sweep_columns(H.shape[1], step)
        return value + float(energy[0]), self._point(R, self._further(other, H, betas[1]), products)

    def _further(self, H: NDArray[Any], before: NDArray[Any], beta: float) -> NDArray[Any]:
        """H extrapolated, where gaps are filled by it."""
        if beta == 0 or self.problem.gaps is None:
            return H
        return np.maximum(H + H.dtype.type(beta) * (H - before), 0)

    def solved(self, H: NDArray[Any]) -> tuple[NDArray[Any], Sums]:
        """F for the given H from a cold start, and the squares of the residual of each block."""
        problem, H, gaps = self.problem, np.ascontiguousarray(H), self.problem.gaps
        F, H64 = np.empty((problem.X.shape[0], len(H)), dtype=H.dtype), H.astype(np.float64)
        grams = np.stack([H_b @ H_b.T for H_b in problem.X.layout.split(H64).values()])
        R = H64 * self._alpha
        kind, by_row = (SolveF, ()) if gaps is None else (SolveGappyF, (gaps.absent, gaps.scattered))
        l1, l2 = self.penalties.l1_F, self.penalties.l2_F
        step = kind(problem.X, H, R.astype(H.dtype), grams, problem.alpha, l1, l2)
        return F, self.backend.sweep(problem.X, step, F, problem.weights, *by_row)

    def solution(self, F: Any, sums: Sums) -> Solution:
        """F, and what is left by the sums over all of X."""
        residual = np.maximum(sums[0], 0.0)
        return Solution(F, residual, residual, self.problem.squares)

    def sums_of(self, F: NDArray[Any], H: NDArray[Any]) -> Sums:
        """What H's move needs of an F that stays; ``FᵀF`` of each block, whether or not samples lack some."""
        FtX, FtFs, extras = self._move_by_rows(HALS(0), self.point_of(H), F, F, (0.0, 0.0))  # once: X is not turned
        return FtX, np.broadcast_to(FtFs, (len(self.problem.alpha), *FtFs.shape[-2:])).copy(), extras
