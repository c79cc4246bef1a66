"""Kullback–Leibler on a tile, compiled: quotients x / (F H) in the place of x.

Of sparse parts only the stored entries are touched: the others enter through sums of H. A missing entry has the
quotient 1, which is to fill it by F H; a sample that lacks a block drops its terms.
"""

from __future__ import annotations

import math

import numpy as np

from coupled_nmf.backends.cpu.kernels.arithmetic.microkernels import size_of
from coupled_nmf.backends.cpu.kernels.arithmetic.products import add_outers, address
from coupled_nmf.backends.cpu.kernels.arithmetic.sparse_rows import (
    DATA,
    FIRST,
    STRIDE,
    WIDTH,
    is_sparse,
    sparse_width,
    stored_row,
    turn,
    turn_back,
)
from coupled_nmf.backends.cpu.kernels.gaps import make_room, next_panel, put_listed, take_listed
from coupled_nmf.backends.cpu.kernels.look import block_of, blocks_of, dense_row
from coupled_nmf.backends.cpu.kernels.move_tile import add_moments, cross_of, penalty_of, weigh
from coupled_nmf.backends.cpu.kernels.rules.panels import FASTMATH, PANEL, smallest_of
from coupled_nmf.system.compiled import njit

LOWEST_SINGLE, LOWEST_DOUBLE = 1e-20, 1e-150  # what F H is at least, as a divisor


@njit(nogil=True, cache=True, inline="always")
def lowest(zero):
    """What F H is at least, in that dtype."""
    return zero + (LOWEST_SINGLE if size_of(zero) == 4 else LOWEST_DOUBLE)


@njit(nogil=True, cache=True, fastmath=FASTMATH)
def _divide(x, found):
    """``found = x / found``, 1 where x is missing."""
    least = lowest(found.dtype.type(0))
    for i in range(x.size):
        quotient = x[i] / max(found[i], least)
        found[i] = quotient if x[i] == x[i] else 1


@njit(nogil=True, cache=True)
def _divergence(x, quotients, found_sum):
    """Σ x log q − x over what is there, and Σ F H: ``found_sum`` is over all, so what is missing is taken out."""
    total = found_sum
    for i in range(x.size):
        if x[i] > 0 and quotients[i] > 0:  # which may underflow
            total += np.float64(x[i]) * (math.log(np.float64(quotients[i])) - 1.0)
    return total


@njit(nogil=True, cache=True)
def stored_part(x, quotient, found):
    """``x log q − x`` of a stored entry; what to take from the sum of F H if it is missing."""
    if np.isnan(x):
        return -np.float64(found)
    return np.float64(x) * (math.log(np.float64(quotient)) - 1.0) if x > 0 and quotient > 0 else 0.0


@njit(nogil=True, cache=True)
def _sum_there(x, found):
    """Sum of F H over the entries that are there."""
    total = 0.0
    for i in range(x.size):
        if x[i] == x[i]:
            total += np.float64(found[i])
    return total


@njit(nogil=True, cache=True)
def fill_quotients(parts, small, some, absent, bounds, panel, H, Ht, sums, alpha, weights, with_loss):
    """Set the small tile to x / (F H) over rows ``some``, 0 in absent blocks; return 2 Σ w α D, if asked for.

    ``sums`` (n_blocks, k) are those of H_b, unweighted.
    """
    zero, loss = panel.dtype.type(0), 0.0
    f = np.ascontiguousarray(panel[:, : some.size].T)
    for p in range(parts.shape[0]):
        if not is_sparse(parts, p):
            for lane in range(some.size):
                dense_row(zero, small, p, lane)[:] = zero
            h, fs, out = address(H) + parts[p, FIRST] * size_of(zero), f.strides[0], small[p, DATA]
            k, width = panel.shape[0], parts[p, WIDTH]
            add_outers(zero, address(f), fs, some.size, h, H.strides[0], k, width, out, small[p, STRIDE])
        for lane in range(some.size):
            weight = weights[some[lane]] if weights.size else 1.0
            if is_sparse(parts, p):
                found = _stored_quotients(
                    parts, small, p, some[lane], lane, absent, bounds, f[lane], Ht, sums, alpha, with_loss
                )
            else:
                found = _dense_quotients(parts, small, p, some[lane], lane, absent, bounds, zero, alpha, with_loss)
            loss += 2 * weight * found
    return loss


@njit(nogil=True, cache=True)
def _dense_quotients(parts, small, p, row, lane, absent, bounds, zero, alpha, with_loss):
    first, loss = parts[p, FIRST], 0.0
    x, found = dense_row(zero, parts, p, row), dense_row(zero, small, p, lane)
    for block in blocks_of(bounds, parts, p):
        start, stop = bounds[block] - first, bounds[block + 1] - first
        if absent[block]:
            found[start:stop] = zero
        else:
            all_of_it = _sum_there(x[start:stop], found[start:stop]) if with_loss else 0.0
            _divide(x[start:stop], found[start:stop])
            if with_loss:
                loss += alpha[block] * _divergence(x[start:stop], found[start:stop], all_of_it)
    return loss


