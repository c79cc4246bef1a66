"""Where the factors start."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.data.arrays import real_numbers, refuse_large, unmask
from coupled_nmf.problem.draws import SEEDS, DrawnF, stream_of

LIFT = 1e-4  # of a component's mean
LIFT_OF_HALS = 1e-2  # whose zeros are many, and are to move at once


def lift_zeros(H: NDArray[Any], fixed: int = 0, part: float = LIFT) -> NDArray[Any]:
    """H with no entry below a small part of its component's mean, for solvers that never move a zero.

    The first ``fixed`` rows stay as they are.
    """
    lifted: NDArray[Any] = np.maximum(H, H.mean(axis=1, keepdims=True) * H.dtype.type(part))
    lifted[:fixed] = H[:fixed]
    return lifted


def draw_uniform(
    rng: np.random.RandomState, n_features: int, k: int, dtype: np.dtype[Any]
) -> tuple[DrawnF, NDArray[Any]]:
    """F and H with entries in [0, 1), as in the paper, whatever the scale of X."""
    H = rng.uniform(size=(k, n_features)).astype(dtype)
    return DrawnF(np.ones(k), dtype, seed=int(rng.randint(SEEDS))), H


def draw_components(
    rng: np.random.RandomState, n_features: int, k: int, dtype: np.dtype[Any], mean: float
) -> NDArray[Any]:
    """H from the half-normal distribution, scaled so that FH has about the mean of X."""
    return np.abs(np.sqrt(mean / k) * stream_of(rng).standard_normal((k, n_features))).astype(dtype)


def nndsvd(
    squares: NDArray[np.float64], s: NDArray[np.float64], Vt: NDArray[Any], fill: float
) -> tuple[NDArray[Any], NDArray[Any]]:
    """H, and what columns of U are multiplied by to become F, from k singular triplets.

    Of each triplet the positive or the negative part serves, whichever is larger; zeros of H become ``fill``, as those
    of F are to (Boutsidis and Gallopoulos 2008: NNDSVD for 0, NNDSVDa for the mean of X). ``squares`` (2, k) are those
    of the positive and of the negative part of each column of U, s (k,) and Vt (k, n_features) are as they come.
    """
    signs = np.array([1, -1], dtype=Vt.dtype)
    parts = [np.maximum(sign * Vt, 0) for sign in signs]
    own = np.stack([np.linalg.norm(part, axis=1) for part in parts])
    others = np.sqrt(squares)
    chosen, each = np.argmax(own * others, axis=0), np.arange(len(s))  # the first, of two as large
    own, others = own[chosen, each], others[chosen, each]
    size = np.sqrt(s * own * others)
    lives = size > 0
    by = signs[chosen] * np.divide(size, others, out=np.zeros_like(size), where=lives)
    H = np.where(chosen[:, None] == 0, *parts) * np.divide(size, own, out=np.zeros_like(size), where=lives)[:, None]
    H[H == 0] = fill
    return by.astype(Vt.dtype), H.astype(Vt.dtype)


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
