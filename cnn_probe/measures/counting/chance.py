"""What chance reaches: the same measured with labels that were permuted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_probe.measures.counting.exact import LEVEL

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Beside:
    """What was found, beside what chance reaches.

    Attributes
    ----------
    value : ndarray
    chance : ndarray
        Mean over the permutations.
    high : ndarray
        What 5% of the permutations exceed.
    p_value : ndarray
        (1 + permutations that reach the value) / (1 + permutations): of each by itself.
    """

    value: Floats
    chance: Floats
    high: Floats
    p_value: Floats


def permuted(codes: NDArray[np.int64], n_permutations: int, seed: int) -> NDArray[np.int64]:
    """Return the labels in other orders: shape (n_permutations, n).

    Raises
    ------
    ValueError
        If there are to be fewer than one.
    """
    if n_permutations < 1:
        raise ValueError(f"n_permutations must be 1 or more, got {n_permutations}")
    generator = np.random.default_rng(seed)
    return np.stack([generator.permutation(codes) for _ in range(n_permutations)])


def beside_chance(measure: Callable[[Any], Floats], codes: NDArray[np.int64], n_permutations: int, seed: int) -> Beside:
    """Measure with the labels, and with permuted ones."""
    value = measure(codes)
    by_chance = np.stack([measure(labels) for labels in permuted(codes, n_permutations, seed)])
    reached = np.sum(by_chance >= value - 1e-12 * np.abs(value), axis=0)
    high: Any = np.quantile(by_chance, 1 - LEVEL, axis=0)
    return Beside(value, by_chance.mean(axis=0), high, (1 + reached) / (1 + n_permutations))


def step_down(observed: Floats, by_chance: Floats) -> Floats:
    """Return p-values that hold for all units together: Holm's steps, by the largest of what is left.

    They bound the chance that any unit without a preference is named by p, as Holm's do (Westfall and Young 1993,
    algorithm 2.8). Holm's own, of permutations, could name nothing where there are more than 10 units: of 200
    permutations none is below 1/201.

    Parameters
    ----------
    observed : ndarray of shape (d,)
    by_chance : ndarray of shape (n_permutations, d)
        On the same scale for all units.
    """
    if not len(observed):
        return np.zeros(0)
    order = np.argsort(-observed, kind="stable")
    largest = np.maximum.accumulate(by_chance[:, order[::-1]], axis=1)[:, ::-1]  # of this unit and those after it
    reached = np.sum(largest >= observed[order] - 1e-12 * np.abs(observed[order]), axis=0)
    found = np.empty(len(observed))
    found[order] = np.maximum.accumulate((1 + reached) / (1 + len(by_chance)))
    return found


def of_largest(observed: Floats, largest: Floats) -> Floats:
    """Return p-values that hold for all together, by the largest of all in each permutation; NaN stays so."""
    reached = len(largest) - np.searchsorted(np.sort(largest), observed - 1e-12 * np.abs(observed))
    return np.where(np.isnan(observed), np.nan, (1 + reached) / (1 + len(largest)))


def bound_of_largest(largest: Floats) -> float:
    """Return what has to be exceeded for a p-value of `of_largest` below 0.05; infinite of too few permutations."""
    rank = n_below(len(largest))
    if not rank:
        return float("inf")
    bound = float(np.sort(largest)[-rank])
    return bound + 1e-12 * abs(bound)  # what is equal but for rounding does not exceed it


def n_below(n_drawn: int) -> int:
    """Return how many of the p-values that so many can give, 1 / (1 + n_drawn) and so on, are below 0.05."""
    return int(np.sum(np.arange(1, n_drawn + 2) / (1 + n_drawn) < LEVEL))


def check_permutations(n_permutations: int) -> None:
    """ValueError unless so many permutations can give a p-value below 0.05."""
    if not n_below(n_permutations):
        raise ValueError(
            f"n_permutations must be {round(1 / LEVEL)} or more, or nothing is above chance, got {n_permutations}"
        )
