"""What a network's linear head makes of a layer that is put together from factors, beside an SVD of the same rank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn_probe.activations.planning import Layer
from cnn_probe.measures.causes.travel import LinearHead, directions_of_layer, minima_of_layer
from cnn_probe.measures.counting.exact import interval
from cnn_probe.measures.spectrum import EXACT, Rows, right_vectors, rows_side_by_side
from cnn_probe.measures.table import Table
from cnn_probe.probing.result import ProbeResult
from coupled_nmf import Blocks


@dataclass(frozen=True)
class HeadAgreement:
    """For how many inputs the head says the same of a layer and of what a few numbers an input keep of it.

    Attributes
    ----------
    layer : str
    rank : int
        Numbers an input: factors, and singular vectors.
    own : ndarray of int of shape (n_inputs,)
        The class that the network gives each input.
    factors, svd : ndarray of int of shape (n_inputs,)
        The class that the head gives F H, and the best approximation of that rank of the same blocks.
    labels : ndarray of int of shape (n_inputs,) or None
        None without labels, or where the outputs are not their classes.
    """

    layer: str
    rank: int
    own: NDArray[np.int64]
    factors: NDArray[np.int64]
    svd: NDArray[np.int64]
    labels: NDArray[np.int64] | None = None

    def table(self) -> Table:
        """Return a row each for the network, the factors and the SVD.

        Columns are the part of the inputs that have the network's own class, and, with labels, the part that have their
        label, each between the ends of its exact 95% interval over the inputs (Clopper and Pearson).
        """
        said = {"network": self.own, "factors": self.factors, "SVD": self.svd}
        columns: dict[str, Any] = {"of": list(said), "rank": [None, self.rank, self.rank]}
        found = [_part(classes == self.own) for classes in said.values()]
        found[0] = (1.0, None, None)  # by what it is
        for number, name in enumerate(("agreement", "low", "high")):
            columns[name] = [row[number] for row in found]
        if self.labels is not None:
            right = [_part(classes == self.labels) for classes in said.values()]
            for number, name in enumerate(("accuracy", "accuracy low", "accuracy high")):
                columns[name] = [row[number] for row in right]
        return Table(columns)


def _part(true: NDArray[np.bool_]) -> tuple[float, float | None, float | None]:
    """The part that is true, and the ends of its 95% interval."""
    n, k = len(true), int(true.sum())
    return k / n, *interval(k, n)


def head_agreement(
    result: ProbeResult,
    head: LinearHead,
    X: Blocks,
    *,
    labels: ArrayLike | None = None,
    exact: int = EXACT,
    seed: int = 0,
) -> HeadAgreement:
    """See what classes the head gives the factors' approximation of its layer, beside those of an SVD.

    Both approximate the same numbers, the layer's blocks as they were factored, side by side where there are two, and
    by equally many numbers an input; the SVD has the least squared error that there can be, may be negative, and is of
    this layer alone. What was subtracted from a layer that is shifted is added to both. Neither is fitted to the
    classes. Rows are read in pieces; nothing of the layer's size is held, but the vectors.

    Parameters
    ----------
    result : ProbeResult
    head : LinearHead
        Of `head_of`.
    X : Blocks
        What was factored, as `record` gives it.
    labels : array-like of int of shape (n_inputs,), default=None
        The number of the output that is right for each input.
    exact : int, default=3000
        As of `right_vectors`.
    seed : int, default=0
        Of the randomized SVD of what is larger.
    """
    how = result.layer(head.layer)
    rows, weights = _stacked(how, head, X)
    minima = minima_of_layer(result, head.layer)
    bias = head.bias if minima is None else head.bias + head.weights @ minima
    rank = result.F.shape[1]
    of_factors = directions_of_layer(result, head.layer) @ head.weights.T
    vectors = right_vectors(rows, rank, exact=exact, seed=seed)
    of_vectors = vectors.T @ weights.T
    own, factors, svd = np.empty((3, rows.n), dtype=np.int64)
    for some, part in rows.chunks():
        own[some] = np.argmax(part @ weights.T + bias, axis=1)
        factors[some] = np.argmax(result.F[some] @ of_factors + bias, axis=1)
        svd[some] = np.argmax((part @ vectors) @ of_vectors + bias, axis=1)
    if result.scores is not None:  # of a layer that is clipped, the head's are others
        own = result.scores.argmax(axis=1).astype(np.int64)
    return HeadAgreement(head.layer, rank, own, factors, svd, None if labels is None else np.asarray(labels, np.int64))


def _stacked(how: Layer, head: LinearHead, X: Blocks) -> tuple[Rows, NDArray[np.float64]]:
    """The layer's blocks side by side, and the head's weights by their columns."""
    signs = [1.0 if sign == "+" else -1.0 for sign in how.blocks.values()]
    return rows_side_by_side(X, list(how.blocks)), np.concatenate([sign * head.weights for sign in signs], axis=1)
