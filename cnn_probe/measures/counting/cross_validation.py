"""Class probabilities of inputs by classifiers that did not see them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

Floats = NDArray[np.float64]
PENALTIES = (1.0, 10.0, 100.0, 1000.0)  # on the squares of the weights
ENOUGH = 200  # inputs by which a penalty is chosen
LEAST = 1e-6  # probability, so that one label that is surely wrong does not decide


def cross_validated(
    features: Floats,
    labels: NDArray[np.int64],
    *,
    n_classes: int,
    n_folds: int = 5,
    n_repeats: int = 1,
    seed: int = 0,
) -> tuple[Floats, Floats | None]:
    """Return class probabilities by a multinomial logistic regression that did not see the input.

    Features are scaled to variance 1. The folds are stratified; there are fewer where a class has fewer inputs. The
    penalty is that of 1, 10, 100 and 1000 with the least log loss out of sample, on 200 inputs or a fold: with too
    small a one, a classifier of many features learns wrong labels by heart. But for that choice, an input's own label
    takes no part in its probabilities.

    Parameters
    ----------
    features : ndarray of shape (n_inputs, n_features)
    labels : ndarray of int of shape (n_inputs,)
    n_classes : int
    n_folds : int, default=5
    n_repeats : int, default=1
        Of the whole cross-validation with other folds; probabilities are the mean.
    seed : int, default=0

    Returns
    -------
    probabilities : ndarray of shape (n_inputs, n_classes)
    spread : ndarray of shape (n_inputs,) or None
        Standard deviation of the given label's probability over the repeats; None for one.

    Raises
    ------
    ValueError
        If the features do not fit the labels, there are fewer than two folds, repeats or classes, or a class has a
        single input.
    """
    sizes = np.bincount(labels, minlength=n_classes)
    if len(features) != len(labels) or not np.isfinite(features).all():
        raise ValueError(f"features must be finite, a row an input, {len(labels)} of them, got {features.shape}")
    if n_folds < 2 or n_repeats < 1 or np.sum(sizes > 0) < 2:
        raise ValueError(
            f"there must be 2 folds, 1 repeat and 2 classes or more, got {n_folds}, {n_repeats}, {np.sum(sizes > 0)}"
        )
    if 1 in sizes:
        raise ValueError(
            f"class {int(np.argmax(sizes == 1))} has a single input, and nothing can be learned of it without that; "
            "leave it out"
        )
    folds = min(n_folds, int(sizes[sizes > 0].min()))
    splits = [_splits(labels, folds, seed + repeat) for repeat in range(n_repeats)]
    penalty = _penalty(features, labels, splits[0])
    runs = np.zeros((n_repeats, len(labels), n_classes))
    for run, parts in zip(runs, splits, strict=True):
        for seen, other in parts:
            run[other] = _probabilities(features, labels, seen, other, n_classes, penalty)
    own = runs[:, np.arange(len(labels)), labels]
    return runs.mean(axis=0), own.std(axis=0, ddof=1) if n_repeats > 1 else None


def _splits(labels: NDArray[np.int64], n_folds: int, seed: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    return list(StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(labels, labels))


def _penalty(
    features: Floats, labels: NDArray[np.int64], splits: list[tuple[NDArray[np.int64], NDArray[np.int64]]]
) -> float:
    """The best penalty, by the first folds that have enough inputs together."""
    losses = np.zeros(len(PENALTIES))
    for seen, other in splits[: -(-ENOUGH * len(splits) // len(labels))]:
        for number, penalty in enumerate(PENALTIES):
            found = _probabilities(features, labels, seen, other, int(labels.max()) + 1, penalty)
            own = found[np.arange(len(other)), labels[other]]
            losses[number] -= np.sum(np.log(np.maximum(own, LEAST)))
    return PENALTIES[int(np.argmin(losses))]


def _probabilities(
    features: Floats,
    labels: NDArray[np.int64],
    seen: NDArray[np.int64],
    other: NDArray[np.int64],
    n_classes: int,
    penalty: float,
) -> Floats:
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1 / penalty, max_iter=1000, tol=1e-3))
    model.fit(features[seen], labels[seen])
    found = np.zeros((len(other), n_classes))
    found[:, model.classes_] = model.predict_proba(features[other])
    return found
