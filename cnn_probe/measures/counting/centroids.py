"""How well k centroids stand for the rows of a matrix that is read by rows: k-means, beside a factorization."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from cnn_probe.measures.spectrum import Rows

IN_MEMORY = 2**25  # entries up to which k-means sees all rows at once
PASSES = 10  # of Lloyd's algorithm over all rows, where it starts from some of them


def k_means_error(rows: Rows, k: int, seed: int) -> float:
    """Relative error ‖X − its centroids‖² / ‖X‖² of k centroids; 0 of zeros.

    Of a large matrix, k-means of some rows, drawn from all of it, gives centroids that ten passes over all rows move
    to the means of their rows. Batches as they come would not do: rows are often in order of their class.

    Examples
    --------
    >>> X = np.repeat(np.eye(3), 5, axis=0)
    >>> k_means_error(Rows(15, 3, lambda some: X[some]), 3, seed=0) < 1e-12
    True
    """
    energy, k = rows.energy(), min(k, rows.n)
    if energy == 0:
        return 0.0
    size = min(rows.n, max(k, IN_MEMORY // rows.width))
    sample = _drawn(rows, size, np.random.default_rng(seed))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct samples than centroids
        found = KMeans(k, n_init=3, random_state=seed).fit(sample)
    if size == rows.n:
        return float(found.inertia_) / energy
    centroids = np.asarray(found.cluster_centers_)
    for _ in range(PASSES):
        centroids = _moved(rows, centroids)
    return sum(float(_nearest(part, centroids)[1].sum()) for _, part in rows.chunks()) / energy


def _drawn(rows: Rows, size: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Some rows of all, or all."""
    if size == rows.n:
        return rows.read(slice(0, rows.n))
    taken = np.zeros(rows.n, dtype=bool)
    taken[generator.choice(rows.n, size, replace=False)] = True
    return np.concatenate([part[taken[some]] for some, part in rows.chunks()])


def _moved(rows: Rows, centroids: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of the rows that are nearest to each centroid; one that is nearest to none stays."""
    sums, counts = np.zeros_like(centroids), np.zeros(len(centroids))
    for _, part in rows.chunks():
        members = _nearest(part, centroids)[0][None, :] == np.arange(len(centroids))[:, None]
        sums += members.astype(np.float64) @ part
        counts += members.sum(axis=1)
    return np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], centroids)


def _nearest(
    part: NDArray[np.float64], centroids: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The nearest centroid of each row, and the squared distance to it."""
    found = np.argmin(np.sum(centroids**2, axis=1) - 2 * (part @ centroids.T), axis=1)
    return found, np.sum((part - centroids[found]) ** 2, axis=1)
