"""Which labels look wrong: scores by class probabilities out of factors, of the network, out of pixels."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn_probe.measures.counting.cross_validation import cross_validated
from cnn_probe.measures.counting.rows import check_amounts, check_labels, shares_of_rows
from cnn_probe.measures.table import Table

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SharedPattern:
    """What those inputs are labelled with that have the same strongest factor.

    Attributes
    ----------
    factor : ndarray of int of shape (n_inputs,)
        The factor with the largest share of the input's row; -1 for an input that has none.
    majority : ndarray of int of shape (n_inputs,)
        The class that most of the others have of which it is the strongest; -1 if there are no others.
    share : ndarray of shape (n_inputs,)
        How many of them have it; NaN if there are no others.
    n_others : ndarray of int of shape (n_inputs,)
    """

    factor: NDArray[np.int64]
    majority: NDArray[np.int64]
    share: Floats
    n_others: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LabelErrors:
    """How far class probabilities agree with labels.

    Attributes
    ----------
    source : str
        What the probabilities are of: "factors", "network", "pixels".
    out_of_sample : bool
        Whether they come from what never saw the input with its label. What did see it may have learned it by heart,
        and agree with a wrong label.
    classes : tuple of str
    probabilities : ndarray of shape (n_inputs, n_classes)
    labels, suggested : ndarray of int of shape (n_inputs,)
        The label that is given, and the class of the largest probability.
    self_confidence : ndarray of shape (n_inputs,)
        Probability of the given label: the lower, the likelier is it wrong (Northcutt et al. 2021).
    spread : ndarray of shape (n_inputs,) or None
        Its standard deviation over repeated cross-validation; None if it was not repeated.
    margin : ndarray of shape (n_inputs,)
        Normalised margin: that probability less the largest of the others, from 0 to 1; below 1/2 another class is
        likelier.
    suspect : ndarray of bool of shape (n_inputs,)
        By confident learning: of the classes whose probability is at least its mean over the inputs of that label, the
        likeliest is another one (Northcutt et al. 2021).
    pattern : SharedPattern or None
        Why; None without factors.
    """

    source: str
    out_of_sample: bool
    classes: tuple[str, ...]
    probabilities: Floats
    labels: NDArray[np.int64]
    suggested: NDArray[np.int64]
    self_confidence: Floats
    spread: Floats | None
    margin: Floats
    suspect: NDArray[np.bool_]
    pattern: SharedPattern | None = None

    def table(self) -> Table:
        """Return one row an input, the likeliest errors first."""
        columns: dict[str, Any] = {
            "input": range(len(self.labels)),
            "label": [self.classes[label] for label in self.labels],
            "suggested": [self.classes[label] for label in self.suggested],
            "suspect": self.suspect,
            "self_confidence": self.self_confidence,
            "margin": self.margin,
        }
        if self.spread is not None:
            columns["spread"] = self.spread
        if self.pattern is not None:
            why = self.pattern
            columns |= {
                "strongest_factor": [None if factor < 0 else factor for factor in why.factor.tolist()],
                "label_of_most_others": [None if label < 0 else self.classes[label] for label in why.majority],
                "share_of_others": [
                    None if label < 0 else share for label, share in zip(why.majority, why.share, strict=True)
                ],
                "others": why.n_others,
            }
        return Table(columns).sorted_by("self_confidence")


def label_errors(
    labels: ArrayLike,
    *,
    F: ArrayLike | None = None,
    network: ArrayLike | None = None,
    unseen: bool = False,
    pixels: ArrayLike | None = None,
    classes: Sequence[str] | None = None,
    n_folds: int = 5,
    n_repeats: int = 1,
    seed: int = 0,
) -> dict[str, LabelErrors]:
    """Find which labels look wrong, by each source that is given: "factors", "network" and "pixels".

    They are beside each other because none is best everywhere; `benchmarks/label_noise.py` measures what each finds of
    planted errors.

    Parameters
    ----------
    labels : array-like of shape (n_inputs,)
    F : array-like of shape (n_inputs, k), default=None
        Factors; also the reason in each of the results. Of a network that was trained with these very labels they may
        hold what it learned of wrong ones by heart; their classifier's folds do not undo that.
    network : array-like of shape (n_inputs, n_classes), default=None
        The network's own probabilities, softmax of its scores, its classes being those of the labels in their order.
    unseen : bool, default=False
        Whether the network was trained without these inputs.
    pixels : array-like of shape (n_inputs, ...), default=None
        Pictures, or anything else that a classifier may be trained on.
    classes : sequence of str, default=None
        Names of the classes, by number; None for the labels themselves.
    n_folds, n_repeats, seed
        As of `cross_validated`, for factors and pixels.

    Raises
    ------
    ValueError
        If no source is given, or one does not fit the labels.
    """
    n = len(np.asarray(labels))
    codes, names = check_labels(labels, n, classes)
    features: dict[str, Any] = {"factors": None if F is None else check_amounts(F), "network": network}
    features["pixels"] = (
        None if pixels is None else np.asarray(pixels, dtype=np.float64).reshape(np.shape(pixels)[0], -1)
    )
    given = {source: np.asarray(values, dtype=np.float64) for source, values in features.items() if values is not None}
    if not given:
        raise ValueError("give at least one of F, network and pixels")
    for source, values in given.items():
        if len(values) != n:
            raise ValueError(f"{source} must have a row for each of {n} labels, got shape {values.shape}")
    pattern = shared_pattern(given["factors"], codes, len(names)) if "factors" in given else None
    found = {}
    for source, values in given.items():
        probabilities, spread = values, None
        if source != "network":
            probabilities, spread = cross_validated(
                values.reshape(n, -1), codes, n_classes=len(names), n_folds=n_folds, n_repeats=n_repeats, seed=seed
            )
        out_of_sample = unseen or source != "network"
        found[source] = judge_labels(probabilities, codes, names, source, out_of_sample, spread, pattern)
    return found


def judge_labels(
    probabilities: Floats,
    labels: NDArray[np.int64],
    classes: tuple[str, ...],
    source: str,
    out_of_sample: bool,
    spread: Floats | None = None,
    pattern: SharedPattern | None = None,
) -> LabelErrors:
    """Score labels by class probabilities of shape (n_inputs, n_classes).

    Raises
    ------
    ValueError
        If they are no probabilities, or not of these classes.
    """
    if probabilities.shape != (len(labels), len(classes)):
        raise ValueError(
            f"probabilities of {source} must have shape ({len(labels)}, {len(classes)}), got {probabilities.shape}"
        )
    sums = probabilities.sum(axis=1)
    if not (np.all(probabilities >= 0) and np.allclose(sums, 1, atol=1e-3)):
        raise ValueError(
            f"probabilities of {source} must be from 0 on and add up to 1 in each row, got rows that add up to "
            f"{np.min(sums):g} to {np.max(sums):g}; give softmax of the scores"
        )
    rows = np.arange(len(labels))
    own = probabilities[rows, labels]
    others = probabilities.copy()
    others[rows, labels] = -1.0
    margin = (own - others.max(axis=1) + 1) / 2 if len(classes) > 1 else np.ones(len(labels))
    return LabelErrors(
        source,
        out_of_sample,
        classes,
        probabilities,
        labels,
        probabilities.argmax(axis=1),
        own,
        spread,
        margin,
        _suspects(probabilities, labels),
        pattern,
    )


def _suspects(probabilities: Floats, labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    own = probabilities[np.arange(len(labels)), labels]
    sizes = np.bincount(labels, minlength=probabilities.shape[1])
    sums = np.bincount(labels, weights=own, minlength=probabilities.shape[1])
    usual = np.where(sizes > 0, sums / np.maximum(sizes, 1), np.inf)
    confident = np.where(probabilities >= usual, probabilities, -1.0)
    found: NDArray[np.bool_] = (confident.max(axis=1) >= 0) & (confident.argmax(axis=1) != labels)
    return found


def shared_pattern(F: Floats, labels: NDArray[np.int64], n_classes: int) -> SharedPattern:
    """Find the label that most of the others have that share an input's strongest factor."""
    strongest = np.where(F.any(axis=1), shares_of_rows(F).argmax(axis=1), -1)
    counts = np.zeros((F.shape[1] + 1, n_classes), dtype=np.int64)
    np.add.at(counts, (strongest, labels), 1)
    others = counts[strongest]
    others[np.arange(len(labels)), labels] -= 1
    others[strongest < 0] = 0
    n_others, most = others.sum(axis=1), others.max(axis=1)
    there = n_others > 0
    return SharedPattern(
        strongest,
        np.where(there, others.argmax(axis=1), -1),
        np.where(there, most / np.maximum(n_others, 1), np.nan),
        n_others,
    )


