"""What a sweep does to a tile, and the moves of both factors for the Frobenius loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.columns import move_columns
from coupled_nmf.gaps import move_gappy_tile
from coupled_nmf.tiled import SparseRows, Tile, TiledMatrix
from coupled_nmf.tiles import move_tile

Sums = tuple[NDArray[Any], ...]
ONES: NDArray[np.float64] = np.empty(0)  # weights that are all 1


def addresses(X: TiledMatrix, tile: Tile) -> NDArray[np.int64]:
    """The tile as compiled code takes it, see `sparse_rows`; the caller keeps the arrays alive.

    The gate: compiled code goes where these numbers say. Where the column numbers of sparse rows point was checked when
    they were copied.

    Raises
    ------
    RuntimeError
        If the tile is not what X says: a fault of this package's.
    """

    def where(array: NDArray[Any]) -> int:
        return int(array.__array_interface__["data"][0])

    if len(tile) != len(X.part_columns) or not all(
        _fits(part, len(tile[0]), columns.stop - columns.start, X.dtype)
        for part, columns in zip(tile, X.part_columns, strict=True)
    ):
        raise RuntimeError("a tile has not the shape, the dtype or the strides of X's parts")
    rows = [
        (where(part.data), 0, columns.start, part.width, where(part.indices), where(part.indptr))
        if isinstance(part, SparseRows)
        else (where(part), part.strides[0], columns.start, part.shape[1], 0, 0)
        for part, columns in zip(tile, X.part_columns, strict=True)
    ]
    return np.array(rows, dtype=np.int64)


def _fits(part: Any, n_rows: int, width: int, dtype: np.dtype[Any]) -> bool:
    """Whether a part of a tile is as compiled code reads it."""
    if isinstance(part, SparseRows):
        stored = len(part.data)
        kinds = (part.data.dtype, part.indices.dtype, part.indptr.dtype) == (dtype, np.int32, np.int64)
        flat = all(array.flags.c_contiguous for array in (part.data, part.indices, part.indptr))
        inside = 0 <= part.indptr[0] <= part.indptr[-1] <= min(stored, len(part.indices))
        return bool(len(part) == n_rows and part.width == width and kinds and flat and inside)
    along = width == 1 or part.strides[1] == part.itemsize
    return bool(part.shape == (n_rows, width) and part.dtype == dtype and along)


def rows_in(tile: Tile) -> int:
    """How many rows a tile has."""
    return len(tile[0])


def zeros_for(X: TiledMatrix, V: NDArray[Any]) -> NDArray[Any]:
    """An F of zeros for X, as wide as V."""
    return np.zeros((X.shape[0], V.shape[1]), V.dtype)


class InMemory:
    """What readings of X in memory share."""

    tiles: TiledMatrix

    def hold(self, F: NDArray[Any] | None, H: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """F, of zeros if it is None, and H."""
        return zeros_for(self.tiles, H.T) if F is None else F, H

    def learn(self, solver: Any, sums: Sums, H: NDArray[Any]) -> NDArray[Any]:
        """H, moved once by sums of any data."""
        moved = np.empty_like(H)
        self.move_h(solver, sums, H, moved, (0.0, 0.0))
        return moved

    def move_h(self, solver: Any, sums: Sums, H: NDArray[Any], other: NDArray[Any], betas: Any) -> Any:
        """Move H, see `Reading`."""
        raise NotImplementedError


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


def take_buffers(buffers: list[Sums], shapes: list[tuple[int, ...]], dtype: np.dtype[Any]) -> Sums:
    """Arrays for a tile's sums, the last of them in float64: those of an earlier tile, or new ones."""
    try:
        return buffers.pop()
    except IndexError:
        kinds = [dtype] * (len(shapes) - 1) + [np.dtype(np.float64)]
        return tuple(np.empty(shape, kind) for shape, kind in zip(shapes, kinds, strict=True))


