"""What a sweep does to a tile of rows, or to a range of columns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.backends.cpu.kernels import compiled
from coupled_nmf.data.tiled_matrix import KeptTile, SparseRows, Tile, TiledMatrix
from coupled_nmf.problem.contracts import Sums

TILES = {"f": compiled.SingleTile, "d": compiled.DoubleTile}


def gate(X: TiledMatrix, tile: Tile) -> Any:
    """The tile as compiled code takes it: its parts, side by side, each of X's dtype and as many rows.

    Of a tile that is kept it is made once. Where the column numbers of sparse rows point was checked when they were
    copied.

    Raises
    ------
    RuntimeError
        If the tile is not what X says: a fault of this package's.
    """
    if isinstance(tile, KeptTile):
        if tile.held is None:
            tile.held = _hold(X, tile)
        return tile.held
    return _hold(X, tile)


def _hold(X: TiledMatrix, tile: Tile) -> Any:
    held = TILES[X.dtype.char](rows_in(tile))
    try:
        for part, columns in zip(tile, X.part_columns, strict=True):
            if isinstance(part, SparseRows):
                held.add_sparse(part.data, part.indices, part.indptr, columns.start, part.width)
            else:
                held.add_dense(part, columns.start)
    except (TypeError, ValueError) as error:
        raise RuntimeError("a tile has not the shape, the dtype or the strides of X's parts") from error
    if held.n_features != X.shape[1]:
        raise RuntimeError(f"a tile has {held.n_features} columns, X has {X.shape[1]}")
    return held


def rows_in(tile: Tile) -> int:
    """How many rows a tile has."""
    return len(tile[0])


class TileStep(ABC):
    """What is done to one tile, and what of it is summed. What has a row for each sample comes with the tile."""

    @property
    @abstractmethod
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the sums."""

    @property
    def depth(self) -> int:
        """Multiplications for every entry of X, about: whether threads pay."""
        return 1

    @abstractmethod
    def __call__(self, tile: Tile, rows: slice, *by_row: Any) -> Sums:
        """Work on the tile that stands for ``rows`` of what is swept over, and its rows of what goes with them."""

    def recycle(self, sums: Sums) -> None:  # noqa: B027  (most steps have nothing to take back)
        """Take back the arrays of a tile's sums once they are added."""


def take_buffers(buffers: list[Sums], R: NDArray[Any], grams: NDArray[Any]) -> Sums:
    """Arrays for a tile's sums: like those, and two numbers; those of an earlier tile, or new ones."""
    try:
        return buffers.pop()
    except IndexError:
        return np.empty_like(R), np.empty_like(grams), np.empty(2)


class Orders:
    """Of each tile, an order of its rows that puts those together that lack the same blocks; made once."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, int], NDArray[np.int64]] = {}

    def of(self, rows: slice, absent: NDArray[np.bool_], scattered: NDArray[np.bool_]) -> NDArray[np.int64]:
        """That of a tile: by the blocks that its rows lack, and whether they have other gaps."""
        key = (rows.start, rows.stop)
        if key not in self._found:
            self._found[key] = np.lexsort([*absent.T, scattered])
        return self._found[key]


class Sweeps(Protocol):
    """Who runs steps on threads."""

    def totals(self, shapes: list[tuple[int, ...]]) -> Sums:
        """Zeros for sums of these shapes; those that whoever was done with left free, if there are."""

    def sweep(self, X: TiledMatrix, step: TileStep, *by_row: NDArray[Any]) -> tuple[NDArray[np.float64], ...]:
        """Run a tile step over all row tiles of X; return the sums."""

    def sweep_columns(self, n: int, step: ColumnStep) -> tuple[NDArray[np.float64], ...]:
        """Run a step over ranges of n columns; return the sums."""

    def for_each(self, run: Callable[[int], None], n: int) -> None:
        """Call ``run`` for 0 to n - 1, on the threads."""


class ColumnStep(ABC):
    """What is done to ranges of columns, and what of it is summed."""

    shapes: list[tuple[int, ...]]  # of the sums
    work: int  # multiplications for all columns, about: whether threads pay

    @abstractmethod
    def __call__(self, columns: slice) -> Sums:
        """Work on those columns."""

    def recycle(self, sums: Sums) -> None:  # noqa: B027  (nothing is taken back)
        """As `TileStep.recycle`."""
