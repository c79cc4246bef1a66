"""The Kullback–Leibler loss on the device: both factors move by quotients x / (F H), made in the place of x."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.backends.cpu.backend import NumpyBackend
from coupled_nmf.backends.cpu.losses.kullback_leibler import KullbackLeibler
from coupled_nmf.backends.cuda.control import Parts, Value
from coupled_nmf.backends.cuda.device import Device, Program
from coupled_nmf.backends.cuda.gaps import patterns_of
from coupled_nmf.backends.cuda.matrix import DeviceMatrix, DeviceTile
from coupled_nmf.backends.cuda.moves import (
    SIMPLE,
    HoldsPoint,
    Pair,
    add_cross,
    add_moments,
    add_put,
    add_start,
    edges_in,
    or_null,
    room_for_moments,
    step_of,
)
from coupled_nmf.problem.contracts import Backend, Solution, Sums
from coupled_nmf.problem.penalties import Penalties
from coupled_nmf.problem.problem import Problem
from coupled_nmf.problem.solvers import MultiplicativeUpdate, Rule

DIVIDING = 128  # threads a row
SLAB = 512  # rows or columns that a block of threads sums


def slabs_of(bounds: NDArray[np.int64]) -> NDArray[np.int32]:
    """Ranges of columns, each inside a block: the first, that behind the last, and the block (n_slabs, 3)."""
    slabs = [
        (first, min(first + SLAB, stop), block)
        for block, (start, stop) in enumerate(itertools.pairwise(bounds.tolist()))
        for first in range(start, stop, SLAB)
    ]
    return np.array(slabs, dtype=np.int32)


class _Room:
    """What the moves write to, for one rank: nothing is allocated from iteration to iteration."""

    def __init__(self, objective: DeviceKullbackLeibler, k: int) -> None:
        device, matrix, dtype = objective.device, objective.matrix, objective.tiles.dtype
        height, n_features, double = matrix.height, matrix.shape[1], np.float64
        self.k = k
        self.H, self.R = device.empty((k, n_features), dtype), device.empty((k, n_features), dtype)  # R is α⊙H
        self.H_sums = device.empty((len(objective.slabs), k), double)
        self.H_costs = device.empty((len(objective.slabs), k), double) if objective.penalizes_H else None
        self.pattern_sums = device.empty((objective.shares.shape[0], k), double)
        self.quotients = device.empty((height, n_features), dtype)
        self.cross, self.moved = device.empty((k, height), dtype), device.empty((k, height), dtype)
        self.weighted = device.empty((k, height), dtype) if objective.weights is not None else None
        self.losses = device.empty((height,), double)
        self.FtQ = device.empty((k, n_features), double)
        self.part = room_for_moments(device, height, (k, n_features), dtype)
        # One row a sum: of F for each set of rows and component, of each component's penalty, of the losses.
        counts = [-(-tile.height // SLAB) for tile in matrix.tiles]
        self.slab_starts = np.concatenate([[0], np.cumsum(counts)])
        self.n_sums = objective.n_sets * k
        self.table = device.empty((self.n_sums + k + 1, int(self.slab_starts[-1])), double)
        self.totals = device.empty((self.n_sums + k + 1,), double)


class DeviceKullbackLeibler(HoldsPoint):
    """As `KullbackLeibler`, on the device: an `Objective` whose point and sums are arrays that keep their places.

    Both factors move from one of a pair to the other, F by way of room for a tile of it. Rows of X are dense here,
    those of sparse parts too. F for a given H is found on the host, by Newton's method, for which X on the device is
    copied there tile by tile.
    """

    def __init__(
        self,
        problem: Problem,
        penalties: Penalties,
        matrix: DeviceMatrix,
        device: Device,
        backend: Backend,
        n_jobs: int | None,
    ) -> None:
        self.problem, self.tiles, self.penalties, self.backend = problem, problem.X, penalties, backend
        self.matrix, self.device, self._n_jobs = matrix, device, n_jobs
        self._on_host = KullbackLeibler(problem, penalties, NumpyBackend(n_jobs))
        self.weighted_squares = self._on_host.weighted_squares
        bounds = problem.X.layout.bounds
        slabs = slabs_of(bounds)
        absent = problem.gaps.absent if problem.gaps is not None else np.zeros((1, len(problem.alpha)), dtype=bool)
        lacks = bool(absent.any())
        patterns, pattern = patterns_of(absent)
        self.block_shares = ~patterns * problem.alpha  # of each block's sums of H, in what a pattern's rows move by
        self.slabs, self.shares = device.put(slabs), device.put(self.block_shares[:, slabs[:, 2]])
        self.n_sets = len(problem.alpha) if lacks else 1  # of rows that have the same block, each with a sum of F
        self._absent = device.put(absent, np.uint8) if lacks else None
        self._pattern = device.put(pattern, np.int32) if lacks else None
        self.weights = device.put(problem.weights) if problem.weights.size else None
        self._alpha, self.penalizes_H = device.put(problem.alpha), bool(penalties.l1_H.any() or penalties.l2_H.any())
        self._by_block = device.put(penalties.by_block(problem.alpha, problem.X.dtype))
        edges = [edges_in(bounds, columns) for columns in problem.X.part_columns]
        self._first_blocks = [int(np.searchsorted(bounds, some[0])) for some in edges]
        self._edges = [device.put(some - some[0], np.int32) for some in edges]

    def hold(self, F: Any, H: Any) -> tuple[Any, Any]:
        """F and H on the device, and room for what is made of them."""
        H = self.device.put(H, self.tiles.dtype) if isinstance(H, np.ndarray) else H
        self._room = _Room(self, len(H))
        self._f_programs: dict[Any, list[Program]] = {}
        self._h_programs: tuple[Program, Program] | None = None
        return self.device.factor(F, self.matrix.shape[0], len(H), self.tiles.dtype), H

    def _kernel(self, name: str) -> Any:
        return self.device.kernel("divergence.cu", name, self.tiles.dtype)

    def point_of(self, H: Any) -> None:
        """Make the point of H itself."""
        program = Program()
        self._add_components(program, H, H, None, fixed=None)
        self._add_pattern_sums(program)
        program.run()

    def _point_arrays(self) -> tuple[Any, ...]:
        room = self._room
        return room.H, room.R, room.H_sums, room.pattern_sums

    def _add_components(self, program: Program, H: Any, other: Any, control: Any, fixed: int | None) -> None:
        """Move H but its first ``fixed`` rows, and make the point further on: that H, α⊙H, and its sums.

        None: make that of H itself, under control only after a rejection.
        """
        room, n_features = self._room, self.matrix.shape[1]
        program.add(
            self._kernel("move_components"), (len(self.slabs), room.k), (SIMPLE,),
            (or_null(control), H, other, step_of(H), or_null(None if fixed is None else room.FtQ), room.totals,
             np.int32(room.k if self.n_sets > 1 else 0), np.int32(fixed or 0), self.slabs, self._by_block, self._alpha,
             np.int32(n_features), room.H, room.R, room.H_sums, or_null(room.H_costs)),
        )  # fmt: skip

    def _add_pattern_sums(self, program: Program) -> None:
        """Of the point: Σ α H over the blocks that a pattern's rows have."""
        room = self._room
        self.device.multiply(program, room.pattern_sums, self.shares, room.H_sums)

    def move_f(self, rule: Rule, point: None, F: Any, other: Any, betas: Any) -> Sums:
        """Move F, and sum what H's move needs."""
        if rule not in self._f_programs:
            tiles, pair = self.matrix.tiles, Pair(F, other)
            in_place, n_sweeps = F is other, rule.inner_sweeps
            programs = [self._tile_program(tile, n_sweeps, pair.rows(tile.rows), in_place, betas) for tile in tiles]
            self._f_programs[rule] = [*programs, self._sum_program()]
        *programs, last = self._f_programs[rule]
        for tile in self.matrix.passes():
            programs[tile.index].run()
        last.run()
        return ()

    def _tile_program(self, tile: DeviceTile, n_sweeps: int, pair: Pair, in_place: bool, control: Any) -> Program:
        program, room, device = Program(), self._room, self.device
        cross, V = room.cross[:, : tile.height], pair.first if in_place else room.moved[:, : tile.height].T
        if not in_place:
            add_start(program, device, control, pair, V.T, above_zero=True)
        for _ in range(n_sweeps):
            parts = self._add_quotients(program, tile, V, control, None)
            add_cross(program, device, room.R, parts, cross)
            self._add_division(program, tile, V, cross, control)
        if not in_place:
            add_put(program, device, control, pair, V.T)
        parts = self._add_quotients(program, tile, V, control, room.losses)
        weighted = None if room.weighted is None else room.weighted[:, : tile.height]
        self._add_sums(program, tile, V, weighted, control)
        summed = V.T if weighted is None else weighted
        add_moments(program, device, summed, parts, room.FtQ, room.part, begins=tile.index == 0)
        return program

    def _add_quotients(
        self, program: Program, tile: DeviceTile, V: Any, control: Any, losses: Any
    ) -> list[tuple[Any, slice]]:
        """``x / (V H)`` in the place of x, and the rows' losses if there is room for them; return all as one part."""
        whole = self._room.quotients[: tile.height]
        # In full precision always: of a product that is rounded, J would be too.
        self.device.multiply(program, whole, V, self._room.H)
        weights, absent = self._of_tile(self.weights, tile), self._of_tile(self._absent, tile)
        for number, (x, columns) in enumerate(tile.parts):
            found, edges, first = whole[:, columns], self._edges[number], self._first_blocks[number]
            program.add(
                self._kernel("quotients"), (tile.height,), (DIVIDING,),
                (or_null(control), x, step_of(x), found, step_of(found), edges, np.int32(len(edges) - 1),
                 or_null(None if absent is None else absent[:, first:]), np.int32(len(self._alpha)),
                 self._alpha[first:], or_null(weights), or_null(losses), np.int32(number == 0)),
            )  # fmt: skip
        return [(whole, slice(0, self.matrix.shape[1]))]

    def _add_division(self, program: Program, tile: DeviceTile, V: Any, cross: Any, control: Any) -> None:
        """The multiplicative update of the rows of a tile."""
        dtype, penalties = self.tiles.dtype.type, self.penalties
        program.add(
            self._kernel("divide_by_sums"), (-(-tile.height // SIMPLE), self._room.k), (SIMPLE,),
            (or_null(control), V, step_of(V.T), cross, step_of(cross), self._room.pattern_sums,
             or_null(self._of_tile(self._pattern, tile)), dtype(penalties.l1_F), dtype(penalties.l2_F),
             np.int32(tile.height)),
        )  # fmt: skip

    def _add_sums(self, program: Program, tile: DeviceTile, V: Any, weighted: Any, control: Any) -> None:
        """A tile's share of the table."""
        dtype, penalties, room = self.tiles.dtype.type, self.penalties, self._room
        start, stop = (int(place) for place in room.slab_starts[tile.index : tile.index + 2])
        program.add(
            self._kernel("sum_rows"), (stop - start, room.k, self.n_sets), (SIMPLE,),
            (or_null(control), V, step_of(V.T), np.int32(tile.height), np.int32(SLAB),
             or_null(self._of_tile(self.weights, tile)), or_null(self._of_tile(self._absent, tile)), room.losses,
             dtype(penalties.l1_F), dtype(penalties.l2_F), or_null(weighted), np.int64(self.matrix.height),
             room.table[:, start:stop], np.int64(room.table.shape[1])),
        )  # fmt: skip

    def _of_tile(self, array: Any, tile: DeviceTile) -> Any:
        return None if array is None else array[tile.rows]

    def _sum_program(self) -> Program:
        """The sums over all rows."""
        program, room = Program(), self._room
        arguments = (room.table, np.int32(room.table.shape[1]), room.totals)
        program.add(self._kernel("add_up"), (len(room.totals),), (SIMPLE,), arguments)
        return program

    def move_h(self, rule: Rule, sums: Sums, H: Any, other: Any, betas: Any) -> tuple[Value, None]:
        """Move H once, from its point; return J there, still in parts, and what a rejection makes of the point."""
        room = self._room
        if self._h_programs is None:
            move, then = self._h_programs = Program(), Program()
            self._add_components(move, H, other, betas, rule.fixed)
            self._add_components(then, H, other, betas, None)
            self._add_pattern_sums(then)
        move, then = self._h_programs
        move.run()
        parts = [Parts(room.totals[room.n_sums :], room.k + 1)]
        if room.H_costs is not None:
            parts.append(Parts(room.H_costs, room.H_costs.size))
        return Value(0.0, parts, then), None

    def solve(self, H: NDArray[Any]) -> Solution:
        """F for the given H from a cold start, and what is left: found on the host, and F put on the device."""
        with NumpyBackend(self._n_jobs) as host:
            found = KullbackLeibler(self.problem, self.penalties, host).solve(H)
        return replace(found, F=self.device.factor(found.F, len(found.F), len(H), self.tiles.dtype))

    def sums_of(self, F: Any, H: NDArray[Any]) -> Sums:
        """What H's move needs of an F that stays, in memory."""
        F, H_there = self.hold(F, H)
        self.point_of(H_there)
        self.move_f(MultiplicativeUpdate(0), None, F, F, None)
        return self.fetched(H)

    def fetched(self, H: NDArray[Any]) -> Sums:
        """The sums of the last move of F, in memory, for the H of its point."""
        room = self._room
        totals = room.totals.get()
        Fsums = np.broadcast_to(totals[: room.n_sums].reshape(self.n_sets, room.k), (len(self.problem.alpha), room.k))
        extras = np.array([totals[-1], totals[room.n_sums : -1].sum()])
        return room.FtQ.get() * H, Fsums.copy(), extras

    def learn(self, rule: Rule, sums: Sums, H: NDArray[Any]) -> NDArray[Any]:
        """H, moved once by sums in memory; there too, since that is no more than to read them."""
        return self._on_host.learn(rule, sums, H)
