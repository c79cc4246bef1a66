"""Which inputs share a pattern: the top inputs of each factor, what of a block it explains, how it goes with labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, t

from cnn_probe.measures.counting.chance import Beside, beside_chance
from cnn_probe.measures.counting.exact import LEVEL
from cnn_probe.measures.counting.preference import Preference, preferences
from cnn_probe.measures.counting.rows import check_amounts, check_labels, shares_of_rows, sums_of_classes
from cnn_probe.measures.counting.sums import LayerRows, Sums
from cnn_probe.measures.table import Table

Floats = NDArray[np.float64]
PERMUTATIONS = 200  # of the labels, unless told otherwise
N_BINS = 8  # into which a factor's shares are cut to see what they tell of a label


@dataclass(frozen=True, eq=False)
class WithLabels:
    """How factors go with labels.

    Attributes
    ----------
    classes : tuple of str
    shares_of_classes : ndarray of shape (k, n_classes)
        Part of each factor's amount that lies in each class. The largest is mostly that of the commonest class.
    preference : Preference
        Of each factor: the class in which it is furthest above what the class's size would give, in standard
        deviations over permuted labels; the part that lies there, beside that size; and how likely a preference is by
        chance, over all factors together.
    low, high : ndarray of shape (k,)
        Ends of the 95% interval of the part that lies in that class: Wilson's, of an effective number of inputs. Where
        a factor goes with no class, the class is one that happens to have much of it, and the interval lies too high.
    information : Beside of shape (k,)
        Bits that the factor's share of an input, cut into 8 bins of equal numbers of inputs, tells of its label. Few
        inputs tell more than nothing by chance alone: compare with that.
    of_strongest : Beside of shape ()
        Bits that an input's strongest factor tells of its label.
    """

    classes: tuple[str, ...]
    shares_of_classes: Floats
    preference: Preference
    low: Floats
    high: Floats
    information: Beside
    of_strongest: Beside

    @property
    def beyond_chance(self) -> NDArray[np.bool_]:
        """Whether each factor goes with a class, beyond what permuted labels give."""
        found: NDArray[np.bool_] = self.preference.p_value < LEVEL
        return found

    @property
    def favourites(self) -> list[str | None]:
        """The name of the class that each factor prefers; None of a factor of zeros."""
        return [None if label < 0 else self.classes[label] for label in self.preference.favourite.tolist()]


@dataclass(frozen=True, eq=False)
class Patterns:
    """Which inputs share each pattern.

    Attributes
    ----------
    top : ndarray of int of shape (k, n_top)
        Inputs in whose row the factor has the largest share, the largest first.
    top_share : ndarray of shape (k, n_top)
        That share.
    strongest : ndarray of int of shape (k, n_top)
        Inputs that have most of the factor, whatever else they have, the most first.
    strongest_weight : ndarray of shape (k, n_top)
        How much, as in F.
    prevalence : ndarray of shape (k,)
        Effective number of inputs that use the factor: exp of the entropy of its amounts' shares. It is n for a factor
        that is in all inputs alike, and 1 for one that is in a single input.
    n_inputs : int
    shares : dict of str to ndarray of shape (k,)
        How much of each block's squares each factor explains.
    labels : WithLabels or None
        None without labels.
    """

    top: NDArray[np.int64]
    top_share: Floats
    strongest: NDArray[np.int64]
    strongest_weight: Floats
    prevalence: Floats
    n_inputs: int
    shares: dict[str, Floats]
    labels: WithLabels | None = None

    def in_short(self) -> tuple[list[str], list[list[str]]]:
        """Heads and rows of a small table for people: what each factor explains, where it is most, its class."""
        heads = [*(f"of {name}" for name in self.shares), "inputs with most of it"]
        rows = [
            [*(f"{share[i]:.0%}" for share in self.shares.values()), ", ".join(f"#{one}" for one in top[:3])]
            for i, top in enumerate(self.top.tolist())
        ]
        if self.labels is not None:
            known = self.labels
            heads.append("class that it goes with (its part of the inputs)")
            for i, row in enumerate(rows):
                own = known.preference
                goes = f"{known.favourites[i]}: {own.share[i]:.0%} ({own.size[i]:.0%})"
                row.append(goes if known.beyond_chance[i] else "none beyond chance")
        return heads, rows

    def table(self) -> Table:
        """Return one row a factor."""
        columns: dict[str, Any] = {
            "factor": range(len(self.top)),
            "top_inputs_by_share": [" ".join(map(str, row)) for row in self.top],
            "top_inputs_by_weight": [" ".join(map(str, row)) for row in self.strongest],
            "prevalence": self.prevalence,
            "prevalence_share": self.prevalence / self.n_inputs,
        } | {f"share_of_{name}": share for name, share in self.shares.items()}
        if self.labels is not None:
            known = self.labels
            columns |= {
                "class": known.favourites,
                "class_share": known.preference.share,
                "class_share_low": known.low,
                "class_share_high": known.high,
                "class_size": known.preference.size,
                "class_lift": known.preference.lift,
                "class_p": known.preference.p_value,
                "bits": known.information.value,
                "bits_by_chance": known.information.chance,
                "bits_p": known.information.p_value,
            }
        return Table(columns)


def shared_patterns(
    F: ArrayLike,
    *,
    shares: Mapping[str, ArrayLike] | None = None,
    labels: ArrayLike | None = None,
    classes: Sequence[str] | None = None,
    n_top: int = 8,
    n_permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> Patterns:
    """Find which inputs share each pattern, and how that goes with labels, if they are given.

    Parameters
    ----------
    F : array-like of shape (n_inputs, k)
        How much of each factor is in each input. Its columns must be on one scale, as `coupled_nmf.CoupledNMF` without
        penalties gives them.
    shares : mapping of str to array-like of shape (k,), default=None
        How much of each block each factor explains (`coupled_nmf.CoupledNMF.component_shares`).
    labels : array-like of shape (n_inputs,), default=None
        A class for each input.
    classes : sequence of str, default=None
        Names of the classes, by number; None for the labels themselves.
    n_top : int, default=8
    n_permutations : int, default=200
        Of the labels, for what chance reaches; of fewer than 20 no factor goes with a class.
    seed : int, default=0

    Raises
    ------
    ValueError
        If F is no matrix of finite numbers from 0 on, or anything else does not fit it.

    Examples
    --------
    >>> found = shared_patterns([[3, 0], [1, 1], [0, 2]], n_top=2)
    >>> found.top.tolist(), found.prevalence.round(2).tolist()
    ([[0, 1], [2, 1]], [1.75, 1.89])
    """
    amounts = check_amounts(F)
    if n_top < 1:
        raise ValueError(f"n_top must be 1 or more, got {n_top}")
    of_blocks = {name: np.asarray(share, dtype=np.float64) for name, share in (shares or {}).items()}
    for name, share in of_blocks.items():
        if share.shape != (amounts.shape[1],):
            raise ValueError(f"shares[{name!r}] must have one number a factor, {amounts.shape[1]}, got {share.shape}")
    of_rows = shares_of_rows(amounts)
    (top, top_share), (strongest, weight) = _largest(of_rows, n_top), _largest(amounts, n_top)
    with_labels = None
    if labels is not None:
        codes, names = check_labels(labels, len(amounts), classes)
        with_labels = _with_labels(amounts, of_rows, codes, names, n_permutations, seed)
    return Patterns(
        top,
        top_share,
        strongest,
        weight,
        _effective_numbers(amounts),
        len(amounts),
        of_blocks,
        with_labels,
    )


def _largest(values: Floats, n: int) -> tuple[NDArray[np.int64], Floats]:
    """The rows of the n largest values of each column, and these values; of equal ones the first."""
    rows = np.argsort(-values, axis=0, kind="stable")[:n].T
    return rows, np.take_along_axis(values.T, rows, axis=1)


def _effective_numbers(F: Floats) -> Floats:
    parts = shares_of_rows(F.T)
    logs = np.log(parts, out=np.zeros_like(parts), where=parts > 0)
    return np.where(parts.any(axis=1), np.exp(-np.sum(parts * logs, axis=1)), 0.0)


def _with_labels(
    F: Floats, of_rows: Floats, codes: NDArray[np.int64], classes: tuple[str, ...], n_permutations: int, seed: int
) -> WithLabels:
    n_classes = len(classes)
    totals = np.where(F.any(axis=0), F.sum(axis=0), 1.0)
    columns = LayerRows(F, (F.shape[1],), 0, whole=False)
    preference = preferences(columns, Sums(columns, codes, n_classes), codes, n_permutations, seed)
    binned = np.stack([_binned(column) for column in of_rows.T], axis=1)
    strongest = of_rows.argmax(axis=1)[:, None]
    shares_of_classes = (sums_of_classes(F, codes, n_classes) / totals).T
    bits = beside_chance(
        lambda y: np.append(
            mutual_information(binned, y, N_BINS, n_classes), mutual_information(strongest, y, F.shape[1], n_classes)
        ),
        codes,
        n_permutations,
        seed,
    )
    inside = codes[:, None] == preference.favourite
    low, high = _interval_of_shares(F, preference.share, inside)
    parts = bits.value, bits.chance, bits.high, bits.p_value
    return WithLabels(
        classes,
        shares_of_classes,
        preference,
        low,
        high,
        Beside(*(part[:-1] for part in parts)),
        Beside(*(part[-1] for part in parts)),
    )


def _binned(column: Floats) -> NDArray[np.int64]:
    """The number of each value's bin; equal values share one, so that there may be fewer bins."""
    edges = np.quantile(column, np.arange(1, N_BINS) / N_BINS)
    return np.searchsorted(edges, column, side="right")


