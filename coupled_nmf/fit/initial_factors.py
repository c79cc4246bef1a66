"""Where the factors start."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.data.arrays import real_numbers, refuse_large, unmask

LIFT = 1e-4  # of a component's mean


def lift_zeros(H: NDArray[Any], fixed: int = 0) -> NDArray[Any]:
    """H with no entry below a small part of its component's mean, for solvers that never move a zero.

    The first ``fixed`` rows stay as they are.
    """
    lifted: NDArray[Any] = np.maximum(H, H.mean(axis=1, keepdims=True) * H.dtype.type(LIFT))
    lifted[:fixed] = H[:fixed]
    return lifted


def draw_uniform(
    rng: np.random.RandomState, shape: tuple[int, int], k: int, dtype: np.dtype[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """F and H with entries in [0, 1), as in the paper, whatever the scale of X."""
    H = rng.uniform(size=(k, shape[1])).astype(dtype)  # first: the solvers that need H alone find it for any rows
    return rng.uniform(size=(shape[0], k)).astype(dtype), H


def draw_components(
    rng: np.random.RandomState, n_features: int, k: int, dtype: np.dtype[Any], mean: float
) -> NDArray[Any]:
    """H from the half-normal distribution, scaled so that FH has about the mean of X."""
    return np.abs(np.sqrt(mean / k) * rng.standard_normal((k, n_features))).astype(dtype)


def nndsvd(
    U: NDArray[Any], s: NDArray[Any], Vt: NDArray[Any], k: int, fill: float
) -> tuple[NDArray[Any], NDArray[Any]]:
    """F and H from the first k singular triplets: of each, the larger of its positive and its negative part.

    Zeros become ``fill`` (Boutsidis and Gallopoulos 2008: NNDSVD for 0, NNDSVDa for the mean of X). U (n_samples, l),
    s (l,), Vt (l, n_features), largest first.
    """
    F, H = np.zeros((len(U), k), dtype=U.dtype), np.zeros((k, Vt.shape[1]), dtype=Vt.dtype)
    for j in range(k):
        parts = [(np.maximum(sign * U[:, j], 0), np.maximum(sign * Vt[j], 0)) for sign in (1, -1)]
        norms = [float(np.linalg.norm(f) * np.linalg.norm(h)) for f, h in parts]
        f, h = parts[int(norms[1] > norms[0])]
        size = max(norms)
        if size > 0:
            F[:, j] = np.sqrt(s[j] * size) / np.linalg.norm(f) * f
            H[j] = np.sqrt(s[j] * size) / np.linalg.norm(h) * h
    F[F == 0] = fill
    H[H == 0] = fill
    return F, H


def check_custom(name: str, value: Any, shape: tuple[int, int], dtype: np.dtype[Any]) -> NDArray[Any]:
    """A copy of a start of the user's own.

    Raises
    ------
    ValueError
        If its shape is wrong, or an entry is no real number, negative, not finite, or too large.
    """
    with np.errstate(over="ignore"):
        array = np.array(real_numbers(name, unmask(value)), dtype=dtype, order="C")
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}; for this X and n_components it must be {shape}.")
    if not np.all(np.isfinite(array)) or array.min() < 0:
        raise ValueError(f"{name} has negative or non-finite entries; a start is finite and not negative.")
    if name == "H" and not array.any():
        raise ValueError(f"{name} is all zero, and would stay so; give a start with entries above 0.")
    refuse_large(name, array, dtype)
    return array
