"""F for a given H: non-negative least squares, exact to rounding, and the squares of what is left."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.compiled import njit
from coupled_nmf.gaps import gather, make_room, next_panel, put_listed, take_listed
from coupled_nmf.prepared import Gaps
from coupled_nmf.scans import dense_row, residual_tile
from coupled_nmf.solvers.hals import ROUNDING, pivot, solve_exactly, solve_rows
from coupled_nmf.solvers.panels import PANEL
from coupled_nmf.sparse_rows import FIRST, WIDTH, is_sparse, stored_row, turn
from coupled_nmf.steps import ONES, Sums, TileStep, addresses, order_of
from coupled_nmf.tiled import Tile, TiledMatrix
from coupled_nmf.tiles import cross_of, multiply_tile

# A row of F is solved for when its entries move by less than this part of its largest.
SOLVE_TOL = {"f": 1e-6, "d": 1e-11}
SOLVE_SWEEPS = {"f": 400, "d": 2000}  # then by active sets
# Of the largest entry of a gram: what is added to its diagonal for rows of fewer entries than components. These have
# many solutions, and the one that this finds is the smallest: others may be huge, and say nothing of what is missing.
RIDGE = {"f": 1e-4, "d": 1e-10}


def ridge_of(gram: NDArray[np.float64], n_entries: int, l2: float, dtype: np.dtype[Any]) -> float:
    """What is added to the diagonal of the gram of rows of so many entries."""
    few = n_entries < len(gram) and l2 == 0
    return RIDGE[dtype.char] * float(gram.diagonal().max()) if few else l2


@dataclass(frozen=True)
class SolveF(TileStep):
    """Solve for F from a cold start, given H; sum the squares of the residual per block.

    ``R`` is α⊙H, ``gram`` (k, k) is R Hᵀ and ``grams`` (n_blocks, k, k) are H_b H_bᵀ, in float64; ``alpha`` is that of
    each block.
    """

    X: TiledMatrix
    H: NDArray[Any]
    R: NDArray[Any]
    gram: NDArray[np.float64]
    grams: NDArray[np.float64]
    alpha: NDArray[np.float64]
    F: NDArray[Any]
    l1: float = 0.0
    l2: float = 0.0
    weights: NDArray[np.float64] = field(default_factory=lambda: ONES)

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shape of the sum: the squares of the residual per block."""
        return [(len(self.X.layout.names),)]

    @property
    def depth(self) -> int:
        """The rank."""
        return len(self.H)

    def __call__(self, tile: Tile, rows: slice) -> Sums:
        """Solve for one tile's rows."""
        f, parts = self.F[rows], addresses(self.X, tile)
        cross = np.empty_like(f)
        multiply_tile(parts, self.R, cross)
        self._solve(f, cross, self.gram, self.X.shape[1])
        squares = np.zeros(self.shapes[0])
        residual_tile(parts, f, self.H, self.grams, self.X.layout.bounds, self.weights[rows], squares)
        return (squares,)

    def _solve(self, f: NDArray[Any], cross: NDArray[Any], gram: NDArray[np.float64], n_entries: int) -> None:
        """Solve for rows of as many entries, by one gram."""
        kind = f.dtype.char
        gram = (gram + ridge_of(gram, n_entries, self.l2, f.dtype) * np.eye(len(gram))).astype(f.dtype)
        cross -= f.dtype.type(self.l1)
        slow = solve_rows(f, gram, cross, f.dtype.type(SOLVE_TOL[kind]), SOLVE_SWEEPS[kind])
        if len(slow):
            solve_exactly(f, gram, cross, slow)


@dataclass(frozen=True)
class SolveGappyF(SolveF):
    """The same where entries are missing: rows that lack the same blocks share a gram, each with other gaps has one."""

    gaps: Gaps | None = None

    def __call__(self, tile: Tile, rows: slice) -> Sums:
        """Solve for one tile's rows."""
        assert self.gaps is not None
        f, parts, bounds = self.F[rows], addresses(self.X, tile), self.X.layout.bounds
        absent, scattered = self.gaps.absent[rows], self.gaps.scattered[rows]
        order, cross = order_of(absent, scattered), np.empty_like(f)
        multiply_gappy_tile(parts, bounds, order, absent, scattered, self.R, cross)
        f[:] = 0
        patterns, pattern = np.unique(absent, axis=0, return_inverse=True)
        pattern = pattern.reshape(-1)  # NumPy 2.0 alone gives it two dimensions
        for number, lacks in enumerate(patterns):
            some = np.flatnonzero((pattern == number) & ~scattered)
            found, crosses = np.empty((len(some), f.shape[1]), f.dtype), cross[some]
            n_entries = int(np.sum(np.array(self.X.layout.sizes)[~lacks]))
            self._solve(found, crosses, np.tensordot(self.alpha * ~lacks, self.grams, 1), n_entries)
            f[some] = found
        solve_alone(
            parts, bounds, np.flatnonzero(scattered), absent, np.ascontiguousarray(self.H.T), self.alpha,
            self.alpha[:, None, None] * self.grams, self.l1, self.l2, cross, ROUNDING[f.dtype.char],
            RIDGE[f.dtype.char], SOLVE_TOL[f.dtype.char], SOLVE_SWEEPS[f.dtype.char], f,
        )  # fmt: skip
        squares = np.zeros(self.shapes[0])
        gappy_residual_tile(parts, bounds, order, absent, scattered, f, self.H, self.grams, self.weights[rows], squares)
        return (squares,)


