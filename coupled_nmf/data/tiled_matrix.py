"""X as the backends read it: parts side by side, a tile of rows at a time."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, issparse

from coupled_nmf.data.arrays import on_device, to_host, unmask
from coupled_nmf.data.blocks import BlockLayout
from coupled_nmf.data.partial_block import PartialBlock, refuse_other_rows
from coupled_nmf.data.sparse_arrays import own_rows


@dataclass(frozen=True)
class SparseRows:
    """Some rows of a sparse part, in compressed sparse row form; ``indptr`` need not begin at 0."""

    data: NDArray[Any]
    indices: NDArray[np.int32]
    indptr: NDArray[np.int64]
    width: int

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @property
    def stored(self) -> NDArray[Any]:
        """The stored entries of these rows."""
        return self.data[self.indptr[0] : self.indptr[-1]]

    def to_dense(self) -> NDArray[Any]:
        """All entries, those that are not stored as zeros."""
        dense = np.zeros((len(self), self.width), dtype=self.data.dtype)
        dense[np.repeat(np.arange(len(self)), np.diff(self.indptr)), self.indices[self.indptr[0] : self.indptr[-1]]] = (
            self.stored
        )
        return dense

    def to_scipy(self) -> csr_array:
        """The same as SciPy's; the entries are shared."""
        first, last = self.indptr[0], self.indptr[-1]
        begins = (self.indptr - first).astype(np.int32 if last - first < 2**31 else np.int64)
        return csr_array((self.data[first:last], self.indices[first:last], begins), shape=(len(self), self.width))

    def take(self, rows: NDArray[np.int64]) -> SparseRows:
        """Copy some rows."""
        lengths = np.diff(self.indptr)[rows]
        indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        places = np.repeat(self.indptr[:-1][rows] - indptr[:-1], lengths) + np.arange(indptr[-1])
        return SparseRows(self.data[places], self.indices[places], indptr, self.width)


Part = NDArray[Any] | SparseRows
Tile = list[Part]


class KeptTile(list[Part]):
    """A tile that is kept for the next sweep, and with it what a backend makes of it."""

    held: Any = None


CONVERTED_BYTES = 1 << 26  # of parts that are converted or put together at once, at most; larger ones cost memory
# Neighbours of so few columns, so many of them at least, are put together: products of few columns are slow. Of fewer
# parts the bits are those of the same parts outside memory.
NARROW, MANY = 128, 16