def average_precision(score: ArrayLike, wrong: ArrayLike) -> float:
    """Return the mean precision over the wrong labels, of a list with the lowest scores first; ties come together.

    Examples
    --------
    >>> average_precision([0.1, 0.2, 0.3], [True, False, True])
    0.8333333333333333
    """
    scores, errors = _scored(score, wrong)
    levels, first = np.unique(scores, return_inverse=True)
    n_wrong, n_all = np.bincount(first, weights=errors), np.bincount(first)
    precision = np.cumsum(n_wrong) / np.cumsum(n_all)
    return float(np.sum(precision * n_wrong) / n_wrong.sum()) if len(levels) else float("nan")


def found_among_first(score: ArrayLike, wrong: ArrayLike, n: int | None = None) -> tuple[float, float]:
    """Return precision and recall of the ``n`` lowest scores, by default as many as are wrong, where both are one.

    Equal scores at the end count by the part of them that fits.
    """
    scores, errors = _scored(score, wrong)
    size = int(errors.sum()) if n is None else n
    if not 1 <= size <= len(scores):
        raise ValueError(f"n must be from 1 to {len(scores)}, got {size}")
    last = np.sort(scores)[size - 1]
    below, at = scores < last, scores == last
    found = errors[below].sum() + errors[at].mean() * (size - below.sum())
    return float(found / size), float(found / errors.sum())


def _scored(score: ArrayLike, wrong: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    scores, errors = np.asarray(score, dtype=np.float64), np.asarray(wrong)
    if np.isnan(scores).any():
        raise ValueError(f"score must be numbers, got {int(np.isnan(scores).sum())} NaN; leave these inputs out")
    if scores.ndim != 1 or errors.shape != scores.shape or errors.dtype != bool or not errors.any():
        raise ValueError(f"wrong must be a boolean for each of {scores.shape} scores, one of them true")
    return scores, errors


def agreed_by_chance(sources: Collection[LabelErrors]) -> float:
    """Return how many labels all sources would suspect, if each suspected as many of each class as it does, at random.

    Sources agree without a wrong label, too: each suspects many of a rare class.
    """
    labels = next(iter(sources)).labels
    sizes = np.maximum(np.bincount(labels), 1)
    rates = [np.bincount(labels, weights=found.suspect) / sizes for found in sources]
    return float(np.sum(np.prod(rates, axis=0) * np.bincount(labels)))
