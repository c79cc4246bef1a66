"""Factors of two factorizations of the same inputs, matched one to one, beside what chance reaches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from cnn_probe.measures.counting.exact import LEVEL
from cnn_probe.measures.table import Table

Components = Mapping[str, NDArray[Any]]
Pair = tuple[NDArray[np.float64], NDArray[np.float64], float]  # columns of the two, and how much they count


@dataclass(frozen=True)
class Matching:
    """Which factor of one factorization is which of another.

    Attributes
    ----------
    similarity : ndarray of shape (k_a, k_b)
        Cosine of each pair of factors, from 0 to 1; a factor of zeros is like none.
    assigned : ndarray of int of shape (k_a,)
        The factor of the second that the assignment gives each of the first: no other one-to-one assignment adds up to
        more. -1 where the second has too few.
    chance_a, chance_b : ndarray of shape (k_a,) and (k_b,)
        What each factor's match reaches by chance: of shuffled inputs, it stays below that in 19 of 20 shuffles. A
        factor that is in all inputs is like many.
    shuffled : ndarray of shape (n_shuffles, k_a)
        Similarity of each factor of the first with its match among those of shuffled inputs.
    least : float or None
        From which similarity on two factors are one; None for halfway between chance and 1.
    blocks : tuple of str
        Whose components count beside F.
    """

    similarity: NDArray[np.float64]
    assigned: NDArray[np.int64]
    chance_a: NDArray[np.float64]
    chance_b: NDArray[np.float64]
    shuffled: NDArray[np.float64]
    least: float | None = None
    blocks: tuple[str, ...] = ()

    @property
    def threshold(self) -> NDArray[np.float64]:
        """From which similarity on each factor of the first is matched, (k_a,): by the larger chance of the two."""
        return self._threshold(self.chance_a, self.chance_b, self.assigned)

    @property
    def threshold_b(self) -> NDArray[np.float64]:
        """The same of each factor of the second: (k_b,)."""
        return self._threshold(self.chance_b, self.chance_a, self.back)

    def _threshold(self, own: NDArray[Any], other: NDArray[Any], partner: NDArray[np.int64]) -> NDArray[np.float64]:
        if self.least is not None:
            return np.full(len(own), self.least)
        return np.asarray((1 + _larger(own, other, partner)) / 2)

    @property
    def cosines(self) -> NDArray[np.float64]:
        """Similarity of each factor of the first with the one it is assigned, (k_a,); NaN where there is none."""
        return _taken(self.similarity, self.assigned)

    @property
    def back(self) -> NDArray[np.int64]:
        """The factor of the first that each of the second is assigned, (k_b,); -1 where there is none."""
        return _inverse(self.assigned, self.similarity.shape[1])

    @property
    def matched(self) -> NDArray[np.bool_]:
        """Whether each factor of the first has a match: as alike as the threshold, and more than by chance."""
        found: NDArray[np.bool_] = (self.cosines >= self.threshold) & (
            self.cosines > _larger(self.chance_a, self.chance_b, self.assigned)
        )
        return found

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Matched factors: of the first, of the second."""
        return tuple((int(a), int(self.assigned[a])) for a in np.flatnonzero(self.matched))

    @property
    def lost(self) -> tuple[int, ...]:
        """Factors of the first without a match."""
        return tuple(int(a) for a in np.flatnonzero(~self.matched))

    @property
    def new(self) -> tuple[int, ...]:
        """Factors of the second without a match."""
        taken = {b for _, b in self.pairs}
        return tuple(b for b in range(self.similarity.shape[1]) if b not in taken)

    def table(self) -> Table:
        """A row for each pair, then for each factor that is lost, then new.

        ``similarity`` is with the factor it is assigned, ``nearest`` with the likest there is; ``chance`` and
        ``threshold`` as above. A factor that is not there is None.
        """
        chance = _larger(self.chance_a, self.chance_b, self.assigned), _larger(self.chance_b, self.chance_a, self.back)
        threshold, cosines = (self.threshold, self.threshold_b), (self.cosines, _taken(self.similarity.T, self.back))
        nearest = self.similarity.max(axis=1), self.similarity.max(axis=0)
        listed: list[tuple[Any, Any, str]] = [(a, b, "matched") for a, b in self.pairs]
        listed += [(a, None, "lost") for a in self.lost] + [(None, b, "new") for b in self.new]
        rows = []
        for a, b, status in listed:
            side, factor = (1, b) if a is None else (0, a)
            figures = (found[side][factor] for found in (cosines, nearest, chance, threshold))
            rows.append((a, b, status, *figures))
        names = ("a", "b", "status", "similarity", "nearest", "chance", "threshold")
        return Table(dict(zip(names, zip(*rows, strict=True), strict=True)))


