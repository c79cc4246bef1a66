"""The objective and what is derived from it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# J from sums is a difference of numbers of the size of ‖X‖²: what is below this part of it is rounding.
NOISE = {"f": 1e-9, "d": 1e-14}


def objective_from_sums(
    weighted_squares: float,
    FtX: NDArray[np.float64],
    FtF: NDArray[np.float64],
    weighted_H: NDArray[np.float64],
    gram: NDArray[np.float64],
) -> float:
    """J = ‖√α⊙X‖² − 2⟨FᵀX, α⊙H⟩ + ⟨FᵀF, H(α⊙H)ᵀ⟩ in float64, not below zero."""
    inner = np.einsum("ij,ij->", FtX, weighted_H, dtype=np.float64)
    return max(float(weighted_squares - 2.0 * inner + np.einsum("ij,ij->", FtF, gram)), 0.0)


def root_mean_square(squares: float, entries: int) -> float:
    """√(squares / entries). The paper does not define its RMSE; this is the one of this project."""
    return float(np.sqrt(squares / entries))
