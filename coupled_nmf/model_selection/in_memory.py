"""X as arrays in memory, one a block, for what looks at single entries."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.data.checks import read_X
from coupled_nmf.data.tiled_matrix import SparseRows
from coupled_nmf.model.estimator import CoupledNMF


def arrays_of(model: CoupledNMF, X: Any, *, reset: bool) -> dict[str, NDArray[Any]]:
    """Each block of X, shape (n_samples, n_features_b), in X's floating dtype; views where X allows it.

    With ``reset`` the model learns the layout; without, X has to fit the model's, and may hold some of its blocks.
    Sparse blocks become dense, as what is predicted of them is; NaN stands where a sample lacks a block. Raises what
    `CoupledNMF.fit` raises for X that is not 2-D and real; the entries are not looked at.
    """
    matrix = read_X(model, X, reset=reset)
    parts = []
    for number, part in enumerate(matrix.tile(slice(0, matrix.shape[0]))):
        array = part.to_dense() if isinstance(part, SparseRows) else part
        if isinstance(part, SparseRows) and number in matrix.absent:
            array[matrix.absent[number]] = np.nan
        parts.append(array)
    if len(parts) == 1:
        return matrix.layout.split(parts[0])
    return dict(zip(matrix.layout.names, parts, strict=True))


def sum_of_squares(array: NDArray[Any]) -> float:
    """Sum of the squares of the entries that are there (not NaN), in float64."""
    return float(np.nansum(np.square(array, dtype=np.float64)))
