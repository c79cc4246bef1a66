"""Where a fit starts: chosen by ``init``, by the solver, and by what X is."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.alternation import Exact
from coupled_nmf.blocks import TiledMatrix
from coupled_nmf.initialization import STARTS, check_custom, nndsvd
from coupled_nmf.lowrank import StandIn, find_stand_in, stand_in_width, start_on_stand_in, unweigh
from coupled_nmf.solvers import SOLVERS

LARGE = 2**20  # entries of X from which the compressed start is the default
FROM_STAND_IN = ("compressed", "nndsvd", "nndsvda")
INITS = {"auto", "custom", *FROM_STAND_IN, *STARTS}


@dataclass(frozen=True)
class Prepared:
    """Checked data, ready to be fitted: with the weight and the sum of squares of each block, and the sum of X."""

    X: TiledMatrix
    backend: Any
    alpha: NDArray[np.float64]
    squares: NDArray[np.float64]
    total: float

    @property
    def mean(self) -> float:
        """Mean of X."""
        return self.total / (self.X.shape[0] * self.X.shape[1])

    @cached_property
    def column_weights(self) -> NDArray[np.float64]:
        """α of each column."""
        return np.repeat(self.alpha, self.X.layout.sizes)

    @property
    def weighted_squares(self) -> float:
        """Σ_b α_b ‖X_b‖²."""
        return float(self.alpha @ self.squares)

    @property
    def reading(self) -> Exact:
        """What the loop reads."""
        return Exact(self.X, self.column_weights, self.weighted_squares)


@dataclass(frozen=True)
class Plan:
    """What of the parameters decides on the start: the rank, ``init``, the solver, its rule, and extrapolation."""

    k: int
    init: str
    solver: str
    inner_sweeps: int | None
    extrapolate: bool

    @property
    def rule(self) -> Any:
        """The solver's rule."""
        return SOLVERS[self.solver].rule(self.inner_sweeps or SOLVERS[self.solver].default_sweeps)

    @property
    def extrapolated(self) -> bool:
        """Whether both factors are extrapolated."""
        return self.extrapolate and SOLVERS[self.solver].extrapolates

    @property
    def from_h(self) -> bool:
        """Whether the solver needs H alone."""
        return SOLVERS[self.solver].starts_from_h

    def resolve(self, data: Prepared) -> str:
        """``init``, with what 'auto' means for this X; X of zeros has no stand-in."""
        if self.init in FROM_STAND_IN and data.weighted_squares == 0:
            return "random"
        if self.init != "auto":
            return self.init
        tall = 2 * stand_in_width(self.k) <= min(data.X.shape) and data.X.shape[0] * data.X.shape[1] >= LARGE
        return "compressed" if self.from_h and tall and data.weighted_squares > 0 else "random"

    def refuse(self, data: Prepared, F: Any, H: Any, n_init: int) -> None:
        """Raise ValueError for parameters that do not go together."""
        if self.init == "custom":
            if H is None or (F is None and not self.from_h):
                needed = "H" if self.from_h else "F and H"
                raise ValueError(
                    f"init='custom' with solver={self.solver!r} needs {needed}: pass them to fit_transform."
                )
            if n_init > 1:
                raise ValueError(f"n_init={n_init} with init='custom' would repeat one fit; leave it at 1.")
        elif F is not None or H is not None:
            raise ValueError(f"F and H are given but init={self.init!r}; a start of your own needs init='custom'.")
        if self.init == "compressed" and not self.from_h:
            raise ValueError(f"init='compressed' needs solver='hals', got {self.solver!r}: the stand-in is signed.")
        if self.init in ("nndsvd", "nndsvda") and self.k > min(data.X.shape):
            raise ValueError(
                f"init={self.init!r} needs n_components <= min(n_samples, n_features) = {min(data.X.shape)}, "
                f"got {self.k}; use init='random'."
            )
        if self.init == "nndsvd" and not self.from_h:
            warnings.warn(
                f"init='nndsvd' has zeros, which solver={self.solver!r} never moves; use 'nndsvda'.",
                UserWarning,
                stacklevel=5,
            )


@dataclass(frozen=True)
class Start:
    """F and H, and whether F is 'cold' (zero, to be found from H), 'given', or 'warm' (near the end already)."""

    F: NDArray[Any]
    H: NDArray[Any]
    kind: str


def shared_stand_in(data: Prepared, plan: Plan, rng: np.random.RandomState) -> StandIn | None:
    """The stand-in that the plan's starts need, if any."""
    if plan.resolve(data) not in FROM_STAND_IN:
        return None
    scale = float(np.sqrt(data.weighted_squares / (data.X.shape[0] * data.X.shape[1])))
    return find_stand_in(data.X, data.backend, data.column_weights, scale, plan.k, rng)


def find_start(
    data: Prepared, plan: Plan, rng: np.random.RandomState, F: Any, H: Any, stand_in: StandIn | None
) -> Start:
    """Find a start; ``stand_in`` is what `shared_stand_in` gave, or one that serves a larger rank."""
    X, init = data.X, plan.resolve(data)
    if init == "custom":
        return _custom(X, plan, F, H)
    if init not in FROM_STAND_IN or stand_in is None:  # none: the rows that were looked at are all zero
        F, H = STARTS["uniform" if init == "uniform" else "random"](rng, X.shape, plan.k, X.dtype, data.mean)
    elif init == "compressed":
        stand_in = stand_in.first(stand_in_width(plan.k))  # it may serve larger ranks
        found = start_on_stand_in(stand_in, data.backend, plan.rule, plan.k, rng, extrapolated=plan.extrapolated)
        share = data.X.dtype.type(np.sqrt(stand_in.scale))
        np.multiply(found.F, share, out=found.F)
        return Start(found.F, unweigh(found.H.T * share, data.column_weights), "warm")
    else:
        U, s, Vt = stand_in.svd()
        if len(s) < plan.k:  # X has a smaller rank
            return find_start(data, replace(plan, init="random"), rng, None, None, None)
        Vt = unweigh(Vt, data.column_weights)
        F, H = nndsvd(U, s, Vt, plan.k, data.mean if init == "nndsvda" else 0.0)
    if plan.from_h:
        F[:] = 0
    return Start(F, H, "cold" if plan.from_h else "given")


def _custom(X: TiledMatrix, plan: Plan, F: Any, H: Any) -> Start:
    H = check_custom("H", H, (plan.k, X.shape[1]), X.dtype)
    if F is None:
        return Start(np.zeros((X.shape[0], plan.k), dtype=X.dtype), H, "cold")
    return Start(check_custom("F", F, (X.shape[0], plan.k), X.dtype), H, "given")
