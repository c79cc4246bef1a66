"""Hierarchical alternating least squares (Cichocki et al. 2007), and the non-negative least squares it solves.

Both work on panels of 64 rows held transposed, so that the innermost loop runs over rows, which are independent, and
fills the vector units whatever the rank.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

PANEL = 64
# Reordering and fused multiply-adds only: the full "fastmath" removes the tests for NaN.
FASTMATH = {"reassoc", "contract", "nsz", "arcp"}


@njit(nogil=True, cache=True, fastmath=FASTMATH, inline="always")
def _sweep_panel(panel, cross, gram, moved):
    """One pass over the columns of a transposed panel (k, 64); ``moved`` gets each row's largest step."""
    k = gram.shape[0]
    step = np.empty(PANEL, panel.dtype)
    for lane in range(PANEL):
        moved[lane] = 0
    for j in range(k):
        curvature = gram[j, j]
        if curvature <= 0:
            continue
        for lane in range(PANEL):
            step[lane] = cross[j, lane]
        for i in range(k):
            weight = gram[i, j]
            for lane in range(PANEL):
                step[lane] -= weight * panel[i, lane]
        for lane in range(PANEL):
            old = panel[j, lane]
            new = max(old + step[lane] / curvature, panel.dtype.type(0))
            panel[j, lane] = new
            moved[lane] = max(moved[lane], abs(new - old))


@njit(nogil=True, cache=True, fastmath=FASTMATH)
def hals_sweeps(V, gram, cross, n_sweeps):
    """Move V (rows, k) in place by ``n_sweeps`` passes over its columns."""
    rows, k = V.shape
    panel = np.zeros((k, PANEL), V.dtype)
    panel_cross = np.zeros((k, PANEL), V.dtype)
    moved = np.empty(PANEL, V.dtype)
    for start in range(0, rows, PANEL):
        height = min(PANEL, rows - start)
        for lane in range(height):
            for j in range(k):
                panel[j, lane] = V[start + lane, j]
                panel_cross[j, lane] = cross[start + lane, j]
        for _ in range(n_sweeps):
            _sweep_panel(panel, panel_cross, gram, moved)
        for lane in range(height):
            for j in range(k):
                V[start + lane, j] = panel[j, lane]


@njit(nogil=True, cache=True, fastmath=FASTMATH)
def solve_rows(V, gram, cross, tol, max_sweeps):
    """Solve min ½ v·gram·v − cross·v, v >= 0, for every row of V from zero; return the rows left unconverged.

    A row is done when no entry moves by more than ``tol`` of its largest. Rows that are done leave the panels, so
    each row takes the sweeps it needs and no more, and its result does not depend on its neighbours.
    """
    rows, k = V.shape
    V[:] = 0
    waiting = np.arange(rows)
    n_waiting = rows
    panel = np.zeros((k, PANEL), V.dtype)
    panel_cross = np.zeros((k, PANEL), V.dtype)
    moved = np.empty(PANEL, V.dtype)
    for _ in range(0, max_sweeps, 8):
        n_left = 0
        for start in range(0, n_waiting, PANEL):
            height = min(PANEL, n_waiting - start)
            for lane in range(height):
                row = waiting[start + lane]
                for j in range(k):
                    panel[j, lane] = V[row, j]
                    panel_cross[j, lane] = cross[row, j]
            for _ in range(8):
                _sweep_panel(panel, panel_cross, gram, moved)
            for lane in range(height):
                row = waiting[start + lane]
                largest = V.dtype.type(0)
                for j in range(k):
                    V[row, j] = panel[j, lane]
                    largest = max(largest, panel[j, lane])
                if moved[lane] > tol * largest:
                    waiting[n_left] = row
                    n_left += 1
        n_waiting = n_left
        if n_waiting == 0:
            break
    return n_waiting


@dataclass(frozen=True)
class HALS:
    """Exact minimization over one column of V after the other, ``inner_sweeps`` times per cross."""

    inner_sweeps: int = 1
    starts_from_h: ClassVar[bool] = True
    extrapolates: ClassVar[bool] = True
    default_sweeps: ClassVar[int] = 3

    def update(self, V: NDArray[Any], gram: NDArray[Any], cross: NDArray[Any]) -> None:
        """Move V in place."""
        hals_sweeps(V, gram, cross, self.inner_sweeps)
