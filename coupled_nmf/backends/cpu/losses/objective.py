"""What the losses share on the host."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import fields
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.backends.cpu.moves.sparse import SparseMoves
from coupled_nmf.backends.cpu.tile_step import Sweeps
from coupled_nmf.data.tiled_matrix import TiledMatrix
from coupled_nmf.problem.contracts import Backend, InTurn, Solution, Sums
from coupled_nmf.problem.draws import made
from coupled_nmf.problem.penalties import Penalties
from coupled_nmf.problem.problem import Problem
from coupled_nmf.problem.solvers import Rule


def zeros_for(X: TiledMatrix, V: NDArray[Any]) -> NDArray[Any]:
    """An F of zeros for X, as wide as V."""
    return np.zeros((X.shape[0], V.shape[1]), V.dtype)


class HostBackend(Backend, Sweeps, Protocol):
    """A backend that can sweep over what is in the host's memory, or comes there tile by tile."""

    sparse_moves: SparseMoves


class HostObjective(InTurn, ABC):
    """A loss on X, whose factors are in memory: see `Objective`."""

    weighted_squares: float

    def __init__(self, problem: Problem, penalties: Penalties, backend: HostBackend) -> None:
        self.problem, self.penalties = problem, penalties
        self.backend, self.tiles = backend, problem.X

    def hold(self, F: NDArray[Any] | None, H: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """F, of zeros if it is None, made if it is yet to be, and H."""
        return zeros_for(self.tiles, H.T) if F is None else made(F, self.tiles.shape[0]), H

    def packed(self, point: Any) -> tuple[NDArray[Any], ...]:
        """A point as arrays."""
        return tuple(getattr(point, one.name) for one in fields(point))

    def learn(self, rule: Rule, sums: Sums, H: NDArray[Any]) -> NDArray[Any]:
        """H, moved once by sums of any data."""
        moved = np.empty_like(H)
        self.move_h(rule, sums, H, moved, (0.0, 0.0))
        return moved

    @abstractmethod
    def point_of(self, H: NDArray[Any]) -> Any:
        """The point of H itself."""

    @abstractmethod
    def unpacked(self, arrays: tuple[NDArray[Any], ...]) -> Any:
        """The point of which these are the arrays."""

    @abstractmethod
    def move_f(self, rule: Rule, point: Any, F: NDArray[Any], other: NDArray[Any], betas: tuple[float, float]) -> Sums:
        """Move F, see `Alternated`."""

    @abstractmethod
    def move_h(self, rule: Rule, sums: Sums, H: NDArray[Any], other: NDArray[Any], betas: tuple[float, float]) -> Any:
        """Move H, see `Alternated`."""

    def solve(self, H: NDArray[Any]) -> Solution:
        """F for the given H from a cold start, and what is left."""
        return self.solution(*self.solved(H))

    @abstractmethod
    def solved(self, H: NDArray[Any]) -> tuple[NDArray[Any], Sums]:
        """F for the given H from a cold start, and sums of what is left, which can be added up over parts of X."""

    @abstractmethod
    def solution(self, F: Any, sums: Sums) -> Solution:
        """F, and what is left by the sums over all of X."""

    @abstractmethod
    def sums_of(self, F: NDArray[Any], H: NDArray[Any]) -> Sums:
        """What H's move needs of an F that stays."""
