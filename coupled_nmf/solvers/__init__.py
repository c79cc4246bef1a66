"""How a factor moves, given gram and cross alone. F and H share this code."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from coupled_nmf.solvers.hals import HALS
from coupled_nmf.solvers.mu import MultiplicativeUpdate


@dataclass(frozen=True)
class Solver:
    """A rule that compiled code takes, and what the loop must know of it.

    Parameters
    ----------
    rule : callable
        Makes the rule for a number of inner sweeps: moves of a factor per product with X.
    default_sweeps : int
        That number, where the user gives none.
    starts_from_h : bool
        Whether F may start at zero, to be found for H.
    extrapolates : bool
        Whether both factors may be extrapolated.
    losses : tuple of str
        What it can minimize.
    """

    rule: Callable[[int], Any]
    default_sweeps: int
    starts_from_h: bool
    extrapolates: bool
    losses: tuple[str, ...] = ("frobenius",)


SOLVERS = {
    "hals": Solver(HALS, default_sweeps=3, starts_from_h=True, extrapolates=True),
    # a zero never moves, so F needs a start of its own
    "mu": Solver(
        MultiplicativeUpdate,
        default_sweeps=1,
        starts_from_h=False,
        extrapolates=False,
        losses=("frobenius", "kullback-leibler"),
    ),
}

__all__ = ["HALS", "SOLVERS", "MultiplicativeUpdate", "Solver"]
