"""The two products that a factorization is made of, over arrays given by address: see `microkernels`."""

from __future__ import annotations

import numpy as np

from coupled_nmf.backends.cpu.kernels.arithmetic.microkernels import (
    DOT_COLUMNS,
    DOT_ROWS,
    OUTER_ROWS,
    OUTER_VECTORS,
    VECTOR_BYTES,
    dot_block,
    dot_block_ahead,
    dot_narrow,
    dot_row,
    outer_block,
    outer_number,
    outer_vector,
    size_of,
)
from coupled_nmf.system.compiled import njit

CHUNK_BYTES = 4096  # of a row of x: what dots leave in the first cache, and long enough that adding up costs little


@njit(nogil=True, cache=True, inline="always")
def address(array):
    """Where an array begins, signed: an unsigned number plus a signed one would be a float."""
    return np.int64(array.ctypes.data)


@njit(nogil=True, cache=True)
def add_dots(zero, x, xs, rows, width, h, hs, k, out, os):
    """``out[j, r] += Σ_i x[r, i] h[j, i]``: x (rows, width), h (k, width), out (k, rows); strides in bytes."""
    size = size_of(zero)
    lanes = VECTOR_BYTES // size
    chunks = max(1, -(-width * size // CHUNK_BYTES))
    blocks = max(1, -(-k // DOT_COLUMNS))
    for chunk in range(chunks):
        first, last = width * chunk // chunks, width * (chunk + 1) // chunks
        n, x_part, h_part = last - first, x + first * size, h + first * size
        whole = rows - rows % DOT_ROWS if n >= lanes else 0
        for r in range(0, whole, DOT_ROWS):
            for block in range(blocks):
                j, end = k * block // blocks, k * (block + 1) // blocks
                x_rows, h_rows, sums = x_part + r * xs, h_part + j * hs, out + r * size + j * os
                if block == 0:
                    dot_block_ahead(zero, x_rows, xs, h_rows, hs, end - j, n, sums, os)
                else:
                    dot_block(zero, x_rows, xs, h_rows, hs, end - j, n, sums, os)
        for r in range(whole, rows):
            for block in range(blocks):
                j, end = k * block // blocks, k * (block + 1) // blocks
                if n >= lanes:
                    dot_row(zero, x_part + r * xs, xs, h_part + j * hs, hs, end - j, n, out + r * size + j * os, os)
                else:
                    for i in range(j, end):
                        dot_narrow(zero, x_part + r * xs, xs, h_part + i * hs, hs, 1, n, out + r * size + i * os, os)


@njit(nogil=True, cache=True)
def add_outers(zero, f, fs, k, x, xs, rows, width, out, os):
    """``out[j, i] += Σ_r f[j, r] x[r, i]``: f (k, rows), x (rows, width), out (k, width); strides in bytes."""
    size = size_of(zero)
    lanes = VECTOR_BYTES // size
    panel = OUTER_VECTORS * lanes
    blocks = max(1, -(-k // OUTER_ROWS))
    i = 0
    while i < width:
        repeated = 0
        if width - i >= panel:
            step = panel
        elif width - i >= lanes:
            step = lanes
        elif width >= lanes:  # the last vector begins early, and leaves what it repeats alone
            step, repeated = width - i, lanes - (width - i)
        else:
            step = 1
        place = (i - repeated) * size
        for block in range(blocks):
            j, end = k * block // blocks, k * (block + 1) // blocks
            if step == panel:
                outer_block(zero, f + j * fs, fs, end - j, x + place, xs, rows, out + j * os + place, os, 0)
            elif width >= lanes:
                outer_vector(zero, f + j * fs, fs, end - j, x + place, xs, rows, out + j * os + place, os, repeated)
            else:
                for row in range(j, end):
                    outer_number(zero, f + row * fs, fs, 1, x + place, xs, rows, out + row * os + place, os, 0)
        i += step
