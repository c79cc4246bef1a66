"""The one loop: sweep, move of H, objective, extrapolation, stopping, history, callbacks."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.objective import NOISE
from coupled_nmf.steps import Sums
from coupled_nmf.tiled import TiledMatrix

WINDOW = 5  # iterations over which the fall of J is looked at
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
        The F inside the loop; a read-only view, copy it to keep it.
    H : ndarray of shape (k, n_features)
        The components inside the loop; a read-only view.
    """

    iteration: int
    objective: float
    seconds: float
    F: NDArray[Any] = field(repr=False)
    H: NDArray[Any] = field(repr=False)


Callback = Callable[[IterationInfo], bool | None]


@dataclass(frozen=True)
class LoopResult:
    """What the loop leaves: the factors, J's history, and whether J's fall, a callback or Ctrl-C ended it."""

    F: NDArray[Any]
    H: NDArray[Any]
    history: list[float]
    n_iter: int
    converged: bool
    stopped: bool
    interrupted: bool = False


@dataclass
class Momentum:
    """How far to extrapolate: Ang and Gillis (2019), Algorithm 3. ``beta`` grows while J falls, and is cut when not."""

    beta: float = 0.5
    ceiling: float = 1.0
    growth: float = 1.05
    ceiling_growth: float = 1.01
    cut: float = 1.5
    _good: float = 0.5

    def accept(self) -> None:
        """Go further next time, up to the ceiling, which rises slowly."""
        self._good = self.beta
        self.beta = min(self.ceiling, self.growth * self.beta)
        self.ceiling = min(1.0, self.ceiling_growth * self.ceiling)

    def reject(self) -> None:
        """Go less far, and remember where it went wrong."""
        self.ceiling = self._good
        self.beta /= self.cut


def _view(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view


class Reading(Protocol):
    """What the loop alternates on: X itself, or something that stands in for it.

    A point is what F's move needs of an H; only the reading looks into it.
    """

    @property
    def tiles(self) -> TiledMatrix:
        """What is swept over."""

    @property
    def weighted_squares(self) -> float:
        """Σ_b α_b ‖X_b‖²: the scale of J, and of its rounding."""

    def point_of(self, H: NDArray[Any]) -> Any:
        """The point of H itself."""

    def move_f(self, solver: Any, point: Any, F: NDArray[Any], other: NDArray[Any], betas: tuple[float, float]) -> Sums:
        """Move F; return what H's move needs. F, the one before, and betas as in `MoveF`."""

    def move_h(
        self, solver: Any, sums: Sums, H: NDArray[Any], other: NDArray[Any], betas: tuple[float, float]
    ) -> tuple[float, Any]:
        """Move H; return J at what is written to ``other``, given the F of the sums, and the point further on."""


@dataclass
class _State:
    """Both factors, room for the next ones (F's is F itself if it moves in place), the point that F moves by, J."""

    F: NDArray[Any]
    other_F: NDArray[Any]
    H: NDArray[Any]
    other_H: NDArray[Any]
    point: Any
    last_beta: float = 0.0
    rejected: bool = False
    history: list[float] = field(default_factory=list)

    def swap(self, point: Any, beta: float) -> None:
        """Hold what was found."""
        self.F, self.other_F, self.H, self.other_H = self.other_F, self.F, self.other_H, self.H
        self.point, self.last_beta, self.rejected = point, beta, False


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
    """

    def __init__(self, reading: Reading, solver: Any, *, extrapolated: bool) -> None:
        self.reading, self.solver = reading, solver
        self.momentum = Momentum() if extrapolated else None

    def run(
        self,
        F: NDArray[Any],
        H: NDArray[Any],
        *,
        max_iter: int,
        tol: float,
        callbacks: Sequence[Callback] = (),
        first_solver: Any = None,
        window: int = WINDOW,
        interruptible: bool = False,
    ) -> LoopResult:
        """Iterate from F (overwritten) and H (overwritten); ``first_solver`` makes the first move of F.

        The loop ends when J falls by less than ``tol`` of itself in ``WINDOW`` iterations, judged by the last
        ``window`` of them; if ``interruptible``, also at Ctrl-C, once an iteration is done.
        """
        began = time.perf_counter()
        state = _State(F, np.empty_like(F) if self.momentum else F, H, np.empty_like(H), self.reading.point_of(H))
        converged = stopped = interrupted = False
        try:
            for iteration in range(1, max_iter + 1):
                first = first_solver is not None and iteration == 1
                settles = self._iterate(state, first_solver if first else self.solver)
                seconds = time.perf_counter() - began
                info = IterationInfo(iteration, state.history[-1], seconds, _view(state.F), _view(state.H))
                stopped = any([callback(info) for callback in callbacks])  # every one hears of it  # noqa: C419
                converged = not stopped and settles and self._settled(state.history, tol, window)
                if stopped or converged:
                    break
        except KeyboardInterrupt:
            if not (interruptible and state.history):
                raise
            interrupted = True
        return LoopResult(state.F, state.H, state.history, len(state.history), converged, stopped, interrupted)

    def _iterate(self, state: _State, solver: Any) -> bool:
        """Move both factors; return whether J's fall may be judged by this iteration."""
        history, restart = state.history, state.rejected
        beta = self.momentum.beta if self.momentum and history and not restart else 0.0
        betas = (state.last_beta, beta)
        sums = self.reading.move_f(solver, state.point, state.F, state.other_F, betas)
        value, point = self.reading.move_h(self.solver, sums, state.H, state.other_H, betas)
        del sums  # or the sums of two iterations would stand side by side
        if not np.isfinite(value):
            raise ValueError(
                f"J overflows in {state.F.dtype}: scale X down, or the start if it is your own, or pass X as float64."
            )
        value = max(value, 0.0)
        # J belongs to an extrapolated F, and may lie below that of the F that is held: the plain step after a
        # rejection is kept whatever its J, or nothing would be accepted any more.
        if self.momentum and history and not restart and value > history[-1]:
            self.momentum.reject()
            state.point, state.last_beta, state.rejected = self.reading.point_of(state.H), 0.0, True
            history.append(history[-1])
            return False
        if self.momentum and not restart:
            self.momentum.accept()
        state.swap(point, beta)
        history.append(value)
        return not restart

    def _settled(self, history: list[float], tol: float, window: int) -> bool:
        """J falls too slowly, or is below what its sums resolve."""
        if tol == 0:
            return False
        if history[-1] <= NOISE[self.reading.tiles.dtype.char] * self.reading.weighted_squares:
            return True
        fall = history[-1 - window] - history[-1] if len(history) > window else np.inf
        return fall * WINDOW <= tol * history[-1] * window