@njit(nogil=True, cache=True)
def multiply_gappy_tile(parts, bounds, order, absent, scattered, R, out):
    """``out = x Rᵀ`` over the entries that are there, shape (rows, k). Return how many were copied."""
    zero = R.dtype.type(0)
    panel, turned = np.zeros((R.shape[0], PANEL), R.dtype), turn(parts, R)
    nothing, alpha, weights = np.zeros_like(panel), np.zeros(bounds.size - 1), np.empty(0)
    start = copied = 0
    while start < order.size:
        stop = next_panel(order, absent, scattered, start)
        some = order[start:stop]
        small, kept = make_room(zero, parts, some)
        gather(parts, small, some, absent[some[0]], scattered[some[0]], bounds, nothing, R, alpha, weights)
        cross_of(small, R, turned, 0, some.size, panel)
        put_listed(panel, out, some)
        start = stop
        copied += kept[0].size  # which keeps the arrays alive until here
    return copied


@njit(nogil=True, cache=True)
def mark_gaps(zero, parts, row, marks):
    """Mark the columns (n_features,) of a row's missing entries, but for sparse blocks that it lacks."""
    marks[:] = False
    for p in range(parts.shape[0]):
        first = parts[p, FIRST]
        if is_sparse(parts, p):
            values, columns = stored_row(zero, parts, p, row)
            for e in range(values.size):
                marks[first + columns[e]] = np.isnan(values[e])
        else:
            marks[first : first + parts[p, WIDTH]] = np.isnan(dense_row(zero, parts, p, row))


@njit(nogil=True, cache=True)
def _own_gram(marks, absent, bounds, Ht, alpha, grams, gram):
    """Gram of a row over the entries that are there: less what is missing, or of what is there if that is less.

    Return how many there are.
    """
    k, n_entries = gram.shape[0], 0
    gram[:] = 0
    for block in range(bounds.size - 1):
        if absent[block]:
            continue
        first, last = bounds[block], bounds[block + 1]
        n_missing = int(marks[first:last].sum())
        n_entries += int(last - first) - n_missing
        less = 2 * n_missing < last - first
        if less:
            gram += grams[block]
        sign = -1.0 if less else 1.0
        for column in range(first, last):
            if marks[column] == less:
                h = Ht[column]
                for i in range(k):
                    weight = sign * alpha[block] * np.float64(h[i])
                    for j in range(k):
                        gram[i, j] += weight * np.float64(h[j])
    return n_entries


@njit(nogil=True, cache=True)
def solve_alone(parts, bounds, rows, absent, Ht, alpha, grams, l1, l2, cross, noise, few, tol, sweeps, F):
    """Solve for ``rows``, each by a gram of its own; ``grams`` (n_blocks, k, k) are those of whole blocks, with α.

    ``noise``, or ``few`` for a row of fewer entries than components, is added to its diagonal, times the largest.
    """
    zero, k = F.dtype.type(0), F.shape[1]
    marks, gram = np.zeros(Ht.shape[0], np.bool_), np.empty((k, k))
    for row in rows:
        mark_gaps(zero, parts, row, marks)
        n_entries = _own_gram(marks, absent[row], bounds, Ht, alpha, grams, gram)
        for j in range(k):
            gram[j, j] += l2
        wanted = cross[row].astype(np.float64) - l1
        v = np.zeros(k)
        ridge = max((few if n_entries < k and l2 == 0 else noise) * np.diag(gram).max(), 1e-300)
        if not pivot(v, np.zeros(k, np.bool_), gram, wanted, ridge, noise):
            found = np.zeros((1, k))
            solve_rows(found, gram, wanted.reshape(1, k), tol, sweeps)
            v = found[0]
        for j in range(k):
            F[row, j] = max(v[j], 0.0)


@njit(nogil=True, cache=True)
def gappy_residual_tile(parts, bounds, order, absent, scattered, F, H, grams, weights, squares):
    """As `residual_tile`, over the entries that are there. Return how many were copied."""
    zero = F.dtype.type(0)
    panel, alpha = np.zeros((F.shape[1], PANEL), F.dtype), np.zeros(bounds.size - 1)
    start = copied = 0
    found = np.empty(bounds.size - 1)
    while start < order.size:
        stop = next_panel(order, absent, scattered, start)
        some = order[start:stop]
        lacks = absent[some[0]]
        take_listed(F, some, panel)
        small, kept = make_room(zero, parts, some)
        gather(parts, small, some, lacks, scattered[some[0]], bounds, panel, H, alpha, weights)
        found[:] = 0
        own = weights[some] if weights.size else weights
        residual_tile(small, F[some], H, grams, bounds, own, found)
        for block in range(found.size):
            if not lacks[block]:
                squares[block] += found[block]
        start = stop
        copied += kept[0].size  # which keeps the arrays alive until here
    return copied
