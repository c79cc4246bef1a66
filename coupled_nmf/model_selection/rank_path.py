"""Many ranks and restarts on one X."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import check_random_state

from coupled_nmf.data.checks import learned_of_X, read_X
from coupled_nmf.fit.parameters import Parameters
from coupled_nmf.fit.session import Session
from coupled_nmf.fit.stand_in import StandIn
from coupled_nmf.fit.starts import shared_stand_in
from coupled_nmf.model.estimator import CoupledNMF
from coupled_nmf.model.sessions import fit_in, parameters_of, session_of, take_over
from coupled_nmf.model_selection.checkpoint import Checkpoint, checkpoint_folder
from coupled_nmf.model_selection.table import Table
from coupled_nmf.problem.coupling import warn_uncoupled


@dataclass(frozen=True)
class RankFit:
    """One fit of a `RankPath`.

    Attributes
    ----------
    rank : int
        The rank k.
    restart : int
        Number of the restart at this rank, from 0.
    seconds : float
        Time of this fit, without the stand-in that the fits share.
    model : CoupledNMF
        The fitted model.
    F : ndarray of shape (n_samples, k)
        The shared factor.
    """

    rank: int
    restart: int
    seconds: float
    model: CoupledNMF
    F: NDArray[Any]

    @property
    def objective(self) -> float:
        """J of the returned factors, ``reconstruction_err_`` squared."""
        return float(self.model.reconstruction_err_**2)

    @property
    def rmse(self) -> float:
        """√(Σ_b ‖X_b − F H_b‖² / entries of X)."""
        return self.model.rmse_

    @property
    def block_rmse(self) -> dict[str, float]:
        """The same per block."""
        return self.model.block_rmse_

    @property
    def n_iter(self) -> int:
        """Iterations on X."""
        return self.model.n_iter_


@dataclass(frozen=True, repr=False)
class RankPath(Table):
    """Fits over ranks and restarts, in the order in which they were made.

    Attributes
    ----------
    fits : tuple of RankFit
        All fits.
    shared_seconds : float
        Time of what the fits share: the check of X and the stand-in.
    """

    _printed = ("rank", "restart", "objective", "rmse", "n_iter", "seconds")

    fits: tuple[RankFit, ...]
    shared_seconds: float

    @property
    def best(self) -> dict[int, RankFit]:
        """The fit of lowest J of each rank."""
        found: dict[int, RankFit] = {}
        for fit in self.fits:
            if fit.rank not in found or fit.objective < found[fit.rank].objective:
                found[fit.rank] = fit
        return found

    @property
    def models(self) -> dict[int, CoupledNMF]:
        """The fitted model of lowest J of each rank."""
        return {rank: fit.model for rank, fit in self.best.items()}

    def rows(self) -> list[dict[str, Any]]:
        """One dict a fit: rank, restart, objective, rmse, ``rmse_<block>``, n_iter, seconds."""
        return [
            {name: getattr(fit, name) for name in self._printed}
            | {f"rmse_{name}": value for name, value in fit.block_rmse.items()}
            for fit in self.fits
        ]


def rank_path(
    X: Any,
    ranks: Sequence[int] | NDArray[np.integer[Any]],
    n_init: int = 1,
    *,
    estimator: CoupledNMF | None = None,
    progress: Callable[[int, int], None] | None = None,
    checkpoint: str | Path | None = None,
) -> RankPath:
    """Fit several ranks, each from several starts, on one X.

    X is checked once, and the fits share one low-rank stand-in where they start from one.

    Parameters
    ----------
    X : Blocks or array-like of shape (n_samples, n_features)
        As for `CoupledNMF.fit`.
    ranks : sequence of int
        The ranks k, each once.
    n_init : int, default=1
        Starts of each rank.
    estimator : CoupledNMF, default=None
        Gives every parameter but ``n_components``; left as it is. None: ``CoupledNMF()``. Its ``random_state`` seeds
        the whole path: each fit draws a seed of its own, which its model holds.
    progress : callable, default=None
        ``progress(done, total)`` after each fit.
    checkpoint : str or Path, default=None
        A folder, made if it is not there, in which every fit is kept as soon as it is finished. A later call with the
        same X, parameters and versions takes what is there and makes the rest, and its result is that of a call that
        ran through, to the bit (``n_jobs``, ``verbose`` and callbacks may differ; a fit that a callback ended counts as
        finished). X is still read, and what the fits share is made again. What is damaged is made anew, with a warning.
        Needs a ``random_state`` of the estimator that is a whole number.

    Returns
    -------
    RankPath

    Raises
    ------
    ValueError
        If ``ranks`` is empty, repeats itself or holds a number below 1, ``n_init`` is below 1, the start is custom,
        or X is refused; or if ``checkpoint`` is a file, or the ``random_state`` is not a whole number.

    Examples
    --------
    >>> from coupled_nmf import CoupledNMF, make_coupled_blocks, rank_path
    >>> X, _, _ = make_coupled_blocks(100, {"a": 30, "b": 20}, 3, noise=0.1, random_state=0)
    >>> path = rank_path(X, [1, 2, 3, 4], estimator=CoupledNMF(random_state=0))
    >>> [round(row["rmse"], 1) for row in path.rows()][:3]
    [2.6, 1.7, 0.4]
    """
    base = check_request(estimator, ranks, n_init)
    ranks = [int(k) for k in ranks]
    folder = checkpoint_folder(checkpoint, base.random_state)
    began = time.perf_counter()
    rng = check_random_state(base.random_state)
    checked = clone(base).set_params(n_components=max(ranks))
    checked._validate_params()
    matrix = read_X(checked, X, reset=True)
    fits = []
    with session_of(checked, matrix) as session:
        warn_uncoupled(session.problem)
        every = [replace(parameters_of(checked, session.problem), k=k) for k in ranks]
        _refuse(every, session, base.n_init)
        needs = {one.k: one for one in every if one.needs_stand_in(session.problem)}
        stand_in = shared_stand_in(session, needs[max(needs)], rng) if needs else None
        kept = None if folder is None else Checkpoint(folder, session)
        shared = time.perf_counter() - began
        try:
            for rank, restart in itertools.product(ranks, range(n_init)):
                model = clone(base).set_params(n_components=rank, random_state=int(rng.randint(2**31 - 1)))
                model.__dict__.update(learned_of_X(checked))
                # The stand-in is made for the largest rank, by the seed of the path.
                made_by = [int(max(needs)), base.random_state] if rank in needs else None
                F, seconds = _take_or_fit(kept, model, session, stand_in, made_by)
                fits.append(RankFit(rank, restart, seconds, model, F))
                if progress is not None:
                    progress(len(fits), len(ranks) * n_init)
        except KeyboardInterrupt as error:
            if folder is not None:
                error.add_note(f"{len(fits)} of {len(ranks) * n_init} fits are kept in {folder}; call again to go on.")
            raise
    return RankPath(tuple(fits), shared)


def _refuse(every: Sequence[Parameters], session: Session, n_init: int) -> None:
    """Raise for what a fit of these would refuse, before any work is done for all of them."""
    session.problem.refuse_nothing()
    memory = session.backend.memory()
    for parameters in every:
        parameters.refuse(session.problem, None, None, n_init, memory)


def _take_or_fit(
    kept: Checkpoint | None, model: CoupledNMF, session: Session, stand_in: StandIn | None, made_by: Any
) -> tuple[Any, float]:
    """F and the seconds of one fit: taken if it was finished before, else made, and kept."""
    taken = None if kept is None else kept.take(model, made_by)
    if taken is not None:
        return taken
    began = time.perf_counter()
    fit = fit_in(session, model, stand_in=stand_in, interruptible=False)
    F = take_over(session, model, fit)
    seconds = time.perf_counter() - began
    if kept is not None:
        kept.keep(model, made_by, fit.solution.F, seconds)
    return F, seconds


def check_request(
    estimator: CoupledNMF | None,
    ranks: Sequence[int] | NDArray[np.integer[Any]],
    n_init: int = 1,
    random_state: Any = None,
) -> CoupledNMF:
    """The estimator that gives every parameter but the rank, with ``random_state`` in place of its own unless None.

    Raises what `rank_path` raises for a request that cannot be met.
    """
    base = CoupledNMF() if estimator is None else estimator
    if not isinstance(base, CoupledNMF):
        raise TypeError(f"estimator is {base!r}; give an instance of CoupledNMF, as in CoupledNMF().")
    whole = (int, np.integer)
    listed = isinstance(ranks, (Sequence, np.ndarray))
    listed = listed and all(isinstance(k, whole) and not isinstance(k, bool) for k in ranks)
    if not listed:
        raise ValueError(f"ranks is {ranks!r}; give a list of whole numbers.")
    if len(ranks) == 0 or len(set(ranks)) < len(ranks) or min(ranks) < 1:
        raise ValueError(f"ranks is {list(ranks)}; give one or more ranks, each 1 or more, each once.")
    if n_init < 1:
        raise ValueError(f"n_init is {n_init}; each rank needs 1 start or more.")
    if base.init == "custom":
        raise ValueError("estimator has init='custom', but one start cannot serve several ranks; choose another init.")
    if base.checkpoint is not None:
        raise ValueError(
            f"estimator has checkpoint={os.fspath(base.checkpoint)!r}, which keeps how far one fit has come; pass "
            "checkpoint= beside it, which keeps the fits that are finished."
        )
    return base if random_state is None else clone(base).set_params(random_state=random_state)
