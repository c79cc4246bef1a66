"""F for a given H: non-negative least squares, exact to rounding, and the squares of what is left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.backends.cpu.kernels import compiled
from coupled_nmf.backends.cpu.tile_step import Orders, TileStep, gate
from coupled_nmf.data.tiled_matrix import Tile, TiledMatrix
from coupled_nmf.problem.contracts import Sums

# A row of F is solved for when its entries move by less than this part of its largest, components of one length.
SOLVE_TOL = {"f": 1e-6, "d": 1e-11}
SMALLEST_SQUARE = {"f": 1e-37, "d": 1e-300}  # of a component's length: below, it stays at zero, as everywhere
# Where rows share a gram: rounds of conjugate gradients and sweeps, as many as take no longer than active sets would.
ROUNDS = {"f": 20, "d": 40}
FIRST_ROUNDS = 2  # of rows that are solved by active sets then: more of them save less time than they take
# Of the largest entry of a gram: what is added to its diagonal for rows of fewer entries than components. These have
# many solutions, and the one that this finds is the smallest: others may be huge, and say nothing of what is missing.
RIDGE = {"f": 1e-4, "d": 1e-10}
FEW_ROWS = 32  # of a tile, that lack the same blocks: a gram and its inverse cost more than to solve for each row alone
ROUNDING = {"f": 5e-7, "d": 1e-13}  # of a gram's entries and of a solution, as part of the largest


def ridge_of(gram: NDArray[np.float64], n_entries: int, l2: float, dtype: np.dtype[Any]) -> float:
    """What is added to the diagonal of the gram of rows of so many entries."""
    few = n_entries < len(gram) and l2 == 0
    return RIDGE[dtype.char] * float(gram.diagonal().max()) if few else l2


def solve_exactly(V: NDArray[Any], gram: NDArray[Any], cross: NDArray[Any], rows: NDArray[np.int64]) -> None:
    """Solve for rows where nothing else ends, since components are alike: by active sets, from what V holds."""
    gram64, noise = gram.astype(np.float64), ROUNDING[V.dtype.char]
    compiled.pivot_rows(V, gram64, cross, rows, noise * gram64.diagonal().max(), noise)


@dataclass(frozen=True)
class SharedGram:
    """A gram that rows share, of components scaled to one length, so that no unit hides another.

    Attributes
    ----------
    scales : ndarray of shape (k,)
        One over the length of each component; 0 for those of no length.
    gram, inverse : ndarray of shape (k, k)
        The gram of the scaled components, and about its inverse.
    """

    scales: NDArray[Any]
    gram: NDArray[Any]
    inverse: NDArray[Any]

    @classmethod
    def of(cls, gram: NDArray[np.float64], dtype: np.dtype[Any]) -> SharedGram:
        """What rows of that dtype are solved by."""
        squares = gram.diagonal()
        lives = squares > SMALLEST_SQUARE[dtype.char]
        scales = np.divide(1.0, np.sqrt(squares), out=np.zeros(len(gram)), where=lives)
        scaled, inverse = gram * scales * scales[:, None], np.empty(gram.shape, dtype)
        compiled.invert(scaled, inverse)
        return cls(scales.astype(dtype), scaled.astype(dtype), inverse)

    def solve(self, f: NDArray[Any], cross: NDArray[Any]) -> None:
        """Solve for rows, whatever they hold; ``cross`` is overwritten."""
        slow = self._go(f, cross, ROUNDS[f.dtype.char])
        if len(slow):
            solve_exactly(f, self.gram, cross, slow)
        f *= self.scales

    def approach(self, f: NDArray[Any], cross: NDArray[Any]) -> None:
        """Go where most entries are zero that are zero in the end; ``cross`` is overwritten."""
        self._go(f, cross, FIRST_ROUNDS)
        f *= self.scales

    def _go(self, f: NDArray[Any], cross: NDArray[Any], rounds: int) -> NDArray[np.int64]:
        cross *= self.scales
        return compiled.solve_rows(f, self.gram, self.inverse, cross, SOLVE_TOL[f.dtype.char], rounds)


@dataclass(frozen=True)
class SolveF(TileStep):
    """Solve for F from a cold start, given H; sum the squares of the residual per block.

    ``R`` is α⊙H, ``grams`` (n_blocks, k, k) are H_b H_bᵀ, in float64; ``alpha`` is that of each block.
    """

    X: TiledMatrix
    H: NDArray[Any]
    R: NDArray[Any]
    grams: NDArray[np.float64]
    alpha: NDArray[np.float64]
    l1: float = 0.0
    l2: float = 0.0
    _whole: SharedGram = field(init=False, compare=False)

    def __post_init__(self) -> None:
        # Not when it is first asked for: Python 3.11 locks a cached property meanwhile, and a child that is forked by
        # another thread then would wait for ever.
        object.__setattr__(self, "_whole", self._without(np.zeros(len(self.alpha), dtype=bool)))

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shape of the sum: the squares of the residual per block."""
        return [(len(self.X.layout.names),)]

    @property
    def depth(self) -> int:
        """The rank."""
        return len(self.H)

    def __call__(self, tile: Tile, rows: slice, F: NDArray[Any], weights: NDArray[np.float64]) -> Sums:
        """Solve for one tile's rows of F."""
        held, cross = gate(self.X, tile), np.empty_like(F)
        compiled.multiply_tile(held, self.R, cross)
        cross -= F.dtype.type(self.l1)
        self._whole.solve(F, cross)
        squares = np.zeros(self.shapes[0])
        compiled.residual_tile(held, F, self.H, self.grams, self.X.layout.bounds, weights, squares)
        return (squares,)

    def _solved(self, go: Callable[[NDArray[Any], NDArray[Any]], None], cross: NDArray[Any]) -> NDArray[Any]:
        """Rows of F as ``go`` finds them."""
        found = np.empty_like(cross)
        go(found, cross - cross.dtype.type(self.l1))
        return found

    def _without(self, lacks: NDArray[np.bool_]) -> SharedGram:
        """For rows that lack those blocks."""
        n_entries = int(np.sum(np.array(self.X.layout.sizes)[~lacks]))
        gram = np.tensordot(self.alpha * ~lacks, self.grams, 1)
        ridge = ridge_of(gram, n_entries, self.l2, self.H.dtype)
        return SharedGram.of(gram + ridge * np.eye(len(gram)), self.H.dtype)