def match(
    F_a: NDArray[Any],
    F_b: NDArray[Any],
    *,
    H_a: Components | None = None,
    H_b: Components | None = None,
    threshold: float | None = None,
    n_shuffles: int = 100,
    random_state: int = 0,
) -> Matching:
    """Match the factors of two factorizations of the same inputs one to one, by the cosine of their columns of F.

    Columns of non-negative numbers are never quite unlike, so the same is done with the rows of one F shuffled: a
    match counts beyond what its factors reach there. It says that two factors go with the same inputs, not that either
    means anything: neat factors come out of untrained networks, too.

    Parameters
    ----------
    F_a, F_b : ndarray of shape (n_samples, k_a) and (n_samples, k_b)
        Of the same inputs, in the same order; the ranks may differ.
    H_a, H_b : mapping of str to ndarray of shape (k, n_features_b), default=None
        Components of blocks, such as ``model.block_components_``; those of the same name and width are compared, and
        the similarity is then the mean of F's cosine and of the mean cosine of these blocks. None: F alone.
    threshold : float, default=None
        From which similarity on two factors are one; None for halfway between chance and 1 (where Cohen's kappa, which
        corrects for chance in the same way, would be one half).
    n_shuffles : int, default=100
        Of the rows of ``F_b`` (and of the features of ``H_b``'s blocks), for chance; 20 or more.
    random_state : int, default=0
        Seed of the shuffles.

    Returns
    -------
    Matching

    Raises
    ------
    ValueError
        If the numbers of samples differ, an entry is negative or not finite, only one H is given, the two have no
        block in common, or another argument is out of its range.

    Examples
    --------
    >>> F = np.random.default_rng(0).exponential(size=(200, 3))
    >>> found = match(F, F[:, [2, 0]])
    >>> found.pairs, found.lost, found.new
    (((0, 1), (2, 0)), (1,), ())
    """
    F_a, F_b = _factor("F_a", F_a), _factor("F_b", F_b)
    if len(F_a) != len(F_b):
        raise ValueError(f"F_a has {len(F_a)} samples and F_b has {len(F_b)}; factors of the same inputs are compared")
    if n_shuffles < 1 / LEVEL:
        raise ValueError(f"n_shuffles must be {1 / LEVEL:.0f} or more, got {n_shuffles}")
    if threshold is not None and not 0 <= threshold <= 1:
        raise ValueError(f"threshold must be from 0 to 1, or None, got {threshold}")
    blocks = _common_blocks(H_a, H_b, F_a.shape[1], F_b.shape[1])
    columns = [(F_a, F_b, 1.0), *blocks.values()]
    unit = [(_unit(a), _unit(b), weight) for a, b, weight in columns]
    similarity = _similarity(unit)
    generator = np.random.default_rng(random_state)
    shuffles = [_shuffled(unit, generator) for _ in range(n_shuffles)]
    of_a, of_b = np.array([a for a, _ in shuffles]), np.array([b for _, b in shuffles])
    chance_a, chance_b = (np.quantile(found, 1 - LEVEL, axis=0, method="higher") for found in (of_a, of_b))
    return Matching(similarity, assign(similarity), chance_a, chance_b, of_a, threshold, tuple(blocks))


def cosines_of(F_a: NDArray[Any], F_b: NDArray[Any]) -> NDArray[np.float64]:
    """Cosine of each column of one F with each of the other: shape (k_a, k_b); 0 for a column of zeros."""
    return _similarity([(_unit(np.asarray(F_a, np.float64)), _unit(np.asarray(F_b, np.float64)), 1.0)])


