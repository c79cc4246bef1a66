"""Batches of data that never end: what is kept of those that were seen."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.arrays import refuse_large
from coupled_nmf.frobenius import Solution
from coupled_nmf.initialization import lift_zeros
from coupled_nmf.steps import Sums


class Stream:
    """The sums over the batches seen, and their samples, those of each older one times ``forget_factor`` once more."""

    def __init__(self) -> None:
        self.sums: Sums | None = None
        self.n_batches, self.n_samples = 0, 0.0

    def count(self, n_samples: float, forget_factor: float) -> float:
        """Count a batch's samples; return those that H's move stands for, by which the penalty on H is scaled."""
        self.n_samples = n_samples + forget_factor * self.n_samples
        return self.n_samples

    def take(
        self, reading: Any, rule: Any, H: NDArray[Any], forget_factor: float, *, lifted: bool
    ) -> tuple[NDArray[Any], Solution]:
        """Solve a batch for F, add its sums to the others, and move H by them all; return H, and F with its errors.

        ``lifted`` is for solvers that never move a zero: what no batch had may be in the next one.
        """
        refuse_large("components_", H, reading.tiles.dtype)
        H = H.astype(reading.tiles.dtype)
        if lifted:
            H = lift_zeros(H)
        solution = reading.solve(H)
        sums = reading.sums_of(solution.F, H)
        if self.sums is not None:
            sums = tuple(new + forget_factor * old for new, old in zip(sums, self.sums, strict=True))
        moved = np.empty_like(H)
        reading.move_h(rule, sums, H, moved, (0.0, 0.0))
        self.sums, self.n_batches = sums, self.n_batches + 1
        return moved, solution
