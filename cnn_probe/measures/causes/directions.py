"""What is taken out of a layer: directions of factors, and beside each those that it is held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Direction:
    """What is taken out of a layer: each sample's amount of a direction.

    Attributes
    ----------
    factor : int
        Whose amounts these are.
    kind : {"factor", "shuffled", "alike", "principal"}
        The factor's own direction; the same numbers, each at another neuron; one drawn like the layer's own
        activations; or the first principal direction. All of a factor are of one norm.
    vector : ndarray of shape (n_features,)
        A direction in the layer's block, by which the amounts are multiplied.
    """

    factor: int
    kind: str
    vector: NDArray[Any]


def directions_of(
    H: NDArray[Any], rows: NDArray[Any], factors: Sequence[int], n_shuffles: int, seed: int
) -> list[Direction]:
    """The directions that are taken out: of each factor its own, shuffled ones, ones like the layer, the principal.

    One like the layer is a random combination, by normal weights, of activations less their mean: a draw from a normal
    distribution that has their covariance. Of it, and of the principal direction, the sign is taken that points with
    the factor.

    Parameters
    ----------
    H : ndarray of shape (k, n_features)
        The layer's components, as directions of its activations.
    rows : ndarray of shape (n, n_features)
        The layer's activations of some inputs.
    factors : sequence of int
    n_shuffles : int
        Shuffled directions of each factor, and as many that are like the layer.
    seed : int
    """
    shuffles, draws = np.random.default_rng(seed), np.random.default_rng((seed, 1))
    centred = np.asarray(rows, dtype=np.float64) - np.mean(rows, axis=0, dtype=np.float64)
    principal = principal_direction(rows, seed)
    directions = []
    for factor in factors:
        own = H[factor]
        directions.append(Direction(factor, "factor", own))
        directions += [Direction(factor, "shuffled", shuffles.permutation(own)) for _ in range(n_shuffles)]
        drawn = draws.normal(size=(n_shuffles, len(centred))) @ centred
        directions += [Direction(factor, "alike", _beside(own, one)) for one in drawn]
        directions.append(Direction(factor, "principal", _beside(own, principal)))
    return directions


def likeness(vectors: Sequence[NDArray[Any]]) -> float:
    """Return the mean squared cosine of directions, of each two: 1 if all are one; 0 of fewer than two.

    Of normal draws it is about one over how many directions their distribution spreads over.

    Examples
    --------
    >>> likeness([np.array([1.0, 0.0]), np.array([-2.0, 0.0]), np.array([0.0, 3.0])]).__round__(3)
    0.333
    """
    if len(vectors) < 2:
        return 0.0
    rows = np.stack(vectors).astype(np.float64)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(float).tiny)
    squares = (rows @ rows.T)[np.triu_indices(len(rows), 1)] ** 2
    return float(squares.mean())


def _beside(own: NDArray[Any], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Another direction of a factor's norm that points with it; zeros stay zeros."""
    length = float(np.linalg.norm(other))
    sign = 1.0 if own @ other >= 0 else -1.0
    return sign * float(np.linalg.norm(own)) * other / (length or 1.0)


def principal_direction(rows: NDArray[Any], seed: int = 0) -> NDArray[np.float64]:
    """The first principal direction of rows (n, n_features), of length 1; zeros where all rows are alike.

    By the gram matrix of the smaller side up to 2,000, by power iteration on a seeded start beyond that.
    """
    centred = np.asarray(rows, dtype=np.float64) - np.mean(rows, axis=0, dtype=np.float64)
    n, width = centred.shape
    if not centred.any():
        return np.zeros(width)
    found: Any
    if width <= min(n, 2000):
        found = np.linalg.eigh(centred.T @ centred)[1][:, -1]
    elif n <= 2000:
        found = centred.T @ np.linalg.eigh(centred @ centred.T)[1][:, -1]
    else:
        found = np.random.default_rng(seed).normal(size=width)
        for _ in range(50):
            found = np.asarray(centred.T @ (centred @ (found / np.linalg.norm(found))))
    return np.asarray(found / np.linalg.norm(found))
