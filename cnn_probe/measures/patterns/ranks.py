"""The area under the curve of a score that is to tell some inputs from the others, by ranks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]


def areas_under_curve(
    values: Floats, members: NDArray[np.bool_], n_permutations: int, seed: int, level: float
) -> tuple[Floats, Floats]:
    """Return the area under each column's curve for each concept, and what the best column reaches by chance.

    Parameters
    ----------
    values : ndarray of shape (n, d)
    members : ndarray of bool of shape (n, m)
    n_permutations, seed : int
    level : float
        How often chance may exceed what is returned.

    Returns
    -------
    areas : ndarray of shape (d, m)
        Ties count half. NaN for a concept that all inputs have, or none.
    by_chance : ndarray of shape (m,)
        Of the largest of the d areas, over permutations of the inputs.
    """
    if n_permutations < 1:
        raise ValueError(f"n_permutations must be 1 or more, got {n_permutations}")
    n = len(values)
    ranks = np.asarray(rankdata(values, axis=0)) - (n + 1) / 2
    positive = members.sum(axis=0).astype(np.float64)
    pairs = np.where((positive > 0) & (positive < n), positive * (n - positive), np.nan)
    marks = members.astype(np.float64)
    # With ranks about their mean, the sum over the members is (area - 1/2) times the pairs of a member and another.
    areas = 0.5 + (ranks.T @ marks) / pairs
    generator = np.random.default_rng(seed)
    best = [(ranks.T @ generator.permutation(marks)).max(axis=0) for _ in range(n_permutations)]
    by_chance = 0.5 + np.quantile(np.stack(best), 1 - level, axis=0) / pairs
    return areas, by_chance


def standard_errors(areas: Floats, positive: NDArray[np.int64], n: int) -> Floats:
    """Return the standard error of areas (d, m) under the curve (Hanley and McNeil 1982, equation 1)."""
    ones, others = positive.astype(np.float64), (n - positive).astype(np.float64)
    both_above = areas / (2 - areas)  # two members above one other
    above_both = 2 * areas**2 / (1 + areas)  # one member above two others
    spread = areas * (1 - areas) + (ones - 1) * (both_above - areas**2) + (others - 1) * (above_both - areas**2)
    pairs = np.where(ones * others > 0, ones * others, np.nan)
    found: Floats = np.sqrt(np.maximum(spread, 0) / pairs)
    return found
