"""The Frobenius loss on the device: how the loop moves both factors, without the host knowing more than their order."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.backends.cuda.control import Parts, Value
from coupled_nmf.backends.cuda.device import Device, Program
from coupled_nmf.backends.cuda.gaps import DeviceGaps
from coupled_nmf.backends.cuda.matrix import DeviceMatrix, DeviceTile
from coupled_nmf.backends.cuda.moves import (
    ENERGY,
    PENALTY,
    Further,
    GramSums,
    HoldsPoint,
    Order,
    Pair,
    add_cross,
    add_keep,
    add_moments,
    add_move,
    add_start,
    n_partials,
    room_for_moments,
)
from coupled_nmf.backends.cuda.solve import solve_on_device
from coupled_nmf.problem.column_groups import group_columns
from coupled_nmf.problem.contracts import Backend, Solution, Sums
from coupled_nmf.problem.penalties import Penalties
from coupled_nmf.problem.problem import Problem
from coupled_nmf.problem.solvers import HALS, Rule


class _Room:
    """What the moves write to, for one rank: nothing is allocated from iteration to iteration."""

    def __init__(self, objective: DeviceFrobenius, k: int) -> None:
        device, matrix, dtype = objective.device, objective.matrix, objective.tiles.dtype
        n_features, heights = matrix.shape[1], [tile.height for tile in matrix.tiles]
        self.k = k
        self.cross = device.empty((k, matrix.height), dtype)
        weighted = device.empty((k, matrix.height), dtype) if objective.weights is not None else None
        self.further = Further(device.empty((k, matrix.height), dtype), weighted)
        self.FtX = device.empty((k, n_features), np.float64)
        self.part = room_for_moments(device, matrix.height, (k, n_features), dtype)
        orders: list[Any] = objective.orders
        counts = [n_partials(height, order) for height, order in zip(heights, orders, strict=True)]
        self.penalty_starts = np.concatenate([[0], np.cumsum(counts)])
        self.penalties = device.zeros((int(self.penalty_starts[-1]), 2), np.float64)
        n_sets = max(len(objective.sets), 1)
        self.F_grams = [GramSums(device, matrix.height, k, dtype) for _ in range(n_sets)]
        n_groups = len(objective.edges) - 1
        self.H_gram = device.empty((n_groups, k, k), dtype)  # what H moves by, of each group
        self.point = Further(device.empty((k, n_features), dtype), device.empty((k, n_features), dtype))  # H and α⊙H
        widths = np.diff(objective.edges)
        self.energy_starts = np.concatenate([[0], np.cumsum([n_partials(int(width)) for width in widths])])
        self.energies = device.zeros((int(self.energy_starts[-1]), 2), np.float64)
        edges = objective.gram_edges
        self.H_grams = [GramSums(device, int(width), k, dtype) for width in np.diff(edges)]
        self.block_grams = device.zeros((len(edges), k, k), dtype)
        if objective.penalties.l2_F:
            self.block_grams[-1] = device.put(objective.penalties.l2_F * np.eye(k), dtype)
        n_patterns = len(objective.gaps.patterns) if objective.gaps else 1
        self.F_gram = device.empty((n_patterns, k, k), dtype)  # what F moves by, of each pattern


class DeviceFrobenius(HoldsPoint):
    """As `Frobenius`, on the device: an `Objective` whose points and sums are arrays that keep their places.

    Both moves of an iteration are programs, made in the loop's first one. Which of the pairs of factors are held, and
    how far they are extrapolated, the kernels read from the judge's state.
    """

    def __init__(
        self, problem: Problem, penalties: Penalties, matrix: DeviceMatrix, device: Device, backend: Backend
    ) -> None:
        self.problem, self.tiles, self.penalties, self.backend = problem, problem.X, penalties, backend
        self.matrix, self.device = matrix, device
        self.weighted_squares = problem.weighted_squares
        self.edges, self._l1_H, self._l2_H = group_columns(problem, penalties)
        self.gaps = DeviceGaps(problem, matrix, device) if problem.gaps is not None else None
        self.lacks = self.gaps is not None and self.gaps.some_absent
        self.sets: list[Any] = self.gaps.block_weights if self.gaps is not None else []  # FᵀF of each block, or one
        self.gram_edges = problem.X.layout.bounds if self.lacks else self.edges[[0, -1]]
        self.orders: list[Order | None] = (
            list(self.gaps.orders) if self.lacks and self.gaps else [None] * len(matrix.tiles)
        )
        self.alpha = device.put(problem.column_weights)
        self.weights = device.put(problem.weights) if problem.weights.size else None

    def hold(self, F: Any, H: Any) -> tuple[Any, Any]:
        """F and H on the device, and room for what is made of them."""
        H = self.device.put(H, self.tiles.dtype) if isinstance(H, np.ndarray) else H
        self._room = _Room(self, len(H))
        self._f_programs: dict[Any, list[Program]] = {}
        self._h_programs: dict[Any, tuple[Program, Program]] = {}
        return self.device.factor(F, self.matrix.shape[0], len(H), self.tiles.dtype), H

    def point_of(self, H: Any) -> None:
        """Make the point of H itself."""
        program, room = Program(), self._room
        pair = Pair(H.T, H.T)
        add_move(program, self.device, HALS(0), None, pair, None, room.F_gram, room.point, weights=self.alpha)
        self._add_grams(program)
        program.run()

    def _point_arrays(self) -> tuple[Any, ...]:
        room = self._room
        return room.point.point, room.point.summed, room.F_gram

    def _add_grams(self, program: Program) -> None:
        """What F moves by at the point."""
        room, bounds = self._room, self.gram_edges
        for number, grams in enumerate(room.H_grams):
            columns = slice(int(bounds[number]), int(bounds[number + 1]))
            grams.add(program, room.point.point[:, columns], self.alpha[columns])
            if self.lacks:
                grams.reduce(program, gram=room.block_grams[number])
            else:
                grams.reduce(program, self.penalties.l2_F, gram=room.F_gram)
        if self.lacks:
            assert self.gaps is not None
            flat = room.F_gram.reshape(len(room.F_gram), -1)
            self.device.multiply(program, flat, self.gaps.present, room.block_grams.reshape(len(bounds), -1))

    def move_f(self, rule: Rule, point: None, F: Any, other: Any, betas: Any) -> Sums:
        """Move F, and sum what H's move needs."""
        if rule not in self._f_programs:
            pair = Pair(F, other)
            programs = [self._tile_program(tile, rule, pair.rows(tile.rows), betas) for tile in self.matrix.tiles]
            self._f_programs[rule] = [*programs, self._sum_program()]
        *programs, last = self._f_programs[rule]
        for tile in self.matrix.passes():
            programs[tile.index].run()
        last.run()
        return ()

    def _tile_program(self, tile: DeviceTile, rule: Rule, pair: Pair, control: Any) -> Program:
        program, room, device = Program(), self._room, self.device
        further, cross = room.further.rows(tile.height), room.cross[:, : tile.height]
        weights = None if self.weights is None else self.weights[tile.rows]
        start, stop = room.penalty_starts[tile.index : tile.index + 2]
        l1, l2 = self.penalties.l1_F, self.penalties.l2_F
        parts = self._whole(program, tile, pair, control, counts=False)
        add_cross(program, device, room.point.summed, parts, cross)
        add_move(
            program, device, rule, control, pair, cross, room.F_gram, further, l1=l1, l2=l2,
            order=self.orders[tile.index], weights=weights, wants=PENALTY if l1 or l2 else 0,
            partials=room.penalties[start:stop],
        )  # fmt: skip
        if self.gaps is not None and self.gaps.has_scattered(tile):
            parts = self._whole(program, tile, None, control, counts=True)
        add_moments(program, device, further.summed, parts, room.FtX, room.part, begins=tile.index == 0)
        for grams, own in zip(room.F_grams, self.sets or [self.weights], strict=True):
            own = None if own is None else own[tile.rows]
            grams.add(program, further.point, own, begins=tile.index == 0)
        return program

    def _whole(
        self, program: Program, tile: DeviceTile, pair: Pair | None, control: Any, *, counts: bool
    ) -> list[tuple[Any, slice]]:
        """The parts of a tile, filled by F H where entries are missing: F of a pair, or that further on."""
        if self.gaps is None:
            return tile.parts
        V, products = self._room.further.rows(tile.height).point, None
        if self.gaps.has_scattered(tile):
            if pair is not None:
                add_start(program, self.device, control, pair, V)
            products = (V, self._room.point.point)
        return self.gaps.add_fill(program, tile, control, products, counts=counts)

    def _sum_program(self) -> Program:
        """The grams that H moves by."""
        program, room = Program(), self._room
        for group, l2 in enumerate(self._l2_H[: len(room.H_gram)]):
            grams = room.F_grams[group if self.sets else 0]
            grams.reduce(program, float(l2), gram=room.H_gram[group])
        return program

    def move_h(self, rule: Rule, sums: Sums, H: Any, other: Any, betas: Any) -> tuple[Value, None]:
        """Move H; return J, still in parts, and what makes the point further on once it is decided on."""
        room = self._room
        if rule not in self._h_programs:
            then = Program()
            add_keep(then, self.device, betas, Pair(H.T, other.T), self.alpha, room.point)
            self._add_grams(then)
            self._h_programs[rule] = self._columns_program(rule, H, other, betas, self.edges, room.H_gram), then
        move, then = self._h_programs[rule]
        move.run()
        parts = [Parts(room.energies.reshape(-1)[1:], len(room.energies), 2)]
        if self.penalties.l1_F or self.penalties.l2_F:
            parts.append(Parts(room.penalties, len(room.penalties), 2))
        if self.gaps is not None and self.gaps.scattered.any():
            parts.append(Parts(self.gaps.kept, len(self.gaps.kept)))
        return Value(self.weighted_squares, parts, then), None

    def _columns_program(
        self, rule: Rule, H: Any, other: Any, control: Any, edges: NDArray[np.int64], grams: Any
    ) -> Program:
        """Move the columns of H, from one edge to the next by a gram of their own."""
        program, room = Program(), self._room
        for group in range(len(grams)):
            columns = slice(int(edges[group]), int(edges[group + 1]))
            start, stop = room.energy_starts[[group, group + 1]] if control is not None else (0, None)
            point = Further(room.point.point[:, columns], room.point.summed[:, columns])
            add_move(
                program, self.device, rule, control, Pair(H[:, columns].T, other[:, columns].T),
                room.FtX[:, columns], grams[group], point, l1=float(self._l1_H[group]),
                weights=self.alpha[columns], wants=ENERGY if control is not None else 0,
                partials=room.energies[start:stop],
            )  # fmt: skip
        return program

    def solve(self, H: NDArray[Any]) -> Solution:
        """F for the given H from a cold start, and what is left."""
        return solve_on_device(self.problem, self.penalties, self.matrix, self.device, self.gaps, H)

    def sums_of(self, F: Any, H: NDArray[Any]) -> Sums:
        """What H's move needs of an F that stays, in memory; ``FᵀF`` of each block."""
        F, H_there = self.hold(F, H)
        self.point_of(H_there)
        self.move_f(HALS(0), None, F, F, None)
        return self.fetched()

    def fetched(self) -> Sums:
        """The sums of the last move of F, in memory; ``FᵀF`` of each block."""
        room, n_blocks = self._room, len(self.problem.alpha)
        totals = self.device.empty((len(room.F_grams), room.k, room.k), np.float64)
        program = Program()
        for number, grams in enumerate(room.F_grams):
            grams.reduce(program, total=totals[number])
        program.run()
        extras = np.array([0.0, room.penalties.get()[:, 0].sum()])
        if self.gaps is not None:
            extras[0] = self.gaps.kept.get().sum()
        return room.FtX.get(), np.broadcast_to(totals.get(), (n_blocks, room.k, room.k)).copy(), extras

    def learn(self, rule: Rule, sums: Sums, H: NDArray[Any]) -> NDArray[Any]:
        """H, moved once by sums in memory."""
        FtX, FtFs, _ = sums
        _, H_there = self.hold(None, H)
        moved = self.device.empty(H.shape, self.tiles.dtype)
        self._room.FtX.set(FtX)
        grams = self.device.put(FtFs + self._l2_H[:, None, None] * np.eye(len(H)), H.dtype)
        self._columns_program(rule, H_there, moved, None, self.problem.X.layout.bounds, grams).run()
        found: NDArray[Any] = moved.get()
        return found
