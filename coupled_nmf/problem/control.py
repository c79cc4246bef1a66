"""What the loop decides once an iteration: whether the step is kept, how far to extrapolate next, and when to stop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

WINDOW = 5  # iterations over which the fall of J is looked at
# J from sums is a difference of numbers of the size of ‖X‖²: what is below this part of it is rounding (measured).
NOISE = {"f": 2e-7, "d": 1e-14}


@dataclass(frozen=True)
class Terms:
    """What decisions go by.

    Parameters
    ----------
    extrapolated : bool
        Whether both factors are extrapolated.
    tol : float
        Stop when J falls by less than this part of itself in ``WINDOW`` iterations; 0: never.
    floor : float
        J below this is rounding.
    dtype : dtype
        Of the factors.
    """

    extrapolated: bool
    tol: float
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
