"""Rows held out by the grid search, columns by the scorer: a score that does not favour large ranks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from coupled_nmf.data.blocks import Blocks
from coupled_nmf.model.estimator import CoupledNMF
from coupled_nmf.model.learning import learned_components
from coupled_nmf.model_selection.in_memory import arrays_of, sum_of_squares


@dataclass(frozen=True)
class BiCrossValidation:
    """Score a rank by entries whose row and column are both held out; for ``scoring`` of ``GridSearchCV``.

    The grid search holds out rows. Of those rows, each fold of columns is held out in turn: F is found from the other
    columns, given the fitted components, and F H predicts the held-out entries (Gabriel's hold-out; Owen and Perry
    2009). The components come from the training rows and all columns, so one fit serves every fold.

    A plain `CoupledNMF.score` of held-out rows finds F from the very entries that it scores, and prefers large ranks.

    Parameters
    ----------
    n_folds : int, default=5
        Folds of columns. Each block's columns are dealt out evenly, by chance. Two hold out half of the columns at
        once, and lean to smaller ranks.
    random_state : int, default=0
        Seed of the folds. A whole number, so that all ranks are scored on the same folds.

    Raises
    ------
    ValueError
        If ``n_folds`` is below 2, or ``random_state`` is not a whole number from 0.

    References
    ----------
    A. B. Owen, P. O. Perry, "Bi-cross-validation of the SVD and the nonnegative matrix factorization", 2009.

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV
    >>> from coupled_nmf import BiCrossValidation, CoupledNMF, make_coupled_blocks
    >>> X, _, _ = make_coupled_blocks(90, {"a": 30, "b": 20}, 3, noise=0.3, random_state=0)
    >>> ranks = {"n_components": [1, 2, 3, 4, 5]}
    >>> search = GridSearchCV(CoupledNMF(random_state=0), ranks, scoring=BiCrossValidation(), cv=3)
    >>> search.fit(X).best_params_
    {'n_components': 3}
    """

    n_folds: int = 5
    random_state: int = 0

    def __post_init__(self) -> None:
        if not _is_whole(self.n_folds) or self.n_folds < 2:
            raise ValueError(f"n_folds is {self.n_folds!r}; give a whole number of folds of columns, 2 or more.")
        if not _is_whole(self.random_state) or self.random_state < 0:
            raise ValueError(
                f"random_state is {self.random_state!r}; give a whole number from 0, so that all ranks get one set of "
                "folds."
            )

    def __call__(self, estimator: Any, X: Any, y: Any = None) -> float:
        """One minus the held-out error over the held-out squares, by block weights, over all folds; higher is better.

        Parameters
        ----------
        estimator : CoupledNMF, Pipeline or search
            Fitted. The last step of a pipeline is a CoupledNMF; the steps before it see all columns, and one that
            mixes them spoils the hold-out. Of a search, as `GridSearchCV`, its ``best_estimator_`` is scored.
        X : Blocks or array-like of shape (n_samples, n_features)
            Rows that the fit has not seen. They are read into memory.
        y : None, default=None
            Ignored.

        Returns
        -------
        score : float
            1 for X of zeros.

        Raises
        ------
        TypeError
            If the estimator is no CoupledNMF and does not end with one.
        ValueError
            If X has fewer columns than there are folds, or X is refused.
        """
        model, X = _last_step(estimator, X)
        check_is_fitted(model, "components_")
        arrays = arrays_of(model, X, reset=False)
        pieces = deal_columns({name: array.shape[1] for name, array in arrays.items()}, self.n_folds, self.random_state)
        split = Blocks({piece.name: arrays[piece.block][:, piece.columns] for piece in pieces})
        fine = _model_of_pieces(model, pieces)
        error = total = 0.0
        for fold in range(self.n_folds):
            F = fine.transform(split.select([piece.name for piece in pieces if piece.fold != fold]))
            for piece, weight in zip(pieces, fine.block_weights_, strict=True):
                if piece.fold == fold:
                    error += weight * sum_of_squares(split[piece.name] - fine.inverse_transform(F, block=piece.name))
                    total += weight * sum_of_squares(split[piece.name])
        return 1.0 - error / total if total > 0 else 1.0


@dataclass(frozen=True)
class Piece:
    """The columns of one block that one fold holds out."""

    name: str
    block: str
    fold: int
    columns: NDArray[np.int64]


def deal_columns(sizes: Mapping[str, int], n_folds: int, random_state: int) -> list[Piece]:
    """Deal each block's columns out to the folds, going on where the block before left off."""
    if sum(sizes.values()) < n_folds:
        raise ValueError(f"X has {sum(sizes.values())} columns, but n_folds is {n_folds}; ask for fewer folds.")
    rng, pieces, first = check_random_state(random_state), [], 0
    for block, size in sizes.items():
        shuffled = rng.permutation(size)
        for fold in range(n_folds):
            columns = np.sort(shuffled[(fold - first) % n_folds :: n_folds])
            if len(columns):
                pieces.append(Piece(f"{block}, fold {fold}", block, fold, columns))
        first += size
    return pieces


def _last_step(estimator: Any, X: Any) -> tuple[CoupledNMF, Any]:
    """The CoupledNMF that is the estimator, ends the pipeline or was found by the search, and X as it reaches it."""
    if hasattr(estimator, "best_estimator_"):
        return _last_step(estimator.best_estimator_, X)
    if isinstance(estimator, Pipeline):
        return _last_step(estimator[-1], estimator[:-1].transform(X) if len(estimator) > 1 else X)
    if not isinstance(estimator, CoupledNMF):
        raise TypeError(
            f"estimator is {estimator!r}; BiCrossValidation scores a CoupledNMF, or a Pipeline that ends with one, or "
            "a search that has refitted either."
        )
    return estimator, X


def _model_of_pieces(model: CoupledNMF, pieces: list[Piece]) -> CoupledNMF:
    """The fitted model with its blocks cut into pieces, each with the weight of its block."""
    weights = dict(zip(model.layout_.names, map(float, model.block_weights_), strict=True))
    H = model.layout_.split(learned_components(model))
    components = {piece.name: H[piece.block][:, piece.columns] for piece in pieces}
    fine = clone(model).set_params(
        n_components=model.n_components_,
        blocks=None,
        block_weights={piece.name: weights[piece.block] for piece in pieces},
        fixed_components=None,
    )
    return fine.set_components(components)


def _is_whole(number: object) -> bool:
    return isinstance(number, Integral) and not isinstance(number, bool)
