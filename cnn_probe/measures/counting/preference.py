"""Whether units prefer a class more than chance makes one prefer it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array

from cnn_probe.measures.counting.chance import permuted, step_down
from cnn_probe.measures.counting.sums import LayerRows, Sums

Floats = NDArray[np.float64]
ENTRIES = 16_000_000  # sums over permuted classes that are held at a time


def preference_p(
    rows: LayerRows, sums: Sums, codes: NDArray[np.int64], among: NDArray[np.bool_], n_permutations: int, seed: int
) -> tuple[Floats, Floats]:
    """Return for each unit the p-value of its preference for a class, over all units together; NaN beyond ``among``.

    With it goes the part of a unit that lies in the class with most of it by chance: its mean over the permutations.

    A preference is how many standard deviations of the permutations a unit has more of a class than the class's size
    would give it, of the class where that is most. These deviations are known exactly, so that units are on one scale.
    """
    n_classes = len(sums.of_classes)
    sizes = np.bincount(codes, minlength=n_classes).astype(np.float64)[:, None]
    mean = sums.of_classes.sum(axis=0) / rows.n
    deviation = deviations(mean, sums.squares / rows.n, sizes, rows.n)

    def preferences(of_classes: Floats, units: NDArray[np.int64]) -> Floats:
        found: Floats = ((of_classes - sizes * mean[units]) / deviation[:, units]).max(axis=-2)
        return found

    chosen = np.flatnonzero(among)
    labels = permuted(codes, n_permutations, seed)
    width = max(1, ENTRIES // (n_permutations * n_classes))
    parts = [chosen[start : start + width] for start in range(0, len(chosen), width)]
    by_chance, found, share = [], np.full(rows.n_units, np.nan), np.full(rows.n_units, np.nan)
    for part in parts:
        permuted_sums = _sums_by_chance(rows, labels, n_classes, part)
        by_chance.append(preferences(permuted_sums, part))
        share[part] = permuted_sums.max(axis=1).mean(axis=0) / (rows.n * mean[part])
    if len(chosen):
        found[chosen] = step_down(preferences(sums.of_classes[:, chosen], chosen), np.concatenate(by_chance, axis=1))
    return found, share


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
