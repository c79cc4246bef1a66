"""How much of a mask the places cover at which a map is high."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

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


def level_of(places: Any, top: float) -> tuple[float, float]:
    """Return the level that the part ``top`` of a map's places exceeds, over all inputs, and its least value.

    The level is `numpy.quantile`'s; only the values from it on are held.

    Raises
    ------
    ValueError
        If a value is not finite.
    """
    size = int(np.prod(places.shape))
    place = (size - 1) * (1 - top)
    n_above, least = size - int(place), np.inf
    above = np.empty(0)
    for some in slices_of(len(places), size // len(places)):
        read = np.asarray(places[some], dtype=np.float64).ravel()
        if not np.isfinite(read).all():
            raise ValueError(f"maps must be finite, one is not for inputs {some.start} to {some.stop - 1}")
        least = min(least, float(read.min()))
        above = np.concatenate([above, read])
        if len(above) > n_above:
            above = np.partition(above, len(above) - n_above)[-n_above:]
    return float(np.quantile(np.sort(above)[:2], place % 1)), least


def covered(
    maps: Sequence[Any], masks: Sequence[Any], top: float, times: Floats
) -> tuple[Floats, Floats, Floats, Floats, list[Any]]:
    """Count the places at which a map is high, at which a mask is, and at which both are.

    Maps and masks are read by slices of inputs. What is held is of the size of the samples' counts, and of the places
    at which maps are high, which are few.

    Parameters
    ----------
    maps : sequence of k arrays of shape (n, h, w)
    masks : sequence of m arrays of bool of shape (n, height, width)
    top : float
    times : ndarray of shape (r, n)
        How often each of r samples has each input.

    Returns
    -------
    levels : ndarray of shape (k,)
    high : ndarray of shape (r, k)
    masked : ndarray of shape (r, m)
    both : ndarray of shape (r, k, m)
    places : list of k csr_array of shape (n, height * width)
        1 where a map is high.
    """
    (n, *small), large = maps[0].shape, masks[0].shape[1:]
    rows, columns = (enlargement(*sides) for sides in zip(small, large, strict=True))
    levels, least = np.array([level_of(places, top) for places in maps]).T
    high, masked = np.zeros((len(times), len(maps))), np.zeros((len(times), len(masks)))
    both = np.zeros((len(times), len(maps), len(masks)))
    n_places = large[0] * large[1]
    marks: list[list[Any]] = [[] for _ in maps]
    for some in slices_of(n, n_places * (1 + len(masks)) + len(maps) * len(masks)):
        # Products of float32 count exactly up to 2²⁴ places of a picture, over four times as fast as sums of booleans.
        where = np.stack([np.asarray(mask[some], dtype=np.float32).reshape(-1, n_places) for mask in masks], axis=1)
        of_maps, shared = np.zeros((len(where), len(maps))), np.zeros((len(where), len(maps), len(masks)))
        for number, places in enumerate(maps):
            enlarged = rows @ np.asarray(places[some], dtype=np.float64) @ columns.T
            marked = ((enlarged >= levels[number]) & (enlarged > least[number])).reshape(-1, n_places, 1)
            marks[number].append(csr_array(marked[..., 0].astype(np.float32)))
            of_maps[:, number] = marked.sum(axis=(1, 2))
            shared[:, number] = (where @ marked.astype(np.float32))[..., 0]
        high += times[:, some] @ of_maps
        masked += times[:, some] @ where.sum(axis=2, dtype=np.float64)
        both += (times[:, some] @ shared.reshape(len(where), -1)).reshape(both.shape)
    return levels, high, masked, both, [vstack(rows, format="csr") for rows in marks]


def dealt_anew(places: Sequence[Any], masks: Sequence[Any], orders: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Count the places at which both are, where the masks of other inputs are laid on the maps.

    Parameters
    ----------
    places : sequence of k csr_array of shape (n, height * width)
        As of `covered`.
    masks : sequence of m arrays of bool of shape (n, height, width)
    orders : ndarray of int of shape (r, n)
        Whose map each input's mask is laid on.

    Returns
    -------
    both : ndarray of shape (r, k, m)
    expected : ndarray of shape (k, m)
        The mean over all orders.
    """
    n, n_places = places[0].shape
    both, masked = np.zeros((len(orders), len(places), len(masks))), np.zeros((len(masks), n_places))
    for some in slices_of(n, n_places + n + len(orders)):
        for number, mask in enumerate(masks):
            where = np.asarray(mask[some], dtype=np.float32).reshape(-1, n_places)
            masked[number] += where.sum(axis=0, dtype=np.float64)
            (own,) = np.nonzero(where.any(axis=1))
            whose, columns = orders[:, some][:, own], np.ascontiguousarray(where[own].T)
            for map_number, rows in enumerate(places):
                both[:, map_number, number] += (rows @ columns)[whose, np.arange(len(own))].sum(
                    axis=1, dtype=np.float64
                )
    high = np.stack([np.asarray(rows.sum(axis=0, dtype=np.float64)).ravel() for rows in places])
    return both, high @ masked.T / n
