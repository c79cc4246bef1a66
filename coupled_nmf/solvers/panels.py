"""Panels: 128 rows of a factor, held transposed, so that the innermost loops run over rows.

Rows are independent and adjacent in a panel: the loops over them fill the vector units whatever the rank.
"""

from numba import njit

PANEL = 128
# Reordering and fused multiply-adds only: the full "fastmath" removes the tests for NaN.
FASTMATH = {"reassoc", "contract", "nsz", "arcp"}


@njit(nogil=True, cache=True, inline="always")
def load_panel(V, start, height, panel):
    """Rows ``start`` to ``start + height`` of V, transposed into ``panel`` (k, 128)."""
    for lane in range(height):
        for j in range(panel.shape[0]):
            panel[j, lane] = V[start + lane, j]


@njit(nogil=True, cache=True, inline="always")
def store_panel(panel, V, start, height):
    """Put back what `load_panel` took."""
    for lane in range(height):
        for j in range(panel.shape[0]):
            V[start + lane, j] = panel[j, lane]


@njit(nogil=True, cache=True, fastmath=FASTMATH, inline="always")
def subtract_product(weights, panel, out):
    """``out -= weights @ panel``: four rows of the panel at a time, since a pass over ``out`` costs as much as one."""
    k = panel.shape[0]
    fours = k - k % 4
    for i in range(0, fours, 4):
        a, b, c, d = weights[i], weights[i + 1], weights[i + 2], weights[i + 3]
        p, q, r, s = panel[i], panel[i + 1], panel[i + 2], panel[i + 3]
        for lane in range(PANEL):
            out[lane] -= a * p[lane] + b * q[lane] + c * r[lane] + d * s[lane]
    for i in range(fours, k):
        for lane in range(PANEL):
            out[lane] -= weights[i] * panel[i, lane]
