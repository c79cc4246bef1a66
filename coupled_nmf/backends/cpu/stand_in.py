"""The stand-in for X on the host: its passes over X, and the loop on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.backends.cpu.kernels import compiled
from coupled_nmf.backends.cpu.losses.objective import HostBackend, zeros_for
from coupled_nmf.backends.cpu.moves.by_rows import MoveF
from coupled_nmf.backends.cpu.tile_step import TileStep, gate
from coupled_nmf.data.blocks import BlockLayout
from coupled_nmf.data.tiled_matrix import SparseRows, Tile, TiledMatrix
from coupled_nmf.problem.contracts import InTurn, Sums
from coupled_nmf.problem.draws import RowSample
from coupled_nmf.problem.sample_weights import NO_WEIGHTS
from coupled_nmf.problem.solvers import Rule


@dataclass(frozen=True)
class PowerPass(TileStep):
    """``(XΩ)ᵀX`` over a sample of the rows, for Ω given as its transpose (l, n_features)."""

    X: TiledMatrix
    basis: NDArray[Any]
    sample: RowSample

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shape of the sum."""
        return [(len(self.basis), self.X.shape[1])]

    @property
    def depth(self) -> int:
        """The width of the basis."""
        return len(self.basis)

    def __call__(self, tile: Tile, rows: slice) -> Sums:
        """Multiply one tile's rows."""
        if self.sample.share > 1:
            wanted = self.sample.of(self.X.rows_of_all(rows))
            tile = [
                part.take(wanted) if isinstance(part, SparseRows) else np.ascontiguousarray(part[wanted])
                for part in tile
            ]
        out = np.empty(self.shapes[0], self.basis.dtype)
        compiled.power_tile(gate(self.X, tile), self.basis, out)
        return (out,)


@dataclass(frozen=True)
class Project(TileStep):
    """``Y = XV`` for V given as its transpose."""

    X: TiledMatrix
    basis: NDArray[Any]

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Nothing is summed."""
        return []

    @property
    def depth(self) -> int:
        """The width of the basis."""
        return len(self.basis)

    def __call__(self, tile: Tile, rows: slice, Y: NDArray[Any]) -> Sums:
        """Project one tile's rows."""
        compiled.multiply_tile(gate(self.X, tile), self.basis, Y)
        return ()


def _one_part(array: NDArray[Any]) -> TiledMatrix:
    return TiledMatrix([array], BlockLayout(("stand-in",), (array.shape[1],)), array.dtype)


class StandInObjective(InTurn):
    """The loop on Y B for Y (n_samples, l) and orthonormal rows B (l, n_features), given as Bt.

    The loop's H is held transposed, (n_features, k): H moves by a sweep over Bᵀ exactly as F moves by one over Y, with
    FᵀY in the place of HBᵀ.
    """

    def __init__(self, Y: NDArray[Any], Bt: NDArray[Any], weighted_squares: float, backend: HostBackend) -> None:
        self.tiles, self.features, self.backend = _one_part(Y), _one_part(Bt), backend
        self.weighted_squares = weighted_squares
        self._buffers_f: list[Sums] = []
        self._buffers_h: list[Sums] = []

    def hold(self, F: NDArray[Any] | None, H: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """F, of zeros if it is None, and H."""
        return zeros_for(self.tiles, H) if F is None else F, H

    def point_of(self, H: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """H Bᵀ and H Hᵀ."""
        return np.ascontiguousarray(H.T @ self.features.parts[0]), H.T @ H

    def move_f(self, rule: Rule, point: Any, F: NDArray[Any], other: NDArray[Any], betas: tuple[float, float]) -> Sums:
        """Sweep over Y."""
        R, gram = point
        step = MoveF(self.tiles, rule, R, gram, *betas, self._buffers_f)
        return self.backend.sweep(self.tiles, step, F, other, NO_WEIGHTS)

    def move_h(
        self, rule: Rule, sums: Sums, H: NDArray[Any], other: NDArray[Any], betas: tuple[float, float]
    ) -> tuple[float, Any]:
        """Sweep over Bᵀ."""
        R, gram = (total.astype(H.dtype) for total in sums[:2])
        step = MoveF(self.features, rule, R, gram, *betas, self._buffers_h, with_energy=True)
        HBt, HHt, energy = self.backend.sweep(self.features, step, H, other, NO_WEIGHTS)
        return self.weighted_squares + float(energy[0]), (HBt.astype(H.dtype), HHt.astype(H.dtype))
