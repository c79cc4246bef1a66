"""Where a fit starts: chosen by ``init``, by the solver, and by what X is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.initialization import check_custom, draw_components, draw_uniform, lift_zeros, nndsvd
from coupled_nmf.lowrank import StandIn, find_stand_in, stand_in_width, start_on_stand_in, unweigh
from coupled_nmf.plan import FROM_STAND_IN, Plan
from coupled_nmf.prepared import Prepared
from coupled_nmf.tiled import TiledMatrix


@dataclass(frozen=True)
class Start:
    """F and H, and whether F is 'cold' (None: zero, to be found from H), 'given', or 'warm' (near the end already).

    A warm F is where the backend holds it.
    """

    F: Any
    H: NDArray[Any]
    kind: str


def shared_stand_in(data: Prepared, plan: Plan, rng: np.random.RandomState) -> StandIn | None:
    """The stand-in that the plan's starts need, if any."""
    if plan.resolve(data) not in FROM_STAND_IN:
        return None
    scale = float(np.sqrt(data.weighted_squares / data.entries.sum()))
    stand_in = find_stand_in(data.X, data.backend, data.column_weights, scale, plan.k, rng)
    if stand_in is not None and data.weights.size:
        stand_in.weigh(np.sqrt(data.weights))
    return stand_in


def find_start(
    data: Prepared, plan: Plan, rng: np.random.RandomState, F: Any, H: Any, stand_in: StandIn | None
) -> Start:
    """Find a start; ``stand_in`` is what `shared_stand_in` gave, or one that serves a larger rank."""
    return _with_fixed(plan, _custom(data.X, plan, F, H) if plan.init == "custom" else _draw(data, plan, rng, stand_in))


def start_from(data: Prepared, plan: Plan, H: NDArray[Any]) -> Start:
    """Start from components; F is to be found from them."""
    return _with_fixed(plan, _cold(data, plan, H))


def _with_fixed(plan: Plan, start: Start) -> Start:
    """The start with the components that are fixed, which are drawn as the others are and then replaced.

    Where F has a start of its own, its columns are scaled so that the products keep their size.
    """
    if plan.fixed is None or plan.n_fixed == 0:
        return start
    if start.F is not None:
        before, now = start.H[: plan.n_fixed].mean(axis=1), plan.fixed.mean(axis=1)
        start.F[:, : plan.n_fixed] *= np.divide(before, now, out=np.ones_like(now), where=now > 0)
    return replace(start, H=plan.with_fixed(start.H))


def _draw(data: Prepared, plan: Plan, rng: np.random.RandomState, stand_in: StandIn | None) -> Start:
    X, init = data.X, plan.resolve(data)
    if init == "uniform":
        F, H = draw_uniform(rng, X.shape, plan.k, X.dtype)
    elif init == "random" or stand_in is None:  # none: the rows that were looked at are all zero
        H = draw_components(rng, X.shape[1], plan.k, X.dtype, data.mean)
        return _cold(data, plan, H * X.dtype.type(plan.balance(data)))
    elif init == "compressed":
        stand_in = stand_in.first(stand_in_width(plan.k))  # it may serve larger ranks
        found = start_on_stand_in(stand_in, plan.rule, plan.k, rng, extrapolated=plan.extrapolated)
        share, backend = np.sqrt(stand_in.scale), data.backend
        backend.scale(found.F, share)
        if data.weights.size:
            backend.scale(found.F, unweigh(np.ones((1, len(data.weights))), data.weights)[0])
        H = backend.host(found.H).T * data.X.dtype.type(share)
        return Start(found.F, unweigh(H, data.column_weights), "warm")
    else:
        U, s, Vt = stand_in.svd()
        if len(s) < plan.k:  # X has a smaller rank
            return _draw(data, replace(plan, init="random"), rng, None)
        Vt = unweigh(Vt, data.column_weights)
        F, H = nndsvd(U, s, Vt, plan.k, data.mean if init == "nndsvda" else 0.0)
    return Start(None, H, "cold") if plan.from_h else Start(F, H, "given")


def _cold(data: Prepared, plan: Plan, H: NDArray[Any]) -> Start:
    shape, dtype = (data.X.shape[0], plan.k), data.X.dtype
    H = H.astype(dtype, order="C")
    if plan.from_h:
        return Start(None, H, "cold")
    # Where a zero never moves, F starts at one and the same number.
    return Start(np.full(shape, np.sqrt(data.mean / plan.k), dtype), lift_zeros(H), "cold")


def _custom(X: TiledMatrix, plan: Plan, F: Any, H: Any) -> Start:
    H = check_custom("H", H, (plan.k, X.shape[1]), X.dtype)
    if not np.array_equal(H, plan.with_fixed(H)):
        raise ValueError("the first rows of H are not those of fixed_components; a start of your own begins with them.")
    if F is None:
        return Start(None, H, "cold")
    return Start(check_custom("F", F, (X.shape[0], plan.k), X.dtype), H, "given")
