"""The Frobenius loss on the host: how the loop moves both factors on X, and F for a given H."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.backends.cpu.losses.objective import HostBackend, HostObjective
from coupled_nmf.backends.cpu.moves.by_rows import ByRows
from coupled_nmf.backends.cpu.moves.components import MoveH
from coupled_nmf.backends.cpu.moves.gappy import OverGaps
from coupled_nmf.backends.cpu.moves.route import Point, Route
from coupled_nmf.backends.cpu.moves.small import Small, pays_at_once
from coupled_nmf.backends.cpu.moves.sparse import ByColumns, pays_by_columns
from coupled_nmf.backends.cpu.moves.wide import ByRanges, pays_by_ranges
from coupled_nmf.backends.cpu.solve import SolveF, SolveGappyF
from coupled_nmf.problem.column_groups import group_columns
from coupled_nmf.problem.contracts import Pair, Solution, Sums
from coupled_nmf.problem.penalties import Penalties
from coupled_nmf.problem.problem import Problem
from coupled_nmf.problem.solvers import HALS, Rule


@dataclass(frozen=True)
class _Ways:
    """How factors of some rank move: F by a route, and both at once where that pays."""

    route: Route
    at_once: Small | None


class Frobenius(HostObjective):
    """J = Σ_b α_b ‖X_b − F H_b‖² over the observed entries, with penalties, on X itself: an `Objective`."""

    def __init__(self, problem: Problem, penalties: Penalties, backend: HostBackend) -> None:
        super().__init__(problem, penalties, backend)
        self.weighted_squares = problem.weighted_squares
        self._alpha = problem.column_weights
        self._edges, self._l1_H, self._l2_H = group_columns(problem, penalties)
        dtype = problem.X.dtype
        self._l1s, self._has_l2 = self._l1_H.astype(dtype), bool(self._l2_H.any())
        self._found: dict[int, _Ways] = {}

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
        """Move F; return FᵀX, FᵀF (of each block, where samples lack some), and two numbers, see `Route`."""
        return self._ways(len(point.R)).route.move(rule, point, F, other, betas)

    def move_both(
        self, rules: tuple[Rule, Rule], point: Point, F: Pair, H: Pair, betas: tuple[float, float]
    ) -> tuple[float, Point]:
        """Move F, then H, see `Alternated`; in one call where X is small."""
        at_once = self._ways(len(point.R)).at_once
        if at_once is None:
            return super().move_both(rules, point, F, H, betas)
        (penalty, energy), R, products = at_once.move(rules, point.R, point.gram(self.penalties.l2_F), F, H, betas)
        return self.weighted_squares + penalty + energy, self._point(R, H[1], products)

    def _ways(self, k: int) -> _Ways:
        """How factors of that rank move: it is asked in each iteration, and found once."""
        if k not in self._found:
            route, at_once = self._route_of(k), None
            if isinstance(route, ByRows) and not self._has_l2 and pays_at_once(self.problem.X, k):
                at_once = Small(self.problem, self.penalties, self._edges, self._l1s[: len(self._edges) - 1])
            self._found[k] = _Ways(route, at_once)
        return self._found[k]

    def _route_of(self, k: int, *, once: bool = False) -> Route:
        """The route that pays; X is not turned for a single move."""
        problem, penalties, backend = self.problem, self.penalties, self.backend
        if problem.gaps is not None:
            return OverGaps(problem, problem.gaps, penalties, backend)
        if not once and pays_by_columns(problem.X):
            return ByColumns(problem, penalties, backend, backend.sparse_moves)
        if pays_by_ranges(problem.X, k):
            return ByRanges(problem, penalties, backend)
        return ByRows(problem, penalties, backend)

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
        FtX, FtFs, extras = self._route_of(len(H), once=True).move(HALS(0), self.point_of(H), F, F, (0.0, 0.0))
        return FtX, np.broadcast_to(FtFs, (len(self.problem.alpha), *FtFs.shape[-2:])).copy(), extras
