"""X as the backends read it: parts side by side, a tile of rows at a time."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from coupled_nmf.arrays import on_device, to_host
from coupled_nmf.blocks import BlockLayout, PartialBlock


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

    def take(self, rows: NDArray[np.int64]) -> SparseRows:
        """Copy some rows."""
        lengths = np.diff(self.indptr)[rows]
        indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        places = np.repeat(self.indptr[:-1][rows] - indptr[:-1], lengths) + np.arange(indptr[-1])
        return SparseRows(self.data[places], self.indices[places], indptr, self.width)


Part = NDArray[Any] | SparseRows
Tile = list[Part]


class TiledMatrix:
    """X as the backends read it: arrays side by side, a tile of rows at a time.

    Parameters
    ----------
    parts : sequence of arrays of shape (n_samples, width)
        The arrays that hold X's columns, in order. One array may hold several blocks. Sparse ones are held as
        compressed sparse rows.
    layout : BlockLayout
        Where the blocks lie in X's columns.
    dtype : float32 or float64
        What a tile is handed over in.
    """

    def __init__(self, parts: Sequence[Any], layout: BlockLayout, dtype: np.dtype[Any]) -> None:
        self.parts, self.layout, self.dtype = tuple(self._readable(part, dtype) for part in parts), layout, dtype
        self.shape = (int(parts[0].shape[0]), layout.n_features)
        edges = np.concatenate([[0], np.cumsum([part.shape[1] for part in parts])])
        self.part_columns = tuple(slice(int(a), int(b)) for a, b in itertools.pairwise(edges))
        self.absent = {i: part.absent for i, part in enumerate(parts) if _is_sparse(part, PartialBlock)}

    @staticmethod
    def _readable(part: Any, dtype: np.dtype[Any]) -> Any:
        if isinstance(part, PartialBlock) and issparse(part.array):
            part = part.fill()
        return _compress(part, dtype) if issparse(part) else part

    @property
    def chunk_rows(self) -> int:
        """Rows that the parts outside memory give at once (the largest chunk), 1 where none says so."""
        chunks = (getattr(part, "chunks", None) for part in self.parts)
        return max((int(chunk[0]) for chunk in chunks if chunk and isinstance(chunk[0], (int, np.integer))), default=1)

    @property
    def in_memory(self) -> bool:
        """Whether every part is an array, sparse or a memory map, whose tiles cost no reading of their own."""
        return all(isinstance(part, (np.ndarray, SparseRows)) for part in self.parts)

    @property
    def on_device(self) -> bool:
        """Whether a part is a CuPy array."""
        return any(map(on_device, self.parts))

    @property
    def dense_width(self) -> int:
        """Columns of the parts that are not sparse."""
        return sum(part.shape[1] for part in self.parts if not isinstance(part, SparseRows))

    @property
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

    def tile(self, rows: slice) -> Tile:
        """Those rows of every part, contiguous along a row, in ``dtype``; a view where the part allows it."""
        return [self.rows_of(part, rows) for part in self.parts]

    def rows_of(self, part: Any, rows: slice) -> Part:
        """Those rows of one part, as in a tile; of one on a device, a copy in memory."""
        if isinstance(part, SparseRows):
            return replace(part, indptr=part.indptr[rows.start : rows.stop + 1])
        some = to_host(part[rows])
        if isinstance(some, np.ndarray) and some.dtype == self.dtype and some.strides[1] == some.itemsize:
            return some
        with np.errstate(over="ignore"):  # of a longer dtype; infinity is refused
            return np.ascontiguousarray(some, dtype=self.dtype)


def _is_sparse(part: Any, kind: type) -> bool:
    return isinstance(part, kind) and issparse(part.array)  # type: ignore[attr-defined]


def _compress(part: Any, dtype: np.dtype[Any]) -> SparseRows:
    """Rows of a sparse array of any format; entries that are stored twice are added up.

    Raises
    ------
    ValueError
        If its indices point outside it, as compiled code would.
    """
    if hasattr(part, "check_format"):
        try:
            part.check_format(full_check=True)
        except ValueError as error:
            raise ValueError(f"X has a sparse array with indices that cannot be: {error}; build it anew.") from error
    rows = part.tocsr()
    if not rows.has_canonical_format:
        rows = rows.copy() if rows is part else rows
        rows.sum_duplicates()
    with np.errstate(over="ignore"):
        data = np.ascontiguousarray(rows.data, dtype=dtype)
    return SparseRows(data, rows.indices.astype(np.int32, copy=False), rows.indptr.astype(np.int64), rows.shape[1])
