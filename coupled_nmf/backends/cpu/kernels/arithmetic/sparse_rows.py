"""The products of sparse parts: their cost grows with the stored entries.

A factor is held turned, (width, k), while a tile is worked on: what an entry touches then lies together.
"""

from __future__ import annotations

import numpy as np
from numba import carray

from coupled_nmf.backends.cpu.kernels.arithmetic.microkernels import pointer_to, size_of
from coupled_nmf.system.compiled import njit

# Columns of a tile's ``parts``: address of the entries, bytes from row to row (dense), first column of X, width, and
# of sparse parts the addresses of the column numbers (int32) and of where the rows begin (int64); 0 for dense ones.
DATA, STRIDE, FIRST, WIDTH, INDICES, INDPTR = range(6)


@njit(nogil=True, cache=True, inline="always")
def is_sparse(parts, p):
    """Whether that part is sparse."""
    return parts[p, INDPTR] != 0


@njit(nogil=True, cache=True)
def sparse_width(parts):
    """Columns of the sparse parts together."""
    width = 0
    for p in range(parts.shape[0]):
        if is_sparse(parts, p):
            width += parts[p, WIDTH]
    return width


@njit(nogil=True, cache=True)
def stored_row(zero, parts, p, row):
    """Entries of a sparse part's row, and their columns in the part."""
    indptr = carray(pointer_to(np.int64(0), parts[p, INDPTR]), (row + 2,))
    first, n = indptr[row], indptr[row + 1] - indptr[row]
    data = carray(pointer_to(zero, parts[p, DATA] + first * size_of(zero)), (n,))
    return data, carray(pointer_to(np.int32(0), parts[p, INDICES] + first * 4), (n,))


@njit(nogil=True, cache=True)
def turn(parts, H):
    """The columns of H (k, n_features) that sparse parts meet, turned: (sparse width, k), one part below another."""
    turned = np.empty((sparse_width(parts), H.shape[0]), H.dtype)
    place = 0
    for p in range(parts.shape[0]):
        if is_sparse(parts, p):
            first = parts[p, FIRST]
            for j in range(H.shape[0]):
                for i in range(parts[p, WIDTH]):
                    turned[place + i, j] = H[j, first + i]
            place += parts[p, WIDTH]
    return turned


@njit(nogil=True, cache=True)
def turn_back(parts, turned, H):
    """Put what `turn` took into H."""
    place = 0
    for p in range(parts.shape[0]):
        if is_sparse(parts, p):
            first = parts[p, FIRST]
            for j in range(H.shape[0]):
                for i in range(parts[p, WIDTH]):
                    H[j, first + i] = turned[place + i, j]
            place += parts[p, WIDTH]


@njit(nogil=True, cache=True)
def add_sparse_dots(parts, p, turned, start, height, out):
    """``out[:, lane] += x[start + lane] turned``: turned (width, k), out (k, lanes)."""
    zero = out.dtype.type(0)
    sums = np.empty(out.shape[0], out.dtype)
    for lane in range(height):
        data, indices = stored_row(zero, parts, p, start + lane)
        sums[:] = 0
        for e in range(data.size):
            value, h = data[e], turned[indices[e]]
            for j in range(sums.size):
                sums[j] += value * h[j]
        for j in range(sums.size):
            out[j, lane] += sums[j]


@njit(nogil=True, cache=True)
def add_sparse_outers(parts, p, panel, start, height, turned):
    """``turned += xᵀ panelᵀ`` over rows ``start`` to ``start + height`` of x: panel (k, lanes), turned (width, k)."""
    zero = panel.dtype.type(0)
    f = np.empty(panel.shape[0], panel.dtype)
    for lane in range(height):
        data, indices = stored_row(zero, parts, p, start + lane)
        for j in range(f.size):
            f[j] = panel[j, lane]
        for e in range(data.size):
            value, h = data[e], turned[indices[e]]
            for j in range(f.size):
                h[j] += value * f[j]
