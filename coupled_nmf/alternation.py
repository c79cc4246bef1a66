"""The one loop: sweep, move of H, decision, history, callbacks, end. It runs the same on every backend."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from numpy.typing import NDArray

from coupled_nmf.interrupts import INTERRUPTS
from coupled_nmf.judging import WINDOW, Judge, Terms, Verdict
from coupled_nmf.objective import NOISE
from coupled_nmf.steps import Sums
from coupled_nmf.tiled import TiledMatrix

FIRST_SWEEPS = 10  # inner sweeps of the first move of F when F has no start of its own


@dataclass(frozen=True)
class IterationInfo:
    """What a callback is told after every iteration.

    Attributes
    ----------
    iteration : int
        Number of the iteration, from 1.
    objective : float
        J of the factors that the loop holds; with extrapolation, of the point that was accepted last.
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
    _factors: Callable[[], tuple[Any, Any]] = field(repr=False)  # from a device they come when asked for

    @property
    def F(self) -> NDArray[Any]:
        """The F inside the loop."""
        found: NDArray[Any] = self._factors()[0]
        return found

    @property
    def H(self) -> NDArray[Any]:
        """The components inside the loop."""
        found: NDArray[Any] = self._factors()[1]
        return found


Callback = Callable[[IterationInfo], bool | None]


@dataclass(frozen=True)
class LoopResult:
    """What the loop leaves: the factors, J's history, and whether J's fall, a callback or Ctrl-C ended it."""

    F: Any
    H: Any
    history: list[float]
    n_iter: int
    converged: bool
    stopped: bool
    interrupted: bool = False


class Reading(Protocol):
    """What the loop alternates on: X itself, or something that stands in for it, where its backend holds it.

    A point is what F's move needs of an H; only the reading looks into it, as into sums and into the value of J, which
    its backend's judge reads.
    """

    backend: Any

    @property
    def tiles(self) -> TiledMatrix:
        """What is swept over."""

    @property
    def weighted_squares(self) -> float:
        """Σ_b α_b ‖X_b‖²: the scale of J, and of its rounding."""

    def hold(self, F: Any, H: Any) -> tuple[Any, Any]:
        """F and H where and as the moves take them; F of zeros if it is None. What is there already is overwritten."""

    def point_of(self, H: Any) -> Any:
        """The point of H itself."""

    def move_f(self, solver: Any, point: Any, F: Any, other: Any, betas: Any) -> Sums:
        """Move F; return what H's move needs. F, the one before, and the judge's betas as in `MoveF`."""

    def move_h(self, solver: Any, sums: Sums, H: Any, other: Any, betas: Any) -> tuple[Any, Any]:
        """Move H; return J at what is written to ``other``, given the F of the sums, and the point further on."""


@dataclass
class _State:
    """Both factors, room for the next ones (F's is F itself if it moves in place), and the point that F moves by."""

    F: Any
    other_F: Any
    H: Any
    other_H: Any
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
    reading : Reading
        X, or what stands in for it.
    solver : object
        How a factor moves, one of ``SOLVERS``.
    extrapolated : bool
        Whether both factors are extrapolated.
    fixed : int
        Components that do not move: the first ones.
    """

    def __init__(self, reading: Reading, solver: Any, *, extrapolated: bool, fixed: int = 0) -> None:
        self.reading, self.solver, self.extrapolated = reading, solver, extrapolated
        self._solver_of_H = solver._replace(fixed=fixed)

    def run(
        self,
        F: Any,
        H: Any,
        *,
        max_iter: int,
        tol: float,
        callbacks: Sequence[Callback] = (),
        first_solver: Any = None,
        window: int = WINDOW,
        interruptible: bool = False,
    ) -> LoopResult:
        """Iterate from F and H (both overwritten, F may be None for zeros); ``first_solver`` makes F's first move.

        The loop ends when J falls by less than ``tol`` of itself in ``WINDOW`` iterations, judged by the last
        ``window`` of them; if ``interruptible``, also at Ctrl-C, once an iteration is done.
        """
        began = time.perf_counter()
        judge, state = self._judge(max_iter, tol, window), self._begin(F, H)
        del F, H  # or arrays that were moved to a device would stay
        stopped = interrupted = False
        verdict = judge.look()
        try:
            for iteration in range(1, max_iter + 1):
                INTERRUPTS.check()
                first = first_solver is not None and iteration == 1
                self._iterate(state, judge, first_solver if first else self.solver)
                if callbacks or iteration % judge.patience == 0 or iteration == max_iter:
                    verdict = judge.look()
                    stopped = self._tell(callbacks, state, verdict, began)
                    if stopped or verdict.settled:
                        break
        except KeyboardInterrupt:
            verdict = judge.look()
            if not (interruptible and verdict.history[: state.n_decided]):
                raise
            interrupted = True
        history = verdict.history[: state.n_decided]  # an interrupt may come between a decision and what it decides
        converged = verdict.settled and not (stopped or interrupted)
        return LoopResult(*state.held(verdict), history, len(history), converged, stopped, interrupted)

    def _judge(self, max_iter: int, tol: float, window: int) -> Judge:
        dtype = self.reading.tiles.dtype
        terms = Terms(self.extrapolated, tol, window, NOISE[dtype.char] * self.reading.weighted_squares, dtype)
        judge: Judge = self.reading.backend.judge(terms, max_iter)
        return judge

    def _begin(self, F: Any, H: Any) -> _State:
        F, H = self.reading.hold(F, H)
        room = self.reading.backend.room_for
        return _State(F, room(F) if self.extrapolated else F, H, room(H), self.reading.point_of(H))

    def _iterate(self, state: _State, judge: Judge, solver: Any) -> None:
        """Move both factors, and hold what was found or not, as far as the host knows."""
        sums = self.reading.move_f(solver, state.point, state.F, state.other_F, judge.betas)
        value, further = self.reading.move_h(self._solver_of_H, sums, state.H, state.other_H, judge.betas)
        del sums  # or the sums of two iterations would stand side by side
        accepted = judge.decide(value)
        state.take(accepted)
        state.point = self.reading.point_of(state.H) if accepted is False else further

    def _tell(self, callbacks: Sequence[Callback], state: _State, verdict: Verdict, began: float) -> bool:
        """Tell every callback; return whether one of them asks to stop."""
        backend, factors = self.reading.backend, state.held(verdict)
        info = IterationInfo(
            len(verdict.history),
            verdict.history[-1],
            time.perf_counter() - began,
            lambda: (backend.show(factors[0]), backend.show(factors[1])),
        )
        return any([callback(info) for callback in callbacks])  # every one hears of it  # noqa: C419
