"""What the loop decides once an iteration: whether the step is kept, how far to extrapolate next, and when to stop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

WINDOW = 5  # iterations over which the fall of J is looked at


@dataclass(frozen=True)
class Terms:
    """What decisions go by.

    Parameters
    ----------
    extrapolated : bool
        Whether both factors are extrapolated.
    tol : float
        Stop when J falls by less than this part of itself in ``WINDOW`` iterations; 0: never.
    span : int
        Iterations by which that is judged.
    floor : float
        J below this is rounding.
    dtype : dtype
        Of the factors.
    """

    extrapolated: bool
    tol: float
    span: int
    floor: float
    dtype: np.dtype[np.floating]

    def overflow(self) -> ValueError:
        """What is raised when J is not finite."""
        return ValueError(
            f"J overflows in {self.dtype}: scale X down, or the start if it is your own, or pass X as float64."
        )


@dataclass
class Momentum:
    """How far to extrapolate: Ang and Gillis (2019), Algorithm 3. ``beta`` grows while J falls, and is cut when not."""

    beta: float = 0.5
    ceiling: float = 1.0
    growth: float = 1.05
    ceiling_growth: float = 1.01
    cut: float = 1.5
    good: float = 0.5

    def accept(self) -> None:
        """Go further next time, up to the ceiling, which rises slowly."""
        self.good = self.beta
        self.beta = min(self.ceiling, self.growth * self.beta)
        self.ceiling = min(1.0, self.ceiling_growth * self.ceiling)

    def reject(self) -> None:
        """Go less far, and remember where it went wrong."""
        self.ceiling = self.good
        self.beta /= self.cut


@dataclass(frozen=True)
class Verdict:
    """J after each iteration, whether it has settled, and whether the held factors are in the second place."""

    history: list[float]
    settled: bool
    flipped: bool = False


class Judge(Protocol):
    """Who decides: the host at once, or a device by the same rules, of which the host hears when it looks.

    Attributes
    ----------
    betas : object
        How far F was extrapolated last, and how far what is found next will be, as the moves take it.
    patience : int
        Iterations from one look to the next.
    """

    betas: Any
    patience: int

    def decide(self, value: Any) -> bool | None:
        """Whether what has J ``value`` is kept; None if the host does not know yet."""

    def look(self) -> Verdict:
        """Wait for what was decided so far. Raises ValueError if J was not finite."""


class HostJudge:
    """Decides at once."""

    patience = 1

    def __init__(self, terms: Terms) -> None:
        self.terms, self.betas = terms, (0.0, 0.0)
        self._momentum = Momentum() if terms.extrapolated else None
        self._rejected = self._settled = False
        self.history: list[float] = []

    def decide(self, value: float) -> bool:
        """Whether what has J ``value`` is kept.

        Raises
        ------
        ValueError
            If J is not finite.
        """
        if not np.isfinite(value):
            raise self.terms.overflow()
        history, momentum, restart = self.history, self._momentum, self._rejected
        # J belongs to an extrapolated F, and may lie below that of the F that is held: the plain step after a
        # rejection is kept whatever its J, or nothing would be accepted any more.
        if momentum and history and not restart and value > history[-1]:
            momentum.reject()
            history.append(history[-1])
            self.betas, self._rejected, self._settled = (0.0, 0.0), True, False
            return False
        if momentum and not restart:
            momentum.accept()
        history.append(max(value, 0.0))
        self.betas, self._rejected = (self.betas[1], momentum.beta if momentum else 0.0), False
        self._settled = not restart and self._falls_too_little()
        return True

    def _falls_too_little(self) -> bool:
        """J falls too slowly, or is below what its sums resolve."""
        history, terms = self.history, self.terms
        if terms.tol == 0:
            return False
        if history[-1] <= terms.floor:
            return True
        fall = history[-1 - terms.span] - history[-1] if len(history) > terms.span else np.inf
        return bool(fall * WINDOW <= terms.tol * history[-1] * terms.span)

    def look(self) -> Verdict:
        """What was decided so far."""
        return Verdict(self.history, self._settled)
