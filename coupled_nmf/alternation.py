"""The one loop: sweep, move of H, objective, extrapolation, stopping, history, callbacks."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.blocks import TiledMatrix
from coupled_nmf.objective import NOISE, objective_from_sums
from coupled_nmf.steps import MoveF, extrapolate

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
    """What the loop leaves: Hᵀ, the energy ‖F_j‖² of F's columns, J's history, and whether J's fall ended it."""

    ht: NDArray[Any]
    f_energy: NDArray[np.float64]
    history: list[float]
    n_iter: int
    converged: bool


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


class Alternation:
    """Alternate between F and H until J stops falling.

    Parameters
    ----------
    X : TiledMatrix
    backend : object
        Runs sweeps and updates.
    solver : object
        How a factor moves, one of ``SOLVERS``.
    column_weights : ndarray of shape (n_features,), float64
        α of each column.
    weighted_squares : float
        Σ_b α_b ‖X_b‖².
    extrapolated : bool
        Whether both factors are extrapolated.
    """

    def __init__(
        self,
        X: TiledMatrix,
        backend: Any,
        solver: Any,
        column_weights: NDArray[np.float64],
        weighted_squares: float,
        *,
        extrapolated: bool,
    ) -> None:
        self.X, self.backend, self.solver = X, backend, solver
        self.column_weights, self.weighted_squares = column_weights, weighted_squares
        self.momentum = Momentum() if extrapolated else None

    def run(
        self,
        F: NDArray[Any],
        ht: NDArray[Any],
        *,
        max_iter: int,
        tol: float,
        callbacks: Sequence[Callback] = (),
        first_solver: Any = None,
    ) -> LoopResult:
        """Iterate from F (overwritten) and Hᵀ (overwritten); ``first_solver`` makes the first move of F."""
        began = time.perf_counter()
        history: list[float] = []
        Fy, Fnew = (F.copy(), np.empty_like(F)) if self.momentum else (F, F)
        hy = ht.copy() if self.momentum else ht
        buffers: list[NDArray[Any]] = []
        n_iter, converged = 0, False
        for n_iter in range(1, max_iter + 1):
            solver = first_solver if first_solver is not None and n_iter == 1 else self.solver
            beta = self.momentum.beta if self.momentum and n_iter > 1 else 0.0
            XtF, FtF = self.backend.sweep(
                self.X, MoveF(self.X, solver, *weigh(hy, self.column_weights), F, Fy, Fnew, beta, buffers)
            )
            self.backend.update(self.solver, hy, FtF.astype(ht.dtype), XtF.astype(ht.dtype))
            value = objective_from_sums(self.weighted_squares, XtF, FtF, hy, self.column_weights)
            rejected = self.momentum is not None and bool(history) and value > history[-1]
            if self.momentum and rejected:
                self.momentum.reject()
                Fy[:], hy[:], value = F, ht, history[-1]
            elif self.momentum:
                self.momentum.accept()
                F, Fnew = Fnew, F
                accepted = hy.copy()
                extrapolate(hy, ht, beta)
                ht = accepted
            history.append(value)
            info = IterationInfo(n_iter, value, time.perf_counter() - began, _view(F), _view(ht.T))
            if any(callback(info) for callback in callbacks):  # every callback hears of it
                break
            if not rejected and self._settled(history, tol):
                converged = True
                break
        f_energy = np.einsum("ij,ij->j", F, F, dtype=np.float64)
        return LoopResult(ht, f_energy, history, n_iter, converged)

    def _settled(self, history: list[float], tol: float) -> bool:
        """J fell by less than ``tol`` of itself over the window, or is below what its sums resolve."""
        if tol == 0:
            return False
        if history[-1] <= NOISE[self.X.dtype.char] * self.weighted_squares:
            return True
        return len(history) > WINDOW and history[-1 - WINDOW] - history[-1] <= tol * history[-1]


def weigh(ht: NDArray[Any], column_weights: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any]]:
    """(α⊙H)ᵀ and the gram H(α⊙H)ᵀ of F's move; the gram is summed in float64."""
    weighted = ht * column_weights.astype(ht.dtype)[:, None]
    gram = ht.T.astype(np.float64) @ weighted.astype(np.float64)
    return np.ascontiguousarray(weighted), np.ascontiguousarray(gram, dtype=ht.dtype)
