"""How well factors and units align with concepts: labels of inputs, or masks of places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn_probe.measures.counting.chance import check_permutations, of_largest, permuted
from cnn_probe.measures.counting.exact import LEVEL
from cnn_probe.measures.patterns.areas import covered, dealt_anew
from cnn_probe.measures.patterns.ranks import areas_under_curve, standard_errors
from cnn_probe.measures.table import Table

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Alignment:
    """How well each factor, or each unit, tells the inputs that have a concept from those that have not.

    Attributes
    ----------
    concepts : tuple of str
    auc : ndarray of shape (d, m)
        Area under the curve: how often an input with the concept has more of the factor than one without; ties count
        half. NaN for a concept that all inputs have, or none.
    standard_error : ndarray of shape (d, m)
        By Hanley and McNeil (1982).
    by_chance : ndarray of shape (d, m)
        What has to be exceeded to be `above_chance`: in fewer than 5% of permutations of the inputs any of all factors
        is above it for any concept.
    p_value : ndarray of shape (d, m)
        Of more of the factor where there is the concept (one-sided: a factor that is missing there is not found), by
        permutation of the inputs, over all factors and concepts together. NaN where ``auc`` is.
    n_inputs : ndarray of int of shape (m,)
        Inputs that have the concept.
    """

    concepts: tuple[str, ...]
    auc: Floats
    standard_error: Floats
    by_chance: Floats
    p_value: Floats
    n_inputs: NDArray[np.int64]

    @property
    def above_chance(self) -> NDArray[np.bool_]:
        """Whether each is above chance, of all together: where none is, any is said to be in 5% of cases."""
        found: NDArray[np.bool_] = self.p_value < LEVEL
        return found

    def table(self) -> Table:
        """Return one row for each concept and factor."""
        return _by_concept(
            self.concepts,
            len(self.auc),
            auc=self.auc,
            standard_error=self.standard_error,
            auc_by_chance=self.by_chance,
            p=self.p_value,
            above_chance=self.above_chance,
            inputs_with=np.broadcast_to(self.n_inputs, self.auc.shape),
        )


def _by_concept(concepts: tuple[str, ...], d: int, **columns: NDArray[Any]) -> Table:
    """A table of arrays (d, m), concept by concept."""
    first = {"concept": np.repeat(concepts, d), "number": np.tile(np.arange(d), len(concepts))}
    return Table(first | {name: values.T.ravel() for name, values in columns.items()})


def align(
    values: ArrayLike,
    concepts: ArrayLike,
    names: Sequence[str] | None = None,
    *,
    n_permutations: int = 200,
    seed: int = 0,
) -> Alignment:
    """Find how well factors, or units, align with concepts that inputs have or have not.

    Parameters
    ----------
    values : array-like of shape (n_inputs, d)
        F, or a layer's activations.
    concepts : array-like of bool of shape (n_inputs, m)
    names : sequence of str, default=None
        Of the concepts; None for their numbers.
    n_permutations : int, default=200
        20 or more.
    seed : int, default=0

    Raises
    ------
    ValueError
        If the concepts are not booleans, one row an input, there is not one name each, or there are too few
        permutations.

    Examples
    --------
    >>> align([[0.0], [1.0], [2.0]], [[False], [False], [True]]).auc
    array([[1.]])
    """
    amounts, members = np.asarray(values, dtype=np.float64), np.asarray(concepts)
    if amounts.ndim != 2 or not np.isfinite(amounts).all():
        raise ValueError(f"values must be a matrix of finite numbers, one row an input, got shape {amounts.shape}")
    if members.dtype != bool or members.ndim != 2 or len(members) != len(amounts):
        raise ValueError(
            f"concepts must be booleans of shape ({len(amounts)}, m), got {members.dtype} of shape {members.shape}"
        )
    named = tuple(map(str, range(members.shape[1]) if names is None else names))
    if len(named) != members.shape[1]:
        raise ValueError(f"names must be {members.shape[1]}, one a concept, got {len(named)}")
    check_permutations(n_permutations)
    auc, by_chance, p_value = areas_under_curve(amounts, members, n_permutations, seed)
    n_inputs = members.sum(axis=0)
    return Alignment(named, auc, standard_errors(auc, n_inputs, len(amounts)), by_chance, p_value, n_inputs)


@dataclass(frozen=True, eq=False)
class Overlap:
    """How well the places of each map cover the masks of each concept: Network Dissection's IoU (Bau et al. 2017).

    Attributes
    ----------
    concepts : tuple of str
    iou : ndarray of shape (k, m)
        Places that are high and masked, over places that are either, over all inputs; NaN where there are none.
    low, high : ndarray of shape (k, m)
        Ends of the 95% interval, by bootstrap over the inputs.
    by_chance : ndarray of shape (k, m)
        That of each map with the masks of other inputs, on average: both may be in the middle of most inputs.
    p_value : ndarray of shape (k, m)
        Of as much, where masks are dealt to other inputs; over all maps and concepts together.
    levels : ndarray of shape (k,)
        From where on each map counts as high.
    """

    concepts: tuple[str, ...]
    iou: Floats
    low: Floats
    high: Floats
    by_chance: Floats
    p_value: Floats
    levels: Floats

    @property
    def above_chance(self) -> NDArray[np.bool_]:
        """Whether each is above chance, of all together: where none is, any is said to be in 5% of cases."""
        found: NDArray[np.bool_] = self.p_value < LEVEL
        return found

    def table(self) -> Table:
        """Return one row for each concept and map."""
        return _by_concept(
            self.concepts,
            len(self.iou),
            iou=self.iou,
            low=self.low,
            high=self.high,
            iou_by_chance=self.by_chance,
            p=self.p_value,
            above_chance=self.above_chance,
        )


def overlap(
    maps: Sequence[Any],
    masks: Mapping[str, Any],
    *,
    top: float = 0.005,
    n_resamples: int = 200,
    n_permutations: int = 200,
    seed: int = 0,
) -> Overlap:
    """Find how well maps of factors, or of channels, cover masks of concepts.

    A map is enlarged linearly to the masks' size; it is high where it reaches the level that ``top`` of its own places,
    over all inputs, exceed. A map that is at its least value nearly everywhere is high where it is above that.

    Parameters
    ----------
    maps : sequence of k array-likes of shape (n_inputs, h, w)
    masks : mapping of str to array-like of bool of shape (n_inputs, height, width)
        By concept.
    top : float, default=0.005
    n_resamples : int, default=200
        For the intervals.
    n_permutations : int, default=200
        Of the masks over the inputs, for what chance reaches; 20 or more.
    seed : int, default=0

    Raises
    ------
    ValueError
        If the shapes do not fit, a mask is not of booleans, a map is not finite, ``top`` is not between 0 and 1, or
        there are too few resamples or permutations.
    """
    shapes = {np.shape(places) for places in maps}, {np.shape(mask) for mask in masks.values()}
    if not all(len(some) == 1 and len(next(iter(some))) == 3 for some in shapes):
        raise ValueError(f"maps and masks must each have one shape (n_inputs, height, width), got {shapes}")
    if len({shape[0] for some in shapes for shape in some}) > 1 or not 0 < top < 1:
        raise ValueError(f"maps and masks must be of the same inputs and top between 0 and 1, got {shapes}, {top}")
    kinds = {name: str(np.asarray(mask[:0]).dtype) for name, mask in masks.items()}
    if set(kinds.values()) != {"bool"} or n_resamples < 1:
        raise ValueError(f"masks must be arrays of booleans and n_resamples 1 or more, got {kinds} and {n_resamples}")
    n = len(next(iter(masks.values())))
    generator = np.random.default_rng(seed)
    drawn = [np.bincount(generator.integers(n, size=n), minlength=n) for _ in range(n_resamples)]
    check_permutations(n_permutations)
    levels, high, masked, both, places = covered(maps, list(masks.values()), top, np.stack([np.ones(n), *drawn]))
    either = high[:, :, None] + masked[:, None] - both
    iou = np.divide(both, either, out=np.full_like(both, np.nan), where=either > 0)
    low, up = _ends(iou[1:])
    anew, expected = dealt_anew(places, list(masks.values()), permuted(np.arange(n), n_permutations, seed))
    by_chance = np.divide(
        expected, either[0] + both[0] - expected, out=np.full_like(expected, np.nan), where=either[0] > 0
    )
    p_value = np.where(np.isnan(iou[0]), np.nan, _above(both[0], anew))
    return Overlap(tuple(masks), iou[0], low, up, by_chance, p_value, levels)


def _above(both: Floats, anew: Floats) -> Floats:
    """P-values of counts (k, m) beside those of permutations (r, k, m), by the largest of all in standard deviations.

    What is high and what is masked stay as many whatever input a mask is dealt to, so that the union is by the count.
    """
    counts = np.concatenate([both[None], anew])  # with the one found, or that would not be as any other
    spread = counts.std(axis=0)
    scaled = (counts - counts.mean(axis=0)) / np.where(spread > 0, spread, np.inf)
    return of_largest(scaled[0], scaled[1:].max(axis=(1, 2)))


def _ends(drawn: Floats) -> tuple[Floats, Floats]:
    """Ends of the 95% interval of each; a sample in which nothing is high or masked does not count."""
    known = ~np.isnan(drawn).all(axis=0)
    low, high = np.full((2, *known.shape), np.nan)
    if known.any():
        low[known], high[known] = np.nanquantile(drawn[:, known], [LEVEL / 2, 1 - LEVEL / 2], axis=0)
    return low, high
