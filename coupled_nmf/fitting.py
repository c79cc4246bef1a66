"""One fit of checked data: starts, the loop from each, and F for the components that are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.alternation import FIRST_SWEEPS, Alternation, Callback
from coupled_nmf.frobenius import Solution
from coupled_nmf.interrupts import INTERRUPTS
from coupled_nmf.judging import WINDOW
from coupled_nmf.lowrank import StandIn
from coupled_nmf.plan import Plan
from coupled_nmf.prepared import Prepared
from coupled_nmf.solvers import SOLVERS
from coupled_nmf.starts import Start, find_start, shared_stand_in, start_from

WARM_WINDOW = 2  # iterations over which the fall of J is looked at after a compressed start


@dataclass(frozen=True)
class Fit:
    """What one start led to: H, F and what is left, J with the penalties, and how the loop went."""

    H: NDArray[Any]
    solution: Solution
    objective: float
    history: list[float]
    n_iter: int
    converged: bool
    stopped: bool
    interrupted: bool


@dataclass(frozen=True)
class Limits:
    """When the loop ends, who hears of it, and whether what Ctrl-C leaves is kept."""

    max_iter: int
    tol: float
    callbacks: Sequence[Callback]
    interruptible: bool

    def __post_init__(self) -> None:
        for callback in self.callbacks:
            if not callable(callback):
                raise TypeError(f"callbacks holds {callback!r}; each is called with an IterationInfo.")


def best_fit(
    data: Prepared,
    plan: Plan,
    limits: Limits,
    rng: np.random.RandomState,
    *,
    n_init: int = 1,
    F: Any = None,
    H: Any = None,
    stand_in: StandIn | None = None,
    warm: NDArray[Any] | None = None,
) -> Fit:
    """Fit from ``n_init`` starts and return the best; or from ``warm``, components that were found before.

    ``stand_in`` is one that was made before.
    """
    if warm is not None:
        return fit_from(data, plan, limits, start_from(data, plan, warm))
    if plan.fixed is not None and plan.n_fixed == plan.k:
        return _finish(data, plan.reading(data), plan.fixed.copy(), [], (True, False, False), limits)
    held = [shared_stand_in(data, plan, rng) if stand_in is None else stand_in]
    best: Fit | None = None
    for left in reversed(range(n_init)):  # the last start takes the stand-in, which is then free
        try:
            start = find_start(data, plan, rng, F, H, held[0] if left else held.pop())
            found = fit_from(data, plan, limits, start)
        except KeyboardInterrupt:
            if best is None or not limits.interruptible:
                raise
            return replace(best, interrupted=True)
        if best is None or found.objective < best.objective:
            best = found
        if found.stopped or found.interrupted:
            return replace(best, interrupted=found.interrupted)
    assert best is not None
    return best


def fit_from(data: Prepared, plan: Plan, limits: Limits, start: Start) -> Fit:
    """Alternate from a start, and solve for F. What the loop needed beside H is free by then."""
    reading = plan.reading(data)
    data.clear_unseen(start.H, plan.n_fixed)
    loop = Alternation(reading, plan.rule, extrapolated=plan.extrapolated, fixed=plan.n_fixed).run(
        start.F,
        start.H,
        max_iter=limits.max_iter,
        tol=limits.tol,
        callbacks=limits.callbacks,
        first_solver=SOLVERS[plan.solver].rule(FIRST_SWEEPS) if start.kind == "cold" else None,
        window=WARM_WINDOW if start.kind == "warm" else WINDOW,
        interruptible=limits.interruptible,
    )
    H = data.backend.host(loop.H)
    data.clear_unseen(H, plan.n_fixed)
    if plan.init != "custom":
        H = sort_components(data, loop.F, H, scaled=not reading.penalties.any, fixed=plan.n_fixed)
    history, ended = loop.history, (loop.converged, loop.stopped, loop.interrupted)
    del loop, start
    return _finish(data, reading, H, history, ended, limits)


def _finish(
    data: Prepared, reading: Any, H: NDArray[Any], history: list[float], ended: tuple[bool, bool, bool], limits: Limits
) -> Fit:
    """F for H, and J; the loop has settled, was stopped by a callback, or interrupted.

    Where what Ctrl-C leaves is kept, it waits until there is an F.
    """
    INTERRUPTS.defer(whether=limits.interruptible)
    try:
        solution = reading.solve(H)
    finally:
        INTERRUPTS.defer(whether=False)
    objective = float(data.alpha @ solution.losses)
    if reading.penalties.any:
        objective += reading.penalties.of(data.backend.host(solution.F), H, data.X.layout, data.weights)
    converged, stopped, interrupted = ended
    interrupted |= limits.interruptible and INTERRUPTS.take()
    return Fit(H, solution, objective, history, len(history), converged, stopped, interrupted)


def sort_components(data: Prepared, F: Any, H: NDArray[Any], *, scaled: bool, fixed: int = 0) -> NDArray[Any]:
    """H in order of falling energy; if ``scaled``, with rows of unit norm; the first ``fixed`` rows stay."""
    norms = np.sqrt(np.einsum("ij,ij->i", H, H, dtype=np.float64))
    energy = data.backend.column_squares(F, data.weights) * norms**2
    energy[:fixed], norms[:fixed] = np.inf, 1.0  # first, in the order that they have
    if scaled:
        H = H / np.where(norms > 0, norms, 1.0).astype(H.dtype)[:, None]
    return H[np.argsort(-energy, kind="stable")]
