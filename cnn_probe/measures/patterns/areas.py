"""How much of a mask the places cover at which a map is high."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_probe.measures.counting.rows import slices_of

Floats = NDArray[np.float64]


def enlargement(small: int, large: int) -> Floats:
    """Return the matrix (large, small) that interpolates linearly between the middles of pixels.

    Examples
    --------
    >>> enlargement(2, 4)
    array([[1.  , 0.  ],
           [0.75, 0.25],
           [0.25, 0.75],
           [0.  , 1.  ]])
    """
    at = np.clip((np.arange(large) + 0.5) * small / large - 0.5, 0, small - 1)
    below = np.minimum(at.astype(int), max(small - 2, 0))
    weights = np.zeros((large, small))
    weights[np.arange(large), below] = 1 - (at - below)
    weights[np.arange(large), np.minimum(below + 1, small - 1)] += at - below
    return weights


def levels_of(maps: Sequence[Any], top: float) -> tuple[Floats, Floats]:
    """Return of each map the level that the part ``top`` of its places exceeds, and its least value."""
    levels = [float(np.quantile(np.asarray(places, dtype=np.float64), 1 - top)) for places in maps]
    return np.array(levels), np.array([float(np.min(places)) for places in maps])


def covered(maps: Sequence[Any], masks: Sequence[Any], top: float) -> tuple[Floats, Floats, Floats, Floats]:
    """Count the places of each input at which a map is high, at which a mask is, and at which both are.

    Parameters
    ----------
    maps : sequence of k arrays of shape (n, h, w)
    masks : sequence of m arrays of shape (n, height, width)
    top : float

    Returns
    -------
    levels : ndarray of shape (k,)
    high : ndarray of shape (n, k)
    masked : ndarray of shape (n, m)
    both : ndarray of shape (n, k, m)
    """
    (n, *small), large = maps[0].shape, masks[0].shape[1:]
    rows, columns = (enlargement(*sides) for sides in zip(small, large, strict=True))
    levels, least = levels_of(maps, top)
    high, masked = np.zeros((n, len(maps))), np.zeros((n, len(masks)))
    both = np.zeros((n, len(maps), len(masks)))
    n_places = large[0] * large[1]
    for some in slices_of(n, n_places * (len(maps) + len(masks))):
        where = np.stack([np.asarray(mask[some], dtype=bool).reshape(-1, n_places) for mask in masks], axis=1)
        masked[some] = where.sum(axis=2)
        for number, places in enumerate(maps):
            enlarged = rows @ np.asarray(places[some], dtype=np.float64) @ columns.T
            marked = (enlarged >= levels[number]) & (enlarged > least[number])
            flat = marked.reshape(-1, 1, n_places)
            high[some, number] = flat.sum(axis=(1, 2))
            both[some, number] = (where & flat).sum(axis=2)
    return levels, high, masked, both