def mutual_information(
    codes: NDArray[np.int64], labels: NDArray[np.int64], n_codes: int, n_classes: int
) -> NDArray[np.float64]:
    """Return the bits that each column of codes (n, k) tells of the labels: shape (k,)."""
    n, k = codes.shape
    cells = ((codes + np.arange(k) * n_codes) * n_classes + labels[:, None]).ravel()
    joint = np.bincount(cells, minlength=k * n_codes * n_classes).reshape(k, n_codes, n_classes) / n
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=2, keepdims=True)
    ratio = np.divide(joint, apart, out=np.ones_like(joint), where=joint > 0)
    return np.asarray(np.sum(joint * np.log2(ratio), axis=(1, 2)))


def _interval_of_shares(F: Floats, share: Floats, inside: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Ends of the 95% interval of the share of each column's sum that is inside, which are bools of F's shape.

    Wilson's, of as many equal inputs as would have the share's variance (linearized, as a ratio of sums over the
    inputs), but at most twice the effective number (sum x)^2 / sum x^2, and with Student's t of that number: what few
    inputs hold and many have traces of seems sure. So do resamples of few inputs, which hardly differ.
    """
    total, squares = F.sum(axis=0), np.maximum(np.sum(F**2, axis=0), np.finfo(float).tiny)
    held = total**2 / squares
    rest = np.maximum(np.sum((F * (inside - share)) ** 2, axis=0), 1e-12 * squares)
    z = norm.isf(LEVEL / 2)
    by_t = (z / t.isf(LEVEL / 2, np.maximum(held - 1, 1))) ** 2
    n = np.maximum(
        by_t * np.where(share < 1 - 1e-9, np.minimum(share * (1 - share) * total**2 / rest, 2 * held), held), 1e-6
    )
    centre, width = share + z**2 / (2 * n), z * np.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2)
    low, high = (centre - width) / (1 + z**2 / n), (centre + width) / (1 + z**2 / n)
    return np.maximum(low, 0), np.minimum(high, 1)
