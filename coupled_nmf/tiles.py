"""What a sweep does to one tile, compiled: no work between the rows of a tile is left to the interpreter.

A tile is given as ``parts``, int64 of shape (n_parts, 4): address, bytes from row to row, first column of X, width.
A panel of its rows is read from memory once, and used twice while it is in the second cache.
"""

from __future__ import annotations

import numpy as np
from numba import carray, njit

from coupled_nmf.microkernels import COMBINED_ROWS, pointer_to, size_of
from coupled_nmf.products import add_dots, add_outers, address
from coupled_nmf.solvers.panels import FASTMATH, PANEL, move_panel, put_rows, subtract_products, take_rows


@njit(nogil=True, cache=True)
def _cross(parts, H, start, height, out):
    """``out[:, :height] = H x[start : start + height]ᵀ``."""
    zero = H.dtype.type(0)
    out[:] = 0
    for p in range(parts.shape[0]):
        x = parts[p, 0] + start * parts[p, 1]
        h = address(H) + parts[p, 2] * size_of(zero)
        k, xs, hs, os = H.shape[0], parts[p, 1], H.strides[0], out.strides[0]
        add_dots(zero, x, xs, height, parts[p, 3], h, hs, k, address(out), os)


@njit(nogil=True, cache=True)
def _add_moments(parts, panel, start, height, FtX):
    """``FtX += panel x[start : start + height]``."""
    zero = panel.dtype.type(0)
    for p in range(parts.shape[0]):
        x = parts[p, 0] + start * parts[p, 1]
        out = address(FtX) + parts[p, 2] * size_of(zero)
        k, fs, xs, os = panel.shape[0], panel.strides[0], parts[p, 1], FtX.strides[0]
        add_outers(zero, address(panel), fs, k, x, xs, height, parts[p, 3], out, os)


@njit(nogil=True, cache=True)
def _add_gram(panel, other, height, gram):
    """``gram += panel otherᵀ`` over the first ``height`` lanes."""
    zero = panel.dtype.type(0)
    k, ps, os, gs = panel.shape[0], panel.strides[0], other.strides[0], gram.strides[0]
    add_dots(zero, address(panel), ps, k, height, address(other), os, k, address(gram), gs)


@njit(nogil=True, cache=True, fastmath=FASTMATH)
def _extrapolate(panel, before, beta):
    """``panel + beta (panel − before)``, not below zero, in place."""
    zero = panel.dtype.type(0)
    for j in range(panel.shape[0]):
        for lane in range(PANEL):
            panel[j, lane] = max(panel[j, lane] + beta * (panel[j, lane] - before[j, lane]), zero)


@njit(nogil=True, cache=True, fastmath=FASTMATH)
def _energies(panel, cross, gram, out):
    """``v·gram·v − 2 v·cross`` of each lane's v: what the move lowers, and that row's share of J but for ‖x‖²."""
    gradients = np.empty((COMBINED_ROWS, PANEL), panel.dtype)
    out[:] = 0.0
    for first in range(0, panel.shape[0], COMBINED_ROWS):
        last = min(first + COMBINED_ROWS, panel.shape[0])
        for j in range(first, last):
            gradients[j - first] = cross[j]
        subtract_products(gram, panel, gradients, first, last)
        for j in range(first, last):
            for lane in range(PANEL):
                both = np.float64(cross[j, lane]) + np.float64(gradients[j - first, lane])
                out[lane] -= np.float64(panel[j, lane]) * both


@njit(nogil=True, cache=True)
def move_tile(rule, parts, R, gram, F, other, beta, next_beta, FtX, FtF, energy):
    """Move the rows F (rows, k) of a tile, and sum what the other factor's move needs.

    Each row moves from F + ``beta`` (F − other) by ``gram`` and its cross ``x Rᵀ``; where it ends is written to
    ``other`` (which may be F itself, with both betas 0). FtX (k, n_features) and FtF (k, k) become the sums over a
    point further on by ``next_beta``; ``energy`` (1,) that over the rows' energies, if ``energy[0]`` is 1 at the call.
    """
    rows, k = F.shape
    panel, before = np.zeros((k, PANEL), F.dtype), np.zeros((k, PANEL), F.dtype)
    cross = np.zeros((k, PANEL), F.dtype)
    energies = np.zeros(PANEL)
    wanted, energy[0] = energy[0] == 1, 0.0
    FtX[:] = 0
    FtF[:] = 0
    for start in range(0, rows, PANEL):
        height = min(PANEL, rows - start)
        take_rows(F, start, height, panel)
        if beta > 0:
            take_rows(other, start, height, before)
            _extrapolate(panel, before, beta)
        _cross(parts, R, start, height, cross)
        move_panel(rule, panel, cross, gram)
        if wanted:
            _energies(panel, cross, gram, energies)
            energy[0] += energies[:height].sum()
        if next_beta > 0:
            take_rows(F, start, height, before)
        put_rows(panel, other, start, height)
        if next_beta > 0:
            _extrapolate(panel, before, next_beta)
        _add_moments(parts, panel, start, height, FtX)
        _add_gram(panel, panel, height, FtF)


