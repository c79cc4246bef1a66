"""How rows of X come to a worker, and from one to another."""

from __future__ import annotations

import importlib
import mmap
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from coupled_nmf.data.arrays import on_device
from coupled_nmf.data.partial_block import PartialBlock
from coupled_nmf.data.tiled_matrix import SparseRows

Given = tuple[Any, NDArray[np.int64] | None]  # rows, and which of them each sample has, if not its own


class _OwnMap(np.memmap[Any, np.dtype[Any]]):
    """A map that was made here, and that nobody writes to."""


@dataclass(frozen=True)
class MappedRows:
    """Rows of a file that each worker maps into its own memory."""

    path: str
    dtype: np.dtype[Any]
    offset: int
    shape: tuple[int, int]

    def open(self) -> NDArray[Any]:
        """The rows, read as they are looked at."""
        return _OwnMap(self.path, self.dtype, "r", self.offset, self.shape)


class StoredRows:
    """Some rows of what lies outside memory, read tile by tile wherever this is."""

    ndim = 2

    def __init__(self, source: Any, rows: slice) -> None:
        self.source, self.first, self.dtype = source, rows.start, source.dtype
        self.shape = (rows.stop - rows.start, int(source.shape[1]))
        self.chunks = getattr(source, "chunks", None)

    def __getitem__(self, rows: slice) -> Any:
        return self.source[self.first + rows.start : self.first + rows.stop]


def open_rows(rows: Any, places: NDArray[np.int64] | None) -> Any:
    """What was given, as `TiledMatrix` takes it."""
    if isinstance(rows, MappedRows):
        rows = rows.open()
    elif isinstance(rows, np.ndarray) and not rows.flags.aligned:
        rows = rows.copy()  # a chunk lies anywhere in the message that it came by, and each pass would copy its tiles
    return rows if places is None else PartialBlock(rows, places)


def mapped(rows: NDArray[Any]) -> Any:
    """Rows of a file that is mapped, by its name; others as they are, and what differs from its file."""
    base: Any = rows
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    plain = rows.flags.c_contiguous and rows.size
    if not isinstance(base, np.memmap) or base.filename is None or base.mode == "c" or not plain:
        return rows
    while isinstance(base.base, np.memmap):
        base = base.base
    if base.mode in ("r+", "w+"):
        base.flush()  # or workers would read what was there before
    start = rows.__array_interface__["data"][0] - base.__array_interface__["data"][0]
    return MappedRows(str(base.filename), rows.dtype, int(base.offset + start), (rows.shape[0], rows.shape[1]))


def let_go(part: Any) -> None:
    """Have the pages of a mapped file count no more as this process's memory; they stay in the system's.

    Dask counts them, and would pause or end a worker that maps more than its limit.
    """
    base, own = part.array if isinstance(part, PartialBlock) else part, False
    while isinstance(base, np.ndarray):
        base, own = base.base, own or isinstance(base, _OwnMap)
    if own and hasattr(mmap, "MADV_DONTNEED"):  # of a map that somebody has written to, what was written would go
        base.madvise(mmap.MADV_DONTNEED)


def sparse_rows(part: SparseRows, absent: NDArray[np.bool_] | None) -> Given:
    """The rows that are there, as SciPy's array, and which of them each sample has, if some have none."""
    rows = csr_array((part.data, part.indices, part.indptr), shape=(len(part), part.width))
    return (rows, None) if absent is None else (rows[~absent], places_of(absent))


def places_of(absent: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The row that each sample has, of as many as have one; -1 for none."""
    return np.where(absent, -1, np.cumsum(~absent) - 1)


def given_again(part: Any, absent: NDArray[np.bool_] | None) -> Given:
    """What a part of a piece was made of, to be sent to another worker."""
    if isinstance(part, SparseRows):
        return sparse_rows(part, absent)
    if isinstance(part, PartialBlock):
        return mapped(part.array) if isinstance(part.array, np.ndarray) else part.array, part.places
    return mapped(part) if isinstance(part, np.ndarray) else part, None


def bytes_of(part: Any) -> int:
    """Memory that a part takes, if it is not a file's or a store's."""
    if isinstance(part, SparseRows):
        return int(part.data.nbytes + part.indices.nbytes + part.indptr.nbytes)
    if isinstance(part, PartialBlock):
        return bytes_of(part.array) + part.places.nbytes
    if on_device(part):
        return int(part.nbytes)  # of the device's; Dask, too, counts both as one, and has tasks go where the rows are
    return part.nbytes if isinstance(part, np.ndarray) and not isinstance(mapped(part), MappedRows) else 0


def refuse_what_cannot_be_sent(part: Any) -> None:
    """Raise TypeError for what workers cannot be given."""
    try:
        importlib.import_module("cloudpickle").dumps(part)  # as Dask does
    except Exception as error:
        raise TypeError(
            f"X holds a {type(part).__module__}.{type(part).__name__}, which cannot be sent to workers ({error}); pass "
            "a Dask array, a Zarr array or a memory map of a file that they reach, or use backend='numpy'."
        ) from error
