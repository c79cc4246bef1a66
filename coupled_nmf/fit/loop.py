"""The one loop: sweep, move of H, decision, history, callbacks, end. It runs the same on every backend."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.problem.contracts import Alternated, Factor, Judge, Objective
from coupled_nmf.problem.control import NOISE, Terms, Verdict
from coupled_nmf.problem.solvers import Rule
from coupled_nmf.system.interrupts import INTERRUPTS

FIRST_SWEEPS = 10  # inner sweeps of the first move of F when F has no start of its own


@dataclass(frozen=True)
class IterationInfo:
    """What a callback is told after every iteration.

    Attributes
    ----------
    iteration : int
        Number of the iteration, from 1.
    objective : float
        J of the factors that the loop holds; with extrapolation, of the point that was accepted last; see
        ``objective_history_`` of `CoupledNMF`.
    seconds : float
        Time since the loop began.
    F : ndarray of shape (n_samples, k)
        The F inside the loop, until the callback returns; a read-only view, copy it to keep it.
    H : ndarray of shape (k, n_features)
        The components inside the loop, likewise.
    """

    iteration: int
    objective: float
    seconds: float
    _factors: Callable[[], tuple[Factor, Factor]] = field(repr=False)  # from a device they come when asked for

    @property
    def F(self) -> Factor:
        """The F inside the loop."""
        return self._factors()[0]

    @property
    def H(self) -> Factor:
        """The components inside the loop."""
        return self._factors()[1]


Callback = Callable[[IterationInfo], bool | None]


@dataclass(frozen=True)
class Snapshot:
    """All that a loop goes on from: both factors and what they were before, or have room for, F's where its backend
    holds it (None: F moves in place) and H's in memory; the point, as its objective packs it, and the judge's state.
    """

    F: Factor
    other_F: Factor | None
    H: NDArray[Any]
    other_H: NDArray[Any]
    point: tuple[NDArray[Any], ...]
    judge: dict[str, NDArray[np.float64]]


class Keeping(Protocol):
    """Who is offered a snapshot after each iteration, and takes it if it is time."""

    def offer(self, n_iter: int, take: Callable[[], Snapshot], *, last: bool) -> None:
        """Hear that so many iterations are done, and whether they are the last."""


class Ending(NamedTuple):
    """What ended a loop: J's fall, a callback, or Ctrl-C; none of them, where it came to its last iteration."""

    converged: bool = False
    stopped: bool = False
    interrupted: bool = False


@dataclass(frozen=True)
class LoopResult:
    """What the loop leaves: the factors, J's history, and what ended it."""

    F: Factor
    H: Factor
    history: list[float]
    ending: Ending


@dataclass
class _State:
    """Both factors, room for the next ones (F's is F itself if it moves in place), and the point that F moves by."""

    F: Factor
    other_F: Factor
    H: Factor
    other_H: Factor
    point: Any
    n_decided: int | None = 0  # iterations that ended; None where a device decides

    def take(self, accepted: bool | None) -> None:
        """Hold what was found, or not; in one step, that an interrupt finds it done or not begun."""
        n = None if accepted is None or self.n_decided is None else self.n_decided + 1
        if accepted:
            self.F, self.other_F, self.H, self.other_H, self.n_decided = self.other_F, self.F, self.other_H, self.H, n
        else:
            self.n_decided = n

    def held(self, verdict: Verdict) -> tuple[Any, Any]:
        """F and H as they were accepted last."""
        return (self.other_F, self.other_H) if verdict.flipped else (self.F, self.H)


