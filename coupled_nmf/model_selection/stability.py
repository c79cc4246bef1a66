"""How alike the components of restarts are."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from coupled_nmf.data.arrays import to_host
from coupled_nmf.model.estimator import CoupledNMF
from coupled_nmf.model_selection.rank_path import check_request, rank_path
from coupled_nmf.model_selection.table import Table


@dataclass(frozen=True)
class RankStability:
    """How far the restarts of one rank agree.

    Attributes
    ----------
    rank : int
        The rank k.
    similarity : float
        Mean cosine of matched components, over all pairs of restarts.
    component_similarity : ndarray of shape (k,)
        Of each component of ``model``: its mean cosine with its matches in the other restarts.
    model : CoupledNMF
        The restart of lowest J.
    """

    rank: int
    similarity: float
    component_similarity: NDArray[np.float64]
    model: CoupledNMF

    @property
    def least_similarity(self) -> float:
        """The lowest of ``component_similarity``."""
        return float(self.component_similarity.min())

    @property
    def objective(self) -> float:
        """J of ``model``."""
        return float(self.model.reconstruction_err_**2)


@dataclass(frozen=True, repr=False)
class Stability(Table):
    """Agreement of restarts over ranks, in the order in which they were asked for.

    Attributes
    ----------
    by_rank : tuple of RankStability
        One a rank.
    """

    _printed = ("rank", "similarity", "least_similarity", "objective")

    by_rank: tuple[RankStability, ...]

    def rows(self) -> list[dict[str, Any]]:
        """One dict a rank: rank, similarity, least_similarity, objective."""
        return [{name: getattr(one, name) for name in self._printed} for one in self.by_rank]


def stability(
    X: Any,
    ranks: Sequence[int] | NDArray[np.integer[Any]],
    *,
    n_init: int = 10,
    estimator: CoupledNMF | None = None,
    random_state: int | np.random.RandomState | None = None,
    progress: Callable[[int, int], None] | None = None,
    checkpoint: str | Path | None = None,
) -> Stability:
    """Fit each rank from several seeds and see whether the same components come out.

    Components of two restarts are matched one to one, so that the cosines, over all blocks with their weights, add up
    to the most. Components that X has are mostly found again, with cosines near 1; what is beyond them comes out
    differently each time.

    Parameters
    ----------
    X : Blocks or array-like of shape (n_samples, n_features)
        As for `CoupledNMF.fit`.
    ranks : sequence of int
        The ranks k, each once.
    n_init : int, default=10
        Restarts of each rank, 2 or more.
    estimator : CoupledNMF, default=None
        Gives every parameter but ``n_components``; left as it is. None: ``CoupledNMF()``.
    random_state : int, RandomState or None, default=None
        Seed of the restarts. None: the estimator's.
    progress : callable, default=None
        ``progress(done, total)`` after each fit.
    checkpoint : str or Path, default=None
        A folder in which finished fits are kept, see `rank_path`. Needs a ``random_state`` that is a whole number.

    Returns
    -------
    Stability

    Raises
    ------
    ValueError
        If ``n_init`` is below 2, or for what `rank_path` refuses.

    Examples
    --------
    >>> from coupled_nmf import make_coupled_blocks, stability
    >>> X, _, _ = make_coupled_blocks(100, {"a": 30, "b": 20}, 3, noise=0.3, random_state=0)
    >>> found = stability(X, [2, 3, 4], n_init=5, random_state=0)
    >>> [row["similarity"] > 0.95 for row in found.rows()]
    [True, True, False]
    """
    if not isinstance(n_init, Integral) or n_init < 2:
        raise ValueError(f"n_init is {n_init!r}; restarts are compared, so give a whole number from 2.")
    base = check_request(estimator, ranks, n_init, random_state)
    path = rank_path(X, ranks, n_init, estimator=base, progress=progress, checkpoint=checkpoint)
    models = {int(rank): [fit.model for fit in path.fits if fit.rank == rank] for rank in ranks}
    return Stability(tuple(_compare(rank, of_rank) for rank, of_rank in models.items()))


def _compare(rank: int, models: list[CoupledNMF]) -> RankStability:
    directions = [_directions(model) for model in models]
    best = int(np.argmin([model.reconstruction_err_ for model in models]))
    pairs = [matched_cosines(a, b).mean() for a, b in itertools.combinations(directions, 2)]
    others = [matched_cosines(directions[best], other) for i, other in enumerate(directions) if i != best]
    return RankStability(rank, float(np.mean(pairs)), np.mean(others, axis=0), models[best])


def _directions(model: CoupledNMF) -> NDArray[np.float64]:
    """Components as J sees them, by block weights, of unit norm; a component of zeros stays so and is like none."""
    weights = np.repeat(np.sqrt(model.block_weights_), model.layout_.sizes)
    H = to_host(model.components_).astype(np.float64) * weights
    norms = np.linalg.norm(H, axis=1, keepdims=True)
    return H / np.where(norms > 0, norms, 1.0)


def matched_cosines(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cosine of each row of ``a`` with its match in ``b``; rows of unit norm, the same number in both."""
    cosines = a @ b.T
    rows, columns = linear_sum_assignment(cosines, maximize=True)
    return cosines[rows, columns]
