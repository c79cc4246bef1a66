"""Units of a layer, read row by row: what they sum up to, and what of it lies in each class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_probe.measures.counting.rows import read_rows, slices_of, sums_of_classes

Floats = NDArray[np.float64]


class LayerRows:
    """A layer's activations as units: neurons, or channels, each with a number at each of its places.

    Parameters
    ----------
    X : array-like of shape (n_inputs, d)
    shape : tuple of int
        Of one input's activations.
    channel_axis : int
        Of ``shape``.
    whole : bool
        Whether a unit is a channel.
    """

    def __init__(self, X: Any, shape: tuple[int, ...], channel_axis: int, *, whole: bool) -> None:
        self.X, self.shape, self.channel_axis, self.whole = X, shape, channel_axis, whole
        self.n = int(X.shape[0])
        self.n_units = shape[channel_axis] if whole else int(np.prod(shape))

    @property
    def slices(self) -> list[slice]:
        """Slices of rows that are read at a time."""
        return list(slices_of(self.n, int(np.prod(self.shape))))

    def read(self, rows: slice) -> Floats:
        """Return rows of the units: shape (n_rows, n_places, n_units)."""
        return self.folded(read_rows(self.X, rows))

    def folded(self, rows: Floats) -> Floats:
        """Return rows of numbers, one a neuron, as (n_rows, n_places, n_units)."""
        if not self.whole:
            return rows[:, None]
        moved = np.moveaxis(rows.reshape(-1, *self.shape), 1 + self.channel_axis, -1)
        return moved.reshape(len(rows), -1, self.n_units)


class Sums:
    """What units sum up to over all inputs.

    Attributes
    ----------
    active : ndarray of shape (n_units,)
        Inputs for which a unit is above zero, at any of its places.
    energy : ndarray of shape (n_units,)
        Sum of squares.
    variation : ndarray of shape (n_units,)
        Of its sum of squares what is around its mean over the inputs, at each of its places.
    squares : ndarray of shape (n_units,)
        Sum over the inputs of the square of what a unit has of each, over its places.
    of_classes : ndarray of shape (n_classes, n_units)
        What a unit has of the inputs of each class.
    """

    def __init__(self, rows: LayerRows, codes: NDArray[np.int64], n_classes: int) -> None:
        self.active = np.zeros(rows.n_units, dtype=np.int64)
        self.energy, self.squares = np.zeros(rows.n_units), np.zeros(rows.n_units)
        self.of_classes = np.zeros((n_classes, rows.n_units))
        totals: Floats | float = 0.0
        for some in rows.slices:
            read = rows.read(some)
            amounts = read.sum(axis=1)
            self.active += np.sum(amounts > 0, axis=0)
            self.energy += np.einsum("npu,npu->u", read, read)
            totals = totals + read.sum(axis=0)
            self.squares += np.einsum("nu,nu->u", amounts, amounts)
            self.of_classes += sums_of_classes(amounts, codes[some], n_classes)
        self.variation = np.maximum(self.energy - np.sum(np.square(totals), axis=0) / rows.n, 0)
