"""A loss on X that lies on workers, and on what stands in for it there: F moves there, H here."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.backends.cpu.backend import OBJECTIVES
from coupled_nmf.backends.cpu.stand_in import StandInObjective
from coupled_nmf.backends.dask import steps
from coupled_nmf.backends.dask.pieces import Terms
from coupled_nmf.backends.dask.rows import Rows
from coupled_nmf.problem.contracts import InTurn, Solution, Sums
from coupled_nmf.problem.penalties import Penalties
from coupled_nmf.problem.problem import Problem
from coupled_nmf.problem.solvers import Rule


class DaskObjective(InTurn):
    """As the CPU's objective of that loss, which moves H: an `Objective`."""

    def __init__(self, loss: str, problem: Problem, penalties: Penalties, backend: Any) -> None:
        self.backend, self.tiles, self.penalties = backend, problem.X, penalties
        self._here = OBJECTIVES[loss](problem, penalties, backend.near)
        self.weighted_squares = self._here.weighted_squares
        self._terms = Terms(uuid.uuid4().hex, loss, problem.alpha, penalties, problem.gaps is not None)
        self._lean = loss == "frobenius" and problem.gaps is None  # then F moves by α⊙H, and needs no H

    def hold(self, F: Any, H: NDArray[Any]) -> tuple[Rows, NDArray[Any]]:
        """F on the workers, and H here."""
        return self.backend.place(F, len(H)), H

    def point_of(self, H: NDArray[Any]) -> Any:
        """The point of H itself."""
        return self._here.point_of(H)

    def packed(self, point: Any) -> tuple[NDArray[Any], ...]:
        """A point as arrays."""
        return self._here.packed(point)

    def unpacked(self, arrays: tuple[NDArray[Any], ...]) -> Any:
        """The point of which these are the arrays."""
        return self._here.unpacked(arrays)

    def move_f(self, rule: Rule, point: Any, F: Rows, other: Rows, betas: tuple[float, float]) -> Sums:
        """Move F, see `Alternated`."""
        # A copy: a point may be the loop's H, to which it writes again, and what is sent serves as long as F is made
        # again from it.
        sent = replace(point, H=None if self._lean else point.H.copy())
        return self.backend.workers.move(steps.move_f, F, other, (self._terms, rule, sent, betas))

    def move_h(self, rule: Rule, sums: Sums, H: NDArray[Any], other: NDArray[Any], betas: tuple[float, float]) -> Any:
        """Move H, see `Alternated`."""
        return self._here.move_h(rule, sums, H, other, betas)

    def learn(self, rule: Rule, sums: Sums, H: NDArray[Any]) -> NDArray[Any]:
        """H, moved once by sums of any data."""
        return self._here.learn(rule, sums, H)

    def solve(self, H: NDArray[Any]) -> Solution:
        """F for the given H from a cold start, and what is left."""
        H = np.array(H, order="C")
        F, sums = self.backend.workers.rows_and_sums(steps.solve, (), (self._terms, H), H.T)
        return self._here.solution(F, sums)

    def sums_of(self, F: Rows, H: NDArray[Any]) -> Sums:
        """What H's move needs of an F that stays."""
        return self.backend.workers.sums(steps.sums_of, (F,), (self._terms, H.copy()))


class DaskStandIn(InTurn):
    """The loop on Y B, for Y on the workers; as `StandInObjective`, which moves H."""

    def __init__(self, Y: Rows, Bt: NDArray[Any], weighted_squares: float, backend: Any) -> None:
        self._here = StandInObjective(np.empty((0, Y.shape[1]), Y.dtype), Bt, weighted_squares, backend.near)
        self.backend, self.tiles, self.weighted_squares, self._Y = backend, self._here.tiles, weighted_squares, Y

    def hold(self, F: Any, H: NDArray[Any]) -> tuple[Rows, NDArray[Any]]:
        """F on the workers, and H here."""
        return self.backend.place(F, H.shape[1]), H

    def point_of(self, H: NDArray[Any]) -> Any:
        """H Bᵀ and H Hᵀ."""
        return self._here.point_of(H)

    def move_f(self, rule: Rule, point: Any, F: Rows, other: Rows, betas: tuple[float, float]) -> Sums:
        """Sweep over Y."""
        return self.backend.workers.move(steps.move_on_stand_in, F, other, (rule, point, betas), before=(self._Y,))

    def move_h(self, rule: Rule, sums: Sums, H: NDArray[Any], other: NDArray[Any], betas: tuple[float, float]) -> Any:
        """Sweep over Bᵀ."""
        return self._here.move_h(rule, sums, H, other, betas)
