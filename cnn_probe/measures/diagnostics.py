"""Measures of a network's activations that need no labels, and how patterns go with labels where there are any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf import Blocks

LITTLE = 0.25  # a network that goes less than this part of the way from guessing to perfect has learned little
FIRES = 0.5  # a neuron fires for a class if it is active in more than this part of the class's images
RESOLVED = 1e-6  # of the first: smaller singular values of float32 activations are rounding
CHUNK = 1000  # rows that are made float64 at a time


@dataclass(frozen=True)
class Spectra:
    """Singular values of blocks, all float64, falling.

    They come from the smaller gram matrix, in float64, so that those below about 1e-8 of the first are rounding: an
    entropy of their shares does not see it.

    Attributes
    ----------
    blocks : dict of str to ndarray of shape (min(n_samples, n_features_b),)
        Of each block.
    centred : dict of str to ndarray
        Of each block with the mean of each column over the samples removed.
    together : ndarray of shape (min(n_samples, n_features),)
        Of all blocks side by side.
    """

    blocks: dict[str, NDArray[np.float64]]
    centred: dict[str, NDArray[np.float64]]
    together: NDArray[np.float64]


def spectra(X: Blocks, names: Sequence[str] | None = None) -> Spectra:
    """Singular values of each block, or of those of some names, also with its mean removed; and of all side by side."""
    n, wanted = len(X), X.names if names is None else names
    if n < X.shape[1]:
        grams = {name: (rows := np.asarray(X[name], dtype=np.float64)) @ rows.T for name in X.names}
        together = sum(grams.values(), np.zeros((n, n)))
        centred = {name: _both_ways(grams[name]) for name in wanted}
    else:
        together = np.zeros((X.shape[1], X.shape[1]))
        for start in range(0, n, CHUNK):
            rows = X[start : start + CHUNK].to_array().astype(np.float64)
            together += rows.T @ rows
        grams = {name: together[columns, columns] for name, columns in X.layout.slices.items()}
        means = {name: np.mean(X[name], axis=0, dtype=np.float64) for name in wanted}
        centred = {name: grams[name] - n * np.outer(mean, mean) for name, mean in means.items()}
    blocks, without_mean = ({name: _roots(some[name]) for name in wanted} for some in (grams, centred))
    return Spectra(blocks, without_mean, _roots(together))


def _both_ways(gram: NDArray[np.float64]) -> NDArray[np.float64]:
    """The gram matrix of rows whose mean row has been subtracted, from that of the rows as they are."""
    rows_centred = gram - gram.mean(axis=0)
    return np.asarray(rows_centred - rows_centred.mean(axis=1, keepdims=True))


def _roots(gram: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sqrt(np.maximum(np.linalg.eigvalsh(gram)[::-1], 0.0))


def effective_rank(values: NDArray[np.float64]) -> float:
    """Exp of the entropy of p_i = s_i / Σ s of the singular values s (Roy and Vetterli 2007); 0 of zeros.

    Examples
    --------
    >>> round(effective_rank(np.array([2.0, 2.0, 2.0, 0.0])), 6)
    3.0
    """
    share = values[values > 0] / max(float(values.sum()), np.finfo(float).tiny)
    return float(np.exp(-np.sum(share * np.log(share)))) if len(share) else 0.0


def effective_rank_of_energies(values: NDArray[np.float64]) -> float:
    """The same with the squares of the singular values, which the large ones rule."""
    return effective_rank(values**2)


def svd_floor(values: NDArray[np.float64], rank: int) -> float:
    """The least relative error ‖X − X_k‖²/‖X‖² that any factorization of this rank can have."""
    energy = values**2
    return float(energy[rank:].sum() / energy.sum()) if energy.sum() > 0 else 0.0


def enough(guess: float) -> float:
    """Return the accuracy below which a network has learned little, of that of a guess."""
    return guess + LITTLE * (1 - guess)


def zero_share(activations: NDArray[Any]) -> float:
    """Part of the activations that are zero, over all images and neurons."""
    return float(np.mean(activations == 0))


def dead_share(activations: NDArray[Any]) -> float:
    """Part of the neurons that no image activates."""
    return float(np.mean(activations.max(axis=0) <= 0))


def firing_rates(activations: NDArray[Any], labels: NDArray[np.int64], n_classes: int) -> NDArray[np.float32]:
    """Part of each class's images that activate each neuron: shape (n_classes, n_neurons); 0 for an empty class."""
    rates = np.zeros((n_classes, activations.shape[1]), dtype=np.float32)
    for label in range(n_classes):
        members = activations[labels == label]
        if len(members):
            rates[label] = np.mean(members > 0, axis=0)
    return rates


def firing_overlap(rates: NDArray[np.float32], threshold: float = FIRES) -> NDArray[np.float64]:
    """Jaccard overlap of the sets of neurons that fire for two classes: shape (n_classes, n_classes).

    A neuron fires for a class when it is active in more than ``threshold`` of the class's images. Two empty sets
    overlap by 0.
    """
    fires = (rates > threshold).astype(np.float64)
    common = fires @ fires.T
    sizes = fires.sum(axis=1)
    union = sizes[:, None] + sizes[None, :] - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)


def class_use(F: NDArray[Any], labels: NDArray[np.int64], n_classes: int) -> NDArray[np.float64]:
    """Share of each pattern's weight that lies in each class: shape (k, n_classes), rows sum to 1 (or 0)."""
    weight = np.stack([F[labels == label].sum(axis=0, dtype=np.float64) for label in range(n_classes)], axis=1)
    total = weight.sum(axis=1, keepdims=True)
    return np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)
