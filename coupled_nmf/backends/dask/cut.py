"""How X is cut into pieces: by its chunks, or by its size; of the data alone, whatever workers there are."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.backends.dask.sources import (
    Given,
    StoredRows,
    mapped,
    places_of,
    refuse_what_cannot_be_sent,
    sparse_rows,
)
from coupled_nmf.data.arrays import to_host
from coupled_nmf.data.partial_block import PartialBlock
from coupled_nmf.data.tiled_matrix import SparseRows, TiledMatrix
from coupled_nmf.problem.sample_weights import NO_WEIGHTS

PIECE_BYTES = 64_000_000  # of X in the memory of this process, or in a store


def cut(X: TiledMatrix) -> list[slice]:
    """The rows of each piece: those of the chunks of the first Dask array, or about as many bytes."""
    for part in X.parts:
        if hasattr(part, "dask"):
            heights = [int(height) for height in part.chunks[0] if height]
            edges = np.concatenate([[0], np.cumsum(heights)])
            return [slice(int(a), int(b)) for a, b in itertools.pairwise(edges)]
    n, row = X.shape[0], max(X.dtype.itemsize * X.shape[1], 1)
    height = max(PIECE_BYTES // row, 1)
    height = -(-height // X.chunk_rows) * X.chunk_rows
    return [slice(start, min(start + height, n)) for start in range(0, n, height)]


def groups_of(n_pieces: int, n_workers: int) -> list[slice]:
    """Consecutive pieces for each worker, of one or more, cut where few nodes of the tree of sums are."""
    n_groups = min(n_workers, n_pieces)
    unit = 1
    while 8 * unit * n_groups <= n_pieces:
        unit *= 2
    edges = [min(round(n_pieces * i / n_groups / unit) * unit, n_pieces) for i in range(n_groups)] + [n_pieces]
    return [slice(a, b) for a, b in itertools.pairwise(edges)]


def cut_weights(weights: Any, pieces: list[slice]) -> list[Any]:
    """The weights of each piece, Dask's own objects if they are a Dask array; empty for 1 each."""
    if not weights.size:
        return [NO_WEIGHTS] * len(pieces)
    if hasattr(weights, "dask"):
        found: list[Any] = list(weights.rechunk((tuple(rows.stop - rows.start for rows in pieces),)).to_delayed())
        return found
    return [weights[rows] for rows in pieces]


class CutPart:
    """One part of X, by pieces."""

    def __init__(self, part: Any, absent: NDArray[np.bool_] | None, pieces: list[slice]) -> None:
        self._pieces, self._absent = pieces, absent
        self._places: NDArray[np.int64] | None = part.places if isinstance(part, PartialBlock) else None
        part = to_host(part.array if isinstance(part, PartialBlock) else part)  # workers may have no device
        self._part, self._blocks = part, None
        if not isinstance(part, (np.ndarray, SparseRows)) and not hasattr(part, "dask"):
            refuse_what_cannot_be_sent(part)
        if hasattr(part, "dask") and self._places is None:
            heights = tuple(rows.stop - rows.start for rows in pieces)
            self._blocks = part.rechunk((heights, part.shape[1])).to_delayed().ravel()

    def piece(self, number: int) -> Given:
        """The rows of a piece, a Dask object if the part is one; and which of them each sample has, if not its own."""
        rows = self._pieces[number]
        if self._blocks is not None:
            return self._blocks[number], None
        if isinstance(self._part, SparseRows):
            indptr = self._part.indptr[rows.start : rows.stop + 1]
            own = slice(int(indptr[0]), int(indptr[-1]))
            some = SparseRows(self._part.data[own], self._part.indices[own], indptr - indptr[0], self._part.width)
            return sparse_rows(some, None if self._absent is None else self._absent[rows])
        if self._places is None:
            here = isinstance(self._part, np.ndarray)
            return mapped(self._part[rows]) if here else StoredRows(self._part, rows), None
        places = self._places[rows]
        whole = mapped(self._part) if isinstance(self._part, np.ndarray) else self._part
        if not isinstance(whole, np.ndarray) and not hasattr(whole, "dask"):
            return whole, places  # a worker reads its own rows
        found = whole[places[places >= 0]]
        found = found.rechunk(found.shape).to_delayed().ravel()[0] if hasattr(found, "dask") else found
        return found, places_of(places < 0)
