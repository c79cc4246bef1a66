"""A low-rank stand-in for X: the range finder, and the start of HALS that it makes cheap."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.data.tiled_matrix import TiledMatrix
from coupled_nmf.fit.loop import FIRST_SWEEPS, Alternation, LoopResult
from coupled_nmf.problem.contracts import Alternated, Backend, Factor
from coupled_nmf.problem.solvers import Rule

SMALLEST_EIGENVALUE = 1e-12  # of the largest: what is below is noise of the Gram matrix
OVERSAMPLING = 8
MEAN_OF = 20  # samples whose mean is a component's start
N_STARTS, SCREENING = 3, 6  # starts, and the iterations after which the best is kept
INNER_SWEEPS = 4  # at least: a cross costs little here
PART_ROWS = 2500
PART_TOL, ALL_TOL = 3e-3, 2e-4
MOST_ITERATIONS = 200


class StandIn:
    """√α⊙X ≈ scale Y B with Y (n_samples, l), where the backend holds it, and orthonormal rows B (l, n_features).

    ``scale`` is the root mean square of √α⊙X, so that nothing overflows or drowns.
    """

    def __init__(self, Y: Factor, Bt: NDArray[Any], scale: float, backend: Backend) -> None:
        self.Y, self.Bt, self.scale, self.backend = Y, Bt, scale, backend

    @cached_property
    def row_squares(self) -> NDArray[np.float64]:
        """Squares of each row of Y."""
        return self.backend.row_squares(self.Y)

    @property
    def alive(self) -> NDArray[np.int64]:
        """Rows that are not zero."""
        return np.flatnonzero(self.row_squares)

    def objective(self) -> Alternated:
        """What `Alternation` alternates on: Y B."""
        return self.backend.stand_in_objective(self.Y, self.Bt, float(self.row_squares.sum()))

    def svd(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """U, s and Vᵀ of scale Y B, largest first; the small Gram matrix in float64."""
        Y = self.backend.host(self.Y)
        values, vectors = np.linalg.eigh((Y.T @ Y).astype(np.float64))
        order = np.flatnonzero(values > SMALLEST_EIGENVALUE * values[-1])[::-1]
        s, vectors = np.sqrt(values[order]), vectors[:, order]
        return Y @ (vectors / s).astype(Y.dtype), self.scale * s, (self.Bt @ vectors.astype(Y.dtype)).T

    def first(self, width: int) -> StandIn:
        """Stand-in by the leading directions alone, as one made for a smaller rank would be; views."""
        if width >= self.Y.shape[1]:
            return self
        return StandIn(self.Y[:, :width], self.Bt[:, :width], self.scale, self.backend)

    def some_rows(self, rows: NDArray[np.int64]) -> StandIn:
        """Stand-in for those rows alone."""
        return StandIn(self.backend.take(self.Y, rows), self.Bt, self.scale, self.backend)

    def weigh(self, root: NDArray[np.float64]) -> None:
        """Multiply each row of X by a number."""
        self.backend.scale(self.Y, root)

    def draw_components(self, k: int, rng: np.random.RandomState) -> NDArray[Any]:
        """Draw a start for H: each row the mean of a few random samples (Langville et al. 2006, "random Acol")."""
        alive = self.alive  # a component that starts at zero would never move
        chosen = np.concatenate([rng.choice(alive, size=MEAN_OF) for _ in range(k)])
        rows = self.backend.host(self.backend.take(self.Y, chosen))
        means = np.stack([some.mean(axis=0) for some in np.split(rows, k)])
        return np.maximum(self.Bt @ means.T, 0)


def start_on_stand_in(
    stand_in: StandIn, rule: Rule, k: int, rng: np.random.RandomState, *, extrapolated: bool
) -> LoopResult:
    """Find F and H on the stand-in: the best of several starts, on a part of its rows and then on all.

    A part of the rows finds H nearly as well as all do, in a fraction of the time; and a few iterations tell a bad
    start from a good one.
    """
    rule = rule._replace(inner_sweeps=max(rule.inner_sweeps, INNER_SWEEPS))

    def run(some: StandIn, H: Any, max_iter: int, tol: float, F: Any = None) -> LoopResult:
        first = rule._replace(inner_sweeps=FIRST_SWEEPS) if F is None else None
        loop = Alternation(some.objective(), rule, extrapolated=extrapolated)
        return loop.run(F, H, max_iter=max_iter, tol=tol, first_rule=first)

    def best_of_part() -> Any:
        alive, part = stand_in.alive, stand_in  # rows of zeros say nothing
        if len(alive) >= 2 * PART_ROWS or len(alive) < stand_in.Y.shape[0] // 2:
            part = stand_in.some_rows(np.sort(rng.permutation(alive)[:PART_ROWS]))
        starts = (run(part, part.draw_components(k, rng), SCREENING, 0.0) for _ in range(N_STARTS))
        best = min(starts, key=lambda found: found.history[-1])
        return run(part, best.H, MOST_ITERATIONS, PART_TOL, best.F).H

    return run(stand_in, best_of_part(), MOST_ITERATIONS, ALL_TOL)


def stand_in_width(k: int) -> int:
    """Width of the stand-in for ranks up to k."""
    return k + k // 2 + OVERSAMPLING


def find_stand_in(
    X: TiledMatrix,
    backend: Backend,
    column_weights: NDArray[np.float64],
    scale: float,
    k: int,
    rng: np.random.RandomState,
) -> StandIn | None:
    """Stand-in that serves ranks up to k; ``scale`` is the root mean square of √α⊙X.

    Find the subspace of √α⊙X's rows by two power passes (Halko, Martinsson and Tropp 2011), and project onto it.

    The passes look at an eighth of the rows where there are many: the subspace is as good, and reading is what costs.
    None if those rows are all zero.
    """
    root, width = np.sqrt(column_weights) / scale, min(stand_in_width(k), *X.shape)
    basis = _row_space(X, backend, root, width, rng)
    if len(basis) == 0:
        return None
    Y = backend.project(X, np.ascontiguousarray(basis * root, dtype=X.dtype))
    return StandIn(Y, np.ascontiguousarray(basis.T), scale, backend)


def _row_space(
    X: TiledMatrix, backend: Backend, root: NDArray[np.float64], width: int, rng: np.random.RandomState
) -> NDArray[Any]:
    """Orthonormal rows that nearly span the rows of X times ``root``; none if those looked at are all zero."""
    n_chosen = X.shape[0] // int(np.clip(X.shape[0] // (8 * width), 1, 8))
    chosen = np.sort(rng.permutation(X.shape[0])[:n_chosen])
    basis = rng.standard_normal((width, X.shape[1]))
    for _ in range(2):
        if len(basis):
            found = backend.power_pass(X, np.ascontiguousarray(basis * root, dtype=X.dtype), chosen)
            basis = _orthonormal_rows(found * root)
    return basis.astype(X.dtype)


def _orthonormal_rows(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Orthonormal rows that span the same space, by the small Gram matrix; the longest direction first."""
    values, vectors = np.linalg.eigh(rows @ rows.T)
    kept = values > SMALLEST_EIGENVALUE * values[-1]
    return (vectors[:, kept] / np.sqrt(values[kept])).T[::-1] @ rows


def unweigh(H: NDArray[Any], column_weights: NDArray[np.float64]) -> NDArray[Any]:
    """H from √α⊙H, C-contiguous; zero where α is, which is for the first exact sweep to find."""
    root = np.sqrt(column_weights)
    return np.divide(H, root, out=np.zeros(H.shape, H.dtype), where=root > 0, casting="same_kind")
