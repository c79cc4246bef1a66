"""Groups of columns that are one another's multiples, nearly."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
GRAM = 4096  # columns whose gram matrix is held at once; of more columns, as many of its rows as are as large
VARIES = 1e-9  # part of a column's squares from which on it varies: less is what float32 makes of a constant
ROUNDING = 1e-12  # of a cosine


def alike(
    read: Callable[[slice], Floats], slices: list[slice], lengths: Floats, same: float, varying: Floats | None = None
) -> NDArray[np.int64]:
    """Return a group's number for each column, from 0, by the first column in it; -1 for those that are in none.

    Two columns agree if what is left of either, once the other is scaled to it, is at most 1 - ``same``² of how it
    varies. All columns of a group agree with each other: one after the other, each joins the first group with whose
    columns it agrees.

    Parameters
    ----------
    read : callable
        Rows of all columns that are compared, for a slice.
    slices : list of slice
        That cover all rows; they are read once for each part of the gram matrix.
    lengths : ndarray of shape (d,)
        Norm of each column, above 0.
    same : float
    varying : ndarray of shape (d,), default=None
        What part of each column's squares is its variation; None for all of them, so that ``same`` is a cosine. A
        column that does not vary agrees with none.
    """
    least = _least_cosines(lengths, same, varying)
    d = len(lengths)
    groups, sizes = np.arange(d), np.ones(d, dtype=np.int64)
    width = max(1, GRAM**2 // max(d, 1))
    for start in range(0, d, width):
        gram = _cosines(read, slices, lengths, slice(start, min(start + width, d)))
        for column, cosines in enumerate(gram, start):
            agree = np.flatnonzero(cosines[:column] >= np.maximum(least[column], least[:column]) - ROUNDING)
            met = np.bincount(groups[agree], minlength=1)
            (joined,) = np.nonzero((met > 0) & (met == sizes[: len(met)]))
            if len(joined):
                groups[column] = joined[0]
                sizes[joined[0]] += 1
    return _numbered(groups)


def _least_cosines(lengths: Floats, same: float, varying: Floats | None) -> Floats:
    """The cosine from which on so little of a column is left; infinite for one that does not vary."""
    part = np.ones(len(lengths)) if varying is None else np.minimum(varying, 1)
    return np.where(part > VARIES, np.sqrt(1 - (1 - same**2) * part), np.inf)


def _cosines(read: Callable[[slice], Floats], slices: list[slice], lengths: Floats, some: slice) -> Floats:
    """Of some columns with each column up to the last of them."""
    gram = np.zeros((some.stop - some.start, some.stop))
    for part in slices:
        rows = read(part)[:, : some.stop]
        gram += rows[:, some].T @ rows
    gram /= lengths[some, None]
    gram /= lengths[: some.stop]
    return gram


def _numbered(firsts: NDArray[np.int64]) -> NDArray[np.int64]:
    found, sizes = np.unique(firsts, return_counts=True)
    shared = found[sizes > 1]
    return np.where(np.isin(firsts, shared), np.searchsorted(shared, firsts), -1).astype(np.int64)