@dataclass(frozen=True)
class SolveGappyF(SolveF):
    """The same where entries are missing: rows that lack the same blocks share a gram, others have one of their own."""

    def __call__(  # type: ignore[override]  # what comes with the tile differs
        self,
        tile: Tile,
        rows: slice,
        F: NDArray[Any],
        weights: NDArray[np.float64],
        absent: NDArray[np.bool_],
        scattered: NDArray[np.bool_],
    ) -> Sums:
        """Solve for one tile's rows of F."""
        held, bounds, kind = gate(self.X, tile), self.X.layout.bounds, F.dtype.char
        order, cross = Orders().of(rows, absent, scattered), np.empty_like(F)
        compiled.multiply_gappy_tile(held, bounds, order, absent, scattered, self.R, cross)
        patterns, pattern = np.unique(absent, axis=0, return_inverse=True)
        pattern = pattern.reshape(-1)  # NumPy 2.0 alone gives it two dimensions
        few = np.bincount(pattern[~scattered], minlength=len(patterns)) < FEW_ROWS
        lone = scattered | (few[pattern] & absent.any(axis=1))
        for number in np.unique(pattern[~lone]):
            some = np.flatnonzero(~lone & (pattern == number))
            F[some] = self._solved(self._without(patterns[number]).solve, cross[some])
        alone = np.flatnonzero(lone)
        F[alone] = self._solved(self._whole.approach, cross[alone])
        compiled.solve_alone(
            held, bounds, alone, absent, np.ascontiguousarray(self.H.T), self.alpha,
            self.alpha[:, None, None] * self.grams, self.l1, self.l2, cross, ROUNDING[kind], RIDGE[kind],
            F,
        )  # fmt: skip
        squares = np.zeros(self.shapes[0])
        compiled.gappy_residual_tile(held, bounds, order, absent, scattered, F, self.H, self.grams, weights, squares)
        return (squares,)
