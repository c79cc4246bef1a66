"""Tiles with missing entries, compiled.

A sample that lacks a block drops that block's terms; an entry that is missing alone is filled by F H. So rows that lack
the same blocks are gathered in panels of their own, and copied, with their gaps filled, into a small tile: the rest is
as for a whole one. What gaps are filled by is made for all entries of a panel, which costs less than to look for gaps.
"""

from __future__ import annotations

import numpy as np

from coupled_nmf.backends.cpu.kernels.arithmetic.microkernels import size_of
from coupled_nmf.backends.cpu.kernels.arithmetic.products import add_outers, address
from coupled_nmf.backends.cpu.kernels.arithmetic.sparse_rows import (
    DATA,
    FIRST,
    INDICES,
    INDPTR,
    STRIDE,
    WIDTH,
    is_sparse,
    sparse_width,
    stored_row,
    turn,
    turn_back,
)
from coupled_nmf.backends.cpu.kernels.look import block_of, blocks_of, dense_row, product
from coupled_nmf.backends.cpu.kernels.move_tile import add_gram, add_moments, cross_of, extrapolate, penalty_of, weigh
from coupled_nmf.backends.cpu.kernels.rules.panels import FASTMATH, PANEL, move_panel
from coupled_nmf.system.compiled import njit


@njit(nogil=True, cache=True)
def next_panel(order, absent, scattered, start):
    """End of the panel that begins at ``order[start]``: at most PANEL rows that lack the same blocks."""
    first, stop = order[start], start + 1
    while stop < order.size and stop < start + PANEL:
        row = order[stop]
        if scattered[row] != scattered[first] or not np.all(absent[row] == absent[first]):
            break
        stop += 1
    return stop


@njit(nogil=True, cache=True)
def make_room(zero, parts, some):
    """A small tile with the shape of rows ``some``, its entries not set; and the arrays that it lies in."""
    small = parts.copy()
    n_stored = width = 0
    for p in range(parts.shape[0]):
        if is_sparse(parts, p):
            for row in some:
                n_stored += stored_row(zero, parts, p, row)[0].size
        else:
            width += parts[p, WIDTH]
    dense = np.empty((some.size, width), np.array([zero]).dtype)
    data, indices = np.empty(n_stored, dense.dtype), np.empty(n_stored, np.int32)
    indptr = np.zeros((parts.shape[0], some.size + 1), np.int64)
    at = column = 0
    for p in range(parts.shape[0]):
        if is_sparse(parts, p):
            small[p, DATA], small[p, INDICES] = address(data), address(indices)
            small[p, INDPTR] = address(indptr) + p * indptr.strides[0]
            indptr[p, 0] = at
            for lane in range(some.size):
                columns = stored_row(zero, parts, p, some[lane])[1]
                indices[at : at + columns.size] = columns
                at += columns.size
                indptr[p, lane + 1] = at
        else:
            small[p, DATA], small[p, STRIDE] = address(dense) + column * size_of(zero), dense.strides[0]
            column += parts[p, WIDTH]
    return small, (dense, data, indices, indptr)


@njit(nogil=True, cache=True, fastmath=FASTMATH)
def _blend(x, found):
    """``found`` stays where x is missing, elsewhere it becomes x; return the sum of the squares of what stays."""
    total = 0.0
    for i in range(x.size):
        missing = x[i] != x[i]
        value = np.float64(found[i]) if missing else 0.0
        total += value * value
        found[i] = found[i] if missing else x[i]
    return total


@njit(nogil=True, cache=True)
def gather(parts, small, some, absent, scattered, bounds, panel, H, alpha, weights):
    """Copy rows ``some``, which lack the ``absent`` blocks, into a small tile that `make_room` made.

    Absent blocks become zero; if rows are ``scattered`` with gaps, these become F H, for F in a panel (k, lanes).
    Return Σ w α x² over them, for α of each block.
    """
    zero = panel.dtype.type(0)
    k, total = panel.shape[0], 0.0
    f = np.ascontiguousarray(panel[:, : some.size].T)
    for p in range(parts.shape[0]):
        first = parts[p, FIRST]
        if is_sparse(parts, p):
            total += _gather_stored(parts, p, small, some, absent, bounds, f, H, alpha, weights)
            continue
        if scattered:
            for lane in range(some.size):
                dense_row(zero, small, p, lane)[:] = zero
            h, out = address(H) + first * size_of(zero), small[p, DATA]
            hs, os = H.strides[0], small[p, STRIDE]
            add_outers(zero, address(f), f.strides[0], some.size, h, hs, k, parts[p, WIDTH], out, os)
        for lane in range(some.size):
            weight = weights[some[lane]] if weights.size else 1.0
            x, row = dense_row(zero, parts, p, some[lane]), dense_row(zero, small, p, lane)
            for block in blocks_of(bounds, parts, p):
                start, stop = bounds[block] - first, bounds[block + 1] - first
                if absent[block]:
                    row[start:stop] = zero
                elif not scattered:
                    row[start:stop] = x[start:stop]
                else:
                    total += weight * alpha[block] * _blend(x[start:stop], row[start:stop])
    return total


