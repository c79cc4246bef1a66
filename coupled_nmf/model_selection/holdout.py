"""Entries hidden from the fit and predicted by it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import check_random_state

from coupled_nmf.data.blocks import Blocks
from coupled_nmf.fit.parameters import FROM_STAND_IN
from coupled_nmf.model.estimator import CoupledNMF
from coupled_nmf.model_selection.checkpoint import checkpoint_folder
from coupled_nmf.model_selection.in_memory import arrays_of, sum_of_squares
from coupled_nmf.model_selection.rank_path import RankFit, check_request, rank_path
from coupled_nmf.model_selection.table import Table


@dataclass(frozen=True)
class HoldoutFit:
    """How well one fit of a `Holdout` predicts what was hidden from it.

    Attributes
    ----------
    rank : int
        The rank k.
    repeat : int
        Number of the repeat, from 0: all ranks of one repeat had the same entries hidden.
    error : float
        Squares of the error over squares of the entries, over the hidden entries of all blocks, by block weights.
    block_error : dict of str to float
        The same per block; 0 where all is 0 and predicted so, infinite where all is 0 and the prediction is not.
    """

    rank: int
    repeat: int
    error: float
    block_error: dict[str, float]


@dataclass(frozen=True, repr=False)
class Holdout(Table):
    """Errors on hidden entries over ranks and repeats, in the order in which they were found.

    Attributes
    ----------
    fits : tuple of HoldoutFit
        All fits.
    """

    _printed = ("rank", "repeat", "error")

    fits: tuple[HoldoutFit, ...]

    @property
    def mean_error(self) -> dict[int, float]:
        """Mean error over the repeats, of each rank."""
        return {
            rank: float(np.mean([fit.error for fit in self.fits if fit.rank == rank]))
            for rank in dict.fromkeys(fit.rank for fit in self.fits)
        }

    @property
    def best_rank(self) -> int:
        """The rank of lowest mean error; of equals, the smallest."""
        errors = self.mean_error
        return min(errors, key=lambda rank: (errors[rank], rank))

    def rows(self) -> list[dict[str, Any]]:
        """One dict a fit: rank, repeat, error, ``error_<block>``."""
        return [
            {name: getattr(fit, name) for name in self._printed}
            | {f"error_{name}": value for name, value in fit.block_error.items()}
            for fit in self.fits
        ]


def holdout_entries(
    X: Any,
    ranks: Sequence[int] | NDArray[np.integer[Any]],
    *,
    fraction: float = 0.1,
    n_repeats: int = 3,
    estimator: CoupledNMF | None = None,
    random_state: int | np.random.RandomState | None = None,
    progress: Callable[[int, int], None] | None = None,
    checkpoint: str | Path | None = None,
) -> Holdout:
    """Hide entries of every block, fit each rank on what is left, and predict what was hidden.

    Unlike the error of the fit, the error on hidden entries rises again when the rank is too large.

    Parameters
    ----------
    X : Blocks or array-like of shape (n_samples, n_features)
        As for `CoupledNMF.fit`; read into memory. Entries that are NaN stay missing and are not scored.
    ranks : sequence of int
        The ranks k, each once.
    fraction : float, default=0.1
        Part of each block's entries that is hidden, above 0 and below 1; one entry at least. A row or column that
        would be hidden whole is left as it is.
    n_repeats : int, default=3
        Times that other entries are hidden.
    estimator : CoupledNMF, default=None
        Gives every parameter but ``n_components``; left as it is. None: ``CoupledNMF()``.
    random_state : int, RandomState or None, default=None
        Seed of the hidden entries and of the fits. None: the estimator's.
    progress : callable, default=None
        ``progress(done, total)`` after each fit.
    checkpoint : str or Path, default=None
        A folder in which finished fits are kept, see `rank_path`. Needs a ``random_state`` that is a whole number.

    Returns
    -------
    Holdout

    Raises
    ------
    ValueError
        If ``fraction`` or ``n_repeats`` is out of range, the start of the estimator takes no X with gaps, a block has
        no entry to hide, or for what `rank_path` refuses.

    See Also
    --------
    BiCrossValidation : Hides rows × columns, in a grid search.

    Examples
    --------
    >>> from coupled_nmf import holdout_entries, make_coupled_blocks
    >>> X, _, _ = make_coupled_blocks(100, {"a": 30, "b": 20}, 3, noise=0.3, random_state=0)
    >>> holdout_entries(X, [1, 2, 3, 4, 5], random_state=0).best_rank
    3
    """
    base = check_request(estimator, ranks, random_state=random_state)
    _check_hiding(fraction, n_repeats)
    if base.init in FROM_STAND_IN:
        raise ValueError(
            f"estimator has init={base.init!r}, which needs X without missing entries, and what is hidden is missing; "
            "use init='random'."
        )
    folder = checkpoint_folder(checkpoint, base.random_state)
    rng = check_random_state(base.random_state)
    arrays = arrays_of(clone(base), X, reset=True)
    base = clone(base).set_params(blocks=None)  # Blocks name their own
    fits: list[HoldoutFit] = []

    def tell(done: int, _: int) -> None:
        if progress is not None:
            progress(len(fits) + done, n_repeats * len(ranks))

    for repeat in range(n_repeats):
        hidden = hide(arrays, fraction, rng)
        left = Blocks({name: np.where(hidden[name], array.dtype.type(np.nan), array) for name, array in arrays.items()})
        base.set_params(random_state=int(rng.randint(2**31 - 1)))
        path = rank_path(left, ranks, estimator=base, progress=tell, checkpoint=folder)
        fits += [judge(fit, repeat, arrays, hidden) for fit in path.fits]
    return Holdout(tuple(fits))


def hide(arrays: dict[str, NDArray[Any]], fraction: float, rng: np.random.RandomState) -> dict[str, NDArray[np.bool_]]:
    """Which entries of each block are hidden: some of those that are there, and no row or column of X whole."""
    known = {name: ~np.isnan(array) for name, array in arrays.items()}
    hidden = {name: np.zeros(array.shape, dtype=bool) for name, array in arrays.items()}
    for name, mask in hidden.items():
        places = np.flatnonzero(known[name])
        n = min(max(1, round(fraction * len(places))), len(places))
        mask.flat[rng.choice(places, n, replace=False)] = True
    left = {name: known[name] & ~mask for name, mask in hidden.items()}
    rows_left = np.any([some.any(axis=1) for some in left.values()], axis=0)
    for name, mask in hidden.items():
        mask &= rows_left[:, None] & left[name].any(axis=0)
        if not mask.any():
            raise ValueError(
                f"Block {name!r} has no entry to hide, as each row and column keeps one; give more rows, or leave the "
                "block out."
            )
    return hidden


def judge(
    fit: RankFit, repeat: int, arrays: dict[str, NDArray[Any]], hidden: dict[str, NDArray[np.bool_]]
) -> HoldoutFit:
    """Errors of one fit on the hidden entries."""
    errors, totals = [], []
    for name, H in fit.model.block_components_.items():
        errors.append(sum_of_squares((arrays[name] - fit.F @ H)[hidden[name]]))
        totals.append(sum_of_squares(arrays[name][hidden[name]]))
    alpha = fit.model.block_weights_
    ratios = map(_ratio, errors, totals)
    return HoldoutFit(
        fit.rank, repeat, _ratio(float(alpha @ errors), float(alpha @ totals)), dict(zip(arrays, ratios, strict=True))
    )


def _ratio(error: float, total: float) -> float:
    if total > 0:
        return error / total
    return float("inf") if error > 0 else 0.0


def _check_hiding(fraction: float, n_repeats: int) -> None:
    if not isinstance(fraction, Real) or not 0 < fraction < 1:
        raise ValueError(f"fraction is {fraction!r}; give the part of the entries to hide, above 0 and below 1.")
    if not isinstance(n_repeats, Integral) or n_repeats < 1:
        raise ValueError(f"n_repeats is {n_repeats!r}; give a whole number of repeats, 1 or more.")
