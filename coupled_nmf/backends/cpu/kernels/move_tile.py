"""What a sweep does to one tile, compiled: no work between the rows of a tile is left to the interpreter.

A tile is given as ``parts``, int64 of shape (n_parts, 6), whose columns `sparse_rows` names.
A panel of its rows is read from memory once, and used twice while it is in the second cache.
"""

from __future__ import annotations

import numpy as np

from coupled_nmf.backends.cpu.kernels.arithmetic.microkernels import COMBINED_ROWS, size_of
from coupled_nmf.backends.cpu.kernels.arithmetic.products import add_dots, add_outers, address
from coupled_nmf.backends.cpu.kernels.arithmetic.sparse_rows import (
    DATA,
    FIRST,
    STRIDE,
    WIDTH,
    add_sparse_dots,
    add_sparse_outers,
    is_sparse,
    sparse_width,
    turn,
    turn_back,
)
from coupled_nmf.backends.cpu.kernels.rules.panels import (
    FASTMATH,
    PANEL,
    move_panel,
    put_rows,
    subtract_products,
    take_rows,
)
from coupled_nmf.system.compiled import njit


@njit(nogil=True, cache=True)
def cross_of(parts, H, turned, start, height, out):
    """``out[:, :height] = H x[start : start + height]ᵀ``; ``turned`` is `turn` of H."""
    zero = H.dtype.type(0)
    place = 0
    out[:] = 0
    for p in range(parts.shape[0]):
        if is_sparse(parts, p):
            add_sparse_dots(parts, p, turned[place:], start, height, out)
            place += parts[p, WIDTH]
        else:
            x = parts[p, DATA] + start * parts[p, STRIDE]
            h = address(H) + parts[p, FIRST] * size_of(zero)
            k, xs, hs, os = H.shape[0], parts[p, STRIDE], H.strides[0], out.strides[0]
            add_dots(zero, x, xs, height, parts[p, WIDTH], h, hs, k, address(out), os)


@njit(nogil=True, cache=True)
def add_moments(parts, panel, start, height, FtX, turned):
    """``FtX += panel x[start : start + height]``; what sparse parts give is added to ``turned`` instead."""
    zero = panel.dtype.type(0)
    place = 0
    for p in range(parts.shape[0]):
        if is_sparse(parts, p):
            add_sparse_outers(parts, p, panel, start, height, turned[place:])
            place += parts[p, WIDTH]
        else:
            x = parts[p, DATA] + start * parts[p, STRIDE]
            out = address(FtX) + parts[p, FIRST] * size_of(zero)
            k, fs, xs, os = panel.shape[0], panel.strides[0], parts[p, STRIDE], FtX.strides[0]
            add_outers(zero, address(panel), fs, k, x, xs, height, parts[p, WIDTH], out, os)


@njit(nogil=True, cache=True)
def add_gram(panel, other, height, gram):
    """``gram += panel otherᵀ`` over the first ``height`` lanes."""
    zero = panel.dtype.type(0)
    k, ps, os, gs = panel.shape[0], panel.strides[0], other.strides[0], gram.strides[0]
    add_dots(zero, address(panel), ps, k, height, address(other), os, k, address(gram), gs)


@njit(nogil=True, cache=True, fastmath=FASTMATH)
def extrapolate(panel, before, beta):
    """``panel + beta (panel − before)``, not below zero, in place."""
    zero = panel.dtype.type(0)
    for j in range(panel.shape[0]):
        for lane in range(PANEL):
            panel[j, lane] = max(panel[j, lane] + beta * (panel[j, lane] - before[j, lane]), zero)


@njit(nogil=True, cache=True, fastmath=FASTMATH)
def add_energies(panel, cross, gram, l1, out):
    """``v·gram·v − 2 v·(cross − l1)`` of each lane's v: what the move lowers, that row's share of J but for ‖x‖²."""
    gradients = np.empty((COMBINED_ROWS, PANEL), panel.dtype)
    out[:] = 0.0
    for first in range(0, panel.shape[0], COMBINED_ROWS):
        last = min(first + COMBINED_ROWS, panel.shape[0])
        for j in range(first, last):
            gradients[j - first] = cross[j]
        subtract_products(gram, panel, gradients, first, last)
        for j in range(first, last):
            for lane in range(PANEL):
                both = np.float64(cross[j, lane]) + np.float64(gradients[j - first, lane]) - 2 * np.float64(l1)
                out[lane] -= np.float64(panel[j, lane]) * both


