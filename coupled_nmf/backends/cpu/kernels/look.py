"""Looks at a tile, compiled: sums over its entries, and over those of its residual."""

from __future__ import annotations

import numpy as np
from numba import carray

from coupled_nmf.backends.cpu.kernels.arithmetic.microkernels import pointer_to, size_of
from coupled_nmf.backends.cpu.kernels.arithmetic.products import add_outers, address
from coupled_nmf.backends.cpu.kernels.arithmetic.sparse_rows import DATA, FIRST, STRIDE, WIDTH, is_sparse, stored_row
from coupled_nmf.backends.cpu.kernels.rules.panels import FASTMATH, PANEL
from coupled_nmf.system.compiled import njit


@njit(nogil=True, cache=True, inline="always")
def dense_row(zero, parts, p, row):
    """A row of a dense part."""
    return carray(pointer_to(zero, parts[p, DATA] + row * parts[p, STRIDE]), (parts[p, WIDTH],))


@njit(nogil=True, cache=True, inline="always")
def block_of(bounds, column, guess):
    """Number of the block that a column of X lies in; ``guess``, that of the entry before, is mostly it."""
    if bounds[guess] <= column < bounds[guess + 1]:
        return guess
    return np.searchsorted(bounds, column, side="right") - 1


@njit(nogil=True, cache=True, inline="always")
def blocks_of(bounds, parts, p):
    """Numbers of the blocks that a part holds: a look at all blocks for each part would be quadratic in them."""
    first = parts[p, FIRST]
    return range(np.searchsorted(bounds, first), np.searchsorted(bounds, first + parts[p, WIDTH]))


@njit(nogil=True, cache=True, fastmath=FASTMATH)
def _look_at(some):
    """Squares of the entries, their sum, and how many are negative."""
    negative, total, squares = 0, 0.0, 0.0
    for i in range(some.size):
        value = np.float64(some[i])
        squares += value * value
        total += value
        negative += some[i] < 0
    return squares, total, negative


@njit(nogil=True, cache=True)
def scan_tile(zero, parts, rows, bounds, weights, squares, totals):
    """Add each row's weight times its squares, and its sum, a block, to ``squares`` and ``totals`` (n_blocks,).

    Return how many entries are negative. No ``weights``: all 1.
    """
    negative = 0
    for row in range(rows):
        weight = weights[row] if weights.size else 1.0
        for p in range(parts.shape[0]):
            if is_sparse(parts, p):
                data, indices = stored_row(zero, parts, p, row)
                block = 0
                for e in range(data.size):
                    value = np.float64(data[e])
                    block = block_of(bounds, parts[p, FIRST] + indices[e], block)
                    squares[block] += weight * value * value
                    totals[block] += weight * value
                    negative += data[e] < 0
            else:
                x, first = dense_row(zero, parts, p, row), parts[p, FIRST]
                for block in blocks_of(bounds, parts, p):
                    found = _look_at(x[bounds[block] - first : bounds[block + 1] - first])
                    squares[block] += weight * found[0]
                    totals[block] += weight * found[1]
                    negative += found[2]
    return negative


