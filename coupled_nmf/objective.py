"""The objective and what is derived from it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# J from sums is a difference of numbers of the size of ‖X‖²: what is below this part of it is rounding.
NOISE = {"f": 1e-9, "d": 1e-14}


def objective_from_sums(
    weighted_squares: float,
    XtF: NDArray[np.float64],
    FtF: NDArray[np.float64],
    ht: NDArray[Any],
    column_weights: NDArray[np.float64],
) -> float:
    """J = ‖√α⊙X‖² − 2⟨XᵀF, α⊙Hᵀ⟩ + ⟨FᵀF, H(α⊙H)ᵀ⟩ in float64, not below zero."""
    ht64 = ht.astype(np.float64)
    weighted = ht64 * column_weights[:, None]
    value = weighted_squares - 2.0 * np.einsum("ij,ij->", XtF, weighted) + np.einsum("ij,ij->", FtF, ht64.T @ weighted)
    return max(float(value), 0.0)


def root_mean_square(squares: float, entries: int) -> float:
    """√(squares / entries). The paper does not define its RMSE; this is the one of this project."""
    return float(np.sqrt(squares / entries))
