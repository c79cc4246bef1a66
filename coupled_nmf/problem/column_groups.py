"""Which columns of H move by one gram."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.problem.penalties import Penalties
from coupled_nmf.problem.problem import Problem


class Groups(NamedTuple):
    """Columns of H that move by one gram, from an edge to the next, and l1 and l2 of each block as they enter it."""

    edges: NDArray[np.int64]
    l1: NDArray[np.float64]
    l2: NDArray[np.float64]


def group_columns(problem: Problem, penalties: Penalties) -> Groups:
    """All columns are one group; where samples lack entries, or penalties differ, each block is one."""
    l1, l2 = penalties.of_H(problem.alpha, problem.X.dtype)
    bounds = problem.X.layout.bounds
    by_block = problem.gaps is not None or bool(np.ptp(l1) or np.ptp(l2))
    return Groups(bounds if by_block else bounds[[0, -1]], l1, l2)