@njit(nogil=True, cache=True)
def find_gaps(zero, parts, rows, bounds, weights, absent, scattered, missing, squares, totals, observed):
    """As `scan_tile`, over observed entries; say which rows lack which blocks, and which have other gaps.

    ``absent`` (rows, n_blocks) and ``scattered`` (rows,) are marked; at the call, the first holds the blocks that a row
    is known to lack, each a part of its own, which is not read. To ``missing`` (n_features,) the gaps of each column
    are added, but for those of samples of weight 0, to ``observed`` (n_blocks,) the weights of the entries there are.
    """
    negative, gaps = 0, np.zeros(bounds.size - 1, np.int64)
    for row in range(rows):
        weight = weights[row] if weights.size else 1.0
        counts = int(weight > 0)
        gaps[:] = 0
        for p in range(parts.shape[0]):
            first = parts[p, FIRST]
            if absent[row, block_of(bounds, first, 0)]:
                continue
            places = np.empty(0, np.int32)
            if is_sparse(parts, p):
                values, places = stored_row(zero, parts, p, row)
            else:
                values = dense_row(zero, parts, p, row)
            block = 0
            for e in range(values.size):
                column = first + (places[e] if places.size else e)
                block = block_of(bounds, column, block)
                if np.isnan(values[e]):
                    gaps[block] += 1
                    missing[column] += counts
                else:
                    negative += _count(np.float64(values[e]), weight, block, squares, totals)
        for block in range(bounds.size - 1):
            size = bounds[block + 1] - bounds[block]
            if absent[row, block]:
                gaps[block] = size
                missing[bounds[block] : bounds[block + 1]] += counts
            absent[row, block] = gaps[block] == size
            scattered[row] |= 0 < gaps[block] < size
            observed[block] += weight * (size - gaps[block])  # a sum of what is there, or "nothing" would be rounded
    return negative


@njit(nogil=True, cache=True, inline="always")
def _count(value, weight, block, squares, totals):
    """Add an entry to the sums; return whether it is negative."""
    squares[block] += weight * value * value
    totals[block] += weight * value
    return int(value < 0)


@njit(nogil=True, cache=True)
def residual_tile(parts, F, H, grams, bounds, weights, squares):
    """Add each row's weight times the squares of ``x − F H``, a block, to ``squares``: made and forgotten by panels.

    Of sparse parts, the squares of F H come from ``grams`` (n_blocks, k, k) = H_b H_bᵀ in float64, and the stored
    entries mend them.
    """
    rows, k = F.shape
    zero = F.dtype.type(0)
    minus = np.zeros((PANEL, k), F.dtype)
    size = size_of(zero)
    for p in range(parts.shape[0]):
        if is_sparse(parts, p):
            _add_sparse_residual(parts, p, F, H, grams, bounds, weights, squares)
            continue
        first, residual = parts[p, FIRST], np.empty((PANEL, parts[p, WIDTH]), F.dtype)
        rs, h = residual.strides[0], address(H) + first * size
        for start in range(0, rows, PANEL):
            height = min(PANEL, rows - start)
            for lane in range(height):
                residual[lane] = dense_row(zero, parts, p, start + lane)
                minus[lane] = -F[start + lane]
            f, out = address(minus), address(residual)
            add_outers(zero, f, k * size, height, h, H.strides[0], k, parts[p, WIDTH], out, rs)
            for lane in range(height):
                weight = weights[start + lane] if weights.size else 1.0
                for block in blocks_of(bounds, parts, p):
                    some = residual[lane, bounds[block] - first : bounds[block + 1] - first]
                    squares[block] += weight * _look_at(some)[0]


@njit(nogil=True, cache=True)
def _add_sparse_residual(parts, p, F, H, grams, bounds, weights, squares):
    first = parts[p, FIRST]
    for row in range(len(F)):
        weight = weights[row] if weights.size else 1.0
        for block in blocks_of(bounds, parts, p):
            squares[block] += weight * quadratic(F[row], grams[block])
        data, indices = stored_row(F.dtype.type(0), parts, p, row)
        block = 0
        for e in range(data.size):
            column, value = first + indices[e], np.float64(data[e])
            block = block_of(bounds, column, block)
            squares[block] += weight * value * (value - 2 * product(F[row], H, column))


@njit(nogil=True, cache=True)
def product(f, H, column):
    """An entry of F H, in float64."""
    found = 0.0
    for j in range(f.size):
        found += np.float64(f[j]) * np.float64(H[j, column])
    return found


@njit(nogil=True, cache=True)
def quadratic(f, gram):
    """``f·gram·f``, in float64."""
    total = 0.0
    for i in range(f.size):
        some = 0.0
        for j in range(f.size):
            some += gram[i, j] * np.float64(f[j])
        total += some * np.float64(f[i])
    return total
