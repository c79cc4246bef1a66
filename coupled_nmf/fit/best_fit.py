"""One fit of checked data: starts, the loop from each, and F for the components that are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.fit.checkpoint import Before, Keeper, Progress
from coupled_nmf.fit.loop import Callback, Ending, Snapshot
from coupled_nmf.fit.parameters import Parameters
from coupled_nmf.fit.session import Session
from coupled_nmf.fit.stand_in import StandIn
from coupled_nmf.fit.starts import Start, alternation, find_start, first_rule, shared_stand_in, start_from
from coupled_nmf.problem.contracts import Factor, Objective, Solution
from coupled_nmf.system.interrupts import INTERRUPTS


@dataclass(frozen=True)
class Fit:
    """What one start led to: H, F and what is left, J with the penalties, and how the loop went."""

    H: NDArray[Any]
    solution: Solution
    objective: float
    history: list[float]
    ending: Ending

    @property
    def n_iter(self) -> int:
        """Iterations of the loop."""
        return len(self.history)

    @property
    def before(self) -> Before:
        """By which it can be found again."""
        return Before(self.H, self.history, self.ending)

    @property
    def as_interrupted(self) -> Fit:
        """The same, said to be interrupted: starts that were asked for are left out."""
        return replace(self, ending=self.ending._replace(interrupted=True))


class Given(NamedTuple):
    """What a fit begins with: F and H of the user's own, or components that were found before; else it is drawn."""

    F: Any
    H: Any
    warm: NDArray[Any] | None


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
    session: Session,
    parameters: Parameters,
    limits: Limits,
    rng: np.random.RandomState,
    given: Given,
    *,
    n_init: int,
    stand_in: StandIn | None,
    keeper: Keeper | None,
) -> Fit:
    """Fit from ``n_init`` starts and return the best; from components that are ``given`` it is one.

    ``stand_in`` is one that was made before; what ``keeper`` has kept of this fit is gone on from.
    """
    if parameters.fixed is not None and parameters.n_fixed == parameters.k and given.warm is None:
        return _finish(
            session, session.objective(parameters), parameters.fixed.copy(), [], Ending(converged=True), limits
        )
    progress = None if keeper is None else keeper.take(limits.max_iter, n_init)
    starts = _Starts(session, parameters, rng, given, n_init, stand_in, progress)
    best = None if progress is None else _found_again(session, parameters, limits, progress.before)
    del progress, stand_in
    if best is not None and best.ending.interrupted:
        return best
    for number in starts.numbers:
        try:
            if keeper is not None:
                keeper.begin(number, rng, None if best is None else best.before)
            # No name holds the start, nor the stand-in: both are free when the loop no longer needs them.
            found = fit_from(session, parameters, limits, starts.take(), keeper)
        except KeyboardInterrupt:
            if best is None or not limits.interruptible:
                raise
            return best.as_interrupted
        if best is None or found.objective < best.objective:
            best = found
        if found.ending.interrupted:
            return best.as_interrupted
        if found.ending.stopped:
            return best
    assert best is not None
    return best


class _Starts:
    """The starts of a fit, one after the other; the first is where a fit was left, if it was."""

    def __init__(
        self,
        session: Session,
        parameters: Parameters,
        rng: np.random.RandomState,
        given: Given,
        n_init: int,
        stand_in: StandIn | None,
        progress: Progress | None,
    ) -> None:
        self._session, self._parameters, self._rng = session, parameters, rng
        self._given = given
        self._snapshot = None if progress is None else progress.snapshot
        self.numbers = range(0 if progress is None else progress.start, n_init if given.warm is None else 1)
        self._left = len(self.numbers)
        if stand_in is None and given.warm is None and (progress is None or self._left > 1):
            stand_in = shared_stand_in(session, parameters, rng)
        self._stand_in = stand_in
        if progress is not None:
            rng.set_state(progress.rng)

    def take(self) -> Start | Snapshot:
        """The next one; with the last the stand-in is given away, which is then free."""
        self._left -= 1
        if self._snapshot is not None:
            snapshot, self._snapshot = self._snapshot, None
            return snapshot
        if self._given.warm is not None:
            return start_from(self._session, self._parameters, self._rng, self._given.warm)
        stand_in = self._stand_in
        if self._left == 0:
            self._stand_in = None
        return find_start(self._session, self._parameters, self._rng, self._given.F, self._given.H, stand_in)


def _found_again(session: Session, parameters: Parameters, limits: Limits, before: Before | None) -> Fit | None:
    """The best of the starts before, with its F."""
    if before is None:
        return None
    ending = before.ending._replace(interrupted=False)  # that of then is over
    return _finish(session, session.objective(parameters), before.H, before.history, ending, limits)


def fit_from(
    session: Session, parameters: Parameters, limits: Limits, start: Start | Snapshot, keeper: Keeper | None = None
) -> Fit:
    """Alternate from a start, and solve for F. What the loop needed beside H is free by then."""
    objective, first = session.objective(parameters), None
    if isinstance(start, Start):
        session.problem.clear_unseen(start.H, parameters.n_fixed)
        first = first_rule(parameters, start)
    loop = alternation(objective, parameters).run(
        start.F,
        start.H,
        max_iter=limits.max_iter,
        tol=limits.tol,
        callbacks=limits.callbacks,
        first_rule=first,
        interruptible=limits.interruptible,
        begun=start if isinstance(start, Snapshot) else None,
        keeper=keeper,
    )
    H = session.backend.host(loop.H)
    session.problem.clear_unseen(H, parameters.n_fixed)
    if parameters.init != "custom":
        H = sort_components(session, loop.F, H, scaled=not objective.penalties.any, fixed=parameters.n_fixed)
    history, ending = loop.history, loop.ending
    del loop, start
    return _finish(session, objective, H, history, ending, limits)


def _finish(
    session: Session,
    objective: Objective,
    H: NDArray[Any],
    history: list[float],
    ending: Ending,
    limits: Limits,
) -> Fit:
    """F for H, and J.

    Where what Ctrl-C leaves is kept, it waits until there is an F.
    """
    INTERRUPTS.defer(whether=limits.interruptible)
    try:
        solution = objective.solve(H)
    finally:
        INTERRUPTS.defer(whether=False)
    backend, problem, penalties = session.backend, session.problem, objective.penalties
    J = float(problem.alpha @ solution.losses)
    if penalties.any:
        sums = (of(solution.F, problem.weights).sum() for of in (backend.column_sums, backend.column_squares))
        J += penalties.on_F(*map(float, sums)) + penalties.on_H(H, problem.X.layout)
    pressed = limits.interruptible and INTERRUPTS.take()
    return Fit(H, solution, J, history, ending._replace(interrupted=ending.interrupted or pressed))


def sort_components(session: Session, F: Factor, H: NDArray[Any], *, scaled: bool, fixed: int = 0) -> NDArray[Any]:
    """H in order of falling energy; if ``scaled``, with rows of unit norm; the first ``fixed`` rows stay."""
    norms = np.sqrt(np.einsum("ij,ij->i", H, H, dtype=np.float64))
    energy = session.backend.column_squares(F, session.problem.weights) * norms**2
    energy[:fixed], norms[:fixed] = np.inf, 1.0  # first, in the order that they have
    if scaled:
        H = H / np.where(norms > 0, norms, 1.0).astype(H.dtype)[:, None]
    return H[np.argsort(-energy, kind="stable")]
