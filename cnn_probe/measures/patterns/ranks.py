"""The area under the curve of a score that is to tell some inputs from the others, by ranks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from cnn_probe.measures.counting.chance import bound_of_largest, of_largest, permuted
from cnn_probe.measures.counting.preference import deviations

Floats = NDArray[np.float64]


def areas_under_curve(
    values: Floats, members: NDArray[np.bool_], n_permutations: int, seed: int
) -> tuple[Floats, Floats, Floats]:
    """Return the area under each column's curve for each concept, what it has to exceed, and its p-value.

    Areas are on one scale as sums of ranks, in standard deviations over all orders of the inputs, which are known. What
    the largest of all reaches in each permutation is beside each: all columns and concepts together. (The steps of
    `step_down` would hold n_permutations times d times m numbers, of layers of many units.)

    Parameters
    ----------
    values : ndarray of shape (n, d)
    members : ndarray of bool of shape (n, m)
    n_permutations, seed : int

    Returns
    -------
    areas : ndarray of shape (d, m)
        Ties count half. NaN for a concept that all inputs have, or none.
    by_chance : ndarray of shape (d, m)
        The area above which ``p_value`` is below 0.05: any is in fewer than 5% of permutations of the inputs.
    p_value : ndarray of shape (d, m)
        One-sided: of more of the column where there is the concept.
    """
    n = len(values)
    ranks = np.asarray(rankdata(values, axis=0)) - (n + 1) / 2
    positive = members.sum(axis=0).astype(np.float64)
    pairs = np.where((positive > 0) & (positive < n), positive * (n - positive), np.nan)
    marks = members.astype(np.float64)
    # With ranks about their mean, the sum over the members is (area - 1/2) times the pairs of a member and another.
    sums = ranks.T @ marks
    spread = deviations(np.zeros(ranks.shape[1]), np.mean(ranks**2, axis=0), positive[:, None], n).T
    orders = permuted(np.arange(n), n_permutations, seed)
    largest = np.array([np.max((ranks.T @ marks[order]) / spread) for order in orders])
    p_value = of_largest(np.where(np.isnan(pairs), np.nan, sums / spread), largest)
    high = bound_of_largest(largest)
    of_high = np.multiply(high, spread, out=np.zeros_like(spread), where=np.isfinite(spread))
    return 0.5 + sums / pairs, 0.5 + of_high / pairs, p_value


def standard_errors(areas: Floats, positive: NDArray[np.int64], n: int) -> Floats:
    """Return the standard error of areas (d, m) under the curve (Hanley and McNeil 1982, equation 1)."""
    ones, others = positive.astype(np.float64), (n - positive).astype(np.float64)
    both_above = areas / (2 - areas)  # two members above one other
    above_both = 2 * areas**2 / (1 + areas)  # one member above two others
    spread = areas * (1 - areas) + (ones - 1) * (both_above - areas**2) + (others - 1) * (above_both - areas**2)
    pairs = np.where(ones * others > 0, ones * others, np.nan)
    found: Floats = np.sqrt(np.maximum(spread, 0) / pairs)
    return found
