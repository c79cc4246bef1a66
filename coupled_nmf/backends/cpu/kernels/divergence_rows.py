"""F for a given H under Kullback–Leibler, compiled: a convex problem for each row, solved by Newton's method."""

from __future__ import annotations

import math

import numpy as np

from coupled_nmf.backends.cpu.kernels.arithmetic.sparse_rows import FIRST, is_sparse, stored_row
from coupled_nmf.backends.cpu.kernels.divergence import stored_part, sums_there
from coupled_nmf.backends.cpu.kernels.look import block_of, dense_row, product, quadratic
from coupled_nmf.backends.cpu.kernels.rules.hals import pivot
from coupled_nmf.system.compiled import njit

FIRST_UPDATES = 5  # multiplicative, before Newton's steps: they go well near the minimum
MOST_STEPS, MOST_HALVINGS = 100, 40
MOST_FALL = 0.9
ROUNDING = 1e-13
TINY = 1e-300  # what divides is at least, and F H where x is above 0


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
def _reachable(H, reached, alpha, bounds, x, columns):
    """Those entries that some component reaches, times α, and their columns of H (k, n), in float64."""
    xa, places = np.empty(x.size), np.empty(x.size, np.int64)
    n = block = 0
    for e in range(x.size):
        block = block_of(bounds, columns[e], block)
        if reached[columns[e]] and alpha[block] > 0:
            xa[n], places[n] = x[e] * alpha[block], columns[e]
            n += 1
    h = np.empty((H.shape[0], n))
    for j in range(H.shape[0]):
        for e in range(n):
            h[j, e] = H[j, places[e]]
    return xa[:n], h


@njit(nogil=True, cache=True)
def _value(linear, l2, v, xa, found):
    """What is minimized, but for a constant; infinite where F H is not above 0."""
    total = 0.0
    for j in range(v.size):
        total += v[j] * (linear[j] + 0.5 * l2 * v[j])
    for e in range(xa.size):
        if found[e] <= 0:
            return np.inf
        total -= xa[e] * math.log(found[e])
    return total


@njit(nogil=True, cache=True)
def _newton_step(xa, h, linear, l2, v, found, value):
    """One step from v with ``found`` = v h: to the minimum of the quadratic model, v >= 0, or part of the way.

    Return how far v moved; ``found`` follows, and ``value`` (1,).
    """
    quotients = xa / found
    gradient = linear + l2 * v - h @ quotients
    gram = (h * (quotients / found)) @ h.T
    for j in range(v.size):
        gram[j, j] += l2
    ridge = max(ROUNDING * np.diag(gram).max(), TINY)
    aim = np.empty_like(v)
    if not pivot(aim, v > 0, gram, gram @ v - gradient, ridge, ROUNDING):
        aim = v * (h @ quotients) / np.maximum(linear + l2 * v, TINY)
    step = np.maximum(aim, 0.0) - v
    slope, moves, part = gradient @ step, step @ h, 1.0
    for e in range(found.size):  # no entry of F H falls by more than this: near zero, steps would be tiny
        if moves[e] < -MOST_FALL * found[e]:
            part = min(part, -MOST_FALL * found[e] / moves[e])
    slack = ROUNDING * abs(value[0])  # near the end the gradient still tells what values do not
    for _ in range(MOST_HALVINGS):
        new = v + part * step
        further = found + part * moves
        now = _value(linear, l2, new, xa, further)
        if now <= value[0] + 1e-4 * part * min(slope, 0.0) + slack:
            v[:], found[:], value[0] = new, further, now
            return part * np.abs(step).max()
        part *= 0.5
    return 0.0


@njit(nogil=True, cache=True)
def solve_row(xa, h, linear, l2, tol):
    """Minimize ``linear·v + ½ l2 v·v − Σ xa log(v h)`` over v >= 0: xa (n,), h (k, n)."""
    v = np.zeros(linear.size)
    if xa.size == 0:
        return v
    alive = h.sum(axis=1) > 0
    v[alive] = xa.sum() / max(linear[alive].sum(), TINY)
    for _ in range(FIRST_UPDATES):
        v *= (h @ (xa / np.maximum(v @ h, TINY))) / np.maximum(linear + l2 * v, TINY)
    found = v @ h
    value = np.array([_value(linear, l2, v, xa, found)])
    for _ in range(MOST_STEPS):
        if _newton_step(xa, h, linear, l2, v, found, value) <= tol * v.max():
            break
    return v


@njit(nogil=True, cache=True)
def solve_divergence_tile(
    parts, bounds, absent, H, alpha, sums, grams, l1, l2, weights, tol, F, losses, squares, logs, totals
):
    """Minimize Σ_b α_b D(x_b ‖ f H_b) + penalties over each row.

    To the blocks' ``losses`` 2 w D is added, to ``squares`` those of the residual, to ``logs`` w x log x and to
    ``totals`` w x. ``grams`` (n_blocks, k, k) are H_b H_bᵀ.
    """
    k, width = H.shape
    x, columns, wanted = np.empty(width), np.empty(width, np.int64), np.empty(k)
    reached = H.sum(axis=0) > 0
    for row in range(len(F)):
        lacks, weight = absent[row], weights[row] if weights.size else 1.0
        n = _gather_row(parts, row, lacks, bounds, H, alpha, sums, x, columns, wanted)
        xa, h = _reachable(H, reached, alpha, bounds, x[:n], columns[:n])
        F[row] = solve_row(xa, h, np.maximum(wanted, 0.0) + l1, l2, tol)
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
        losses[block] += 2 * weight * stored_part(x[e], x[e] / max(found, TINY), found)
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
