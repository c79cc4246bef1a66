"""X, looked at on the device."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.backends.cuda.device import Device, Program
from coupled_nmf.backends.cuda.matrix import DeviceMatrix, DeviceTile
from coupled_nmf.backends.cuda.moves import SIMPLE, edges_in, step_of
from coupled_nmf.data.arrays import to_host
from coupled_nmf.problem.contracts import Sums
from coupled_nmf.problem.problem import Scanned, gaps_of
from coupled_nmf.problem.refusals import refuse_entries

LOOKING = 128  # threads a row and block


def look_at(device: Device, parts: list[tuple[Any, slice]], bounds: NDArray[np.int64]) -> NDArray[np.float64]:
    """Squares, sum, number of NaN and of negative entries, of each row and block: (rows, n_blocks, 4)."""
    program, found = Program(), []
    for x, columns in parts:
        edges = edges_in(bounds, columns) - columns.start
        out = device.empty((x.shape[0], len(edges) - 1, 4), np.float64)
        arguments = (x, step_of(x), np.int32(x.shape[0]), device.put(edges, np.int32), np.int32(len(edges) - 1), out)
        program.add(device.kernel("scan.cu", "scan", x.dtype), (x.shape[0], len(edges) - 1), (LOOKING,), arguments)
        found.append(out)
    program.run()
    return np.concatenate([out.get() for out in found], axis=1)


class DeviceScan:
    """As `Scan`: what is counted on the device by row and block is weighed and added up in memory."""

    def __init__(self, matrix: DeviceMatrix, device: Device, weights: NDArray[np.float64]) -> None:
        X, n_blocks = matrix.X, len(matrix.layout.names)
        self._given = weights
        self._matrix, self._device, self._weights = matrix, device, weights if weights.size else np.ones(X.shape[0])
        self._lacking = X.absent_blocks()
        self.squares, self.totals, self.entries = (np.zeros(n_blocks) for _ in range(3))
        self.absent = np.zeros((X.shape[0], n_blocks), dtype=bool)
        self.scattered = np.zeros(X.shape[0], dtype=bool)
        self._missing = device.zeros((X.shape[1],), np.int32)

    def run(self) -> Scanned:
        """Look at X; stop at a tile with an entry that cannot be."""
        squares, totals, entries, missing = self.look()
        gaps = gaps_of(self.absent, self.scattered, missing, self._given)
        return Scanned(self._given, squares, totals, entries, gaps)

    def look(self) -> Sums:
        """The sums of `Scan`; what is missing is marked in ``absent`` and ``scattered``."""
        sizes = np.array(self._matrix.layout.sizes)
        for tile in self._matrix.passes():
            found = look_at(self._device, tile.parts, self._matrix.layout.bounds)
            squares, totals, gaps, negative = np.moveaxis(found, 2, 0)
            if negative.any() or not np.all(np.isfinite(squares)):
                X = self._matrix.X
                refuse_entries(X, [to_host(x) for x, _ in tile.parts], X.rows_of_all(tile.rows))
            rows, weights, lacking = tile.rows, self._weights[tile.rows], self._lacking[tile.rows]
            gaps = np.where(lacking, sizes, gaps)
            self.squares += weights @ squares
            self.totals += weights @ totals
            self.entries += weights @ (sizes - gaps)
            self.absent[rows] = gaps == sizes
            self.scattered[rows] = np.any((gaps > 0) & (gaps < sizes), axis=1)
            if np.any((gaps > 0) & ~lacking):
                self._count(tile)
        return self.squares, self.totals, self.entries, self._gaps_of_columns()

    def _count(self, tile: DeviceTile) -> None:
        """Count the gaps of each column in a tile's rows whose weight counts."""
        program, device, bounds = Program(), self._device, self._matrix.layout.bounds
        for x, columns in tile.parts:
            width, block = int(x.shape[1]), np.searchsorted(bounds, columns.start)
            # A block that is known to be absent is a part of its own, and is counted without being read.
            weights = device.put(np.where(self._lacking[tile.rows, block], 0.0, self._weights[tile.rows]))
            arguments = (x, step_of(x), np.int32(x.shape[0]), np.int32(width), weights, self._missing[columns])
            program.add(device.kernel("scan.cu", "count_gaps", x.dtype), (-(-width // SIMPLE),), (SIMPLE,), arguments)
        program.run()

    def _gaps_of_columns(self) -> NDArray[np.float64]:
        counted = (self._weights > 0) @ self._lacking.astype(np.float64)
        missing: NDArray[np.float64] = self._missing.get() + np.repeat(counted, self._matrix.layout.sizes)
        return missing
