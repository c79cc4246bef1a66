"""Multiplicative updates (Lee and Seung 2001), as in the paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from coupled_nmf.solvers.panels import FASTMATH, PANEL, load_panel, store_panel, subtract_product

EPSILON = 1e-12  # the paper's small constant in the denominators; its size is ours
# What falls below becomes zero, as it would a few iterations later: numbers that small are slow on many processors.
SMALLEST = {"f": 1e-37, "d": 1e-300}


@njit(nogil=True, cache=True, fastmath=FASTMATH)
def multiplicative_sweeps(V, gram, cross, n_sweeps, epsilon, smallest):
    """``V *= cross / (V @ gram + epsilon)``, in place, ``n_sweeps`` times."""
    rows, k = V.shape
    panel = np.zeros((k, PANEL), V.dtype)
    panel_cross = np.zeros((k, PANEL), V.dtype)
    moved = np.empty((k, PANEL), V.dtype)
    for start in range(0, rows, PANEL):
        height = min(PANEL, rows - start)
        load_panel(V, start, height, panel)
        load_panel(cross, start, height, panel_cross)
        for _ in range(n_sweeps):
            for j in range(k):
                denominator = moved[j]
                for lane in range(PANEL):
                    denominator[lane] = -epsilon
                subtract_product(gram[j], panel, denominator)
                for lane in range(PANEL):
                    value = panel[j, lane] * panel_cross[j, lane] / -denominator[lane]
                    denominator[lane] = value if value >= smallest else V.dtype.type(0)
            panel, moved = moved, panel
        store_panel(panel, V, start, height)


@dataclass(frozen=True)
class MultiplicativeUpdate:
    """``V *= cross / (V @ gram + EPSILON)``, ``inner_sweeps`` times per cross."""

    inner_sweeps: int = 1
    starts_from_h: ClassVar[bool] = False  # a zero never moves, so F needs a start of its own
    extrapolates: ClassVar[bool] = False
    default_sweeps: ClassVar[int] = 1

    def update(self, V: NDArray[Any], gram: NDArray[Any], cross: NDArray[Any]) -> None:
        """Move V in place."""
        kind = V.dtype.type
        multiplicative_sweeps(V, gram, cross, self.inner_sweeps, kind(EPSILON), kind(SMALLEST[V.dtype.char]))
