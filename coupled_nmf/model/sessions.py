"""An estimator's fit on X: where it runs, what it goes by, and what the estimator has then learned."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from coupled_nmf.data.arrays import to_host
from coupled_nmf.data.blocks import BlockLayout
from coupled_nmf.data.digests import digest_of_arrays
from coupled_nmf.data.tiled_matrix import TiledMatrix
from coupled_nmf.fit.batches import Stream
from coupled_nmf.fit.best_fit import Fit, Given, Limits, best_fit
from coupled_nmf.fit.checkpoint import Keeper
from coupled_nmf.fit.loop import Callback
from coupled_nmf.fit.parameters import Parameters
from coupled_nmf.fit.session import Place, Session, open_session
from coupled_nmf.fit.stand_in import StandIn
from coupled_nmf.fit.starts import revived
from coupled_nmf.model.identity import params_of, refuse_checkpoint, versions
from coupled_nmf.model.known_components import read_fixed
from coupled_nmf.model.learning import learned_components
from coupled_nmf.problem.contracts import Factor, Solution
from coupled_nmf.problem.problem import Problem
from coupled_nmf.problem.sample_weights import NO_WEIGHTS
from coupled_nmf.system.notices import warn_caller

LOGGER = logging.getLogger("coupled_nmf")


@contextmanager
def session_of(
    estimator: Any, X: TiledMatrix, sample_weight: Any = None, block_weights: Any = None, *, learns: bool = True
) -> Iterator[Session]:
    """A session on X as the estimator's parameters say; ``block_weights`` are those of an earlier fit, if any."""
    if learns and estimator.checkpoint is not None:
        refuse_checkpoint(estimator.checkpoint, estimator.random_state)
    place = Place(estimator.backend, estimator.precision, estimator.n_jobs)
    with open_session(
        X,
        place,
        int(estimator.n_components),
        estimator.beta_loss,
        sample_weight=sample_weight,
        block_weights=estimator.block_weights if block_weights is None else block_weights,
        learns=learns,
    ) as session:
        yield session


def parameters_of(estimator: Any, problem: Problem | None = None) -> Parameters:
    """What of the parameters a fit goes by; without a problem H does not move, and nothing needs to be fixed."""
    fixed = None
    if problem is not None:
        seen = getattr(estimator, "block_feature_names_", None) or {}
        if hasattr(estimator, "feature_names_in_"):
            seen = {"": tuple(estimator.feature_names_in_)}
        fixed = read_fixed(estimator.fixed_components, problem.X.layout, problem.X.dtype, seen)
    return Parameters(
        int(estimator.n_components), estimator.init, estimator.solver, estimator.inner_sweeps, estimator.extrapolate,
        estimator.beta_loss, estimator.alpha_F, estimator.alpha_H, estimator.l1_ratio, estimator.max_iter, fixed,
    )  # fmt: skip


def fit_in(
    session: Session,
    estimator: Any,
    *,
    F: Any = None,
    H: Any = None,
    stand_in: StandIn | None = None,
    warm: Any = None,
    told: Sequence[Callback] = (),
    interruptible: bool = True,
) -> Fit:
    """Learn H by the estimator's parameters; the estimator stays as it is.

    Parameters
    ----------
    session : Session
        Where, and on what.
    estimator : CoupledNMF
        Gives the parameters.
    F, H : array-like, default=None
        A start of the user's own.
    stand_in : StandIn, default=None
        One that was made before, for this rank or a larger one.
    warm : ndarray of shape (k, n_features), default=None
        Components to start from.
    told : sequence of callable, default=()
        Callbacks beside the user's.
    interruptible : bool, default=True
        Whether what Ctrl-C leaves is kept; else it comes out.
    """
    session.problem.refuse_nothing()
    parameters = parameters_of(estimator, session.problem)
    parameters.refuse(session.problem, F, H, estimator.n_init, session.backend.memory())
    parameters.warn(session.problem)
    own = () if estimator.callbacks is None else estimator.callbacks
    own = [own] if callable(own) else own
    limits = Limits(estimator.max_iter, estimator.tol, [*own, *told], interruptible)
    rng = check_random_state(estimator.random_state)
    given, keeper = Given(F, H, warm), None
    learns = warm is not None or parameters.n_fixed < parameters.k
    if estimator.checkpoint is not None and learns:
        keeper = _keeper(session, estimator, parameters.resolve(session.problem), given)
    return best_fit(session, parameters, limits, rng, given, n_init=estimator.n_init, stand_in=stand_in, keeper=keeper)


