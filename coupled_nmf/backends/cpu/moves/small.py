"""How both factors move where X is small: in one call, since the calls of an iteration would take longer than it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.backends.cpu.kernels import compiled, rule_of
from coupled_nmf.backends.cpu.sweep import ALONE
from coupled_nmf.backends.cpu.tile_step import gate
from coupled_nmf.data.tile_heights import MOST_ROWS, even_height
from coupled_nmf.data.tiled_matrix import TiledMatrix
from coupled_nmf.problem.contracts import Pair
from coupled_nmf.problem.penalties import Penalties
from coupled_nmf.problem.problem import Problem
from coupled_nmf.problem.solvers import Rule

SMALL = {"f": compiled.SingleSmall, "d": compiled.DoubleSmall}


def pays_at_once(X: TiledMatrix, k: int) -> bool:
    """Whether X is in memory, and one thread is done with each move of that rank."""
    return X.in_memory and k * max(X.n_entries, X.shape[1] * k) <= ALONE


class Small:
    """What moves both factors by the tiles and the ranges, and with the bits, of a sweep after the other.

    Samples lack nothing, and blocks have no grams of their own; H's columns from ``edges[g]`` to ``edges[g + 1]`` have
    the penalty ``l1s[g]``. What of X is no view of it, as in Fortran's order, is copied once: X is to stay as it is.
    """

    def __init__(self, problem: Problem, penalties: Penalties, edges: NDArray[np.int64], l1s: NDArray[Any]) -> None:
        X, self._n_groups = problem.X, len(edges) - 1
        tiles = X.tiles(max(X.shape[0], MOST_ROWS))  # if it is one, a sweep's
        tile = X.tile(slice(0, X.shape[0])) if tiles is None else tiles[0]
        self._held = SMALL[X.dtype.char](
            gate(X, tile), MOST_ROWS, even_height(X.shape[1], 1), penalties.l1_F, penalties.l2_F, problem.weights,
            edges, l1s, problem.column_weights,
        )  # fmt: skip

    def move(
        self,
        rules: tuple[Rule, Rule],
        R: NDArray[Any],
        gram: NDArray[Any],
        F: Pair,
        H: Pair,
        betas: tuple[float, float],
    ) -> tuple[tuple[float, float], NDArray[Any], NDArray[np.float64]]:
        """Move both; return what F's penalty and what H's columns add to J, and α⊙H and its products further on."""
        of_F, of_H = (rule_of(rule) for rule in rules)
        further, products = np.empty_like(R), np.empty((self._n_groups, *gram.shape))
        added = self._held.move(of_F, of_H, R, gram, *F, *H, *betas, further, products)
        return added, further, products