@dataclass(frozen=True)
class MoveF(TileStep):
    """Move F by the solver and sum what H's move needs: ``FᵀX``, ``FᵀF``, and the rows' energies and the penalty.

    Plain, ``other`` is F, which moves in place. Extrapolated (Ang and Gillis 2019), ``other`` is the F before: a row
    moves from F + ``beta`` (F − other) to its new place, which is written to ``other``; the sums are those of a point
    further on, by ``next_beta``. Two arrays do: after a rejection, F is there, and the one before is not needed.

    ``gram`` holds ``l2`` already. ``buffers`` keeps the arrays of the sums from tile to tile and sweep to sweep: fresh
    ones cost page faults.
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
    l1: float = 0.0
    l2: float = 0.0
    weights: NDArray[np.float64] = field(default_factory=lambda: ONES)
    with_energy: bool = False

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the sums."""
        k = self.F.shape[1]
        return [(k, self.X.shape[1]), (k, k), (2,)]

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
            self.solver, addresses(self.X, tile), self.R, self.gram, kind(self.l1), kind(self.l2), self.F[rows],
            self.other[rows], kind(self.beta), kind(self.next_beta), self.weights[rows], *sums,
        )  # fmt: skip
        return sums

    def recycle(self, sums: Sums) -> None:
        """Take back the arrays of a tile's sums once they are added."""
        self.buffers.append(sums)


@dataclass(frozen=True)
class MoveGappyF(TileStep):
    """As `MoveF`, where entries are missing: ``FᵀF`` of each block, squares of what the gaps are filled with, penalty.

    ``absent`` (n_samples, n_blocks) and ``scattered`` (n_samples,) say who lacks what, ``grams`` (n_blocks, k, k) are
    H_b(α_b H_b)ᵀ, ``alpha`` is that of each block.
    """

    X: TiledMatrix
    solver: Any
    absent: NDArray[np.bool_]
    scattered: NDArray[np.bool_]
    R: NDArray[Any]
    H: NDArray[Any]
    alpha: NDArray[np.float64]
    grams: NDArray[Any]
    F: NDArray[Any]
    other: NDArray[Any]
    beta: float
    next_beta: float
    buffers: list[Sums]
    l1: float = 0.0
    l2: float = 0.0
    weights: NDArray[np.float64] = field(default_factory=lambda: ONES)

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the sums."""
        return [self.R.shape, self.grams.shape, (2,)]

    @property
    def depth(self) -> int:
        """The rank."""
        return self.F.shape[1]

    def __call__(self, tile: Tile, rows: slice) -> Sums:
        """Move one tile's rows."""
        sums, kind = take_buffers(self.buffers, self.shapes, self.F.dtype), self.F.dtype.type
        absent, scattered = self.absent[rows], self.scattered[rows]
        move_gappy_tile(
            self.solver, addresses(self.X, tile), self.X.layout.bounds, order_of(absent, scattered), absent, scattered,
            self.R, self.H, self.alpha, self.grams, kind(self.l1), kind(self.l2), self.F[rows], self.other[rows],
            kind(self.beta), kind(self.next_beta), self.weights[rows], *sums,
        )  # fmt: skip
        return sums

    def recycle(self, sums: Sums) -> None:
        """Take back the arrays of a tile's sums once they are added."""
        self.buffers.append(sums)


def order_of(absent: NDArray[np.bool_], scattered: NDArray[np.bool_]) -> NDArray[np.int64]:
    """An order of the rows that puts those together that lack the same blocks, and have other gaps or not."""
    return np.lexsort([*absent.T, scattered])


@dataclass(frozen=True)
class MoveH(TileStep):
    """Move H by the solver, in ranges of its columns; sum its grams (n_groups, k, k) and the columns' energies.

    Columns ``edges[g]`` to ``edges[g + 1]`` are a group, with ``grams[g]`` and ``l1s[g]``. As in `MoveF`, ``other``
    gets what is found; ``R`` gets the point further on, times ``alpha`` of each column.
    """

    solver: Any
    FtX: NDArray[np.float64]
    grams: NDArray[Any]
    l1s: NDArray[Any]
    edges: NDArray[np.int64]
    H: NDArray[Any]
    other: NDArray[Any]
    beta: float
    next_beta: float
    alpha: NDArray[np.float64]
    R: NDArray[Any]

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the sums."""
        return [self.grams.shape, (1,)]

    @property
    def depth(self) -> int:
        """The rank."""
        return len(self.H)

    def __call__(self, columns: slice) -> Sums:  # type: ignore[override]
        """Move those columns."""
        kind = self.H.dtype.type
        HHts, energy = np.empty_like(self.grams), np.empty(1)
        move_columns(
            self.solver, self.FtX, self.grams, self.l1s, self.edges, self.H, self.other, kind(self.beta),
            kind(self.next_beta), self.alpha, self.R, HHts, energy, columns.start, columns.stop,
        )  # fmt: skip
        return HHts, energy
