"""How many rows X is read by at once in memory: a sweep's tiles, on which the bits of its sums depend."""

from __future__ import annotations

import math

from coupled_nmf.data.tiled_matrix import TiledMatrix

TILE_BYTES = 8_000_000  # large enough that threads seldom meet at Python's lock
MOST_ROWS = 1024  # and that their sums, in the dtype of X, keep their digits
SPARSE_TILE, STORED_A_COLUMN = 250_000, 2  # entries of a sparse tile, about, and of each of its columns, at least
SHARED_BY = 4  # sparse tiles are a multiple of this, if they are not few: two threads, or four, share them well
MOST_MIXED = 2**14  # rows where sparse parts stand beside dense ones, or float32 sums lose digits
PARTS = 8  # at least, where there are rows enough
LEAST_ROWS = 96  # where there are as many: a panel of the CPU's kernels, which a test holds to be as tall


def tile_rows(X: TiledMatrix) -> int:
    """Rows of a tile: a function of the data alone, so that sums repeat; equal parts, which any threads share well."""
    n_samples, least = max(X.shape[0], 1), 1
    if X.sparse_width:  # a tile sums all columns, whatever it stores: that is to cost less than its entries
        least = -(-n_samples // max(X.stored // (STORED_A_COLUMN * X.sparse_width), 1))
    if X.dense_width == 0:
        n_tiles = X.stored / SPARSE_TILE
        n_tiles = round(n_tiles / SHARED_BY) * SHARED_BY or math.ceil(n_tiles) or 1
        return max(least, -(-n_samples // n_tiles))
    bytes_a_row = (X.dense_width + 2 * X.stored / n_samples) * X.dtype.itemsize
    most = max(min(max(int(TILE_BYTES // bytes_a_row), LEAST_ROWS), MOST_ROWS), min(least, MOST_MIXED))
    return even_height(n_samples, -(-n_samples // most))


def even_height(n: int, least_parts: int) -> int:
    """Height of equal parts of n, as many as asked for, rounded up to a multiple of PARTS if that leaves them tall."""
    parts = -(-least_parts // PARTS) * PARTS
    return max(-(-n // parts), min(n, LEAST_ROWS))
