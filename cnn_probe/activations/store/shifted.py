"""Rows less a minimum of each feature, subtracted when they are read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Shifted:
    """An array-like of rows that are shifted when they are read; a block of `coupled_nmf.Blocks`, which reads slices.

    Parameters
    ----------
    rows : float32 array of shape (n_samples, n_features)
        As recorded, in a memory map for instance.
    minima : float32 array of shape (n_features,)
        What is subtracted. What then is below zero is set to zero: of the rows that the minima are of nothing but the
        rounding of a pooled mean, of later data whatever lies below the minima.

    Examples
    --------
    >>> Shifted(np.float32([[-1, 5], [0, 7]]), np.float32([-1, 5]))[0:2]
    array([[0., 0.],
           [1., 2.]], dtype=float32)
    """

    ndim = 2
    dtype = np.dtype(np.float32)

    def __init__(self, rows: NDArray[np.float32], minima: NDArray[np.float32]) -> None:
        if rows.ndim != 2 or minima.shape != rows.shape[1:]:
            raise ValueError(f"minima has shape {minima.shape}, and the rows have {rows.shape}; give one a feature")
        self.rows, self.minima = rows, np.asarray(minima, dtype=np.float32)
        self.shape = (int(rows.shape[0]), int(rows.shape[1]))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> NDArray[np.float32]:
        """Return shifted rows, of a slice of them, or of several by number."""
        if isinstance(key, (tuple, int, np.integer)):
            raise IndexError("shifted rows are indexed by several rows alone, as in rows[5:8]")
        some = np.subtract(self.rows[key], self.minima, dtype=np.float32)
        return np.maximum(np.asarray(some), 0, out=np.asarray(some))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """All of them; always a copy."""
        if copy is False:
            raise ValueError("shifted rows are made when they are read: all of them are a copy")
        return self[:].astype(self.dtype if dtype is None else dtype, copy=False)

    def __repr__(self) -> str:
        return f"Shifted(shape={self.shape})"
