"""How much of each block every component explains, in one pass over X, tile by tile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from coupled_nmf.backends.cpu.tile_step import TileStep
from coupled_nmf.data.tiled_matrix import SparseRows, Tile, TiledMatrix
from coupled_nmf.problem.contracts import Sums


@dataclass(frozen=True)
class Shares(TileStep):
    """⟨F_j H_bj, 2 X_b − (F H)_b⟩ of each block and component, and ‖X_b‖², over observed entries.

    H (k, n_features), and with the tile its rows of F and of the weights, are in float64; ``absent`` (rows, n_blocks)
    says which blocks a row is known to lack.
    """

    X: TiledMatrix
    H: NDArray[np.float64]

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the sums."""
        n_blocks = len(self.X.layout.names)
        return [(n_blocks, len(self.H)), (n_blocks,)]

    @property
    def depth(self) -> int:
        """The rank, for F H and for its product with F."""
        return 2 * len(self.H)

    def __call__(
        self, tile: Tile, rows: slice, F: NDArray[Any], weights: NDArray[np.float64], absent: NDArray[np.bool_]
    ) -> Sums:
        """Look at one tile."""
        parts, squares = np.zeros(self.shapes[0]), np.zeros(self.shapes[1])
        for number, (part, columns) in enumerate(zip(tile, self.X.part_columns, strict=True)):
            H, own = self.H[:, columns], weights
            if number in self.X.absent:
                lacking = np.searchsorted(self.X.layout.bounds, columns.start)
                own = np.where(absent[:, lacking], 0.0, weights)
            if isinstance(part, SparseRows):
                moments, own_squares, gram = _look_at_sparse(part, F, H, own)
            else:
                moments, own_squares, gram = _look_at_dense(part, F, H, own)
            first, last = np.searchsorted(self.X.layout.bounds, (columns.start, columns.stop))
            edges = self.X.layout.bounds[first:last] - columns.start
            parts[first:last] += np.add.reduceat(moments * H, edges, axis=1).T
            squares[first:last] += np.add.reduceat(own_squares, edges)
            if gram is not None:
                for block, some in enumerate(np.split(H, edges[1:], axis=1), start=first):
                    parts[block] -= np.sum(gram * (some @ some.T), axis=1)
        return parts, squares


Look = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64] | None]


def shares_by_block(
    X: TiledMatrix, parts: NDArray[np.float64], squares: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """The sums of `Shares` as shares of each block's squares; zeros where there are none."""
    shares = np.divide(parts, squares[:, None], out=np.zeros_like(parts), where=squares[:, None] > 0)
    return dict(zip(X.layout.names, shares, strict=True))


def _look_at_dense(x: Any, F: NDArray[Any], H: NDArray[Any], weights: NDArray[Any]) -> Look:
    """Fᵀ(2 X − F H) and the squares of X of each column, over what is there; nothing is left for the gram."""
    x = x.astype(np.float64)
    rest = 2 * x - F @ H
    missing = np.isnan(x)
    rest[missing] = x[missing] = 0
    return (F * weights[:, None]).T @ rest, weights @ x**2, None


def _look_at_sparse(x: SparseRows, F: NDArray[Any], H: NDArray[Any], weights: NDArray[Any]) -> Look:
    """The same from the stored entries, as if F H were zero but where X is NaN; the gram FᵀF makes up for it."""
    first = x.indptr[0]
    indices, stored = x.indices[first : x.indptr[-1]], x.stored.astype(np.float64)
    row = np.repeat(np.arange(len(x)), np.diff(x.indptr))
    missing = np.flatnonzero(np.isnan(stored))
    stored[missing] = 0
    squares = np.bincount(indices, weights[row] * stored**2, minlength=x.width).astype(np.float64)
    rest = 2 * stored
    rest[missing] = np.einsum("ij,ji->i", F[row[missing]], H[:, indices[missing]])
    weighted = F * weights[:, None]
    moments = csr_array((rest, indices, x.indptr - first), shape=(len(x), x.width)).T @ weighted
    return moments.T, squares, weighted.T @ F
