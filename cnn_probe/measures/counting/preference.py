"""Which class units, or factors, prefer, and whether more than chance makes one prefer it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array

from cnn_probe.measures.counting.chance import permuted, step_down
from cnn_probe.measures.counting.sums import LayerRows, Sums

Floats = NDArray[np.float64]
ENTRIES = 16_000_000  # sums over permuted classes that are held at a time


@dataclass(frozen=True, eq=False)
class Preference:
    """The class that each unit, or factor, prefers.

    The largest part of a unit lies in the commonest class, also of one that is strong in a rare class alone. Preferred
    is the class in which it is furthest above what the class's size would give, in standard deviations over permuted
    labels. These deviations are known exactly, so that classes and units are on one scale.

    Attributes
    ----------
    favourite : ndarray of int of shape (n_units,)
        Number of the preferred class; -1 of a unit that is zero for all inputs.
    share : ndarray of shape (n_units,)
        Part of the unit's sum that lies in that class; NaN of a unit of zeros.
    size : ndarray of shape (n_units,)
        Part of the inputs that are of that class, which is what lies there by chance; NaN of a unit of zeros.
    p_value : ndarray of shape (n_units,)
        Of a preference for any class, by permutation of the labels, over all units together: below 0.05 are no units
        without one, but in 5% of cases. NaN of a unit of zeros.
    """

    favourite: NDArray[np.int64]
    share: Floats
    size: Floats
    p_value: Floats

    @property
    def lift(self) -> Floats:
        """How many times as much lies in that class as its size would have there."""
        return self.share / self.size

    @property
    def beyond_size(self) -> Floats:
        """Of what could lie in that class beyond its size the part that does, as Cohen's kappa has it.

        1 if all lies there, 0 by chance. What is left of 1 is how active the unit is for inputs of other classes, over
        how active it is for all.
        """
        rest = 1 - self.size  # 0 where there is one class alone
        return np.divide(self.share - self.size, rest, out=np.zeros_like(rest), where=rest != 0)


def preferences(rows: LayerRows, sums: Sums, codes: NDArray[np.int64], n_permutations: int, seed: int) -> Preference:
    """Find the class that each unit prefers, and how likely such a preference is by chance."""
    n_classes = len(sums.of_classes)
    sizes = np.bincount(codes, minlength=n_classes).astype(np.float64)[:, None]
    mean = sums.of_classes.sum(axis=0) / rows.n
    deviation = deviations(mean, sums.squares / rows.n, sizes, rows.n)

    def excess(of_classes: Floats, units: NDArray[np.int64]) -> Floats:
        found: Floats = (of_classes - sizes * mean[units]) / deviation[:, units]
        return found

    live = np.flatnonzero(mean > 0)
    labels = permuted(codes, n_permutations, seed)
    width = max(1, ENTRIES // (n_permutations * n_classes))
    parts = [live[start : start + width] for start in range(0, len(live), width)]
    by_chance = [excess(_sums_by_chance(rows, labels, n_classes, part), part).max(axis=1) for part in parts]
    favourite = np.full(rows.n_units, -1)
    share, size, p_value = np.full((3, rows.n_units), np.nan)
    if len(live):
        own = excess(sums.of_classes[:, live], live)
        favourite[live] = np.where(sizes > 0, own, -np.inf).argmax(axis=0)  # a class that no input has is none
        share[live] = sums.of_classes[favourite[live], live] / (rows.n * mean[live])
        size[live] = sizes[favourite[live], 0] / rows.n
        p_value[live] = step_down(own.max(axis=0), np.concatenate(by_chance, axis=1))
    return Preference(favourite, share, size, p_value)


def deviations(mean: Floats, squares: Floats, sizes: Floats, n: int) -> Floats:
    """Return the standard deviation of units' sums over classes of such sizes (n_classes, 1), over all permutations.

    ``mean`` and ``squares`` are of a unit and its square over the n inputs. A unit that is alike for all has none: inf.
    """
    variance = squares - mean**2
    variance = np.where(variance > 1e-12 * mean**2, variance, np.inf)
    found: Floats = np.sqrt(variance * np.maximum(sizes * (n - sizes), 1) / max(n - 1, 1))
    return found


def _sums_by_chance(rows: LayerRows, labels: NDArray[np.int64], n_classes: int, units: NDArray[np.int64]) -> Floats:
    """What units have of each class under each permutation: shape (n_permutations, n_classes, n_units)."""
    cells = np.arange(len(labels))[:, None] * n_classes + labels
    sums = np.zeros((len(labels) * n_classes, len(units)))
    for some in rows.slices:
        amounts = rows.read(some).sum(axis=1)[:, units]
        numbers = np.broadcast_to(np.arange(len(amounts)), (len(labels), len(amounts)))
        ends = cells[:, some].ravel(), numbers.ravel()
        members = coo_array((np.ones(len(ends[0])), ends), shape=(len(sums), len(amounts)))
        sums += members.tocsr() @ amounts
    return sums.reshape(len(labels), n_classes, len(units))
