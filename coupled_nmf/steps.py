"""What a sweep does to a tile: look at it, move F, or solve for F."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from coupled_nmf.blocks import TiledMatrix
from coupled_nmf.products import add_cross, add_moments
from coupled_nmf.solvers.hals import solve_exactly, solve_rows
from coupled_nmf.solvers.panels import FASTMATH

Tile = list[NDArray[Any]]

# A row of F is solved for when its entries move by less than this part of its largest.
SOLVE_TOL = {"f": 1e-6, "d": 1e-11}
SOLVE_SWEEPS = {"f": 400, "d": 2000}  # then by active sets
RESIDUAL_ROWS = 64  # residuals are made for so many rows at a time


@njit(nogil=True, cache=True, fastmath=FASTMATH)
def _squares(x, bounds, squares):
    """Add each block's sum of squares, in float64; return the smallest entry."""
    smallest = x.dtype.type(0)
    for row in range(x.shape[0]):
        for block in range(bounds.size - 1):
            total = 0.0
            for column in range(bounds[block], bounds[block + 1]):
                value = x[row, column]
                total += np.float64(value) * np.float64(value)
                smallest = min(smallest, value)
            squares[block] += total
    return smallest


def block_squares(X: TiledMatrix, tile: Tile, squares: NDArray[np.float64]) -> float:
    """Add the tile's sum of squares per block to ``squares``; return the smallest entry or 0."""
    smallest = 0.0
    for part, columns in zip(tile, X.part_columns, strict=True):
        bounds = np.clip(X.layout.bounds, columns.start, columns.stop) - columns.start
        smallest = min(smallest, float(_squares(part, bounds, squares)))
    return smallest


class TileStep(ABC):
    """One tile's share of a sweep."""

    @property
    @abstractmethod
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the sums."""

    @abstractmethod
    def __call__(self, tile: Tile, rows: slice) -> tuple[NDArray[Any], ...]:
        """Work on the tile that stands for ``rows``; return what is to be summed over the tiles."""

    def recycle(self, sums: tuple[NDArray[Any], ...]) -> None:  # noqa: B027  (most steps have nothing to take back)
        """Take back the arrays of a tile's sums once they are added."""


@dataclass(frozen=True)
class Scan(TileStep):
    """Sums of squares per block and the sum of X; stops at the first tile with an entry that cannot be."""

    X: TiledMatrix
    refuse: Callable[[Tile, slice], None]

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the sums."""
        return [(len(self.X.layout.names),), (1,)]

    def __call__(self, tile: Tile, rows: slice) -> tuple[NDArray[Any], ...]:
        """Scan one tile."""
        squares = np.zeros(len(self.X.layout.names))
        smallest = block_squares(self.X, tile, squares)
        if smallest < 0 or not np.all(np.isfinite(squares)):
            self.refuse(tile, rows)
        return squares, np.array([sum(float(part.sum(dtype=np.float64)) for part in tile)])


def cross_of(X: TiledMatrix, tile: Tile, H: NDArray[Any]) -> NDArray[Any]:
    """``x Hᵀ`` for one tile, shape (rows, k)."""
    cross = np.zeros((len(tile[0]), len(H)), dtype=H.dtype)
    for part, columns in zip(tile, X.part_columns, strict=True):
        add_cross(part, H, columns, cross)
    return cross


class TileMoments(TileStep):
    """A step that sums ``FᵀX`` (k, n_features) and ``FᵀF`` (k, k) of rows that it finds.

    ``buffers`` keeps the arrays of the sums from tile to tile and sweep to sweep: fresh ones cost page faults.
    """

    X: TiledMatrix
    buffers: list[NDArray[Any]]

    def moments(self, tile: Tile, f: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        """``fᵀx`` and ``fᵀf``."""
        try:
            FtX = self.buffers.pop()
        except IndexError:
            FtX = np.empty((f.shape[1], self.X.shape[1]), dtype=f.dtype)
        for part, columns in zip(tile, self.X.part_columns, strict=True):
            add_moments(f, part, columns, FtX)
        return FtX, f.T @ f

    def recycle(self, sums: tuple[NDArray[Any], ...]) -> None:
        """Take back the arrays of a tile's sums once they are added."""
        self.buffers.append(sums[0])


@dataclass(frozen=True)
class MoveF(TileMoments):
    """Move F by the solver and sum what H's move needs.

    Plain, ``other`` is F, which moves in place. Extrapolated (Ang and Gillis 2019), ``other`` is the F before: a row
    moves from F + ``beta`` (F − other) to its new place, which is written to ``other``; the sums are those of a point
    further on, by ``next_beta``. Two arrays do: after a rejection, F is there, and the one before is not needed.
    """

    X: TiledMatrix
    solver: Any
    weighted_H: NDArray[Any]
    gram: NDArray[Any]
    F: NDArray[Any]
    other: NDArray[Any]
    beta: float
    next_beta: float
    buffers: list[NDArray[Any]]

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the sums."""
        k = self.F.shape[1]
        return [(k, self.X.shape[1]), (k, k)]

    def __call__(self, tile: Tile, rows: slice) -> tuple[NDArray[Any], ...]:
        """Move one tile's rows."""
        cross = cross_of(self.X, tile, self.weighted_H)
        if self.other is self.F:
            self.solver.update(self.F[rows], self.gram, cross)
            return self.moments(tile, self.F[rows])
        f, other = self.F[rows].copy(), self.other[rows]
        extrapolate(f, other, self.beta)
        self.solver.update(f, self.gram, cross)
        other[:] = f
        extrapolate(f, self.F[rows], self.next_beta)
        return self.moments(tile, f)


@dataclass(frozen=True)
class SolveF(TileStep):
    """Solve for F from a cold start, given H; sum the squares of the residual per block."""

    X: TiledMatrix
    H: NDArray[Any]
    weighted_H: NDArray[Any]
    gram: NDArray[Any]
    F: NDArray[Any]

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shape of the sum: the squares of the residual per block."""
        return [(len(self.X.layout.names),)]

    def __call__(self, tile: Tile, rows: slice) -> tuple[NDArray[Any], ...]:
        """Solve for one tile's rows."""
        f, kind = self.F[rows], self.X.dtype.char
        cross = cross_of(self.X, tile, self.weighted_H)
        slow = solve_rows(f, self.gram, cross, f.dtype.type(SOLVE_TOL[kind]), SOLVE_SWEEPS[kind])
        if len(slow):
            solve_exactly(f, self.gram, cross, slow)
        squares = np.zeros(self.shapes[0])
        for start in range(0, len(f), RESIDUAL_ROWS):
            some = slice(start, start + RESIDUAL_ROWS)
            residual = [f[some] @ self.H[:, columns] for columns in self.X.part_columns]
            for r, part in zip(residual, tile, strict=True):
                np.subtract(part[some], r, out=r)
            block_squares(self.X, residual, squares)
        return (squares,)


def extrapolate(V: NDArray[Any], previous: NDArray[Any], beta: float) -> None:
    """``V + beta (V − previous)``, not below zero, in place."""
    if beta > 0:
        _extrapolate(V, previous, V.dtype.type(beta))


@njit(nogil=True, cache=True, fastmath=FASTMATH)
def _extrapolate(V, previous, beta):
    for i in range(V.shape[0]):
        for j in range(V.shape[1]):
            V[i, j] = max(V[i, j] + beta * (V[i, j] - previous[i, j]), V.dtype.type(0))