class Alternation:
    """Alternate between F and H until J stops falling.

    Parameters
    ----------
    objective : Alternated
        X, or what stands in for it.
    rule : Rule
        How a factor moves.
    extrapolated : bool
        Whether both factors are extrapolated.
    fixed : int
        Components that do not move: the first ones.
    """

    def __init__(self, objective: Alternated, rule: Rule, *, extrapolated: bool, fixed: int = 0) -> None:
        self.objective, self.rule, self.extrapolated = objective, rule, extrapolated
        self._rule_of_H = rule._replace(fixed=fixed)

    def run(
        self,
        F: Any,
        H: Any,
        *,
        max_iter: int,
        tol: float,
        callbacks: Sequence[Callback] = (),
        first_rule: Rule | None = None,
        interruptible: bool = False,
        begun: Snapshot | None = None,
        keeper: Keeping | None = None,
    ) -> LoopResult:
        """Iterate from F and H (both overwritten, F may be None for zeros); ``first_rule`` makes F's first move.

        The loop ends when J falls by less than ``tol`` of itself in ``WINDOW`` iterations; if
        ``interruptible``, also at Ctrl-C, once an iteration is done. It goes on from ``begun`` as if it had not ended
        there; F and H are not looked at then.
        """
        began = time.perf_counter()
        judge = self._judge(max_iter, tol)
        state = self._begin(F, H) if begun is None else self._go_on(begun, judge)
        del F, H, begun  # or arrays that were moved to a device would stay
        stopped = interrupted = False
        verdict = judge.look()
        try:
            for iteration in range(len(verdict.history) + 1, 0 if verdict.settled else max_iter + 1):
                INTERRUPTS.check()
                self._iterate(state, judge, first_rule if first_rule and iteration == 1 else self.rule)
                if callbacks or iteration % judge.patience == 0 or iteration == max_iter:
                    verdict = judge.look()
                    stopped = bool(callbacks) and self._tell(callbacks, state, verdict, began)
                    ends = stopped or verdict.settled
                    if keeper is not None:
                        n_iter, last = len(verdict.history), ends or iteration == max_iter
                        keeper.offer(n_iter, lambda: self._snapshot(state, judge), last=last)
                    if ends:
                        break
        except KeyboardInterrupt:
            verdict = judge.look()
            if not (interruptible and verdict.history[: state.n_decided]):
                raise
            interrupted = True
        history = verdict.history[: state.n_decided]  # an interrupt may come between a decision and what it decides
        converged = verdict.settled and not (stopped or interrupted)
        return LoopResult(*state.held(verdict), history, Ending(converged, stopped, interrupted))

    def _judge(self, max_iter: int, tol: float) -> Judge:
        dtype = self.objective.tiles.dtype
        terms = Terms(self.extrapolated, tol, NOISE[dtype.char] * self.objective.weighted_squares, dtype)
        return self.objective.backend.judge(terms, max_iter)

    def _begin(self, F: Any, H: Any) -> _State:
        F, H = self.objective.hold(F, H)
        room = self.objective.backend.room_for
        return _State(F, room(F) if self.extrapolated else F, H, room(H), self.objective.point_of(H))

    def _go_on(self, begun: Snapshot, judge: Judge) -> _State:
        judge.unpack(begun.judge)
        objective = self._own_x()
        other_F, other_H = objective.hold(begun.F if begun.other_F is None else begun.other_F, begun.other_H)
        F, H = objective.hold(begun.F, begun.H)
        if begun.other_F is None:
            other_F = F
        return _State(F, other_F, H, other_H, objective.unpacked(begun.point), len(judge.look().history))

    def _snapshot(self, state: _State, judge: Judge) -> Snapshot:
        objective, host = self._own_x(), self.objective.backend.host
        other_F = None if state.other_F is state.F else state.other_F
        point = objective.packed(state.point)
        return Snapshot(state.F, other_F, host(state.H), host(state.other_H), point, judge.packed())

    def _own_x(self) -> Objective:
        """What is alternated on; of a stand-in nothing is kept."""
        objective: Any = self.objective
        return objective

    def _iterate(self, state: _State, judge: Judge, rule: Rule) -> None:
        """Move both factors, and hold what was found or not, as far as the host knows."""
        F, H = (state.F, state.other_F), (state.H, state.other_H)
        value, further = self.objective.move_both((rule, self._rule_of_H), state.point, F, H, judge.betas)
        accepted = judge.decide(value)
        state.take(accepted)
        state.point = self.objective.point_of(state.H) if accepted is False else further

    def _tell(self, callbacks: Sequence[Callback], state: _State, verdict: Verdict, began: float) -> bool:
        """Tell every callback; return whether one of them asks to stop."""
        backend, factors = self.objective.backend, state.held(verdict)
        info = IterationInfo(
            len(verdict.history),
            verdict.history[-1],
            time.perf_counter() - began,
            lambda: (backend.show(factors[0]), backend.show(factors[1])),
        )
        return any([callback(info) for callback in callbacks])  # every one hears of it  # noqa: C419