def assign(similarity: NDArray[np.float64]) -> NDArray[np.int64]:
    """The one-to-one assignment of rows to columns that adds up to the most: each row's column, or -1."""
    rows, columns = linear_sum_assignment(similarity, maximize=True)
    assigned = np.full(len(similarity), -1)
    assigned[rows] = columns
    return assigned


def matched_cosines(F_a: NDArray[Any], F_b: NDArray[Any]) -> NDArray[np.float64]:
    """Cosine of each column of one F with the column of the other that it is matched with, (k_a,); 0 without one."""
    similarity = cosines_of(F_a, F_b)
    return np.nan_to_num(_taken(similarity, assign(similarity)))


def _shuffled(unit: list[Pair], generator: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Similarity of each factor of either with its match, or the likest if there is none, of shuffled inputs.

    All factors of the second are shuffled alike, so that they stay as like each other as they are.
    """
    similarity = _similarity([(a, b[generator.permutation(len(b))], weight) for a, b, weight in unit])
    assigned = assign(similarity)
    of_a = np.where(assigned < 0, similarity.max(axis=1), _taken(similarity, assigned))
    back = _inverse(assigned, similarity.shape[1])
    of_b = np.where(back < 0, similarity.max(axis=0), _taken(similarity.T, back))
    return of_a, of_b


def _similarity(unit: list[Pair]) -> NDArray[np.float64]:
    """Weighted mean of the cosines of columns of unit norm."""
    total = sum(weight for *_, weight in unit)
    found: NDArray[np.float64] = sum((weight / total * (a.T @ b) for a, b, weight in unit), np.zeros(()))
    return np.clip(found, 0.0, 1.0)


def _common_blocks(H_a: Components | None, H_b: Components | None, k_a: int, k_b: int) -> dict[str, Pair]:
    """Components of the blocks of both, features in rows, each with its weight beside F's 1."""
    if H_a is None and H_b is None:
        return {}
    if H_a is None or H_b is None:
        raise ValueError("H_a and H_b must both be given, or neither")
    names = [name for name in H_a if name in H_b and np.shape(H_a[name])[1:] == np.shape(H_b[name])[1:]]
    if not names:
        raise ValueError(f"no block of H_a ({list(H_a)}) has the name and the width of one of H_b ({list(H_b)})")
    found = {}
    for name in names:
        a, b = (_factor(f"{of}[{name!r}]", H[name]).T for of, H in (("H_a", H_a), ("H_b", H_b)))
        if (a.shape[1], b.shape[1]) != (k_a, k_b):
            raise ValueError(f"block {name!r} has {a.shape[1]} and {b.shape[1]} components for {k_a} and {k_b} factors")
        found[name] = (a, b, 1.0 / len(names))
    return found


def _factor(name: str, values: Any) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"{name} must have two dimensions and no empty one, got shape {array.shape}")
    if not (np.isfinite(array).all() and array.min() >= 0):
        raise ValueError(f"{name} must be finite and non-negative")
    return array


def _unit(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    largest = columns.max(axis=0)  # divided by first, so that the squares of no number vanish
    scaled = columns / np.where(largest > 0, largest, 1.0)
    norms = np.linalg.norm(scaled, axis=0)
    found: NDArray[np.float64] = scaled / np.where(norms > 0, norms, 1.0)
    return found


def _taken(similarity: NDArray[np.float64], assigned: NDArray[np.int64]) -> NDArray[np.float64]:
    found = similarity[np.arange(len(assigned)), assigned]
    return np.where(assigned < 0, np.nan, found)


def _larger(own: NDArray[Any], other: NDArray[Any], partner: NDArray[np.int64]) -> NDArray[np.float64]:
    """The larger of what belongs to each factor and to its partner; without one its own."""
    return np.where(partner < 0, own, np.maximum(own, other[partner]))


def _inverse(assigned: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    back = np.full(k, -1)
    back[assigned[assigned >= 0]] = np.flatnonzero(assigned >= 0)
    return back
