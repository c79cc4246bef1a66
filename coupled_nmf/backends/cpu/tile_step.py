"""What a sweep does to a tile, and the moves of both factors for the Frobenius loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.backends.cpu.kernels import compiled, rule_of
from coupled_nmf.data.tiled_matrix import KeptTile, SparseRows, Tile, TiledMatrix
from coupled_nmf.problem.contracts import Sums
from coupled_nmf.problem.solvers import Rule

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


# The moves are made anew each iteration, and are not frozen: of a small X, that would be a tenth of its time.
@dataclass
class MoveF(TileStep):
    """Move F by the rule and sum what H's move needs: ``FᵀX``, ``FᵀF``, and the rows' energies and the penalty.

    Plain, ``other`` is F, which moves in place. Extrapolated (Ang and Gillis 2019), ``other`` is the F before: a row
    moves from F + ``beta`` (F − other) to its new place, which is written to ``other``; the sums are those of a point
    further on, by ``next_beta``. Two arrays do: after a rejection, F is there, and the one before is not needed.

    ``gram`` holds ``l2`` already. ``buffers`` keeps the arrays of the sums from tile to tile and sweep to sweep: fresh
    ones cost page faults.
    """

    X: TiledMatrix
    rule: Rule
    R: NDArray[Any]
    gram: NDArray[Any]
    beta: float
    next_beta: float
    buffers: list[Sums]
    l1: float = 0.0
    l2: float = 0.0
    with_energy: bool = False

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the sums."""
        return [self.R.shape, self.gram.shape, (2,)]

    @property
    def depth(self) -> int:
        """The rank."""
        return len(self.R)

    def __call__(
        self, tile: Tile, rows: slice, F: NDArray[Any], other: NDArray[Any], weights: NDArray[np.float64]
    ) -> Sums:
        """Move one tile's rows of F."""
        sums = take_buffers(self.buffers, self.R, self.gram)
        sums[-1][0] = self.with_energy
        compiled.move_tile(
            *rule_of(self.rule), gate(self.X, tile), self.R, self.gram, self.l1, self.l2, F, other, self.beta,
            self.next_beta, weights, *sums,
        )  # fmt: skip
        return sums

    def recycle(self, sums: Sums) -> None:
        """Take back the arrays of a tile's sums once they are added."""
        self.buffers.append(sums)


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


class GapLists:
    """Of each tile, where its gaps are; made once, if X is in memory: two bytes for each gap are less than X."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, int], tuple[NDArray[np.uint16], NDArray[np.int64]]] = {}

    def of(self, X: TiledMatrix, rows: slice, *tile: Any) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
        """The places of a tile's gaps, and where each chunk's list ends; ``tile`` is as `move_gappy_tile` takes it."""
        key = (rows.start, rows.stop)
        if key in self._found:
            return self._found[key]
        places, ends = np.empty(0, np.uint16), np.empty(0, np.int64)
        ends = np.empty(compiled.list_gaps(*tile, ends, places), np.int64)
        compiled.list_gaps(*tile, ends, places)
        places = np.empty(ends[-1] if len(ends) else 0, np.uint16)
        compiled.list_gaps(*tile, ends, places)
        if X.in_memory:
            self._found[key] = places, ends
        return places, ends


@dataclass
class MoveGappyF(TileStep):
    """As `MoveF`, where entries are missing: ``FᵀF`` of each block, squares of what the gaps are filled with, penalty.

    ``grams`` (n_blocks, k, k) are H_b(α_b H_b)ᵀ, ``alpha`` is that of each block. With the rows of F come ``absent``
    (rows, n_blocks) and ``scattered`` (rows,), which say who lacks what.
    """

    X: TiledMatrix
    rule: Rule
    R: NDArray[Any]
    H: NDArray[Any]
    alpha: NDArray[np.float64]
    grams: NDArray[Any]
    beta: float
    next_beta: float
    buffers: list[Sums]
    orders: Orders
    lists: GapLists
    l1: float = 0.0
    l2: float = 0.0

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the sums."""
        return [self.R.shape, self.grams.shape, (2,)]

    @property
    def depth(self) -> int:
        """The rank."""
        return len(self.R)

    def __call__(
        self,
        tile: Tile,
        rows: slice,
        F: NDArray[Any],
        other: NDArray[Any],
        weights: NDArray[np.float64],
        absent: NDArray[np.bool_],
        scattered: NDArray[np.bool_],
    ) -> Sums:
        """Move one tile's rows of F."""
        sums = take_buffers(self.buffers, self.R, self.grams)
        order = self.orders.of(rows, absent, scattered)
        given = gate(self.X, tile), self.X.layout.bounds, order, absent, scattered
        compiled.move_gappy_tile(
            *rule_of(self.rule), *given, *self.lists.of(self.X, rows, *given), self.R, self.H, self.alpha, self.grams,
            self.l1, self.l2, F, other, self.beta, self.next_beta, weights, *sums,
        )  # fmt: skip
        return sums

    def recycle(self, sums: Sums) -> None:
        """Take back the arrays of a tile's sums once they are added."""
        self.buffers.append(sums)


class ColumnStep(ABC):
    """What is done to ranges of columns, and what of it is summed."""

    shapes: list[tuple[int, ...]]  # of the sums
    work: int  # multiplications for all columns, about: whether threads pay

    @abstractmethod
    def __call__(self, columns: slice) -> Sums:
        """Work on those columns."""

    def recycle(self, sums: Sums) -> None:  # noqa: B027  (nothing is taken back)
        """As `TileStep.recycle`."""


@dataclass
class MoveH(ColumnStep):
    """Move H by the rule, in ranges of its columns; sum its grams (n_groups, k, k) and the columns' energies.

    Columns ``edges[g]`` to ``edges[g + 1]`` are a group, with ``grams[g]`` and ``l1s[g]``. As in `MoveF`, ``other``
    gets what is found; ``R`` gets the point further on, times ``alpha`` of each column.
    """

    rule: Rule
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
    turned: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        self.shapes = [self.grams.shape, (1,)]
        self.work = self.H.shape[1] * len(self.H) ** 2

    def __call__(self, columns: slice) -> Sums:
        """Move those columns."""
        HHts = np.empty_like(self.grams)
        energy = compiled.move_columns(
            *rule_of(self.rule), self.FtX, self.grams, self.l1s, self.edges, self.H, self.other, self.beta,
            self.next_beta, self.alpha, self.R, HHts, columns.start, columns.stop,
        )  # fmt: skip
        if self.turned is not None:
            compiled.turn_over(self.R[:, columns], self.turned[columns])
        return HHts, np.array([energy])
