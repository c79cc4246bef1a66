"""Entries of X that cannot be: which, where, and what to do."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.data.tiled_matrix import SparseRows, Tile, TiledMatrix


def refuse_entries(X: TiledMatrix, tile: Tile, rows: slice) -> NoReturn:
    """Say which entry of the tile cannot be, where it is, and what to do."""
    for part, columns in zip(tile, X.part_columns, strict=True):
        entries = part.stored if isinstance(part, SparseRows) else part
        for bad, message in (
            (np.isinf(entries), "Input X contains infinity{}; replace it by a finite value, or NaN if it is missing."),
            (
                entries < 0,
                "Negative values in data passed to CoupledNMF{}; shift, clip or split the block by sign.",
            ),
        ):
            if bad.any():
                row, column = _place_of(part, bad)
                block = int(np.searchsorted(X.layout.bounds, columns.start + column, side="right")) - 1
                raise ValueError(message.format(f" (block {X.layout.names[block]!r}, row {rows.start + row})"))
    raise ValueError("Input X contains values whose squares are too large for dtype('float64'); scale X down.")


def _place_of(part: Any, bad: NDArray[np.bool_]) -> tuple[int, int]:
    """Row and column of the first entry that is marked."""
    if isinstance(part, SparseRows):
        entry = int(np.flatnonzero(bad)[0]) + int(part.indptr[0])
        return int(np.searchsorted(part.indptr, entry, side="right")) - 1, int(part.indices[entry])
    row, column = np.argwhere(bad)[0]
    return int(row), int(column)