class TiledMatrix:
    """X as the backends read it: arrays side by side, a tile of rows at a time.

    Parameters
    ----------
    parts : sequence of arrays of shape (n_samples, width)
        The arrays that hold X's columns, in order. One array may hold several blocks. Sparse ones are copied, as
        compressed sparse rows, and so are small ones of another dtype, or of which many are narrow; of the others this
        is a view, with a shape of its own.
    layout : BlockLayout
        Where the blocks lie in X's columns.
    dtype : float32 or float64
        What a tile is handed over in.
    first_row : int, default=0
        Where its rows begin, if it is a piece of a larger one.
    """

    def __init__(self, parts: Sequence[Any], layout: BlockLayout, dtype: np.dtype[Any], first_row: int = 0) -> None:
        self.layout, self.dtype, self.first_row = layout, dtype, first_row
        parts = _packed(parts, dtype)
        self.shape = (int(parts[0].shape[0]), layout.n_features)
        edges = np.concatenate([[0], np.cumsum([part.shape[1] for part in parts])])
        # All that is read later is held against these, and they against the layout, by which compiled code goes.
        if edges[-1] != layout.n_features or not set(edges.tolist()) <= set(layout.bounds.tolist()):
            raise ValueError(
                f"X has parts of {np.diff(edges).tolist()} columns, and its blocks are of {list(layout.sizes)}: it has "
                "changed; leave it as it is while it is read, and make its Blocks anew."
            )
        self.part_columns = tuple(slice(int(a), int(b)) for a, b in itertools.pairwise(edges))
        # Of each part that some samples lack, which: it is known here, and need not be found again.
        self.absent = {i: part.absent for i, part in enumerate(parts) if isinstance(part, PartialBlock)}
        self.parts = tuple(self._readable(number, part) for number, part in enumerate(parts))
        self.by_columns: Any = None  # what a backend makes of them, and keeps for the next fit

    def _readable(self, number: int, part: Any) -> Any:
        """A part, as it is read tile by tile; refused if it is not of the shape that it had."""
        columns, name = self.part_columns[number], self._name(number)
        shape = (self.shape[0], columns.stop - columns.start)
        if isinstance(part, PartialBlock):
            there = part.given_shape
            if part.shape != shape or part.places.max(initial=-1) >= there[0]:
                raise _changed(name, part.shape, shape)
            if issparse(part.array):
                rows = csr_array(tuple(own_rows(name, part.array, self.dtype, there)), shape=there)
                all_rows = PartialBlock(rows, part.places).fill()
                indices, indptr = all_rows.indices.astype(np.int32), all_rows.indptr.astype(np.int64)
                return SparseRows(all_rows.data, indices, indptr, shape[1])
            return PartialBlock(_view(name, part.array, there), part.places)
        if issparse(part):
            return SparseRows(*own_rows(name, part, self.dtype, shape), shape[1])
        view = _view(name, part, shape)
        small = isinstance(view, np.ndarray) and view.size * self.dtype.itemsize <= CONVERTED_BYTES
        return as_dtype(view, self.dtype) if small else view

    def _name(self, number: int) -> str:
        """What a part is called, for messages."""
        columns, bounds = self.part_columns[number], self.layout.bounds
        first, last = np.searchsorted(bounds, [columns.start, columns.stop - 1], side="right") - 1
        return "X" if first < last or len(self.layout.names) == 1 else f"Block {self.layout.names[first]!r}"

    @cached_property
    def chunk_rows(self) -> int:
        """Rows that the parts outside memory give at once (the largest chunk), 1 where none says so."""
        chunks = (getattr(part, "chunks", None) for part in self.parts)
        heights = [chunk[0] for chunk in chunks if isinstance(chunk, (tuple, list)) and chunk]
        return max(
            (int(height) for height in heights if isinstance(height, (int, np.integer)) and height > 0), default=1
        )

    @cached_property
    def in_memory(self) -> bool:
        """Whether every part is an array, sparse or a memory map, whose tiles cost no reading of their own."""
        return all(isinstance(part, (np.ndarray, SparseRows)) for part in self.parts)

    @property
    def on_device(self) -> bool:
        """Whether a part is a CuPy array."""
        return any(map(on_device, self.parts))

    @property
    def is_dask(self) -> bool:
        """Whether a part is a Dask array."""
        return any(hasattr(getattr(part, "array", part), "dask") for part in self.parts)

    def rows_of_all(self, rows: slice) -> slice:
        """Where some rows are in the larger one."""
        return slice(rows.start + self.first_row, rows.stop + self.first_row)

    def absent_blocks(self) -> NDArray[np.bool_]:
        """Which sample is known to lack which block (n_samples, n_blocks); a row of NaN has to be found."""
        absent = np.zeros((self.shape[0], len(self.layout.names)), dtype=bool)
        for number, lacks in self.absent.items():
            absent[:, np.searchsorted(self.layout.bounds, self.part_columns[number].start)] = lacks
        return absent

    @cached_property
    def dense_width(self) -> int:
        """Columns of the parts that are not sparse."""
        columns = zip(self.parts, self.part_columns, strict=True)
        return sum(own.stop - own.start for part, own in columns if not isinstance(part, SparseRows))

    @cached_property
    def stored(self) -> int:
        """Entries that are stored in the sparse parts."""
        return sum(len(part.data) for part in self.parts if isinstance(part, SparseRows))

    @property
    def sparse_width(self) -> int:
        """Columns of the sparse parts."""
        return self.shape[1] - self.dense_width

    @property
    def n_entries(self) -> int:
        """Entries to be read: all of the dense parts, the stored ones of the sparse."""
        return self.shape[0] * self.dense_width + self.stored

    @cached_property
    def _kept(self) -> dict[int, list[KeptTile]] | None:
        """The tiles that were made so far, by their height; None where a tile is not a view, and costs memory."""

        def is_view(part: Any) -> bool:
            return isinstance(part, SparseRows) or (part.dtype == self.dtype and is_plain(part))

        return {} if self.in_memory and all(map(is_view, self.parts)) else None

    def tiles(self, height: int) -> list[KeptTile] | None:
        """All tiles of as many rows, made once, where X is in memory as it is read; else None."""
        kept = self._kept
        if kept is None:
            return None
        if height not in kept:
            starts = range(0, self.shape[0], height)
            rows = (slice(start, min(start + height, self.shape[0])) for start in starts)
            kept[height] = [KeptTile(self.tile(some)) for some in rows]
        return kept[height]

    def tile(self, rows: slice) -> Tile:
        """Those rows of every part, contiguous along a row, in ``dtype``; a view where the part allows it."""
        return [self.rows_of(number, rows) for number in range(len(self.parts))]

    def rows_of(self, number: int, rows: slice) -> Part:
        """Those rows of one part, as in a tile; of one on a device, a copy in memory.

        Raises
        ------
        ValueError
            If a part outside memory does not give what it had at the first look: as many rows and columns, and numbers.
        """
        part = self.parts[number]
        if isinstance(part, SparseRows):
            return replace(part, indptr=part.indptr[rows.start : rows.stop + 1])
        some = part[rows]
        some = some if hasattr(some, "dtype") else np.asarray(some)
        self._refuse_other_shape(number, rows, some)
        if issparse(some):
            shape = (rows.stop - rows.start, self.part_columns[number].stop - self.part_columns[number].start)
            return SparseRows(*own_rows(self._name(number), some, self.dtype, shape), shape[1])
        some = unmask(to_host(some))
        if isinstance(some, np.ndarray):
            some = np.asarray(some)  # a subclass may say another shape than it has
            if not isinstance(part, np.ndarray) and some.base is not None:
                some = some.copy()  # a source may give one buffer again and again, and tiles are read ahead
        if isinstance(some, np.ndarray) and some.dtype == self.dtype and is_plain(some):
            return some
        array = np.ascontiguousarray(as_dtype(some, self.dtype))
        self._refuse_other_shape(number, rows, array)
        return array

    def _refuse_other_shape(self, number: int, rows: slice, some: Any) -> None:
        columns = self.part_columns[number]
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        refuse_other_rows(self._name(number), f"rows {rows.start} to {rows.stop - 1}", some, shape)


