"""X, looked at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.backends.cpu.kernels import compiled
from coupled_nmf.backends.cpu.tile_step import TileStep, gate, rows_in
from coupled_nmf.data.tiled_matrix import Tile, TiledMatrix
from coupled_nmf.problem.contracts import Sums
from coupled_nmf.problem.refusals import refuse_entries


class Scan(TileStep):
    """Squares, sum and number of the entries, per block; stops at a tile with one that cannot be.

    With the tile come ``absent`` (rows, n_blocks), which holds the blocks that rows are known to lack, and
    ``scattered`` (rows,); what else is missing is marked in both.
    """

    def __init__(self, X: TiledMatrix) -> None:
        self.X = X

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the sums: squares, totals, entries, and the gaps of each column, of samples whose weight counts."""
        n_blocks = len(self.X.layout.names)
        return [(n_blocks,), (n_blocks,), (n_blocks,), (self.X.shape[1],)]

    def __call__(
        self,
        tile: Tile,
        rows: slice,
        weights: NDArray[np.float64],
        absent: NDArray[np.bool_],
        scattered: NDArray[np.bool_],
    ) -> Sums:
        """Scan one tile."""
        sums: Sums = tuple(np.zeros(shape) for shape in self.shapes)
        squares, totals, entries, missing = sums
        held, bounds = gate(self.X, tile), self.X.layout.bounds
        gappy, negative = absent.any(), 0
        if not gappy:
            negative = compiled.scan_tile(held, bounds, weights, squares, totals)
            gappy = np.isnan(squares).any()
        if gappy:
            squares[:], totals[:] = 0, 0
            negative = compiled.find_gaps(held, bounds, weights, absent, scattered, missing, squares, totals, entries)
        else:
            entries[:] = np.array(self.X.layout.sizes) * (weights.sum() if weights.size else rows_in(tile))
        if negative or not np.all(np.isfinite(squares)):
            refuse_entries(self.X, tile, self.X.rows_of_all(rows))
        return sums