@njit(nogil=True, cache=True)
def _gather_stored(parts, p, small, some, absent, bounds, f, H, alpha, weights):
    zero = f.dtype.type(0)
    block, total = 0, 0.0
    for lane in range(some.size):
        weight = weights[some[lane]] if weights.size else 1.0
        values, columns = stored_row(zero, parts, p, some[lane])
        row = stored_row(zero, small, p, lane)[0]
        for e in range(values.size):
            row[e] = values[e]
            if np.isnan(values[e]):
                column = parts[p, FIRST] + columns[e]
                block = block_of(bounds, column, block)
                found = zero if absent[block] else product(f[lane], H, column)
                row[e] = found
                total += weight * alpha[block] * found * found
    return total


@njit(nogil=True, cache=True)
def take_listed(V, some, panel):
    """Put those rows of V, transposed, into ``panel``; the lanes that are left become zero."""
    panel[:] = 0
    for lane in range(some.size):
        for j in range(panel.shape[0]):
            panel[j, lane] = V[some[lane], j]


@njit(nogil=True, cache=True)
def put_listed(panel, V, some):
    """Put back what `take_listed` took."""
    for lane in range(some.size):
        for j in range(panel.shape[0]):
            V[some[lane], j] = panel[j, lane]


@njit(nogil=True, cache=True)
def gram_of(grams, absent, l2):
    """Gram of rows that lack the ``absent`` blocks: the sum over the others, and the L2 penalty."""
    gram = np.zeros_like(grams[0])
    for block in range(len(grams)):
        if not absent[block]:
            gram += grams[block]
    for j in range(len(gram)):
        gram[j, j] += l2
    return gram


@njit(nogil=True, cache=True)
def move_gappy_tile(
    rule, parts, bounds, order, absent, scattered, R, H, alpha, grams, l1, l2, F, other, beta, next_beta, weights,
    FtX, FtFs, extras,
):  # fmt: skip
    """As `move_tile`, for rows with gaps, in an ``order`` that puts those together that lack the same blocks.

    ``grams`` and FtFs (n_blocks, k, k) are those of each block. Gaps are filled by F H for the move, and once more
    after it, for the sums. ``extras`` (2,) becomes Σ w α x² over the gaps so filled, and what l1 and l2 add to J.
    Return how many entries were copied.
    """
    k = F.shape[1]
    zero = F.dtype.type(0)
    panel, before = np.zeros((k, PANEL), F.dtype), np.zeros((k, PANEL), F.dtype)
    cross, own = np.zeros((k, PANEL), F.dtype), np.zeros((k, k), F.dtype)
    turned, moments = turn(parts, R), np.zeros((sparse_width(parts), k), F.dtype)
    FtX[:] = 0
    FtFs[:] = 0
    extras[:] = 0.0
    start = copied = 0
    while start < order.size:
        stop = next_panel(order, absent, scattered, start)
        some, height = order[start:stop], stop - start
        lacks, gappy = absent[some[0]], scattered[some[0]]
        take_listed(F, some, panel)
        if beta > 0:
            take_listed(other, some, before)
            extrapolate(panel, before, beta)
        small, kept = make_room(zero, parts, some)
        gather(parts, small, some, lacks, gappy, bounds, panel, H, alpha, weights)
        cross_of(small, R, turned, 0, height, cross)
        move_panel(rule, panel, cross, gram_of(grams, lacks, l2), l1)
        if next_beta > 0:
            take_listed(F, some, before)
        put_listed(panel, other, some)
        if next_beta > 0:
            extrapolate(panel, before, next_beta)
        if gappy:
            extras[0] += gather(parts, small, some, lacks, gappy, bounds, panel, H, alpha, weights)
        weighted = panel
        if weights.size:
            weigh(panel, weights[some], 0, height, before)
            weighted = before
        extras[1] += penalty_of(weighted, panel, height, l1, l2)
        add_moments(small, weighted, 0, height, FtX, moments)
        own[:] = 0
        add_gram(weighted, panel, height, own)
        for block in range(len(FtFs)):
            if not lacks[block]:
                FtFs[block] += own
        start = stop
        copied += kept[0].size  # which keeps the arrays alive until here
    turn_back(parts, moments, FtX)
    return copied