@njit(nogil=True, cache=True)
def weigh(panel, weights, start, height, out):
    """``out[:, lane] = panel[:, lane] weights[start + lane]``."""
    for j in range(panel.shape[0]):
        for lane in range(height):
            out[j, lane] = panel[j, lane] * weights[start + lane]


@njit(nogil=True, cache=True)
def penalty_of(weighted, panel, height, l1, l2):
    """``2 l1 Σv + l2 Σv²`` over the first ``height`` lanes, each times its weight, in float64."""
    total = 0.0
    if l1 != 0 or l2 != 0:
        for j in range(panel.shape[0]):
            for lane in range(height):
                total += np.float64(weighted[j, lane]) * (2 * np.float64(l1) + np.float64(l2) * panel[j, lane])
    return total


@njit(nogil=True, cache=True)
def move_tile(rule, parts, R, gram, l1, l2, F, other, beta, next_beta, weights, FtX, FtF, extras):
    """Move the rows F (rows, k) of a tile, and sum what the other factor's move needs.

    Each row moves from F + ``beta`` (F − other) by ``gram``, which holds l2, and its cross ``x Rᵀ``; where it ends is
    written to ``other`` (which may be F itself, with both betas 0). FtX (k, n_features) and FtF (k, k) become the sums
    over a point further on by ``next_beta``, each row times its weight (none: all 1). ``extras`` (2,) becomes the rows'
    energies, if ``extras[0]`` is 1 at the call, and what l1 and l2 add to J.
    """
    rows, k = F.shape
    panel, before = np.zeros((k, PANEL), F.dtype), np.zeros((k, PANEL), F.dtype)
    cross = np.zeros((k, PANEL), F.dtype)
    energies = np.zeros(PANEL)
    turned, moments = turn(parts, R), np.zeros((sparse_width(parts), k), F.dtype)
    wanted, extras[:] = extras[0] == 1, 0.0
    FtX[:] = 0
    FtF[:] = 0
    for start in range(0, rows, PANEL):
        height = min(PANEL, rows - start)
        take_rows(F, start, height, panel)
        if beta > 0:
            take_rows(other, start, height, before)
            extrapolate(panel, before, beta)
        cross_of(parts, R, turned, start, height, cross)
        move_panel(rule, panel, cross, gram, l1)
        if wanted:
            add_energies(panel, cross, gram, l1, energies)
            extras[0] += energies[:height].sum()
        if next_beta > 0:
            take_rows(F, start, height, before)
        put_rows(panel, other, start, height)
        if next_beta > 0:
            extrapolate(panel, before, next_beta)
        weighted = panel
        if weights.size:
            weigh(panel, weights, start, height, before)
            weighted = before
        extras[1] += penalty_of(weighted, panel, height, l1, l2)
        add_moments(parts, weighted, start, height, FtX, moments)
        add_gram(weighted, panel, height, FtF)
    turn_back(parts, moments, FtX)


@njit(nogil=True, cache=True)
def multiply_tile(parts, R, out):
    """``out = x Rᵀ``, shape (rows, k)."""
    rows, k = out.shape
    panel = np.zeros((k, PANEL), R.dtype)
    turned = turn(parts, R)
    for start in range(0, rows, PANEL):
        height = min(PANEL, rows - start)
        cross_of(parts, R, turned, start, height, panel)
        put_rows(panel, out, start, height)


@njit(nogil=True, cache=True)
def power_tile(parts, R, rows, out):
    """``out = (x Rᵀ)ᵀ x``, shape (k, n_features)."""
    panel = np.zeros((R.shape[0], PANEL), R.dtype)
    turned, moments = turn(parts, R), np.zeros((sparse_width(parts), R.shape[0]), R.dtype)
    out[:] = 0
    for start in range(0, rows, PANEL):
        height = min(PANEL, rows - start)
        cross_of(parts, R, turned, start, height, panel)
        add_moments(parts, panel, start, height, out, moments)
    turn_back(parts, moments, out)
