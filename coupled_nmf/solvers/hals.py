"""Hierarchical alternating least squares (Cichocki et al. 2007), and the non-negative least squares it solves."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numba.extending import overload
from numpy.typing import NDArray
from scipy.optimize import nnls

from coupled_nmf.solvers.panels import FASTMATH, PANEL, move_panel, smallest_of, subtract_product


class HALS(NamedTuple):
    """Exact minimization over one column of V after the other, ``inner_sweeps`` times per cross.

    A column that would divide by zero stays: its partner moves first, and then it can. So no component is lost.
    """

    inner_sweeps: int = 1


@njit(nogil=True, cache=True, fastmath=FASTMATH, inline="always")
def _move_column(panel, cross, gram, j, step, smallest):
    """Minimize over row j of a transposed panel; ``step`` gets the new row less the old one."""
    zero = panel.dtype.type(0)
    for lane in range(PANEL):
        step[lane] = cross[j, lane]
    subtract_product(gram[j], panel, step)
    scale = panel.dtype.type(1) / gram[j, j]
    for lane in range(PANEL):
        old = panel[j, lane]
        new = old + step[lane] * scale
        panel[j, lane] = new if new > smallest else zero
        step[lane] = panel[j, lane] - old


@njit(nogil=True, cache=True, fastmath=FASTMATH)
def hals_sweeps(panel, cross, gram, n_sweeps):
    """Move a panel by ``n_sweeps`` passes over its columns."""
    step = np.empty(PANEL, panel.dtype)
    smallest = smallest_of(panel.dtype.type(0))
    for _ in range(n_sweeps):
        for j in range(panel.shape[0]):
            if gram[j, j] > 0:
                _move_column(panel, cross, gram, j, step, smallest)


@overload(move_panel)
def _move_panel(rule, panel, cross, gram):
    if getattr(rule, "instance_class", None) is HALS:
        return lambda rule, panel, cross, gram: hals_sweeps(panel, cross, gram, rule.inner_sweeps)
    return None


@njit(nogil=True, cache=True, fastmath=FASTMATH, inline="always")
def _settle_panel(panel, cross, gram, step, moved, smallest):
    """Make eight passes; ``moved`` gets each lane's largest step in the last."""
    for sweep in range(8):
        for lane in range(PANEL):
            moved[lane] = 0
        for j in range(panel.shape[0]):
            if gram[j, j] > 0:
                _move_column(panel, cross, gram, j, step, smallest)
                if sweep == 7:
                    for lane in range(PANEL):
                        moved[lane] = max(moved[lane], abs(step[lane]))


@njit(nogil=True, cache=True, fastmath=FASTMATH)
def solve_rows(V, gram, cross, tol, max_sweeps):
    """Solve min ½ v·gram·v − cross·v, v >= 0, for every row of V from zero; return the rows that are not solved.

    A row is done when no entry moves by more than ``tol`` of its largest. Rows that are done leave the panels, so
    each row takes the sweeps it needs and no more, and its result does not depend on its neighbours.
    """
    rows, k = V.shape
    V[:] = 0
    waiting = np.arange(rows)
    n_waiting = rows
    panel = np.zeros((k, PANEL), V.dtype)
    panel_cross = np.zeros((k, PANEL), V.dtype)
    step = np.empty(PANEL, V.dtype)
    moved = np.empty(PANEL, V.dtype)
    smallest = smallest_of(V.dtype.type(0))
    for _ in range(0, max_sweeps, 8):
        n_left = 0
        for start in range(0, n_waiting, PANEL):
            height = min(PANEL, n_waiting - start)
            for lane in range(height):
                for j in range(k):
                    panel[j, lane] = V[waiting[start + lane], j]
                    panel_cross[j, lane] = cross[waiting[start + lane], j]
            _settle_panel(panel, panel_cross, gram, step, moved, smallest)
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
    return waiting[:n_waiting]


def solve_exactly(V: NDArray[Any], gram: NDArray[Any], cross: NDArray[Any], rows: NDArray[np.int64]) -> None:
    """Solve the same for some rows by active sets (Lawson and Hanson): for components so alike that sweeps crawl."""
    values, vectors = np.linalg.eigh(gram.astype(np.float64))
    kept = values > 1e-15 * values[-1]
    root = np.sqrt(values[kept])[:, None]
    A, to_b = root * vectors[:, kept].T, vectors[:, kept].T / root
    for row in rows:
        with suppress(RuntimeError):  # its limit of iterations: what the sweeps found stays
            V[row] = nnls(A, to_b @ cross[row].astype(np.float64))[0]