@njit(nogil=True, cache=True)
def move_columns(rule, FtX, gram, H, other, beta, next_beta, alpha, R, HHt, energy, first, last):
    """Move columns ``first`` to ``last`` of H (k, n_features) by gram and cross FtX: `move_tile` without x.

    R becomes α⊙ the point further on, HHt (k, k) its products with that point, ``energy`` (1,) the sum of α⊙ the
    columns' energies.
    """
    k = H.shape[0]
    panel, before = np.zeros((k, PANEL), H.dtype), np.zeros((k, PANEL), H.dtype)
    cross, weighted = np.zeros((k, PANEL), H.dtype), np.zeros((k, PANEL), H.dtype)
    energies = np.zeros(PANEL)
    HHt[:] = 0
    energy[0] = 0.0
    for start in range(first, last, PANEL):
        some = slice(start, min(PANEL + start, last))  # indices from 0, or each would be looked at for its sign
        h, h_other, sums, r, weights = H[:, some], other[:, some], FtX[:, some], R[:, some], alpha[some]
        height = weights.size
        for j in range(k):
            for lane in range(height):
                panel[j, lane] = h[j, lane]
                before[j, lane] = h_other[j, lane]
                cross[j, lane] = sums[j, lane]
        if beta > 0:
            _extrapolate(panel, before, beta)
        move_panel(rule, panel, cross, gram)
        _energies(panel, cross, gram, energies)
        for lane in range(height):
            energy[0] += weights[lane] * energies[lane]
        for j in range(k):
            for lane in range(height):
                before[j, lane] = h[j, lane]
                h_other[j, lane] = panel[j, lane]
        if next_beta > 0:
            _extrapolate(panel, before, next_beta)
        for j in range(k):
            for lane in range(height):
                weighted[j, lane] = panel[j, lane] * weights[lane]
                r[j, lane] = weighted[j, lane]
        _add_gram(panel, weighted, height, HHt)


@njit(nogil=True, cache=True)
def multiply_tile(parts, R, out):
    """``out = x Rᵀ``, shape (rows, k)."""
    rows, k = out.shape
    panel = np.zeros((k, PANEL), R.dtype)
    for start in range(0, rows, PANEL):
        height = min(PANEL, rows - start)
        _cross(parts, R, start, height, panel)
        put_rows(panel, out, start, height)


@njit(nogil=True, cache=True)
def power_tile(parts, R, rows, out):
    """``out = (x Rᵀ)ᵀ x``, shape (k, n_features)."""
    panel = np.zeros((R.shape[0], PANEL), R.dtype)
    out[:] = 0
    for start in range(0, rows, PANEL):
        height = min(PANEL, rows - start)
        _cross(parts, R, start, height, panel)
        _add_moments(parts, panel, start, height, out)


@njit(nogil=True, cache=True, fastmath=FASTMATH)
def _look_at(row, first, bounds, squares):
    """Add a row's squares to those of its blocks; return how many entries are negative, and their sum."""
    negative, total = 0, 0.0
    for block in range(bounds.size - 1):
        some = row[max(bounds[block] - first, 0) : max(bounds[block + 1] - first, 0)]
        found = 0.0
        for i in range(some.size):  # from 0, or each index would be looked at for its sign
            value = np.float64(some[i])
            found += value * value
            total += value
            negative += some[i] < 0
        squares[block] += found
    return negative, total


@njit(nogil=True, cache=True)
def scan_tile(zero, parts, rows, bounds, squares):
    """Add the sum of squares of each block to ``squares``; return how many entries are negative, and their sum."""
    negative, total = 0, 0.0
    for row in range(rows):
        for p in range(parts.shape[0]):
            x = carray(pointer_to(zero, parts[p, 0] + row * parts[p, 1]), (parts[p, 3],))
            some, found = _look_at(x, parts[p, 2], bounds, squares)
            negative, total = negative + some, total + found
    return negative, total


@njit(nogil=True, cache=True)
def residual_tile(parts, F, H, bounds, squares):
    """Add the squares of ``x − F H`` to each block's ``squares``: made, summed and forgotten a few rows at a time."""
    rows, k = F.shape
    zero = F.dtype.type(0)
    minus = np.zeros((PANEL, k), F.dtype)
    size = size_of(zero)
    for p in range(parts.shape[0]):
        residual = np.empty((PANEL, parts[p, 3]), F.dtype)
        rs, h = residual.strides[0], address(H) + parts[p, 2] * size
        for start in range(0, rows, PANEL):
            height = min(PANEL, rows - start)
            for lane in range(height):
                x = carray(pointer_to(zero, parts[p, 0] + (start + lane) * parts[p, 1]), (parts[p, 3],))
                residual[lane] = x
                minus[lane] = -F[start + lane]
            f, out = address(minus), address(residual)
            add_outers(zero, f, k * size, height, h, H.strides[0], k, parts[p, 3], out, rs)
            for lane in range(height):
                _look_at(residual[lane], parts[p, 2], bounds, squares)
