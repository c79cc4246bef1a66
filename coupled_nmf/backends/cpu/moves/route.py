"""What the ways in which F moves over X have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.problem.contracts import Sums
from coupled_nmf.problem.solvers import Rule


@dataclass
class Point:
    """What F's move needs of an H: α⊙H, and H_b(α_b H_b)ᵀ, summed over the blocks unless each is needed; and H."""

    R: NDArray[Any]
    grams: NDArray[Any]
    H: NDArray[Any]

    def gram(self, l2: float) -> NDArray[Any]:
        """What F moves by where all samples have one gram: that, with a penalty."""
        return self.grams + (l2 * np.eye(len(self.grams))).astype(self.grams.dtype) if l2 else self.grams


class Route(Protocol):
    """One way over X; it keeps what serves from one sweep to the next."""

    def move(self, rule: Rule, point: Point, F: NDArray[Any], other: NDArray[Any], betas: tuple[float, float]) -> Sums:
        """Move F; return FᵀX, FᵀF (of each block, where samples lack some), and two numbers.

        These are the energies of the rows, if they were asked for, and what the penalties add to J; where entries are
        missing, the squares of what they are filled with, and the latter.
        """
