"""The stand-in for X on the device: its passes over X, and the loop on it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.backends.cuda.control import Parts, Value
from coupled_nmf.backends.cuda.device import Device, Program
from coupled_nmf.backends.cuda.matrix import MOST_ROWS, DeviceMatrix
from coupled_nmf.backends.cuda.moves import (
    ENERGY,
    Further,
    GramSums,
    Pair,
    add_cross,
    add_keep,
    add_moments,
    add_move,
    n_partials,
    room_for_moments,
    slices_of,
)
from coupled_nmf.data.blocks import BlockLayout
from coupled_nmf.data.tiled_matrix import TiledMatrix
from coupled_nmf.problem.contracts import Backend, InTurn, Sums
from coupled_nmf.problem.draws import RowSample
from coupled_nmf.problem.solvers import HALS, Rule


def power_pass(matrix: DeviceMatrix, device: Device, basis: NDArray[Any], sample: RowSample) -> NDArray[np.float64]:
    """``basis XᵀX`` over a sample of the rows, for a basis (l, n_features)."""
    there, dtype = device.put(basis), matrix.dtype
    total, part = device.zeros(basis.shape, np.float64), room_for_moments(device, matrix.height, basis.shape, dtype)
    for tile in matrix.passes():
        program, rows = Program(), sample.of(matrix.X.rows_of_all(tile.rows))
        if len(rows) == 0:
            continue
        some = [(device.take(x, rows), columns) for x, columns in tile.parts]
        cross = device.empty((len(basis), len(rows)), dtype)
        add_cross(program, device, there, some, cross, of_x=False)
        add_moments(program, device, cross, some, total, part, begins=False)
        program.run()
    found: NDArray[np.float64] = total.get()
    return found


def project(matrix: DeviceMatrix, device: Device, basis: NDArray[Any]) -> Any:
    """``X basisᵀ``, on the device."""
    Y, there = device.empty((matrix.shape[0], len(basis)), matrix.dtype), device.put(basis)
    for tile in matrix.passes():
        program = Program()
        add_cross(program, device, there, tile.parts, Y[tile.rows].T, of_x=False)
        program.run()
    return Y


class DeviceStandIn(InTurn):
    """As `StandInObjective`: the loop on Y B, for Y on the device and B in memory, given as Bt.

    Both factors, F (n_samples, k) and the loop's H (n_features, k), are held column by column.
    """

    def __init__(self, Y: Any, Bt: NDArray[Any], weighted_squares: float, backend: Backend, device: Device) -> None:
        self.backend, self.device, self._Y, self._Bt = backend, device, Y, device.put(Bt)
        self.weighted_squares, self._dtype = weighted_squares, Bt.dtype
        self.tiles = TiledMatrix([Y], BlockLayout(("stand-in",), (int(Y.shape[1]),)), Bt.dtype)
        self._slices = slices_of(Y.shape[0], MOST_ROWS)

    def hold(self, F: Any, H: Any) -> tuple[Any, Any]:
        """F and H on the device, and room for what is made of them."""
        device, dtype, (n, width), (m, k) = self.device, self._dtype, self._Y.shape, H.shape
        height = min(n, MOST_ROWS)
        self._cross, self._further = device.empty((k, height), dtype), Further(device.empty((k, height), dtype))
        self._cross_h, self._point = device.empty((k, m), dtype), Further(device.empty((k, m), dtype))
        self._FtY = device.empty((k, width), np.float64)
        self._part = room_for_moments(device, height, (k, width), dtype)
        self._R, self._HBt, self._FtF, self._HHt = (device.empty((k, size), dtype) for size in (width, width, k, k))
        self._F_grams, self._H_grams = (GramSums(device, most, k, dtype) for most in (height, m))
        self._energies = device.zeros((n_partials(m), 2), np.float64)
        self._programs: dict[Any, Program] = {}
        return device.factor(F, n, k, dtype), device.factor(H, m, k, dtype)

    def point_of(self, H: Any) -> None:
        """Make the point of H itself."""
        program = Program()
        add_move(program, self.device, HALS(0), None, Pair(H, H), None, self._HHt, self._point)
        self._add_products(program)
        program.run()

    def _add_products(self, program: Program) -> None:
        """H Bᵀ and H Hᵀ at the point."""
        self.device.multiply(program, self._HBt, self._point.point, self._Bt)
        self._H_grams.add(program, self._point.point)
        self._H_grams.reduce(program, gram=self._HHt)

    def move_f(self, rule: Rule, point: None, F: Any, other: Any, betas: Any) -> Sums:
        """Move F, and sum what H's move needs."""
        if ("F", rule) not in self._programs:
            self._programs["F", rule] = self._f_program(rule, Pair(F, other), betas)
        self._programs["F", rule].run()
        return ()

    def _f_program(self, rule: Rule, pair: Pair, control: Any) -> Program:
        program, device = Program(), self.device
        for index, rows in enumerate(self._slices):
            height = rows.stop - rows.start
            Y, cross, further = self._Y[rows], self._cross[:, :height], self._further.rows(height)
            device.multiply(program, cross, self._HBt, Y.T)
            add_move(program, device, rule, control, pair.rows(rows), cross, self._HHt, further)
            parts = [(Y, slice(0, int(Y.shape[1])))]
            add_moments(program, device, further.point, parts, self._FtY, self._part, begins=index == 0)
            self._F_grams.add(program, further.point, begins=index == 0)
        program.add(device.cupy.copyto, self._R, self._FtY, "same_kind")
        self._F_grams.reduce(program, gram=self._FtF)
        return program

    def move_h(self, rule: Rule, sums: Sums, H: Any, other: Any, betas: Any) -> tuple[Value, None]:
        """Move H; return J, still in parts, and what makes the point further on once it is decided on."""
        if ("H", rule) not in self._programs:
            program, then, pair = Program(), Program(), Pair(H, other)
            self.device.multiply(program, self._cross_h, self._R, self._Bt.T)
            add_move(
                program, self.device, rule, betas, pair, self._cross_h, self._FtF, self._point, wants=ENERGY,
                partials=self._energies,
            )  # fmt: skip
            add_keep(then, self.device, betas, pair, None, self._point)
            self._add_products(then)
            self._programs["H", rule], self._programs["then", rule] = program, then
        self._programs["H", rule].run()
        parts = [Parts(self._energies.reshape(-1)[1:], len(self._energies), 2)]
        return Value(self.weighted_squares, parts, self._programs["then", rule]), None
