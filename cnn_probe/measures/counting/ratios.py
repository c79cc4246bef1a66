"""Parts of sums over the inputs, and how sure they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from cnn_probe.measures.counting.exact import LEVEL


def ratio(errors: NDArray[np.float64], squares: NDArray[np.float64]) -> tuple[float, float]:
    """Σ errors / Σ squares of samples (n,), and half of its interval (`margin_of`), by its linearized variance."""
    total = float(squares.sum())
    if total == 0:
        return 0.0, 0.0
    found = float(errors.sum()) / total
    return found, margin_of((errors - found * squares) / total, squares)


def margin_of(parts: NDArray[np.float64], squares: NDArray[np.float64]) -> float:
    """Half of the interval of about 95% of a sum of parts of samples (n,), whose mean is 0.

    By Student's t of as many samples as hold the squares: (Σ squares)² / Σ squares², which few large ones make few.
    Where they do, it holds in less than 95% of cases.
    """
    n = len(parts)
    held = float(squares.sum()) ** 2 / float(np.sum(squares**2)) if squares.any() else 1.0
    spread = float(np.sqrt(np.sum(parts**2) * n / max(n - 1, 1)))
    return float(t.isf(LEVEL / 2, max(held - 1, 1))) * spread
