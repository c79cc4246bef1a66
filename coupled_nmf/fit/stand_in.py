"""A low-rank stand-in for X: the range finder, and the start of HALS that it makes cheap."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.random import sample_without_replacement

from coupled_nmf.data.tiled_matrix import TiledMatrix
from coupled_nmf.fit.costs import rows_of_part, share_of_rows, stand_in_width
from coupled_nmf.fit.loop import FIRST_SWEEPS, Alternation, LoopResult
from coupled_nmf.problem.contracts import Alternated, Backend, Factor
from coupled_nmf.problem.draws import SEEDS, RowSample, stream_of
from coupled_nmf.problem.solvers import Rule

SMALLEST_EIGENVALUE = 1e-12  # of the largest: what is below is noise of the Gram matrix
MEAN_OF = 20  # samples whose mean is a component's start
INNER_SWEEPS = 4  # at least: a cross costs little here
PART_TOL, ALL_TOL = 1e-3, 3e-4  # of J on X: below, its own iterations bring more, dear as they are: they know all of X
MOST_ITERATIONS = 200


class StandIn:
    """√α⊙X ≈ scale Y B with Y (n_samples, l), where the backend holds it, and orthonormal rows B (l, n_features).

    ``scale`` is the root mean square of √α⊙X, so that nothing overflows or drowns. ``squares`` are those of √α⊙X over
    the square of ``scale``, if they are known: J is then about that of X, to which tolerances belong, with what the
    stand-in lacks.
    """

    def __init__(self, Y: Factor, Bt: NDArray[Any], scale: float, backend: Backend, squares: float = 0.0) -> None:
        self.Y, self.Bt, self.scale, self.backend, self.squares = Y, Bt, scale, backend, squares
        self._living: tuple[int, float] | None = None

    @property
    def living(self) -> tuple[int, float]:
        """How many rows of Y are not zero, and the squares of them all."""
        if self._living is None:
            self._living = self.backend.living(self.Y)
        return self._living

    def objective(self) -> Alternated:
        """What `Alternation` alternates on: Y B."""
        return self.backend.stand_in_objective(self.Y, self.Bt, max(self.squares, self.living[1]))

    def svd(self, k: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """W, s and Vᵀ of scale Y B ≈ (Y W) diag(s) Vᵀ, the k largest or all; by the small Gram matrix, in float64."""
        values, vectors = np.linalg.eigh(self.backend.gram(self.Y))
        order = np.flatnonzero(values > SMALLEST_EIGENVALUE * values[-1])[::-1][:k]
        s, vectors, dtype = np.sqrt(values[order]), vectors[:, order], self.Bt.dtype
        return (vectors / s).astype(dtype), self.scale * s, (self.Bt @ vectors.astype(dtype)).T

    def first(self, width: int) -> StandIn:
        """Stand-in by the leading directions alone, as one made for a smaller rank would be; views."""
        if width >= self.Y.shape[1]:
            return self
        return StandIn(self.Y[:, :width], self.Bt[:, :width], self.scale, self.backend, self.squares)

    def some_rows(self, ranks: NDArray[np.int64] | None) -> StandIn:
        """Stand-in for some rows alone: those with these places among all that are not zero, or for all such."""
        backend, Y = self.backend.bring(self.backend.take_living(self.Y, ranks))
        return StandIn(Y, self.Bt, self.scale, backend, self.squares * backend.living(Y)[1] / self.living[1])

    def near(self) -> StandIn:
        """The same where a pass over it costs least, if it has few rows."""
        if self.Y.shape[0] > rows_of_part(self.Y.shape[0], self.Bt.shape[0]):
            return self
        backend, Y = self.backend.bring(self.Y)
        return StandIn(Y, self.Bt, self.scale, backend, self.squares)

    def draw_components(self, k: int, rng: np.random.RandomState) -> NDArray[Any]:
        """Draw a start for H: each row the mean of a few random samples (Langville et al. 2006, "random Acol")."""
        chosen = rng.randint(self.living[0], size=k * MEAN_OF)  # a component that starts at zero would never move
        rows = self.backend.host(self.backend.take_living(self.Y, chosen))
        means = np.stack([some.mean(axis=0) for some in np.split(rows, k)])
        return np.maximum(self.Bt @ means.T, 0)


def sweeps_on_stand_in(rule: Rule) -> int:
    """Inner sweeps on a stand-in."""
    return max(rule.inner_sweeps, INNER_SWEEPS)


def start_on_stand_in(
    stand_in: StandIn, rule: Rule, k: int, rng: np.random.RandomState, *, extrapolated: bool, on_all: bool = True
) -> tuple[Factor | None, Factor]:
    """Find F and H on the stand-in, on a part of its rows where that is cheap, then, if ``on_all``, on all.

    A part of the rows finds H nearly as well as all do, in a fraction of the time. Of several starts the best after a
    few iterations ends no lower than any other: that was measured, and left out.

    F is None where all rows were not seen.
    """
    rule, stand_in = rule._replace(inner_sweeps=sweeps_on_stand_in(rule)), stand_in.near()
    part = _part_of(stand_in, rng)

    def run(some: StandIn, H: Any, tol: float) -> LoopResult:
        first = rule._replace(inner_sweeps=FIRST_SWEEPS)
        loop = Alternation(some.objective(), rule, extrapolated=extrapolated)
        return loop.run(None, H, max_iter=MOST_ITERATIONS, tol=tol, first_rule=first)

    H = part.draw_components(k, rng)
    if part is not stand_in:
        H = run(part, H, PART_TOL).H
        if not on_all:
            return None, H
    found = run(stand_in, H, ALL_TOL)
    return found.F, found.H


def _part_of(stand_in: StandIn, rng: np.random.RandomState) -> StandIn:
    """Some of its rows, where that is cheap; rows of zeros say nothing."""
    n_alive, n_samples = stand_in.living[0], stand_in.Y.shape[0]
    n_rows = rows_of_part(n_alive, stand_in.Bt.shape[0])
    if n_rows < n_alive:
        return stand_in.some_rows(np.sort(sample_without_replacement(n_alive, n_rows, random_state=rng)))
    return stand_in.some_rows(None) if n_alive < n_samples // 2 else stand_in


def find_stand_in(
    X: TiledMatrix,
    backend: Backend,
    column_weights: NDArray[np.float64],
    scale: float,
    k: int,
    rng: np.random.RandomState,
    squares: float = 0.0,
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
    return StandIn(Y, np.ascontiguousarray(basis.T), scale, backend, squares)


def _row_space(
    X: TiledMatrix, backend: Backend, root: NDArray[np.float64], width: int, rng: np.random.RandomState
) -> NDArray[Any]:
    """Orthonormal rows that nearly span the rows of X times ``root``; none if those looked at are all zero."""
    sample = RowSample(share_of_rows(X.shape[0], width), int(rng.randint(SEEDS)))
    basis = stream_of(rng).uniform(-1, 1, (width, X.shape[1]))  # they span as much as normal ones, and take a fifth
    for _ in range(2):
        if len(basis):
            found = backend.power_pass(X, np.ascontiguousarray(basis * root, dtype=X.dtype), sample)
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
