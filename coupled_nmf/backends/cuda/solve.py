"""F for a given H on the device; the rows for which sweeps do not do are solved by the host."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.backends.cpu.solve import SOLVE_TOL, SharedGram, SolveGappyF, ridge_of
from coupled_nmf.backends.cuda.device import THREADS, Device, Program
from coupled_nmf.backends.cuda.gaps import DeviceGaps
from coupled_nmf.backends.cuda.matrix import DeviceMatrix, DeviceTile
from coupled_nmf.backends.cuda.moves import Order, Pair, add_cross, edges_in, n_partials, or_null, step_of
from coupled_nmf.backends.cuda.scan import LOOKING
from coupled_nmf.data.tiled_matrix import TiledMatrix
from coupled_nmf.problem.contracts import Solution
from coupled_nmf.problem.penalties import Penalties
from coupled_nmf.problem.problem import Problem
from coupled_nmf.problem.sample_weights import NO_WEIGHTS

SWEEPS = {"f": 160, "d": 2000}  # at most; rows that they do not solve are left to the host


class DeviceSolve:
    """Non-negative least squares of every row of X, a tile at a time; what `SolveF` and `SolveGappyF` find.

    Rows whose sweeps crawl are solved anew as the host solves all, and those with gaps inside a block each by a gram of
    its own: both on the host, to which these rows of X are copied, and F of their tile.
    """

    def __init__(
        self, problem: Problem, penalties: Penalties, matrix: DeviceMatrix, device: Device, gaps: DeviceGaps | None,
        H: NDArray[Any],
    ) -> None:  # fmt: skip
        self._problem, self._penalties, self._matrix, self._device, self._gaps = (
            problem,
            penalties,
            matrix,
            device,
            gaps,
        )
        self._H, H64, dtype = H, H.astype(np.float64), problem.X.dtype
        self._block_grams = np.stack([H_b @ H_b.T for H_b in problem.X.layout.split(H64).values()])
        self._R64 = H64 * problem.column_weights
        self._there, self._R = device.put(H), device.put(self._R64, dtype)
        lacking = gaps.patterns if gaps is not None else np.zeros((1, len(problem.alpha)), dtype=bool)
        self._grams = np.stack([self._gram_of(lacks) for lacks in lacking])
        self._grams_there = device.put(self._grams, dtype)
        k, n = len(H), matrix.shape[0]
        self.F = device.zeros((k, n), dtype).T
        self._cross = device.empty((k, matrix.height), dtype)
        self._product = device.empty((matrix.height, matrix.shape[1]), dtype)
        self._unsolved = device.zeros((matrix.height,), np.int32)

    def _gram_of(self, lacks: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Gram of rows that lack those blocks, as `SolveF` makes it."""
        gram = np.tensordot(self._problem.alpha * ~lacks, self._block_grams, 1)
        n_entries = int(np.sum(np.array(self._problem.X.layout.sizes)[~lacks]))
        return gram + ridge_of(gram, n_entries, self._penalties.l2_F, self._problem.X.dtype) * np.eye(len(gram))

    def run(self) -> NDArray[np.float64]:
        """Solve for all rows; return the squares of what is left, per block."""
        squares = np.zeros(len(self._problem.alpha))
        for tile in self._matrix.passes():
            self._sweep(tile)
            alone = np.zeros(tile.height, dtype=bool)
            if self._gaps is not None:
                alone = self._gaps.scattered[tile.rows]
            self._solve_slow(tile, alone)
            if alone.any():
                squares += self._solve_alone(tile, np.flatnonzero(alone))
            squares += self._squares_of(tile, ~alone)
        return squares

    def _order(self, tile: DeviceTile) -> Order | None:
        return self._gaps.orders[tile.index] if self._gaps is not None else None

    def _sweep(self, tile: DeviceTile) -> None:
        """Sweeps over all rows of a tile."""
        program, device, F = Program(), self._device, self.F[tile.rows]
        parts = tile.parts
        if self._gaps is not None:
            parts = self._gaps.add_fill(program, tile, None, None, counts=False)
        cross, dtype, order = self._cross[:, : tile.height], self._problem.X.dtype, self._order(tile)
        add_cross(program, device, self._R, parts, cross, of_x=False)
        k, blocks = len(self._H), n_partials(tile.height, order)
        program.add(
            device.kernel("solve.cu", "solve_rows", dtype, k), (blocks,), (THREADS,),
            (F, Pair(F, F).ld, cross, step_of(cross), self._grams_there, np.int32(k),
             dtype.type(self._penalties.l1_F), dtype.type(SOLVE_TOL[dtype.char]), np.int32(SWEEPS[dtype.char]),
             np.int32(blocks * THREADS if order else tile.height), or_null(order and order.rows),
             or_null(order and order.grams), self._unsolved),
        )  # fmt: skip
        program.run()

    def _solve_slow(self, tile: DeviceTile, alone: NDArray[np.bool_]) -> None:
        slow = (self._unsolved.get()[: tile.height] > 0) & ~alone
        if not slow.any():
            return
        V = np.ascontiguousarray(self.F[tile.rows].get())
        cross = np.ascontiguousarray(self._cross.get()[:, : tile.height].T) - V.dtype.type(self._penalties.l1_F)
        for number, gram in enumerate(self._grams):
            rows = np.flatnonzero(slow & (self._patterns_of(tile) == number))
            if len(rows):
                found = np.empty((len(rows), V.shape[1]), V.dtype)
                SharedGram.of(gram, V.dtype).solve(found, cross[rows])
                V[rows] = found
        self.F[tile.rows] = self._device.put(V)

    def _patterns_of(self, tile: DeviceTile) -> NDArray[np.int64]:
        """Number of each row's gram."""
        if self._gaps is None:
            return np.zeros(tile.height, dtype=np.int64)
        return self._gaps.pattern[tile.rows]

    def _solve_alone(self, tile: DeviceTile, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Solve for rows with gaps inside a block; return the squares of what is left."""
        problem, penalties, device = self._problem, self._penalties, self._device
        assert problem.gaps is not None
        some = rows + tile.rows.start
        X = TiledMatrix([device.take(x, rows).get() for x, _ in tile.parts], problem.X.layout, problem.X.dtype)
        F = np.empty((len(rows), len(self._H)), problem.X.dtype)
        R, l1, l2 = self._R64.astype(F.dtype), penalties.l1_F, penalties.l2_F
        step = SolveGappyF(X, self._H, R, self._block_grams, problem.alpha, l1, l2)
        whole, weights = slice(0, len(rows)), problem.weights[some] if problem.weights.size else NO_WEIGHTS
        gaps = problem.gaps
        (squares,) = step(X.tile(whole), whole, F, weights, gaps.absent[some], gaps.scattered[some])
        V = np.ascontiguousarray(self.F[tile.rows].get())
        V[rows] = F
        self.F[tile.rows] = device.put(V)
        return squares

    def _squares_of(self, tile: DeviceTile, counted: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Squares of the residual of some rows."""
        problem, device, program = self._problem, self._device, Program()
        product, bounds = self._product[: tile.height], problem.X.layout.bounds
        device.multiply(program, product, self.F[tile.rows], self._there)
        found = []
        for x, columns in tile.parts:
            edges = edges_in(bounds, columns) - columns.start
            out, some = device.empty((tile.height, len(edges) - 1), np.float64), product[:, columns]
            arguments = (x, step_of(x), some, step_of(some), np.int32(tile.height), device.put(edges, np.int32),
                         np.int32(len(edges) - 1), out)  # fmt: skip
            kernel = device.kernel("scan.cu", "residual", problem.X.dtype)
            program.add(kernel, (tile.height, len(edges) - 1), (LOOKING,), arguments)
            found.append(out)
        program.run()
        squares = np.concatenate([out.get() for out in found], axis=1)
        weights = problem.weights[tile.rows] if problem.weights.size else np.ones(tile.height)
        there = counted[:, None]
        if problem.gaps is not None:
            there = there & ~problem.gaps.absent[tile.rows]
        return weights @ np.where(there, squares, 0.0)


def solve_on_device(
    problem: Problem,
    penalties: Penalties,
    matrix: DeviceMatrix,
    device: Device,
    gaps: DeviceGaps | None,
    H: NDArray[Any],
) -> Solution:
    """F for the given H from a cold start, and what is left."""
    solve = DeviceSolve(problem, penalties, matrix, device, gaps, np.ascontiguousarray(H))
    residual = np.maximum(solve.run(), 0.0)
    return Solution(solve.F, residual, residual, problem.squares)
