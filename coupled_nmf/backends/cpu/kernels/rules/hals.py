"""Hierarchical alternating least squares (Cichocki et al. 2007), and the non-negative least squares it solves."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
from numba.extending import overload
from numpy.typing import NDArray
from scipy.optimize import nnls

from coupled_nmf.backends.cpu.kernels.arithmetic.microkernels import COMBINED_ROWS
from coupled_nmf.backends.cpu.kernels.rules.panels import FASTMATH, PANEL, move_panel, smallest_of, subtract_products
from coupled_nmf.problem.solvers import HALS
from coupled_nmf.system.compiled import njit

LARGE = 1e30  # what divides by zero is multiplied by
ROUNDING = {"f": 5e-7, "d": 1e-13}  # of a gram's entries and of a solution, as part of the largest


@njit(nogil=True, cache=True, fastmath=FASTMATH)
def _pass(panel, cross, gram, l1, steps, smallest, fixed):
    """Minimize over one row of a transposed panel after the other; ``steps`` ends with the last rows' steps.

    A few rows share one reading of the panel; what the first of them moves is then taken from the rest. The first
    ``fixed`` rows stay.
    """
    k = panel.shape[0]
    zero = panel.dtype.type(0)
    for first in range(fixed, k, COMBINED_ROWS):
        last = min(first + COMBINED_ROWS, k)
        for j in range(first, last):
            for lane in range(PANEL):
                steps[j - first, lane] = cross[j, lane] - l1
        subtract_products(gram, panel, steps, first, last)
        for j in range(first, last):
            step = steps[j - first]
            for i in range(first, j):
                weight, moved = gram[j, i], steps[i - first]
                for lane in range(PANEL):
                    step[lane] -= weight * moved[lane]
            scale = panel.dtype.type(1) / gram[j, j] if gram[j, j] > 0 else zero if l1 == 0 else LARGE
            row = panel[j]
            for lane in range(PANEL):
                old = row[lane]
                new = old + step[lane] * scale
                row[lane] = zero if new <= smallest else new  # NaN stays
                step[lane] = row[lane] - old


@njit(nogil=True, cache=True)
def hals_sweeps(panel, cross, gram, l1, n_sweeps, fixed):
    """Move a panel by ``n_sweeps`` passes over its columns but the first ``fixed``."""
    steps = np.empty((COMBINED_ROWS, PANEL), panel.dtype)
    smallest = smallest_of(panel.dtype.type(0))
    for _ in range(n_sweeps):
        _pass(panel, cross, gram, l1, steps, smallest, fixed)


@overload(move_panel)
def _move_panel(rule, panel, cross, gram, l1):
    if getattr(rule, "instance_class", None) is HALS:
        return lambda rule, panel, cross, gram, l1: hals_sweeps(panel, cross, gram, l1, rule.inner_sweeps, rule.fixed)
    return None


@njit(nogil=True, cache=True, fastmath=FASTMATH)
def solve_rows(V, gram, cross, tol, max_sweeps):
    """Solve min ½ v·gram·v − cross·v, v >= 0, for every row of V from zero; return the rows that are not solved.

    A row is done when no entry moves by more than ``tol`` of its largest in the last of eight passes. Rows that are
    done leave the panels, so each row takes the passes it needs and no more, and its result does not depend on its
    neighbours.
    """
    rows, k = V.shape
    V[:] = 0
    waiting = np.arange(rows)
    n_waiting = rows
    panel, panel_cross, before = (
        np.zeros((k, PANEL), V.dtype),
        np.zeros((k, PANEL), V.dtype),
        np.zeros((k, PANEL), V.dtype),
    )
    steps = np.empty((COMBINED_ROWS, PANEL), V.dtype)
    zero = V.dtype.type(0)  # an L1 penalty is in the cross already
    smallest = smallest_of(zero)
    for _ in range(0, max_sweeps, 8):
        n_left = 0
        for start in range(0, n_waiting, PANEL):
            height = min(PANEL, n_waiting - start)
            for lane in range(height):
                for j in range(k):
                    panel[j, lane] = V[waiting[start + lane], j]
                    panel_cross[j, lane] = cross[waiting[start + lane], j]
            for sweep in range(8):
                if sweep == 7:
                    before[:] = panel
                _pass(panel, panel_cross, gram, zero, steps, smallest, 0)
            for lane in range(height):
                row = waiting[start + lane]
                largest = moved = V.dtype.type(0)
                for j in range(k):
                    V[row, j] = panel[j, lane]
                    largest = max(largest, panel[j, lane])
                    moved = max(moved, abs(panel[j, lane] - before[j, lane]))
                if moved > tol * largest:
                    waiting[n_left] = row
                    n_left += 1
        n_waiting = n_left
        if n_waiting == 0:
            break
    return waiting[:n_waiting]


@njit(nogil=True, cache=True)
def pivot(v, passive, gram, cross, ridge, tol):
    """Solve one row by block principal pivoting (Kim and Park 2011) from a passive set near the end.

    Return whether it got there. v, gram and cross in float64; ``ridge`` keeps components that are alike apart; what is
    below ``tol`` of the largest is not infeasible.
    """
    k = v.size
    fewest, tries = k + 1, 3
    for _ in range(3 * k + 30):
        inside = np.flatnonzero(passive)
        v[:] = 0.0
        if inside.size > 0:
            some = np.empty((inside.size, inside.size))
            for i in range(inside.size):
                for j in range(inside.size):
                    some[i, j] = gram[inside[i], inside[j]]
                some[i, i] += ridge
            found = np.linalg.solve(some, cross[inside])
            for i in range(inside.size):
                v[inside[i]] = found[i]
        gradient = gram @ v - cross
        wrong = np.where(passive, v < -tol * np.abs(v).max(), gradient < -tol * np.abs(cross).max())
        n = int(wrong.sum())
        if n == 0:
            return True
        if n < fewest or tries > 0:
            fewest, tries = (n, 3) if n < fewest else (fewest, tries - 1)
            passive ^= wrong
        else:  # one at a time, which ends for certain
            last = np.flatnonzero(wrong)[-1]
            passive[last] = not passive[last]
    return False


@njit(nogil=True, cache=True)
def _pivot_rows(V, gram, cross, rows, ridge, tol):
    """`pivot` for some rows of V, from what they hold; return those that did not get there."""
    left = np.empty(rows.size, np.int64)
    n_left = 0
    for row in rows:
        v, passive = np.empty(V.shape[1]), V[row] > 0
        if pivot(v, passive, gram, cross[row].astype(np.float64), ridge, tol):
            for j in range(v.size):
                V[row, j] = max(v[j], 0.0)
        else:
            left[n_left] = row
            n_left += 1
    return left[:n_left]


def solve_exactly(V: NDArray[Any], gram: NDArray[Any], cross: NDArray[Any], rows: NDArray[np.int64]) -> None:
    """Solve the same for rows where sweeps crawl, since components are alike: by active sets, from what V holds."""
    gram64, noise = gram.astype(np.float64), ROUNDING[V.dtype.char]
    for row in _pivot_rows(V, gram64, cross, rows, noise * gram64.diagonal().max(), noise):
        values, vectors = np.linalg.eigh(gram64)
        kept = values > noise * values[-1]
        root = np.sqrt(values[kept])[:, None]
        with suppress(RuntimeError):  # its limit of iterations: what the sweeps found stays
            V[row] = nnls(root * vectors[:, kept].T, (vectors[:, kept].T / root) @ cross[row].astype(np.float64))[0]