def as_dtype(array: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    """The same in that dtype: as it is, or a copy; what overflows becomes infinity, which is refused."""
    with np.errstate(over="ignore"):
        return np.asarray(array, dtype=dtype)


def is_plain(some: NDArray[Any]) -> bool:
    """Whether the numbers of a row lie together, and the rows whole numbers apart: not so in a field of records."""
    return some.flags.aligned and some.strides[1] == some.itemsize and some.strides[0] % some.itemsize == 0


def _packed(parts: Sequence[Any], dtype: np.dtype[Any]) -> list[Any]:
    """The same parts, neighbours that are small, narrow and many together in one array."""
    n_samples = parts[0].shape[0]

    def is_small(part: Any) -> bool:
        return isinstance(part, np.ndarray) and part.shape[1] < NARROW and part.shape[0] == n_samples

    if n_samples * sum(part.shape[1] for part in parts if is_small(part)) * dtype.itemsize > CONVERTED_BYTES:
        return list(parts)
    found: list[Any] = []
    for small, some in itertools.groupby(parts, is_small):
        group = list(some)
        if small and len(group) >= MANY:
            group = [as_dtype(np.concatenate([unmask(part) for part in group], axis=1), dtype)]
        found += group
    return found


def _view(name: str, part: Any, shape: tuple[int, int]) -> Any:
    """A view with a shape of its own of an array; anything else as it is."""
    held = np.asarray(part)[:] if isinstance(part, np.ndarray) else part
    if tuple(held.shape) != shape:
        raise _changed(name, held.shape, shape)
    return held


def _changed(name: str, found: Any, expected: tuple[int, int]) -> ValueError:
    return ValueError(
        f"{name} has shape {tuple(found)}, and had {expected} before: leave it as it is while it is read."
    )