@njit(nogil=True, cache=True)
def _stored_quotients(parts, small, p, row, lane, absent, bounds, f, Ht, sums, alpha, with_loss):
    zero, first, loss = f.dtype.type(0), parts[p, FIRST], 0.0
    x, columns = stored_row(zero, parts, p, row)
    found = stored_row(zero, small, p, lane)[0]
    block, least = 0, lowest(zero)
    for e in range(x.size):
        value, h = zero, Ht[first + columns[e]]
        for j in range(f.size):
            value += f[j] * h[j]
        missing = x[e] != x[e]
        if missing or with_loss:
            block = block_of(bounds, first + columns[e], block)
        if missing and absent[block]:
            found[e] = zero
            continue
        found[e] = zero + 1 if missing else x[e] / max(value, least)
        if with_loss:
            loss += alpha[block] * stored_part(x[e], found[e], value)
    if with_loss:
        for block in blocks_of(bounds, parts, p):
            if not absent[block]:
                for j in range(f.size):
                    loss += alpha[block] * np.float64(f[j]) * sums[block, j]
    return loss


@njit(nogil=True, cache=True)
def sums_there(sums, absent, alpha):
    """Σ α_b of the blocks' sums (n_blocks, k), over those that are there."""
    found = np.zeros(sums.shape[1])
    for block in range(len(sums)):
        if not absent[block]:
            for j in range(found.size):
                found[j] += alpha[block] * sums[block, j]
    return found


@njit(nogil=True, cache=True)
def mean_root(linear, part):
    """``(s + √(s² + 4 p)) / 2``: the v s + l2 v² = a of a multiplicative update is solved by a / that of p = l2 a."""
    return (linear + np.sqrt(linear * linear + 4 * part)) / 2


@njit(nogil=True, cache=True)
def divide_by_sums(panel, cross, sums, l1, l2, height):
    """The multiplicative update: the v with ``v (sums + l1 + l2 v) = V cross``, where a bound above J is least.

    With l2 = 0 it is ``V cross / (sums + l1)``. To divide by ``sums + l1 + l2 V`` instead steps too far: J may rise.
    """
    zero = panel.dtype.type(0)
    smallest = smallest_of(zero)
    for j in range(panel.shape[0]):
        for lane in range(height):
            value = panel[j, lane]
            divisor = panel.dtype.type(sums[j]) + l1
            if l2 > 0:
                part = np.float64(l2) * np.float64(value) * np.float64(cross[j, lane])
                divisor = panel.dtype.type(mean_root(np.float64(divisor), part))
            value *= cross[j, lane] / max(divisor, smallest)
            panel[j, lane] = zero if value < smallest else value  # NaN stays


@njit(nogil=True, cache=True)
def move_divergence_tile(
    n_sweeps, parts, bounds, order, absent, H, R, Ht, sums, alpha, l1, l2, weights, F, FtQ, Fsums, extras
):
    """Move the rows F of a tile in place by multiplicative updates, and sum what H's move needs.

    FtQ (k, n_features) becomes Fᵀ(X / F H), each row times its weight, Fsums (n_blocks, k) the sums of F over the rows
    that have the block; ``extras`` (2,) 2 Σ w α D at the new F, and what l1 and l2 add. ``sums`` (n_blocks, k) are
    those of H_b, R is α⊙H, Ht is H turned. Return how many entries were copied.
    """
    zero = F.dtype.type(0)
    k = F.shape[1]
    panel, cross, scaled = np.zeros((k, PANEL), F.dtype), np.zeros((k, PANEL), F.dtype), np.zeros((k, PANEL), F.dtype)
    turned, moments = turn(parts, R), np.zeros((sparse_width(parts), k), F.dtype)
    FtQ[:] = 0
    Fsums[:] = 0.0
    extras[:] = 0.0
    alike = np.zeros(len(absent), np.bool_)  # other gaps cost nothing here
    start = copied = 0
    while start < order.size:
        stop = next_panel(order, absent, alike, start)
        some, lacks, height = order[start:stop], absent[order[start]], stop - start
        take_listed(F, some, panel)
        small, kept = make_room(zero, parts, some)
        there = sums_there(sums, lacks, alpha)
        for _ in range(n_sweeps):
            fill_quotients(parts, small, some, lacks, bounds, panel, H, Ht, sums, alpha, weights, False)
            cross_of(small, R, turned, 0, height, cross)
            divide_by_sums(panel, cross, there, l1, l2, height)
        put_listed(panel, F, some)
        extras[0] += fill_quotients(parts, small, some, lacks, bounds, panel, H, Ht, sums, alpha, weights, True)
        weighted = panel
        if weights.size:
            weigh(panel, weights[some], 0, height, scaled)
            weighted = scaled
        extras[1] += penalty_of(weighted, panel, height, l1, l2)
        add_moments(small, weighted, 0, height, FtQ, moments)
        for block in range(len(Fsums)):
            if not lacks[block]:
                for j in range(k):
                    for lane in range(height):
                        Fsums[block, j] += weighted[j, lane]
        start = stop
        copied += kept[0].size  # which keeps the arrays alive until here
    turn_back(parts, moments, FtQ)
    return copied
