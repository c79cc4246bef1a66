"""What a sweep does to a tile: look at it, move F, or solve for F."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.blocks import TiledMatrix
from coupled_nmf.solvers.hals import solve_exactly, solve_rows
from coupled_nmf.tiles import move_columns, move_tile, multiply_tile, residual_tile, scan_tile

Tile = list[NDArray[Any]]
Sums = tuple[NDArray[Any], ...]

# A row of F is solved for when its entries move by less than this part of its largest.
SOLVE_TOL = {"f": 1e-6, "d": 1e-11}
SOLVE_SWEEPS = {"f": 400, "d": 2000}  # then by active sets


def addresses(X: TiledMatrix, tile: Tile) -> NDArray[np.int64]:
    """The tile as `coupled_nmf.tiles` takes it; the caller keeps the arrays alive."""
    return np.array(
        [
            (part.__array_interface__["data"][0], part.strides[0], columns.start, part.shape[1])
            for part, columns in zip(tile, X.part_columns, strict=True)
        ],
        dtype=np.int64,
    )


class TileStep(ABC):
    """One tile's share of a sweep."""

    @property
    @abstractmethod
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the sums."""

    @property
    def depth(self) -> int:
        """Multiplications for every entry of X, about: whether threads pay."""
        return 1

    @abstractmethod
    def __call__(self, tile: Tile, rows: slice) -> Sums:
        """Work on the tile that stands for ``rows``; return what is to be summed over the tiles."""

    def recycle(self, sums: Sums) -> None:  # noqa: B027  (most steps have nothing to take back)
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

    def __call__(self, tile: Tile, rows: slice) -> Sums:
        """Scan one tile."""
        squares, zero = np.zeros(self.shapes[0]), self.X.dtype.type(0)
        negative, total = scan_tile(zero, addresses(self.X, tile), len(tile[0]), self.X.layout.bounds, squares)
        if negative or not np.all(np.isfinite(squares)):
            self.refuse(tile, rows)
        return squares, np.array([total])


@dataclass(frozen=True)
class MoveF(TileStep):
    """Move F by the solver and sum what H's move needs: ``FᵀX``, ``FᵀF`` and the rows' energies.

    Plain, ``other`` is F, which moves in place. Extrapolated (Ang and Gillis 2019), ``other`` is the F before: a row
    moves from F + ``beta`` (F − other) to its new place, which is written to ``other``; the sums are those of a point
    further on, by ``next_beta``. Two arrays do: after a rejection, F is there, and the one before is not needed.

    ``buffers`` keeps the arrays of the sums from tile to tile and sweep to sweep: fresh ones cost page faults.
    """

    X: TiledMatrix
    solver: Any
    R: NDArray[Any]
    gram: NDArray[Any]
    F: NDArray[Any]
    other: NDArray[Any]
    beta: float
    next_beta: float
    buffers: list[Sums]
    with_energy: bool = False

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the sums."""
        k = self.F.shape[1]
        return [(k, self.X.shape[1]), (k, k), (1,)]

    @property
    def depth(self) -> int:
        """The rank."""
        return self.F.shape[1]

    def __call__(self, tile: Tile, rows: slice) -> Sums:
        """Move one tile's rows."""
        sums = take_buffers(self.buffers, self.shapes, self.F.dtype)
        sums[-1][0] = self.with_energy
        kind = self.F.dtype.type
        move_tile(
            self.solver, addresses(self.X, tile), self.R, self.gram, self.F[rows], self.other[rows],
            kind(self.beta), kind(self.next_beta), *sums,
        )  # fmt: skip
        return sums

    def recycle(self, sums: Sums) -> None:
        """Take back the arrays of a tile's sums once they are added."""
        self.buffers.append(sums)


def take_buffers(buffers: list[Sums], shapes: list[tuple[int, ...]], dtype: np.dtype[Any]) -> Sums:
    """Arrays for a tile's sums, the last of them in float64: those of an earlier tile, or new ones."""
    try:
        return buffers.pop()
    except IndexError:
        kinds = [dtype] * (len(shapes) - 1) + [np.dtype(np.float64)]
        return tuple(np.empty(shape, kind) for shape, kind in zip(shapes, kinds, strict=True))


@dataclass(frozen=True)
class MoveH:
    """Move H by the solver, in ranges of its columns; sum its gram (k, k) and the columns' energies.

    As in `MoveF`, ``other`` gets what is found; ``R`` gets the point further on, times ``alpha`` of each column.
    """

    solver: Any
    FtX: NDArray[np.float64]
    gram: NDArray[Any]
    H: NDArray[Any]
    other: NDArray[Any]
    beta: float
    next_beta: float
    alpha: NDArray[np.float64]
    R: NDArray[Any]

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the sums."""
        return [self.gram.shape, (1,)]

    @property
    def depth(self) -> int:
        """The rank."""
        return len(self.H)

    def __call__(self, columns: slice) -> Sums:
        """Move those columns."""
        kind = self.H.dtype.type
        HHt, energy = np.empty_like(self.gram), np.empty(1)
        move_columns(
            self.solver, self.FtX, self.gram, self.H, self.other, kind(self.beta), kind(self.next_beta),
            self.alpha, self.R, HHt, energy, columns.start, columns.stop,
        )  # fmt: skip
        return HHt, energy

    def recycle(self, sums: Sums) -> None:
        """Nothing is taken back."""


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

    @property
    def depth(self) -> int:
        """The rank."""
        return len(self.H)

    def __call__(self, tile: Tile, rows: slice) -> Sums:
        """Solve for one tile's rows."""
        f, kind, parts = self.F[rows], self.X.dtype.char, addresses(self.X, tile)
        cross = np.empty_like(f)
        multiply_tile(parts, self.weighted_H, cross)
        slow = solve_rows(f, self.gram, cross, f.dtype.type(SOLVE_TOL[kind]), SOLVE_SWEEPS[kind])
        if len(slow):
            solve_exactly(f, self.gram, cross, slow)
        squares = np.zeros(self.shapes[0])
        residual_tile(parts, f, self.H, self.X.layout.bounds, squares)
        return (squares,)
