"""Multiplicative updates (Lee and Seung 2001), as in the paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from numpy.typing import NDArray

EPSILON = 1e-12  # the paper's small constant in the denominators; its size is ours


@dataclass(frozen=True)
class MultiplicativeUpdate:
    """``V *= cross / (V @ gram + EPSILON)``."""

    inner_sweeps: int = 1
    starts_from_h: ClassVar[bool] = False  # a zero never moves, so F needs a start of its own
    extrapolates: ClassVar[bool] = False
    default_sweeps: ClassVar[int] = 1

    def update(self, V: NDArray[Any], gram: NDArray[Any], cross: NDArray[Any]) -> None:
        """Move V in place, ``inner_sweeps`` times."""
        for _ in range(self.inner_sweeps):
            denominator = V @ gram
            denominator += V.dtype.type(EPSILON)
            V *= cross
            V /= denominator
