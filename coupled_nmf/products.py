"""The two products with X that a factorization is made of, for one tile: ``x Hᵀ`` and ``fᵀ x``.

BLAS makes them well when the rank is large. For small ranks it is far from what the core can do, and compiled kernels
take its place: blocks of rows and components whose sums or factors stay in registers, the innermost loop along rows
of x.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from coupled_nmf.solvers.panels import FASTMATH

SKINNY = 16  # largest rank for the compiled products


def add_cross(x: NDArray[Any], H: NDArray[Any], columns: slice, out: NDArray[Any]) -> None:
    """``out += x H[:, columns]ᵀ``: x (rows, width), H (k, n_features), out (rows, k)."""
    if H.shape[0] <= SKINNY:
        _add_cross(x, H, columns.start, out)
    else:
        out += x @ H[:, columns].T


def add_moments(f: NDArray[Any], x: NDArray[Any], columns: slice, out: NDArray[Any]) -> None:
    """``out[:, columns] = fᵀ x``: f (rows, k), x (rows, width), out (k, n_features)."""
    if f.shape[1] <= SKINNY:
        out[:, columns] = 0
        _add_moments(f, x, columns.start, out)
    else:
        np.matmul(f.T, x, out=out[:, columns])


@njit(nogil=True, cache=True, fastmath=FASTMATH, inline="always")
def _dot_4x5(x, r, H, j, first, out):
    x0, x1, x2, x3 = x[r], x[r + 1], x[r + 2], x[r + 3]
    last = first + x.shape[1]
    h0, h1, h2 = H[j, first:last], H[j + 1, first:last], H[j + 2, first:last]
    h3, h4 = H[j + 3, first:last], H[j + 4, first:last]
    zero = x.dtype.type(0)
    a0 = a1 = a2 = a3 = a4 = b0 = b1 = b2 = b3 = b4 = zero
    c0 = c1 = c2 = c3 = c4 = d0 = d1 = d2 = d3 = d4 = zero
    for i in range(x.shape[1]):
        p, q, s, t = x0[i], x1[i], x2[i], x3[i]
        u, v, w, y, z = h0[i], h1[i], h2[i], h3[i], h4[i]
        a0 += p * u
        a1 += p * v
        a2 += p * w
        a3 += p * y
        a4 += p * z
        b0 += q * u
        b1 += q * v
        b2 += q * w
        b3 += q * y
        b4 += q * z
        c0 += s * u
        c1 += s * v
        c2 += s * w
        c3 += s * y
        c4 += s * z
        d0 += t * u
        d1 += t * v
        d2 += t * w
        d3 += t * y
        d4 += t * z
    sums = ((a0, a1, a2, a3, a4), (b0, b1, b2, b3, b4), (c0, c1, c2, c3, c4), (d0, d1, d2, d3, d4))
    for row in range(4):
        for component in range(5):
            out[r + row, j + component] += sums[row][component]


@njit(nogil=True, cache=True, fastmath=FASTMATH, inline="always")
def _dot_4x1(x, r, H, j, first, out):
    x0, x1, x2, x3 = x[r], x[r + 1], x[r + 2], x[r + 3]
    h = H[j, first : first + x.shape[1]]
    a = b = c = d = x.dtype.type(0)
    for i in range(x.shape[1]):
        a += x0[i] * h[i]
        b += x1[i] * h[i]
        c += x2[i] * h[i]
        d += x3[i] * h[i]
    out[r, j] += a
    out[r + 1, j] += b
    out[r + 2, j] += c
    out[r + 3, j] += d


@njit(nogil=True, cache=True, fastmath=FASTMATH)
def _add_cross(x, H, first, out):
    rows, k = out.shape
    whole = rows - rows % 4
    fives = k - k % 5
    for r in range(0, whole, 4):
        for j in range(0, fives, 5):
            _dot_4x5(x, r, H, j, first, out)
        for j in range(fives, k):
            _dot_4x1(x, r, H, j, first, out)
    for r in range(whole, rows):
        for j in range(k):
            total = x.dtype.type(0)
            for i in range(x.shape[1]):
                total += x[r, i] * H[j, first + i]
            out[r, j] += total


@njit(nogil=True, cache=True, fastmath=FASTMATH, inline="always")
def _combine_8(row, f, r, j, p0, p1, p2, p3, p4, p5, p6, p7):
    """Add eight rows of x, each times its entry of column j of f."""
    a, b, c, d = f[r, j], f[r + 1, j], f[r + 2, j], f[r + 3, j]
    e, g, h, k = f[r + 4, j], f[r + 5, j], f[r + 6, j], f[r + 7, j]
    for i in range(row.size):
        row[i] += a * p0[i] + b * p1[i] + c * p2[i] + d * p3[i] + e * p4[i] + g * p5[i] + h * p6[i] + k * p7[i]


@njit(nogil=True, cache=True, fastmath=FASTMATH)
def _add_moments(f, x, first, out):
    rows, k = f.shape
    last = first + x.shape[1]
    whole = rows - rows % 8
    fives = k - k % 5
    for r in range(0, whole, 8):
        p0, p1, p2, p3 = x[r], x[r + 1], x[r + 2], x[r + 3]
        p4, p5, p6, p7 = x[r + 4], x[r + 5], x[r + 6], x[r + 7]
        for j in range(fives, k):
            _combine_8(out[j, first:last], f, r, j, p0, p1, p2, p3, p4, p5, p6, p7)
        for j in range(0, fives, 5):
            o0, o1, o2 = out[j, first:last], out[j + 1, first:last], out[j + 2, first:last]
            o3, o4 = out[j + 3, first:last], out[j + 4, first:last]
            w0, w1, w2, w3 = f[r, j : j + 5], f[r + 1, j : j + 5], f[r + 2, j : j + 5], f[r + 3, j : j + 5]
            w4, w5, w6, w7 = f[r + 4, j : j + 5], f[r + 5, j : j + 5], f[r + 6, j : j + 5], f[r + 7, j : j + 5]
            a0, a1, a2, a3, a4, a5, a6, a7 = w0[0], w1[0], w2[0], w3[0], w4[0], w5[0], w6[0], w7[0]
            b0, b1, b2, b3, b4, b5, b6, b7 = w0[1], w1[1], w2[1], w3[1], w4[1], w5[1], w6[1], w7[1]
            c0, c1, c2, c3, c4, c5, c6, c7 = w0[2], w1[2], w2[2], w3[2], w4[2], w5[2], w6[2], w7[2]
            d0, d1, d2, d3, d4, d5, d6, d7 = w0[3], w1[3], w2[3], w3[3], w4[3], w5[3], w6[3], w7[3]
            e0, e1, e2, e3, e4, e5, e6, e7 = w0[4], w1[4], w2[4], w3[4], w4[4], w5[4], w6[4], w7[4]
            for i in range(x.shape[1]):
                y0, y1, y2, y3, y4, y5, y6, y7 = p0[i], p1[i], p2[i], p3[i], p4[i], p5[i], p6[i], p7[i]
                o0[i] += a0 * y0 + a1 * y1 + a2 * y2 + a3 * y3 + a4 * y4 + a5 * y5 + a6 * y6 + a7 * y7
                o1[i] += b0 * y0 + b1 * y1 + b2 * y2 + b3 * y3 + b4 * y4 + b5 * y5 + b6 * y6 + b7 * y7
                o2[i] += c0 * y0 + c1 * y1 + c2 * y2 + c3 * y3 + c4 * y4 + c5 * y5 + c6 * y6 + c7 * y7
                o3[i] += d0 * y0 + d1 * y1 + d2 * y2 + d3 * y3 + d4 * y4 + d5 * y5 + d6 * y6 + d7 * y7
                o4[i] += e0 * y0 + e1 * y1 + e2 * y2 + e3 * y3 + e4 * y4 + e5 * y5 + e6 * y6 + e7 * y7
    for r in range(whole, rows):
        for j in range(k):
            for i in range(x.shape[1]):
                out[j, first + i] += f[r, j] * x[r, i]
