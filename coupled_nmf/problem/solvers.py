"""How a factor moves, given gram and cross alone: the rules, which F and H share, and the table of solvers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple


class HALS(NamedTuple):
    """Exact minimization over one column of V after the other, ``inner_sweeps`` times per cross.

    A column that would divide by zero stays: its partner moves first, and then it can. So no component is lost, unless
    an L1 penalty is all that is left of it. The first ``fixed`` columns never move.
    """

    inner_sweeps: int = 1
    fixed: int = 0


class MultiplicativeUpdate(NamedTuple):
    """``V *= cross / (V @ gram + l1)``, ``inner_sweeps`` times per cross.

    The paper's small constant in the denominator is the smallest number that divides: data may be small too. The
    first ``fixed`` columns never move.
    """

    inner_sweeps: int = 1
    fixed: int = 0


Rule = HALS | MultiplicativeUpdate


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
    extrapolates : tuple of str
        Of which losses both factors may be extrapolated.
    losses : tuple of str
        What it can minimize.
    """

    rule: Callable[[int], Rule]
    default_sweeps: int
    starts_from_h: bool
    extrapolates: tuple[str, ...]
    losses: tuple[str, ...] = ("frobenius",)


SOLVERS = {
    "hals": Solver(HALS, default_sweeps=3, starts_from_h=True, extrapolates=("frobenius",)),
    # a zero never moves, so F needs a start of its own
    "mu": Solver(
        MultiplicativeUpdate,
        default_sweeps=1,
        starts_from_h=False,
        extrapolates=("kullback-leibler",),
        losses=("frobenius", "kullback-leibler"),
    ),
}
NAMES: dict[type[Rule], str] = {HALS: "hals", MultiplicativeUpdate: "mu"}  # of the rules, as kernels are called
