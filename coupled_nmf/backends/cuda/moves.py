"""What the moves of both factors are made of: launches of the kernels, added to a program.

A factor V (n, k) is held column by column, so that neighbouring threads, which are rows, read neighbouring entries.
What is made of it for one tile, cross and the point further on, is (k, rows).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.backends.cuda.device import NULL, THREADS, Device, Program, leading
from coupled_nmf.problem.contracts import InTurn
from coupled_nmf.problem.solvers import NAMES

PENALTY, ENERGY = 1, 2  # what a move sums
MOST_SLABS, LEAST_SLAB = 512, 128  # parts in which rows are summed, and rows of one
SQUARE, SUMMING, REDUCED = 64, 256, 32  # side of a block's part of a gram, threads, entries that a block reduces
SIMPLE = 256  # threads of the kernels that need no more than their number
MOST_BLOCKS = 4096
MOST_SUMMED = 2048  # rows that are summed in float32: of more, J would lose the digits by which steps are judged


class HoldsPoint(InTurn, ABC):
    """An objective whose point is arrays that keep their places on the device."""

    @abstractmethod
    def _point_arrays(self) -> tuple[Any, ...]:
        """The arrays, always in the same order."""

    def packed(self, point: None) -> tuple[NDArray[Any], ...]:
        """The point that is held, in memory."""
        return tuple(array.get() for array in self._point_arrays())

    def unpacked(self, arrays: tuple[NDArray[Any] | None, ...]) -> None:
        """Hold the point of which these are the arrays; None: one that nothing will read."""
        for array, kept in zip(self._point_arrays(), arrays, strict=True):
            if kept is not None:
                array.set(kept)


@dataclass(frozen=True)
class Pair:
    """A factor twice (n, k): the one that is held and room for the next, which of them is which the device knows."""

    first: Any
    second: Any

    @property
    def ld(self) -> np.int64:
        """Entries from a column to the next."""
        columns_apart = self.first.strides[1] // self.first.itemsize
        return np.int64(columns_apart if self.first.shape[1] > 1 else self.first.shape[0])

    def rows(self, rows: slice) -> Pair:
        """Some of its rows."""
        return Pair(self.first[rows], self.second[rows])


@dataclass(frozen=True)
class Order:
    """Which row each thread takes, -1 for none, and which gram each block of threads."""

    rows: Any
    grams: Any

    @classmethod
    def by_pattern(cls, patterns: NDArray[np.int64], device: Device) -> Order:
        """Rows of the same pattern, whose number is that of their gram, in blocks of their own."""
        rows, grams = [], []
        for pattern in np.unique(patterns):
            some = np.flatnonzero(patterns == pattern)
            n_blocks = -(-len(some) // THREADS)
            rows.append(np.pad(some, (0, n_blocks * THREADS - len(some)), constant_values=-1))
            grams.append(np.full(n_blocks, pattern))
        return cls(device.put(np.concatenate(rows), np.int32), device.put(np.concatenate(grams), np.int32))


@dataclass(frozen=True)
class Further:
    """The point further on (k, rows), and times the rows' weights, if they have any."""

    point: Any
    weighted: Any = None

    @property
    def summed(self) -> Any:
        """What is multiplied by X."""
        return self.point if self.weighted is None else self.weighted

    def rows(self, height: int) -> Further:
        """The first rows."""
        return Further(self.point[:, :height], None if self.weighted is None else self.weighted[:, :height])


def or_null(array: Any) -> Any:
    """A kernel's argument: the array, or a pointer to nothing."""
    return NULL if array is None else array


def step_of(array: Any) -> np.int64:
    """Entries from one row of a matrix to the next."""
    return np.int64(leading(array)[0])


