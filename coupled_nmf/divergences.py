"""Kullback–Leibler on a tile, compiled: quotients x / (F H) in the place of x.

Of sparse parts only the stored entries are touched: the others enter through sums of H. A missing entry has the
quotient 1, which is to fill it by F H; a sample that lacks a block drops its terms.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from coupled_nmf.gaps import make_room, next_panel, put_listed, take_listed
from coupled_nmf.microkernels import size_of
from coupled_nmf.products import add_outers, address
from coupled_nmf.scans import block_of, dense_row, product, quadratic
from coupled_nmf.solvers.panels import FASTMATH, PANEL, smallest_of
from coupled_nmf.sparse_rows import (
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
from coupled_nmf.tiles import add_moments, cross_of, penalty_of, weigh


@njit(nogil=True, cache=True, inline="always")
def lowest(zero):
    """What F H is at least, as a divisor."""
    return zero + (1e-20 if size_of(zero) == 4 else 1e-150)


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
        if x[i] > 0:
            total += np.float64(x[i]) * (math.log(np.float64(quotients[i])) - 1.0)
    return total


@njit(nogil=True, cache=True)
def _stored_part(x, quotient, found):
    """``x log q − x`` of a stored entry; what to take from the sum of F H if it is missing."""
    if np.isnan(x):
        return -np.float64(found)
    return np.float64(x) * (math.log(np.float64(quotient)) - 1.0) if x > 0 else 0.0


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
    zero = panel.dtype.type(0)
    k, loss = panel.shape[0], 0.0
    f = np.ascontiguousarray(panel[:, : some.size].T)
    least = lowest(zero)
    for p in range(parts.shape[0]):
        first = parts[p, FIRST]
        if not is_sparse(parts, p):
            for lane in range(some.size):
                dense_row(zero, small, p, lane)[:] = zero
            h, fs, out = address(H) + first * size_of(zero), f.strides[0], small[p, DATA]
            add_outers(zero, address(f), fs, some.size, h, H.strides[0], k, parts[p, WIDTH], out, small[p, STRIDE])
        for lane in range(some.size):
            weight = weights[some[lane]] if weights.size else 1.0
            if is_sparse(parts, p):
                x, columns = stored_row(zero, parts, p, some[lane])
                found = stored_row(zero, small, p, lane)[0]
                block = 0
                for e in range(x.size):
                    value, h_e = zero, Ht[first + columns[e]]
                    for j in range(k):
                        value += f[lane, j] * h_e[j]
                    block = block_of(bounds, first + columns[e], block)
                    found[e] = x[e] / max(value, least) if x[e] == x[e] else 1
                    if with_loss:
                        loss += 2 * weight * alpha[block] * _stored_part(x[e], found[e], value)
                continue
            x, found = dense_row(zero, parts, p, some[lane]), dense_row(zero, small, p, lane)
            for block in range(bounds.size - 1):
                start, stop = max(bounds[block] - first, 0), min(max(bounds[block + 1] - first, 0), x.size)
                if absent[block]:
                    found[start:stop] = zero
                elif start < stop:
                    all_of_it = _sum_there(x[start:stop], found[start:stop]) if with_loss else 0.0
                    _divide(x[start:stop], found[start:stop])
                    if with_loss:
                        loss += 2 * weight * alpha[block] * _divergence(x[start:stop], found[start:stop], all_of_it)
        if is_sparse(parts, p) and with_loss:
            for lane in range(some.size):
                weight = weights[some[lane]] if weights.size else 1.0
                for block in range(bounds.size - 1):
                    if first <= bounds[block] < first + parts[p, WIDTH] and not absent[block]:
                        for j in range(k):
                            loss += 2 * weight * alpha[block] * np.float64(f[lane, j]) * sums[block, j]
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
def divide_by_sums(panel, cross, sums, l1, l2, height):
    """``V *= cross / (sums + l1 + l2 V)``, the multiplicative update."""
    zero = panel.dtype.type(0)
    smallest = smallest_of(zero)
    for j in range(panel.shape[0]):
        for lane in range(height):
            value = panel[j, lane]
            divisor = panel.dtype.type(sums[j]) + l1 + l2 * value
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


@njit(nogil=True, cache=True)
def _gather_row(parts, row, lacks, bounds, H, alpha, sums, x, columns, wanted):
    """Entries of a row above zero and their columns; ``wanted`` (k,) becomes Σ α h over the entries that are there.

    Return how many there are.
    """
    zero = H.dtype.type(0)
    n = 0
    wanted[:] = sums_there(sums, lacks, alpha)
    for p in range(parts.shape[0]):
        first = parts[p, FIRST]
        if is_sparse(parts, p):
            values, places = stored_row(zero, parts, p, row)
        else:
            values, places = dense_row(zero, parts, p, row), np.empty(0, np.int32)
        block = 0
        for e in range(values.size):
            column = first + (places[e] if places.size else e)
            block = block_of(bounds, column, block)
            if lacks[block] or values[e] == 0:
                continue
            if values[e] > 0:
                x[n], columns[n] = values[e], column
                n += 1
            else:  # missing
                for j in range(wanted.size):
                    wanted[j] -= alpha[block] * np.float64(H[j, column])
    return n


@njit(nogil=True, cache=True)
def _move_entry(v, j, xa, h, found, linear, l2):
    """New v[j], by Newton steps, which from below never pass the minimum; from above multiplicative updates do not.

    ``found`` is v·h, and follows.
    """
    value = v[j]
    for _ in range(4):
        numerator = curvature = 0.0
        for e in range(xa.size):
            if found[e] > 0:
                part = h[e] / found[e]
                numerator += xa[e] * part
                curvature += xa[e] * part * part
        gradient = linear + l2 * value - numerator
        if curvature + l2 <= 0:
            new = 0.0 if linear > 0 else value
        else:
            new = value - gradient / (curvature + l2)
            if gradient > 0 and new < 0.1 * value:  # far down: is zero the place?
                at_zero = 0.0
                for e in range(xa.size):
                    rest = found[e] - value * h[e]
                    if h[e] > 0:
                        at_zero += xa[e] * h[e] / max(rest, 1e-300)
                new = 0.0 if linear >= at_zero else value * numerator / (linear + l2 * value)
        step = new - value
        if step == 0:
            break
        for e in range(xa.size):
            found[e] = max(found[e] + step * h[e], 0.0)
        value = new
        if abs(step) <= 1e-3 * value or value == 0:
            break
    return value


@njit(nogil=True, cache=True)
def solve_divergence_tile(
    parts, bounds, absent, H, alpha, sums, grams, l1, l2, weights, tol, max_sweeps, F, losses, squares, logs, totals
):
    """Minimize Σ_b α_b D(x_b ‖ f H_b) + penalties over each row, by Newton steps on one entry after the other.

    To the blocks' ``losses`` 2 w D is added, to ``squares`` those of the residual, to ``logs`` w x log x and to
    ``totals`` w x. ``grams`` (n_blocks, k, k) are H_b H_bᵀ. (Hsieh and Dhillon 2011.)
    """
    k, width = H.shape
    x, columns, wanted = np.empty(width), np.empty(width, np.int64), np.empty(k)
    for row in range(len(F)):
        lacks, weight = absent[row], weights[row] if weights.size else 1.0
        n = _gather_row(parts, row, lacks, bounds, H, alpha, sums, x, columns, wanted)
        xa, h = np.empty(n), np.empty((k, n))
        block = 0
        for e in range(n):
            block = block_of(bounds, columns[e], block)
            xa[e] = x[e] * alpha[block]
            for j in range(k):
                h[j, e] = H[j, columns[e]]
        linear, v = wanted + l1, np.zeros(k)
        v[:] = xa.sum() / max(linear.sum(), 1e-300) if n else 0.0
        for sweep in range(max_sweeps if n else 0):
            if sweep % 10 == 0:
                found = v @ h
            moved = 0.0
            for j in range(k):
                new = _move_entry(v, j, xa, h[j], found, linear[j], l2)
                moved = max(moved, abs(new - v[j]))
                v[j] = new
            if moved <= tol * v.max():
                break
        F[row] = v
        _add_losses(parts, row, F[row], lacks, bounds, H, sums, grams, weight, x[:n], columns[:n], losses, squares)
        block = 0
        for e in range(n):
            block = block_of(bounds, columns[e], block)
            logs[block] += weight * x[e] * math.log(x[e])
            totals[block] += weight * x[e]


@njit(nogil=True, cache=True)
def _add_losses(parts, row, f, lacks, bounds, H, sums, grams, weight, x, columns, losses, squares):
    for block in range(bounds.size - 1):
        if not lacks[block]:
            squares[block] += weight * quadratic(f, grams[block])
            for j in range(f.size):
                losses[block] += 2 * weight * np.float64(f[j]) * sums[block, j]
    block = 0
    for e in range(x.size):
        block, found = block_of(bounds, columns[e], block), product(f, H, columns[e])
        losses[block] += 2 * weight * x[e] * (math.log(x[e] / max(found, 1e-300)) - 1.0)
        squares[block] += weight * x[e] * (x[e] - 2 * found)
    zero = H.dtype.type(0)
    for p in range(parts.shape[0]):  # what is missing was counted
        places = np.empty(0, np.int32)
        if is_sparse(parts, p):
            values, places = stored_row(zero, parts, p, row)
        else:
            values = dense_row(zero, parts, p, row)
        for e in range(values.size):
            column = parts[p, FIRST] + (places[e] if places.size else e)
            if np.isnan(values[e]):
                block, found = block_of(bounds, column, 0), product(f, H, column)
                if not lacks[block]:
                    losses[block] -= 2 * weight * found
                    squares[block] -= weight * found * found
