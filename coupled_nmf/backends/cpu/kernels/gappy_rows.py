"""F for a given H where entries are missing, and what is left: compiled."""

from __future__ import annotations

import numpy as np

from coupled_nmf.backends.cpu.kernels.arithmetic.sparse_rows import FIRST, WIDTH, is_sparse, stored_row, turn
from coupled_nmf.backends.cpu.kernels.gaps import gather, make_room, next_panel, put_listed, take_listed
from coupled_nmf.backends.cpu.kernels.look import dense_row, residual_tile
from coupled_nmf.backends.cpu.kernels.move_tile import cross_of
from coupled_nmf.backends.cpu.kernels.rules.hals import pivot, solve_rows
from coupled_nmf.backends.cpu.kernels.rules.panels import PANEL
from coupled_nmf.system.compiled import njit


@njit(nogil=True, cache=True)
def multiply_gappy_tile(parts, bounds, order, absent, scattered, R, out):
    """``out = x Rᵀ`` over the entries that are there, shape (rows, k). Return how many were copied."""
    zero = R.dtype.type(0)
    panel, turned = np.zeros((R.shape[0], PANEL), R.dtype), turn(parts, R)
    nothing, alpha, weights = np.zeros_like(panel), np.zeros(bounds.size - 1), np.empty(0)
    start = copied = 0
    while start < order.size:
        stop = next_panel(order, absent, scattered, start)
        some = order[start:stop]
        small, kept = make_room(zero, parts, some)
        gather(parts, small, some, absent[some[0]], scattered[some[0]], bounds, nothing, R, alpha, weights)
        cross_of(small, R, turned, 0, some.size, panel)
        put_listed(panel, out, some)
        start = stop
        copied += kept[0].size  # which keeps the arrays alive until here
    return copied


@njit(nogil=True, cache=True)
def mark_gaps(zero, parts, row, marks):
    """Mark the columns (n_features,) of a row's missing entries, but for sparse blocks that it lacks."""
    marks[:] = False
    for p in range(parts.shape[0]):
        first = parts[p, FIRST]
        if is_sparse(parts, p):
            values, columns = stored_row(zero, parts, p, row)
            for e in range(values.size):
                marks[first + columns[e]] = np.isnan(values[e])
        else:
            marks[first : first + parts[p, WIDTH]] = np.isnan(dense_row(zero, parts, p, row))


@njit(nogil=True, cache=True)
def _own_gram(marks, absent, bounds, Ht, alpha, grams, gram):
    """Gram of a row over the entries that are there: less what is missing, or of what is there if that is less.

    Return how many there are.
    """
    k, n_entries = gram.shape[0], 0
    gram[:] = 0
    for block in range(bounds.size - 1):
        if absent[block]:
            continue
        first, last = bounds[block], bounds[block + 1]
        n_missing = int(marks[first:last].sum())
        n_entries += int(last - first) - n_missing
        less = 2 * n_missing < last - first
        if less:
            gram += grams[block]
        sign = -1.0 if less else 1.0
        for column in range(first, last):
            if marks[column] == less:
                h = Ht[column]
                for i in range(k):
                    weight = sign * alpha[block] * np.float64(h[i])
                    for j in range(k):
                        gram[i, j] += weight * np.float64(h[j])
    return n_entries


@njit(nogil=True, cache=True)
def solve_alone(parts, bounds, rows, absent, Ht, alpha, grams, l1, l2, cross, noise, few, tol, sweeps, F):
    """Solve for ``rows``, each by a gram of its own; ``grams`` (n_blocks, k, k) are those of whole blocks, with α.

    ``noise``, or ``few`` for a row of fewer entries than components, is added to its diagonal, times the largest.
    """
    zero, k = F.dtype.type(0), F.shape[1]
    marks, gram = np.zeros(Ht.shape[0], np.bool_), np.empty((k, k))
    for row in rows:
        mark_gaps(zero, parts, row, marks)
        n_entries = _own_gram(marks, absent[row], bounds, Ht, alpha, grams, gram)
        for j in range(k):
            gram[j, j] += l2
        wanted = cross[row].astype(np.float64) - l1
        v = np.zeros(k)
        ridge = max((few if n_entries < k and l2 == 0 else noise) * np.diag(gram).max(), 1e-300)
        if not pivot(v, np.zeros(k, np.bool_), gram, wanted, ridge, noise):
            found = np.zeros((1, k))
            solve_rows(found, gram, wanted.reshape(1, k), tol, sweeps)
            v = found[0]
        for j in range(k):
            F[row, j] = max(v[j], 0.0)


@njit(nogil=True, cache=True)
def gappy_residual_tile(parts, bounds, order, absent, scattered, F, H, grams, weights, squares):
    """As `residual_tile`, over the entries that are there. Return how many were copied."""
    zero = F.dtype.type(0)
    panel, alpha = np.zeros((F.shape[1], PANEL), F.dtype), np.zeros(bounds.size - 1)
    start = copied = 0
    found = np.empty(bounds.size - 1)
    while start < order.size:
        stop = next_panel(order, absent, scattered, start)
        some = order[start:stop]
        lacks = absent[some[0]]
        take_listed(F, some, panel)
        small, kept = make_room(zero, parts, some)
        gather(parts, small, some, lacks, scattered[some[0]], bounds, panel, H, alpha, weights)
        found[:] = 0
        own = weights[some] if weights.size else weights
        residual_tile(small, F[some], H, grams, bounds, own, found)
        for block in range(found.size):
            if not lacks[block]:
                squares[block] += found[block]
        start = stop
        copied += kept[0].size  # which keeps the arrays alive until here
    return copied
