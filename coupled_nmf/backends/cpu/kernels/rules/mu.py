"""Multiplicative updates (Lee and Seung 2001), as in the paper."""

from __future__ import annotations

import numpy as np
from numba.extending import overload

from coupled_nmf.backends.cpu.kernels.arithmetic.products import add_outers, address
from coupled_nmf.backends.cpu.kernels.rules.panels import FASTMATH, PANEL, move_panel, smallest_of
from coupled_nmf.problem.solvers import MultiplicativeUpdate
from coupled_nmf.system.compiled import njit


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
