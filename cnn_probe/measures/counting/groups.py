"""Groups of columns that point the same way."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

GRAM = 4096  # columns whose gram matrix is held at once; of more columns, as many of its rows as are as large


def alike(
    read: Callable[[slice], NDArray[np.float64]], slices: list[slice], lengths: NDArray[np.float64], same: float
) -> NDArray[np.int64]:
    """Return a group's number for each column, from 0, by the first column in it; -1 for those that are like none.

    Two columns are in a group if a chain of columns leads from one to the other in which each has a cosine of at least
    ``same`` with the next (single linkage).

    Parameters
    ----------
    read : callable
        Rows of all columns that are compared, for a slice.
    slices : list of slice
        That cover all rows; they are read once for each part of the gram matrix.
    lengths : ndarray of shape (d,)
        Norm of each column, above 0.
    same : float
    """
    d = len(lengths)
    roots = np.arange(d)
    width = max(1, GRAM**2 // max(d, 1))
    for start in range(0, d, width):
        gram = np.zeros((min(width, d - start), d - start))
        for some in slices:
            rows = read(some)[:, start:]
            gram += rows[:, : len(gram)].T @ rows
        gram /= lengths[start : start + len(gram), None]
        gram /= lengths[start:]
        here, there = np.nonzero(gram >= same - 1e-12)
        roots = _joined(roots, here + start, there + start)
    return _numbered(roots)


def _joined(roots: NDArray[np.int64], here: NDArray[np.int64], there: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first column of each column's group, now that some more are in one."""
    d = len(roots)
    ends = np.concatenate([np.arange(d), here]), np.concatenate([roots, there])
    graph = coo_array((np.ones(len(ends[0]), dtype=np.int8), ends), shape=(d, d))
    _, groups = connected_components(graph.tocsr(), directed=False)
    _, first = np.unique(groups, return_index=True)
    return np.asarray(first[groups], dtype=np.int64)


def _numbered(roots: NDArray[np.int64]) -> NDArray[np.int64]:
    firsts, sizes = np.unique(roots, return_counts=True)
    shared = firsts[sizes > 1]
    return np.where(np.isin(roots, shared), np.searchsorted(shared, roots), -1).astype(np.int64)
