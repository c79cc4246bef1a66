"""Multiplicative updates (Lee and Seung 2001), as in the paper."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba.extending import overload

from coupled_nmf.compiled import njit
from coupled_nmf.products import add_outers, address
from coupled_nmf.solvers.panels import FASTMATH, PANEL, move_panel, smallest_of


class MultiplicativeUpdate(NamedTuple):
    """``V *= cross / (V @ gram + l1)``, ``inner_sweeps`` times per cross.

    The paper's small constant in the denominator is the smallest number that divides: data may be small too. The
    first ``fixed`` columns never move.
    """

    inner_sweeps: int = 1
    fixed: int = 0


@njit(nogil=True, cache=True, fastmath=FASTMATH)
def multiplicative_sweeps(panel, cross, gram, l1, n_sweeps, fixed):
    """Move a panel by ``n_sweeps`` updates of all its entries at once, but those of the first ``fixed`` columns."""
    k = panel.shape[0]
    zero = panel.dtype.type(0)
    smallest = smallest_of(zero)
    denominator = np.empty_like(panel)
    for _ in range(n_sweeps):
        denominator[:] = l1 + smallest
        add_outers(
            zero, address(gram), gram.strides[0], k, address(panel), panel.strides[0], k, PANEL,
            address(denominator), denominator.strides[0],
        )  # fmt: skip
        for j in range(fixed, k):
            for lane in range(PANEL):
                value = panel[j, lane] * cross[j, lane] / denominator[j, lane]
                panel[j, lane] = zero if value < smallest else value  # NaN stays


@overload(move_panel)
def _move_panel(rule, panel, cross, gram, l1):
    if getattr(rule, "instance_class", None) is MultiplicativeUpdate:
        return lambda rule, panel, cross, gram, l1: multiplicative_sweeps(
            panel, cross, gram, l1, rule.inner_sweeps, rule.fixed
        )
    return None
