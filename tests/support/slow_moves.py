"""How a factor moves, written as plainly as NumPy can: what compiled kernels are held against.

Factors are transposed, (k, n), and stay in their dtype; sums of J are in float64.
"""

import numpy as np

from coupled_nmf.backends.cpu.kernels import LARGE, LOWEST, SMALLEST


def extrapolated(V, before, beta):
    further = V + V.dtype.type(beta) * (V - before)
    return np.where(further < 0, 0, further).astype(V.dtype)


def extrapolated_above_zero(V, before, beta):
    """A rise goes on in v, a fall in 1/v and three quarters as far; zeros stay."""
    further = V + V.dtype.type(beta) * (V - before)
    falls = (before > V) & (V > 0)
    now, then = (array[falls].astype(np.float64) for array in (V, before))
    further[falls] = 1 / (1 / now + 0.75 * beta * (1 / now - 1 / then))
    further[V == 0] = 0
    return further


def hals(V, cross, gram, l1, n_sweeps, fixed=0):
    V, kind = V.copy(), V.dtype.type
    for _ in range(n_sweeps):
        for j in range(fixed, len(V)):
            scale = kind(1) / gram[j, j] if gram[j, j] > 0 else kind(0 if l1 == 0 else LARGE)
            moved = V[j] + (cross[j] - kind(l1) - gram[j] @ V) * scale
            V[j] = np.where(moved <= SMALLEST[V.dtype.char], 0, moved)
    return V


def swept_until_done(cross, gram, l1, tol, max_sweeps):
    """Sweeps of HALS from zero, each column until the last of eight moves no entry by more than `tol` of its largest.

    Which columns are not done comes second.
    """
    V, left = np.zeros_like(cross), np.arange(cross.shape[1])
    for _ in range(0, max_sweeps, 8):
        before = hals(V[:, left], cross[:, left], gram, l1, 7)
        V[:, left] = hals(before, cross[:, left], gram, l1, 1)
        moved = np.abs(V[:, left] - before).max(axis=0)
        left = left[moved > tol * V[:, left].max(axis=0)]
    return V, left


def mu(V, cross, gram, l1, n_sweeps, fixed=0):
    V, smallest = V.copy(), V.dtype.type(SMALLEST[V.dtype.char])
    for _ in range(n_sweeps):
        moved = V * cross / (gram @ V + V.dtype.type(l1) + smallest)
        V[fixed:] = np.where(moved < smallest, 0, moved)[fixed:]
    return V


MOVES = {"hals": hals, "mu": mu}


def energies(V, cross, gram, l1):
    """``v·gram·v − 2 v·(cross − l1)`` of each row v."""
    V, cross, gram = (array.astype(np.float64) for array in (V, cross, gram))
    return (V * (gram @ V - 2 * (cross - l1))).sum(axis=0)


def penalties(V, l1, l2):
    V = V.astype(np.float64)
    return (2 * l1 * V + l2 * V**2).sum(axis=0)


def weighed(V, weights):
    return V if weights is None else (V * weights).astype(V.dtype)


def quotients(x, FH, absent):
    """``x / (F H)``: 1 where x is missing, 0 where its block is."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        found = np.where(np.isnan(x), 1, x / np.maximum(FH, FH.dtype.type(LOWEST[FH.dtype.char])))
    return np.where(absent, 0, found).astype(x.dtype)


def divergences(x, FH, found, absent):
    """``x log q − x + F H`` of each entry that is there, in float64."""
    there = ~absent & ~np.isnan(x)
    counts = there & (x > 0) & (found > 0)  # which may underflow
    logs = np.log(np.where(counts, found, 1).astype(np.float64)) - 1
    return np.where(counts, x.astype(np.float64) * logs, 0) + np.where(there, FH.astype(np.float64), 0)


def divided_by_sums(V, cross, sums, l1, l2):
    """The v with ``v (sums + l1 + l2 v) = V cross``; sums of each component."""
    kind = V.dtype.type
    divisor = (sums.astype(V.dtype) + kind(l1))[:, None] * np.ones_like(V)
    if l2 > 0:
        linear = divisor.astype(np.float64)
        divisor = ((linear + np.sqrt(linear**2 + 4 * float(l2) * V.astype(np.float64) * cross)) / 2).astype(V.dtype)
    smallest = kind(SMALLEST[V.dtype.char])
    moved = V * (cross / np.where(divisor < smallest, smallest, divisor))
    return np.where(moved < smallest, 0, moved)
