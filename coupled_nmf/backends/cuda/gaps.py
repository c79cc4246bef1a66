"""Missing entries on the device: who lacks which blocks, and rows of X with their gaps filled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.backends.cuda.device import Device, Program
from coupled_nmf.backends.cuda.matrix import DeviceMatrix, DeviceTile
from coupled_nmf.backends.cuda.moves import Order, or_null, step_of
from coupled_nmf.problem.problem import Problem

FILLING = 128  # threads a row


def patterns_of(absent: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Which blocks are lacked together, and which of these patterns is that of each row."""
    patterns, pattern = np.unique(absent, axis=0, return_inverse=True)
    return patterns, pattern.reshape(-1)  # NumPy 2.0 alone gives it two dimensions


class DeviceGaps:
    """What `Gaps` says, as the kernels take it.

    Rows that lack the same blocks are a pattern: they move by one gram, the sum of those of the blocks that they have.

    Attributes
    ----------
    present : device array of shape (n_patterns, n_blocks + 1)
        What each pattern's gram is the sum of; last, of what is added to each.
    pattern : ndarray of shape (n_samples,)
        Number of each sample's pattern.
    block_weights : list of device arrays of shape (n_samples,)
        Each sample's weight in the sums of a block, 0 if it lacks it; none if no sample lacks a block.
    kept : device array of shape (n_samples,)
        Σ w α x² over what the gaps of each sample were filled with.
    """

    def __init__(self, problem: Problem, matrix: DeviceMatrix, device: Device) -> None:
        assert problem.gaps is not None
        gaps, layout, dtype = problem.gaps, problem.X.layout, problem.X.dtype
        patterns, pattern = patterns_of(gaps.absent)
        self._matrix, self._device = matrix, device
        self.patterns, self.pattern, self._bare = patterns, pattern, ~(gaps.absent.any(axis=1) | gaps.scattered)
        self.some_absent, self.scattered = bool(gaps.absent.any()), gaps.scattered
        self.present = device.put(np.column_stack([~patterns, np.ones(len(patterns))]), dtype)
        self.orders = [Order.by_pattern(pattern[tile.rows], device) for tile in matrix.tiles]
        weights = problem.weights if problem.weights.size else np.ones(len(pattern))
        self.block_weights = [device.put(weights * ~absent) for absent in gaps.absent.T] if self.some_absent else []
        self.kept = device.zeros((len(pattern),), np.float64)
        self._absent = device.put(gaps.absent, np.uint8)
        self._block_of = device.put(np.repeat(np.arange(len(layout.names)), layout.sizes), np.int32)
        self._alpha = device.put(problem.column_weights)
        self._weights = device.put(problem.weights) if problem.weights.size else None
        self._filled = device.empty((matrix.height, matrix.shape[1]), dtype)

    def has_scattered(self, tile: DeviceTile) -> bool:
        """Whether rows of that tile have gaps inside a block."""
        return bool(self.scattered[tile.rows].any())

    def add_fill(
        self, program: Program, tile: DeviceTile, control: Any, products: tuple[Any, Any] | None, *, counts: bool
    ) -> list[tuple[Any, slice]]:
        """Fill the gaps of a tile, by the product of F (k, rows) and H, or by zeros; return its parts, whole.

        Blocks that a row lacks become zero. ``counts``: ``kept`` becomes that of these rows.
        """
        if self._bare[tile.rows].all():
            return tile.parts
        filled = self._filled[: tile.height]
        if products is not None:
            V, H = products
            self._device.multiply(program, filled, V.T, H)
        weights = None if self._weights is None else self._weights[tile.rows]
        kernel = self._device.kernel("fill.cu", "fill", self._matrix.dtype)
        for number, (x, columns) in enumerate(tile.parts):
            into = filled[:, columns]
            arguments = (
                or_null(control), x, step_of(x), into, step_of(into), np.int32(x.shape[0]), np.int32(x.shape[1]),
                self._block_of[columns], self._alpha[columns], self._absent[tile.rows],
                np.int32(self._absent.shape[1]), or_null(weights), np.int32(products is not None),
                or_null(self.kept[tile.rows] if counts else None), np.int32(number == 0),
            )  # fmt: skip
            program.add(kernel, (tile.height,), (FILLING,), arguments)
        return [(filled, slice(0, self._matrix.shape[1]))]
