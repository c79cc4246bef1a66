"""Panels: some rows of a factor, held transposed, so that the innermost loops run over rows whatever the rank."""

from __future__ import annotations

from typing import Any

from coupled_nmf.backends.cpu.kernels.arithmetic.microkernels import COMBINED_BYTES, size_of, subtract_combinations
from coupled_nmf.backends.cpu.kernels.arithmetic.products import address
from coupled_nmf.system.compiled import njit

PANEL = 96  # rows: whole vectors of any width, and whole combinations
assert PANEL * 4 % COMBINED_BYTES == 0
# Reordering and fused multiply-adds only: the full "fastmath" removes the tests for NaN.
FASTMATH = {"reassoc", "contract", "nsz", "arcp"}
# What falls below becomes zero, as it would a few iterations later: numbers that small are slow on many processors.
SMALLEST_SINGLE, SMALLEST_DOUBLE = 1e-37, 1e-300


def move_panel(rule: Any, panel: Any, cross: Any, gram: Any, l1: Any) -> None:
    """Move a panel (k, PANEL) in place by a rule, one of ``SOLVERS``, given gram (k, k), cross (k, PANEL) and l1.

    What falls is ``½ v·gram·v − cross·v + l1 Σv`` of each lane's v.

    Compiled code alone calls it; each solver says with ``numba.extending.overload`` what its rule does.
    """
    raise NotImplementedError


@njit(nogil=True, cache=True, inline="always")
def smallest_of(zero):
    """What becomes zero in that dtype."""
    return zero + (SMALLEST_SINGLE if size_of(zero) == 4 else SMALLEST_DOUBLE)


@njit(nogil=True, cache=True)
def take_rows(V, start, height, panel):
    """Put rows ``start`` to ``start + height`` of V, transposed, into ``panel``."""
    some = V[start : start + height]
    for lane in range(height):
        for j in range(panel.shape[0]):
            panel[j, lane] = some[lane, j]


@njit(nogil=True, cache=True)
def put_rows(panel, V, start, height):
    """Put back what `take_rows` took."""
    some = V[start : start + height]
    for lane in range(height):
        for j in range(panel.shape[0]):
            some[lane, j] = panel[j, lane]


@njit(nogil=True, cache=True, inline="always")
def subtract_products(weights, panel, out, first, last):
    """``out[j] −= weights[j] @ panel`` for j from ``first`` to ``last``, at most COMBINED_ROWS, into rows 0, 1, ..."""
    zero = panel.dtype.type(0)
    w, ws, xs, os = address(weights), weights.strides[0], panel.strides[0], out.strides[0]
    for skip in range(0, PANEL * size_of(zero), COMBINED_BYTES):
        x, o = address(panel) + skip, address(out) + skip
        subtract_combinations(zero, w + first * ws, ws, last - first, x, xs, panel.shape[0], o, os)
