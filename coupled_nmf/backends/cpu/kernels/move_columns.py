"""How the columns of H move, compiled: `move_tile` without x."""

from __future__ import annotations

import numpy as np

from coupled_nmf.backends.cpu.kernels.move_tile import add_energies, add_gram, extrapolate
from coupled_nmf.backends.cpu.kernels.rules.panels import PANEL, move_panel
from coupled_nmf.system.compiled import njit


@njit(nogil=True, cache=True)
def move_columns(rule, FtX, grams, l1s, edges, H, other, beta, next_beta, alpha, R, HHts, energy, first, last):
    """Move columns ``first`` to ``last`` of H (k, n_features) by gram and cross FtX.

    Columns ``edges[g]`` to ``edges[g + 1]`` are a group, with a gram, an l1, and a HHt of their own. R becomes α⊙ the
    point further on, HHts (n_groups, k, k) its products with that point, ``energy`` (1,) the sum of α⊙ the columns'
    energies.
    """
    HHts[:] = 0
    energy[0] = 0.0
    for g in range(len(grams)):
        start, stop = max(first, edges[g]), min(last, edges[g + 1])
        if start < stop:
            energy[0] += _move_group(
                rule, FtX, grams[g], l1s[g], H, other, beta, next_beta, alpha, R, HHts[g], start, stop
            )


@njit(nogil=True, cache=True)
def _move_group(rule, FtX, gram, l1, H, other, beta, next_beta, alpha, R, HHt, first, last):
    k = H.shape[0]
    panel, before = np.zeros((k, PANEL), H.dtype), np.zeros((k, PANEL), H.dtype)
    cross, weighted = np.zeros((k, PANEL), H.dtype), np.zeros((k, PANEL), H.dtype)
    energies = np.zeros(PANEL)
    energy = 0.0
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
            extrapolate(panel, before, beta)
        move_panel(rule, panel, cross, gram, l1)
        add_energies(panel, cross, gram, l1, energies)
        for lane in range(height):
            energy += weights[lane] * energies[lane]
        for j in range(k):
            for lane in range(height):
                before[j, lane] = h[j, lane]
                h_other[j, lane] = panel[j, lane]
        if next_beta > 0:
            extrapolate(panel, before, next_beta)
        for j in range(k):
            for lane in range(height):
                weighted[j, lane] = panel[j, lane] * weights[lane]
                r[j, lane] = weighted[j, lane]
        add_gram(panel, weighted, height, HHt)
    return energy