def blocks_for(n: int) -> tuple[int]:
    """Blocks of a kernel whose threads walk on until n is done."""
    return (min(-(-n // SIMPLE), MOST_BLOCKS),)


def n_partials(n: int, order: Order | None = None) -> int:
    """Blocks of threads, each of which sums two numbers."""
    return len(order.grams) if order else -(-n // THREADS)


def add_move(
    program: Program, device: Device, rule: Any, control: Any, pair: Pair, cross: Any, grams: Any, further: Further, *,
    l1: float = 0.0, l2: float = 0.0, order: Order | None = None, weights: Any = None, wants: int = 0,
    partials: Any = None,
) -> None:  # fmt: skip
    """Move the rows of a pair by gram and cross (k, rows); see ``move.cu``. A cross of float64 is that of columns."""
    n, k = pair.first.shape
    dtype = pair.first.dtype
    columns = cross is not None and cross.dtype == np.float64
    name = f"{NAMES[type(rule)]}_{'columns' if columns else 'rows'}"
    blocks = n_partials(n, order)
    kind = dtype.type
    program.add(
        device.kernel("move.cu", name, dtype, k), (blocks,), (THREADS,),
        (or_null(control), pair.first, pair.second, pair.ld, or_null(cross),
         np.int64(0) if cross is None else step_of(cross), or_null(grams), np.int32(k), kind(l1), np.float64(l2),
         np.int32(rule.inner_sweeps), np.int32(rule.fixed), np.int32(blocks * THREADS if order else n),
         or_null(order and order.rows), or_null(order and order.grams), or_null(weights),
         further.point, or_null(further.weighted), step_of(further.point), np.int32(wants), or_null(partials)),
    )  # fmt: skip


def add_keep(program: Program, device: Device, control: Any, pair: Pair, weights: Any, further: Further) -> None:
    """After a rejection the point further on is the held factor."""
    n, k = pair.first.shape
    program.add(
        device.kernel("points.cu", "keep_point", pair.first.dtype), blocks_for(n), (SIMPLE,),
        (control, pair.first, pair.second, pair.ld, or_null(weights), further.point, or_null(further.weighted),
         step_of(further.point), np.int32(k), np.int32(n)),
    )  # fmt: skip


def add_start(
    program: Program, device: Device, control: Any, pair: Pair, out: Any, *, above_zero: bool = False
) -> None:
    """``out`` (k, rows) becomes the point from which the rows of a pair move next; ``above_zero``: see `points.cu`."""
    n, k = pair.first.shape
    program.add(
        device.kernel("points.cu", "extrapolated", pair.first.dtype), blocks_for(n), (SIMPLE,),
        (or_null(control), pair.first, pair.second, pair.ld, np.int32(k), np.int32(n), np.int32(above_zero),
         out, step_of(out)),
    )  # fmt: skip


def add_put(program: Program, device: Device, control: Any, pair: Pair, found: Any) -> None:
    """What was found (k, rows) is written to the other of a pair."""
    n, k = pair.first.shape
    program.add(
        device.kernel("points.cu", "put_other", pair.first.dtype), blocks_for(n), (SIMPLE,),
        (or_null(control), pair.first, pair.second, pair.ld, np.int32(k), np.int32(n), found, step_of(found)),
    )  # fmt: skip


def add_cross(
    program: Program, device: Device, R: Any, parts: list[tuple[Any, slice]], cross: Any, *, of_x: bool = True
) -> None:
    """``cross = R xᵀ``, for the parts of x and their columns; ``of_x`` as for `Device.multiply`."""
    for number, (x, columns) in enumerate(parts):
        device.multiply(program, cross, R[:, columns], x.T, add=number > 0, of_x=of_x)


def edges_in(bounds: NDArray[np.int64], columns: slice) -> NDArray[np.int64]:
    """Those bounds of blocks that lie in a part's columns, its ends included."""
    return bounds[(bounds >= columns.start) & (bounds <= columns.stop)]


def add_moments(
    program: Program, device: Device, V: Any, parts: list[tuple[Any, slice]], total: Any, part: Any, *, begins: bool
) -> None:
    """``total`` (float64) becomes ``V x``, or grows by it; ``part``: what `room_for_moments` gave."""
    if part is None:
        for x, columns in parts:
            device.multiply(program, total[:, columns], V, x, add=not begins, of_x=True)
        return
    slices = slices_of(V.shape[1], MOST_SUMMED)
    for number, rows in enumerate(slices):
        for x, columns in parts:
            device.multiply(program, part[number][:, columns], V[:, rows], x[rows], of_x=True)
    arguments = (total, part, np.int32(len(slices)), np.int64(total.size), np.int32(begins))
    program.add(device.kernel("sums.cu", "add_to", part.dtype), blocks_for(total.size), (SIMPLE,), arguments)


def room_for_moments(device: Device, height: int, shape: tuple[int, int], dtype: np.dtype[Any]) -> Any:
    """Where the products of slices of a tile go before they are added up; None in float64, where they need not."""
    return None if dtype == np.float64 else device.empty((-(-height // MOST_SUMMED), *shape), dtype)


def slices_of(n: int, height: int) -> list[slice]:
    """Rows 0 to n, in slices of that height."""
    return [slice(start, min(start + height, n)) for start in range(0, n, height)]


class GramSums:
    """``V diag(w) Vᵀ`` in float64, summed in slabs of the rows of a tile, tile after tile.

    Slabs are of 2 k rows or more, so that their sums take no more room than the rows, whatever the rank.
    """

    def __init__(self, device: Device, height: int, k: int, dtype: np.dtype[Any]) -> None:
        self._device, self._k, self._dtype = device, k, dtype
        self._slab = max(-(-height // MOST_SLABS), LEAST_SLAB, 2 * k)
        self._partials = device.empty((-(-height // self._slab), k, k), np.float64)

    def add(self, program: Program, V: Any, weights: Any = None, *, begins: bool = True) -> None:
        """Sum those of a tile, V (k, rows), of which the first ``begins``, and is the tallest."""
        n_slabs, sides = -(-V.shape[1] // self._slab), -(-self._k // SQUARE)
        program.add(
            self._device.kernel("sums.cu", "gram", self._dtype), (n_slabs, sides, sides), (SUMMING,),
            (V, step_of(V), or_null(weights), np.int32(V.shape[1]), np.int32(self._k), np.int32(self._slab),
             self._partials, np.int32(begins)),
        )  # fmt: skip

    def reduce(self, program: Program, l2: float = 0.0, total: Any = None, gram: Any = None) -> None:
        """Add up all: ``total`` in float64, ``gram`` with l2 on its diagonal, as the moves take it."""
        program.add(
            self._device.kernel("sums.cu", "reduce_grams", self._dtype), (-(-(self._k**2) // REDUCED),), (SUMMING,),
            (self._partials, np.int32(len(self._partials)), np.int32(self._k), np.float64(l2), or_null(total),
             or_null(gram)),
        )  # fmt: skip
