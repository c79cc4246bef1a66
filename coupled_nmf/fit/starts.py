"""Where a fit starts: chosen by ``init``, by the solver, and by what X is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.data.tiled_matrix import TiledMatrix
from coupled_nmf.fit.costs import stand_in_width
from coupled_nmf.fit.initial_factors import (
    LIFT_OF_HALS,
    check_custom,
    draw_components,
    draw_uniform,
    lift_zeros,
    nndsvd,
)
from coupled_nmf.fit.loop import FIRST_SWEEPS, Alternation
from coupled_nmf.fit.parameters import Parameters
from coupled_nmf.fit.session import Session
from coupled_nmf.fit.stand_in import StandIn, find_stand_in, start_on_stand_in, unweigh
from coupled_nmf.problem.contracts import Alternated, Factor
from coupled_nmf.problem.draws import DrawnF
from coupled_nmf.problem.problem import Problem
from coupled_nmf.problem.solvers import SOLVERS, Rule

TOL_OF_HALS = 1e-3  # of J, in the iterations that find a start for another loss


@dataclass(frozen=True)
class Start:
    """F and H, and whether F is 'cold' (None: zero, to be found from H), 'given', or 'warm' (near the end already).

    A warm F is where the backend holds it.
    """

    F: Factor | None
    H: NDArray[Any]
    kind: str


def shared_stand_in(session: Session, parameters: Parameters, rng: np.random.RandomState) -> StandIn | None:
    """The stand-in that starts of these parameters need, if any."""
    problem = session.problem
    if not parameters.needs_stand_in(problem):
        return None
    scale = float(np.sqrt(problem.weighted_squares / problem.entries.sum()))
    squares = problem.weighted_squares / scale**2
    stand_in = find_stand_in(problem.X, session.backend, problem.column_weights, scale, parameters.k, rng, squares)
    if stand_in is not None and problem.weights.size:
        session.backend.weigh(stand_in.Y, problem.weights, 0.5)
    return stand_in


def find_start(
    session: Session, parameters: Parameters, rng: np.random.RandomState, F: Any, H: Any, stand_in: StandIn | None
) -> Start:
    """Find a start; ``stand_in`` is what `shared_stand_in` gave, or one that serves a larger rank."""
    if parameters.init == "custom":
        return _with_fixed(session, parameters, _custom(session.problem.X, parameters, F, H))
    return _with_fixed(session, parameters, _draw(session, parameters, rng, stand_in))


def start_from(session: Session, parameters: Parameters, rng: np.random.RandomState, H: NDArray[Any]) -> Start:
    """Start from components; F is to be found from them."""
    return _with_fixed(session, parameters, _cold(session, parameters, revived(session.problem, parameters, rng, H)))


def revived(problem: Problem, parameters: Parameters, rng: np.random.RandomState, H: NDArray[Any]) -> NDArray[Any]:
    """H, or a copy where components of zeros, which no solver moves, are drawn anew; those that are fixed stay."""
    dead = np.flatnonzero(~np.any(H, axis=1))
    dead = dead[dead >= parameters.n_fixed]
    if len(dead) == 0 or problem.mean == 0:
        return H
    drawn = draw_components(rng, H.shape[1], len(H), H.dtype, problem.mean)
    problem.clear_unseen(drawn)
    found = H.copy()
    found[dead] = drawn[dead] * H.dtype.type(parameters.balance(problem))
    return found


def _with_fixed(session: Session, parameters: Parameters, start: Start) -> Start:
    """The start with the components that are fixed, which are drawn as the others are and then replaced.

    Where F has a start of its own, its columns are scaled so that the products keep their size.
    """
    if parameters.fixed is None or parameters.n_fixed == 0:
        return start
    if start.F is not None:
        before, now = start.H[: parameters.n_fixed].mean(axis=1), parameters.fixed.mean(axis=1)
        by = np.divide(before, now, out=np.ones_like(now), where=now > 0)
        if isinstance(start.F, DrawnF):
            start = replace(start, F=start.F.scaled(by))
        elif isinstance(start.F, np.ndarray):
            start.F[:, : parameters.n_fixed] *= by
        else:
            session.backend.scale(start.F, np.concatenate([by, np.ones(parameters.k - parameters.n_fixed)]))
    return replace(start, H=parameters.with_fixed(start.H))


def _draw(session: Session, parameters: Parameters, rng: np.random.RandomState, stand_in: StandIn | None) -> Start:
    problem = session.problem
    X, init = problem.X, parameters.resolve(problem)
    if init == "uniform":
        F, H = draw_uniform(rng, X.shape[1], parameters.k, X.dtype)
    elif init == "hals":
        return _by_hals(session, parameters, rng, stand_in)
    elif init == "random" or stand_in is None:  # none: the rows that were looked at are all zero
        H = draw_components(rng, X.shape[1], parameters.k, X.dtype, problem.mean)
        return _cold(session, parameters, H * X.dtype.type(parameters.balance(problem)))
    elif init == "compressed":
        stand_in = stand_in.first(stand_in_width(parameters.k))  # it may serve larger ranks
        found_F, found_H = start_on_stand_in(
            stand_in,
            parameters.rule,
            parameters.k,
            rng,
            extrapolated=parameters.extrapolated,
            on_all=parameters.costs(problem).all_of_stand_in_pays,
        )
        share, backend = np.sqrt(stand_in.scale), session.backend
        H = unweigh(backend.host(found_H).T * problem.X.dtype.type(share), problem.column_weights)
        if found_F is None:
            return _cold(session, parameters, H)
        warm = backend.place(found_F, parameters.k)
        backend.scale(warm, share)
        if problem.weights.size:
            backend.weigh(warm, problem.weights, -0.5)
        return Start(warm, H, "warm")
    else:
        W, s, Vt = stand_in.svd(parameters.k)
        if len(s) < parameters.k:  # X has a smaller rank
            return _draw(session, replace(parameters, init="random"), rng, None)
        Vt, fill = unweigh(Vt, problem.column_weights), problem.mean if init == "nndsvda" else 0.0
        by, H = nndsvd(session.backend.signed_squares(stand_in.Y, W), s, Vt, fill)
        if not parameters.from_h:
            return Start(session.backend.rectified(stand_in.Y, W * by, fill), H, "given")
    return Start(None, H, "cold") if parameters.from_h else Start(F, H, "given")


def _by_hals(session: Session, parameters: Parameters, rng: np.random.RandomState, stand_in: StandIn | None) -> Start:
    """Where a few iterations of HALS end, for the squares: near where another loss is low, and soon there.

    Zeros are lifted, for solvers that never move one; components that died begin anew.
    """
    problem, backend, of_hals, n_fixed = session.problem, session.backend, parameters.by_hals, parameters.n_fixed
    by = np.ones(parameters.k)
    if parameters.fixed is not None:  # the squares of small ones would not be numbers
        by[:n_fixed] = [1 / (float(row.max()) or 1.0) for row in parameters.fixed]
        of_hals = replace(of_hals, fixed=(parameters.fixed * by[:n_fixed, None]).astype(parameters.fixed.dtype))
    start = find_start(session, of_hals, rng, None, None, stand_in)
    problem.clear_unseen(start.H, n_fixed)
    loop = alternation(session.objective(of_hals), of_hals).run(
        start.F, start.H, max_iter=of_hals.max_iter, tol=TOL_OF_HALS, first_rule=first_rule(of_hals, start)
    )
    F, H = loop.F, parameters.with_fixed(backend.host(loop.H))
    if n_fixed:
        backend.scale(F, by)
    means, anew = backend.column_sums(F, problem.weights) / problem.n_samples, np.sqrt(problem.mean / parameters.k)
    backend.lift(F, np.where(means > 0, LIFT_OF_HALS * means, anew))
    return Start(F, lift_zeros(revived(problem, parameters, rng, H), n_fixed, LIFT_OF_HALS), "warm")


def alternation(objective: Alternated, parameters: Parameters) -> Alternation:
    """The loop with these parameters."""
    return Alternation(objective, parameters.rule, extrapolated=parameters.extrapolated, fixed=parameters.n_fixed)


def first_rule(parameters: Parameters, start: Start) -> Rule | None:
    """How F moves first, if not as it does from then on: where it is to be found from H, or is one number."""
    return SOLVERS[parameters.solver].rule(FIRST_SWEEPS) if start.kind == "cold" else None


def _cold(session: Session, parameters: Parameters, H: NDArray[Any]) -> Start:
    problem = session.problem
    dtype = problem.X.dtype
    H = H.astype(dtype, order="C")
    if parameters.from_h:
        return Start(None, H, "cold")
    # Where a zero never moves, F starts at one and the same number.
    F = DrawnF(np.ones(parameters.k), dtype, value=float(np.sqrt(problem.mean / parameters.k)))
    return Start(F, lift_zeros(H), "cold")


def _custom(X: TiledMatrix, parameters: Parameters, F: Any, H: Any) -> Start:
    H = check_custom("H", H, (parameters.k, X.shape[1]), X.dtype)
    if not np.array_equal(H, parameters.with_fixed(H)):
        raise ValueError("the first rows of H are not those of fixed_components; a start of your own begins with them.")
    if F is None:
        return Start(None, H, "cold")
    return Start(check_custom("F", F, (X.shape[0], parameters.k), X.dtype), H, "given")
