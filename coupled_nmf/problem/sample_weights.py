"""What each sample counts for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.data.arrays import real_numbers

NO_WEIGHTS: NDArray[np.float64] = np.empty(0)  # where every sample counts once


def check_weights(sample_weight: Any, n_samples: int) -> NDArray[np.float64]:
    """Weight of each sample; empty for none.

    Raises
    ------
    ValueError
        If there is not one real number a sample, or one is negative or not finite, or all are 0.
    """
    if sample_weight is None:
        return NO_WEIGHTS
    weights = real_numbers("sample_weight", sample_weight).astype(np.float64)
    if weights.ndim == 0:
        weights = np.full(n_samples, float(weights))
    refuse_other_shape(weights.shape, n_samples)
    weights = finite_weights(weights)
    if weights.max() == 0:
        raise no_weight()
    return weights


def refuse_other_shape(shape: tuple[int, ...], n_samples: int) -> None:
    """Raise ValueError if it is not one number a sample."""
    if shape != (n_samples,):
        raise ValueError(f"sample_weight.shape == {shape}, expected {(n_samples,)}: one number a sample.")


def finite_weights(weights: Any) -> NDArray[np.float64]:
    """Some of the weights; raises ValueError if one is no real number, negative or not finite."""
    weights = np.ascontiguousarray(real_numbers("sample_weight", weights), dtype=np.float64)
    if not np.all(np.isfinite(weights)) or weights.min(initial=0) < 0:
        raise no_weight()
    return weights


def no_weight() -> ValueError:
    """What is raised for weights that are none."""
    return ValueError("sample_weight has entries that are negative or not finite, or all its weights are zero.")
