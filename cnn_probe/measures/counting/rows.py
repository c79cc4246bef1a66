"""What measures are given: rows read piece by piece, amounts and labels that are checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

ENTRIES = 4_000_000  # that are read at a time: 32 MB of float64


def slices_of(n: int, width: int) -> Iterator[slice]:
    """Return slices that cover n rows, each of so many rows of ``width`` that they are quickly read."""
    step = max(1, ENTRIES // max(1, width))
    return (slice(start, min(start + step, n)) for start in range(0, n, step))


def read_rows(X: Any, rows: slice) -> NDArray[np.float64]:
    """Return rows of an array-like, in float64.

    Raises
    ------
    ValueError
        If a number is negative or not finite.
    """
    read = np.asarray(X[rows], dtype=np.float64)
    if read.size and not (np.min(read) >= 0 and np.max(read) < np.inf):
        raise ValueError(
            f"X has numbers that are negative or not finite in rows {rows.start} to {rows.stop - 1}; give activations "
            "as they are factored: clipped, split or shifted"
        )
    return read


def check_amounts(F: Any, name: str = "F") -> NDArray[np.float64]:
    """Return F in float64; ValueError unless it is a matrix of finite numbers from 0 on."""
    found = np.asarray(F, dtype=np.float64)
    if found.ndim != 2 or not found.size:
        raise ValueError(f"{name} must have shape (n_inputs, k), got {found.shape}")
    if not (np.min(found) >= 0 and np.max(found) < np.inf):
        raise ValueError(f"{name} must have finite numbers from 0 on, got some from {np.min(found)} to {np.max(found)}")
    return found


def check_labels(labels: Any, n: int, classes: Sequence[str] | None) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return a number for each label, and the names of the classes by number.

    Without ``classes``, these are the labels that there are, sorted.

    Raises
    ------
    ValueError
        If there is not one label an input, or one that is no number of a class.
    """
    found = np.asarray(labels)
    if found.shape != (n,):
        raise ValueError(f"labels must be one an input, {n} of them, got shape {found.shape}")
    if classes is None:
        if found.dtype.kind not in "iubU":
            raise ValueError(f"labels must be whole numbers or text, got {found.dtype}")
        names, codes = np.unique(found, return_inverse=True)
        return codes.astype(np.int64), tuple(str(name) for name in names)
    if found.dtype.kind not in "iu" or not (found.min() >= 0 and found.max() < len(classes)):
        raise ValueError(f"labels must be whole numbers from 0 to {len(classes) - 1}, for there are that many classes")
    return found.astype(np.int64), tuple(classes)


def shares_of_rows(F: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each factor's share of its input's row; 0 in a row of zeros."""
    totals = F.sum(axis=1, keepdims=True)
    return np.divide(F, totals, out=np.zeros_like(F), where=totals > 0)


def sums_of_classes(values: NDArray[np.float64], codes: NDArray[np.int64], n_classes: int) -> NDArray[np.float64]:
    """Return the sum of rows over each class: shape (n_classes, n_columns)."""
    sums = np.zeros((n_classes, values.shape[1]))
    for label in np.unique(codes):
        sums[label] = values[codes == label].sum(axis=0)
    return sums
