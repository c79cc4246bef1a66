"""How H moves, by ranges of its columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.backends.cpu.kernels import compiled, rule_of
from coupled_nmf.backends.cpu.tile_step import ColumnStep
from coupled_nmf.problem.contracts import Sums
from coupled_nmf.problem.solvers import Rule


@dataclass
class MoveH(ColumnStep):
    """Move H by the rule, in ranges of its columns; sum its grams (n_groups, k, k) and the columns' energies.

    Columns ``edges[g]`` to ``edges[g + 1]`` are a group, with ``grams[g]`` and ``l1s[g]``. As in `MoveF`, ``other``
    gets what is found; ``R`` gets the point further on, times ``alpha`` of each column.
    """

    rule: Rule
    FtX: NDArray[np.float64]
    grams: NDArray[Any]
    l1s: NDArray[Any]
    edges: NDArray[np.int64]
    H: NDArray[Any]
    other: NDArray[Any]
    beta: float
    next_beta: float
    alpha: NDArray[np.float64]
    R: NDArray[Any]
    turned: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        self.shapes = [self.grams.shape, (1,)]
        self.work = self.H.shape[1] * len(self.H) ** 2

    def __call__(self, columns: slice) -> Sums:
        """Move those columns."""
        HHts = np.empty_like(self.grams)
        energy = compiled.move_columns(
            *rule_of(self.rule), self.FtX, self.grams, self.l1s, self.edges, self.H, self.other, self.beta,
            self.next_beta, self.alpha, self.R, HHts, columns.start, columns.stop,
        )  # fmt: skip
        if self.turned is not None:
            compiled.turn_over(self.R[:, columns], self.turned[columns])
        return HHts, np.array([energy])