def _keeper(session: Session, estimator: Any, init: str, given: Given) -> Keeper:
    """Who keeps how far a fit has come, in the estimator's folder."""
    backend, problem = session.backend, session.problem
    params = params_of(estimator, problem.X)
    if estimator.n_init == 1:
        del params["max_iter"]  # the iterations until then are the same
    for name in ("backend", "warm_start", "forget_factor"):
        del params[name]  # said by what follows from them, or no matter
    about: dict[str, Any] = {
        "class": type(estimator).__qualname__,
        "backend": type(backend).__name__,
        "versions": versions(),
    }
    about |= params | {"init": init, "data": backend.digest(problem.X, problem.weights)}
    about["start"] = [None if one is None else digest_of_arrays([np.asarray(to_host(one))]) for one in given]
    return Keeper(estimator.checkpoint, about, problem.X, int(estimator.n_components), backend)


def take_over(session: Session, estimator: Any, fit: Fit) -> Factor:
    """Have the estimator learned a fit, and say how it went; return F, where X is."""
    estimator.__dict__.update(learned_of_fit(session, fit))
    tell_of_fit(session, estimator, fit)
    return session.backend.give(fit.solution.F)


def learned_of_fit(session: Session, fit: Fit) -> dict[str, Any]:
    """What an estimator has learned by a fit, by the attribute's name."""
    return {
        "components_": session.backend.give(fit.H),
        "n_components_": len(fit.H),
        "objective_history_": fit.history,
        "n_iter_": fit.n_iter,
        "block_weights_": session.problem.alpha,
    } | errors_of(session.problem, fit.solution)


def learned_of_batch(session: Session, model: Any) -> dict[str, Any]:
    """What a model has learned when it has learned from one more batch."""
    problem = session.problem
    stream = getattr(model, "_stream", None) or Stream(model.beta_loss)
    parameters = parameters_of(model, problem)
    H = revived(problem, parameters, check_random_state(model.random_state), learned_components(model))
    stream.refuse(parameters.loss, parameters.k, H)
    objective = session.objective(parameters, stream.samples_with(problem.n_samples, model.forget_factor))
    stream, moved, solution = stream.take(
        objective,
        problem.n_samples,
        parameters.rule_of_H,
        parameters.with_fixed(H),
        model.forget_factor,
        lifted=not parameters.from_h,
    )
    return errors_of(problem, solution) | {
        "components_": session.backend.give(moved),
        "objective_history_": [float(problem.alpha @ solution.losses)],
        "n_steps_": stream.n_batches,
        "_stream": stream,
    }


def errors_of(problem: Problem, solution: Solution) -> dict[str, Any]:
    """The errors of a solution, by the attribute's name."""
    layout: BlockLayout = problem.X.layout
    squares, entries = solution.squares, problem.entries
    return {
        "reconstruction_err_": float(np.sqrt(problem.alpha @ solution.losses)),
        "rmse_": _root_mean_square(squares.sum(), entries.sum()),
        "block_rmse_": {
            name: _root_mean_square(r, n) for name, n, r in zip(layout.names, entries, squares, strict=True)
        },
        "block_relative_error_": {
            name: float(r / s) if s > 0 else 0.0
            for name, r, s in zip(layout.names, squares, problem.squares, strict=True)
        },
    }


def _root_mean_square(squares: float, entries: float) -> float:
    """√(squares / entries), 0 where there are none. The paper does not define its RMSE; this is the project's own."""
    return float(np.sqrt(squares / entries)) if entries > 0 else 0.0


def tell_of_fit(session: Session, estimator: Any, fit: Fit) -> None:
    """Say how a fit went, where that is not as one would wish, or is asked for."""
    if estimator.verbose:
        LOGGER.info("%s: %d iterations, J %.6g", estimator, fit.n_iter, fit.objective)
    no_F = not session.backend.column_squares(fit.solution.F, NO_WEIGHTS).any()
    if session.problem.weighted_squares > 0 and no_F:
        warn_caller("Nothing is left of F: the penalties are too large for this X; lower alpha_F or alpha_H.")
    if fit.ending.interrupted:
        warn_of_interrupt(fit)
    elif estimator.tol > 0 and not fit.ending.converged and fit.n_iter == estimator.max_iter:
        warn_caller(
            f"CoupledNMF stopped at max_iter={estimator.max_iter} before J settled to tol={estimator.tol}; raise "
            "max_iter.",
            ConvergenceWarning,
        )


def warn_of_interrupt(fit: Fit) -> None:
    """Say how far a fit has come."""
    warn_caller(f"CoupledNMF was interrupted, and is fitted to iteration {fit.n_iter}.")
