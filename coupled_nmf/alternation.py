"""The one loop: sweep, move of H, objective, extrapolation, stopping, history, callbacks."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.blocks import TiledMatrix
from coupled_nmf.objective import NOISE
from coupled_nmf.steps import MoveF, MoveH, Sums

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
    """What the loop leaves: the factors, J's history, and whether J's fall or a callback ended it."""

    F: NDArray[Any]
    H: NDArray[Any]
    history: list[float]
    n_iter: int
    converged: bool
    stopped: bool


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


Point = tuple[NDArray[Any], NDArray[Any]]


@dataclass(frozen=True)
class MoveOfH:
    """How H is to move: by a solver, from the sums of F's sweep; with H, the one before, and betas as in `MoveF`.

    ``buffers`` is a list that a sweep may keep arrays in.
    """

    solver: Any
    sums: Sums
    H: NDArray[Any]
    other: NDArray[Any]
    betas: tuple[float, float]
    buffers: list[Sums]


class Reading(Protocol):
    """What the loop alternates on: X itself, or something of width w that stands in for it.

    A point is what F's move needs of an H: R (k, w), which takes a tile x to its cross ``x Rᵀ``, and the gram.
    """

    @property
    def tiles(self) -> TiledMatrix:
        """What is swept over."""

    @property
    def weighted_squares(self) -> float:
        """Σ_b α_b ‖X_b‖²."""

    def point_of(self, H: NDArray[Any]) -> Point:
        """The point of H itself."""

    def move_h(self, backend: Any, move: MoveOfH) -> tuple[float, Point]:
        """Move H; return J at what is written to ``other``, given the F of the sums, and the point further on."""


class Exact:
    """X itself, with α of each column."""

    def __init__(self, tiles: TiledMatrix, column_weights: NDArray[np.float64], weighted_squares: float) -> None:
        self.tiles, self.weighted_squares = tiles, weighted_squares
        self._alpha = column_weights

    def point_of(self, H: NDArray[Any]) -> Point:
        """α⊙H and H(α⊙H)ᵀ."""
        R = (H * self._alpha).astype(H.dtype)
        return R, H @ R.T

    def move_h(self, backend: Any, move: MoveOfH) -> tuple[float, Point]:
        """Move H in ranges of its columns."""
        H, (FtX, FtF, _) = move.H, move.sums
        R = np.empty_like(H)
        step = MoveH(move.solver, FtX, FtF.astype(H.dtype), H, move.other, *move.betas, self._alpha, R)
        gram, energy = backend.sweep_columns(H.shape[1], step)
        return self.weighted_squares + energy[0], (R, gram.astype(H.dtype))


class Alternation:
    """Alternate between F and H until J stops falling.

    Parameters
    ----------
    reading : Reading
        X, or what stands in for it.
    backend : object
        Runs sweeps.
    solver : object
        How a factor moves, one of ``SOLVERS``.
    extrapolated : bool
        Whether both factors are extrapolated.
    """

    def __init__(self, reading: Reading, backend: Any, solver: Any, *, extrapolated: bool) -> None:
        self.reading, self.backend, self.solver = reading, backend, solver
        self.momentum = Momentum() if extrapolated else None
        self._buffers_f: list[Sums] = []
        self._buffers_h: list[Sums] = []

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
    ) -> LoopResult:
        """Iterate from F (overwritten) and H (overwritten); ``first_solver`` makes the first move of F.

        The loop ends when J falls by less than ``tol`` of itself in ``WINDOW`` iterations, judged by the last
        ``window`` of them.
        """
        began = time.perf_counter()
        history: list[float] = []
        other_F, other_H = (np.empty_like(F), np.empty_like(H)) if self.momentum else (F, H)
        point = self.reading.point_of(H)
        n_iter, converged, stopped, rejected, last_beta = 0, False, False, False, 0.0
        for n_iter in range(1, max_iter + 1):
            solver = first_solver if first_solver is not None and n_iter == 1 else self.solver
            restart = rejected
            beta = self.momentum.beta if self.momentum and n_iter > 1 and not restart else 0.0
            betas = (last_beta, beta)
            sums = self._move_f(solver, point, F, other_F, betas)
            move = MoveOfH(self.solver, sums, H, other_H, betas, self._buffers_h)
            value, point = self.reading.move_h(self.backend, move)
            del sums, move  # or the sums of two iterations would stand side by side
            if not np.isfinite(value):
                raise ValueError(
                    f"J overflows in {F.dtype}: scale X down, or the start if it is your own, or pass X as float64."
                )
            value = max(value, 0.0)
            # J belongs to an extrapolated F, and may lie below that of the F that is held: the plain step after a
            # rejection is kept whatever its J, or nothing would be accepted any more.
            rejected = self.momentum is not None and n_iter > 1 and not restart and value > history[-1]
            if self.momentum and rejected:
                self.momentum.reject()
                point, value, last_beta = self.reading.point_of(H), history[-1], 0.0
            elif self.momentum:
                if not restart:
                    self.momentum.accept()
                F, other_F, H, other_H, last_beta = other_F, F, other_H, H, beta
            history.append(value)
            info = IterationInfo(n_iter, value, time.perf_counter() - began, _view(F), _view(H))
            stopped = any([callback(info) for callback in callbacks])  # every callback hears of it  # noqa: C419
            if stopped:
                break
            if not rejected and not restart and self._settled(history, tol, window):
                converged = True
                break
        return LoopResult(F, H, history, n_iter, converged, stopped)

    def _move_f(
        self, solver: Any, point: Point, F: NDArray[Any], other: NDArray[Any], betas: tuple[float, float]
    ) -> Sums:
        """Move F; return FᵀX, FᵀF and no energy."""
        tiles = self.reading.tiles
        sums: Sums = self.backend.sweep(tiles, MoveF(tiles, solver, *point, F, other, *betas, self._buffers_f))
        return sums

    def _settled(self, history: list[float], tol: float, window: int) -> bool:
        """J falls too slowly, or is below what its sums resolve."""
        if tol == 0:
            return False
        if history[-1] <= NOISE[self.reading.tiles.dtype.char] * self.reading.weighted_squares:
            return True
        fall = history[-1 - window] - history[-1] if len(history) > window else np.inf
        return fall * WINDOW <= tol * history[-1] * window
