"""Digests of data, by which one X is told from another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.data.tile_heights import tile_rows
from coupled_nmf.data.tiled_matrix import SparseRows, TiledMatrix
from coupled_nmf.system.interrupts import INTERRUPTS
from coupled_nmf.system.kept_files import DIGEST_BYTES, digest_of_text


def digest_of_arrays(arrays: Iterable[NDArray[Any]]) -> str:
    """That of shapes, dtypes and entries."""
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(_bytes_of(array))
    return digest.hexdigest()


def digest_of_data(X: TiledMatrix, weights: NDArray[np.float64]) -> str:
    """A digest of X and of what its samples count for."""
    return digest_of_text(f"{digest_of(X)} {digest_of_arrays([weights])}")


def digest_of(X: TiledMatrix) -> str:
    """A digest of all entries of X and of how they are stored, on which the bits of a fit depend; one pass."""
    kinds = [
        [type(part) is SparseRows, part.width if isinstance(part, SparseRows) else part.shape[1]] for part in X.parts
    ]
    facts = [X.layout.names, X.layout.sizes, X.shape, X.dtype.str, kinds, X.chunk_rows, X.in_memory, X.on_device]
    digest = hashlib.blake2b(json.dumps(facts).encode(), digest_size=DIGEST_BYTES)
    height = X.chunk_rows * max(tile_rows(X) // X.chunk_rows, 1)
    for number in range(len(X.parts)):
        for start in range(0, X.shape[0], height):
            INTERRUPTS.check()
            rows = slice(start, min(start + height, X.shape[0]))
            for array in _arrays_of(X.rows_of(number, rows)):
                digest.update(_bytes_of(array))
        if number in X.absent and type(X.parts[number]) is SparseRows:  # of dense ones, NaN has said it
            digest.update(_bytes_of(X.absent[number]))
    return digest.hexdigest()


def _bytes_of(array: NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _arrays_of(part: Any) -> tuple[NDArray[Any], ...]:
    """What some rows of a part hold."""
    if not isinstance(part, SparseRows):
        return (part,)
    return part.stored, part.indices[part.indptr[0] : part.indptr[-1]], np.diff(part.indptr)
