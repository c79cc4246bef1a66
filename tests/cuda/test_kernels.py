"""The CUDA kernels, emulated on the host, against plain NumPy and the code of the CPU that they stand in for."""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse
import slow_moves
from emulation import COMPILER, EmulationError, compile_module
from launches import DTYPES, NULL, TOLERANCE, Guarded, assert_close, beside, control_of, kernel, launch

from coupled_nmf.backends.cpu.control import HostJudge
from coupled_nmf.backends.cpu.kernels import compiled, rule_of
from coupled_nmf.backends.cpu.tile_step import TILES
from coupled_nmf.backends.cuda import control as cuda_control
from coupled_nmf.backends.cuda import device, moves
from coupled_nmf.backends.cuda import gaps as cuda_gaps
from coupled_nmf.backends.cuda import kullback_leibler as cuda_kl
from coupled_nmf.backends.cuda import matrix as cuda_matrix
from coupled_nmf.backends.cuda import scan as cuda_scan
from coupled_nmf.backends.cuda.kernels import CONTROL, KERNELS, options
from coupled_nmf.problem.control import NOISE, WINDOW, Momentum, Terms
from coupled_nmf.problem.solvers import HALS

pytestmark = pytest.mark.skipif(COMPILER is None, reason="g++, which compiles the emulation, is not installed")

ROWS = 64  # of a block of move.cu and solve.cu


def move(rule, gram, cross, l1, l2, n_sweeps, held, other, betas, weights, fixed=0):
    """What plain NumPy makes of it: the moved rows, the point further on, that weighted, penalty and energies."""
    cross = cross.astype(held.dtype)
    start = slow_moves.extrapolated(held, other, betas[0]) if betas[0] > 0 else held
    moved = slow_moves.MOVES[rule](start, cross, gram, l1, n_sweeps, fixed)
    point = slow_moves.extrapolated(moved, held, betas[1]) if betas[1] > 0 else moved
    w = np.ones(held.shape[1]) if weights is None else weights
    return SimpleNamespace(
        moved=moved,
        point=point,
        weighted=slow_moves.weighed(point, w),
        penalties=w * slow_moves.penalties(point, l1, l2),
        energies=w * slow_moves.energies(moved, cross, gram, l1),
    )


def problem(rng, k, n, dtype, factor="rows", alike=0.5):
    """A factor (k, n), the one before, a gram and a cross whose solution has entries at zero and others.

    The more ``alike`` its components, the more sweeps a solution takes, and the more rounding there is in each.
    """
    A = rng.random((3 * k + 5, k))
    gram = alike * A.T @ A / len(A) + (1 - alike) * k / 4 * np.eye(k)
    cross = gram @ (rng.random((k, n)) - 0.2)
    held, other = rng.random((k, n)), rng.random((k, n))
    return (
        gram.astype(dtype),
        cross.astype(dtype if factor == "rows" else np.float64),
        held.astype(dtype),
        other.astype(dtype),
    )


def launch_move(
    name, dtype, gram, cross, held, other, *, l1=0.0, l2=0.0, n_sweeps=1, fixed=0, control=None, weights=None,
    order=None, gram_of_block=None, wants=0, beyond=True, in_place=False,
):  # fmt: skip
    """Launch a move with room beside each row of the arrays; return what it leaves, cut to size."""
    k, n = held.shape
    first, second, crosses = beside(held, 5), beside(other, 5), beside(cross, 3)
    further, weighted = (beside(np.full_like(held, -1), 2) if beyond else None for _ in range(2))
    count = n if order is None else len(order)
    partials = np.full((-(-count // ROWS), 2), -1.0)
    arguments = [
        control, first, first if in_place else second, np.int64(n + 5), crosses, np.int64(n + 3), gram, np.int32(k),
        dtype(l1), np.float64(l2), np.int32(n_sweeps), np.int32(fixed), np.int32(count), order, gram_of_block,
        weights, further, weighted, np.int64(n + 2), np.int32(wants), partials,
    ]  # fmt: skip
    left = launch(kernel(name, dtype, k, "move"), len(partials), ROWS, *arguments)
    names = {1: "first", 2: "second", 4: "cross", 16: "point", 17: "weighted"}
    found = {what: left[place] for place, what in names.items() if left[place] is not None}
    for what, V in found.items():
        assert np.all(V[:, n:] == -1), f"{what}: written beside a row"
    cut = {what: V[:, :n] for what, V in found.items()}
    return SimpleNamespace(**cut, partials=left[20], penalty=left[20][:, 0], energy=left[20][:, 1])


# Both ends of a few widths, and any rank: each width takes a compilation.
RANKS = (1, 2, 7, 8, 9, 16, 17, 24, 49, 56, 57, 63, 64, 65, 100)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", RANKS)
def test_moves_are_those_of_numpy(k, dtype):
    rng = np.random.default_rng(k)
    for case, n in enumerate((1, 63, 64, 65, 200)):
        for rule in slow_moves.MOVES:
            factor = ("rows", "columns")[case % 2]
            gram, cross, held, other = problem(rng, k, n, dtype, factor)
            cross = np.abs(cross) if rule == "mu" else cross
            betas = ((0.0, 0.0), (0.3, 0.4), (0.0, 0.5), (0.7, 0.0))[case % 4]
            l1, l2, n_sweeps = ((0.0, 0.0, 1), (0.02, 0.3, 3), (0.01, 0.0, 0))[(case + k) % 3]
            weights = None if case % 2 else rng.random(n) + 0.5
            control = control_of(LAST_BETA=betas[0], NEXT_BETA=betas[1])
            fixed = (0, min(k, 3), k, 0, k // 2)[case]
            what = f"{rule}_{factor}, k {k}, n {n}, betas {betas}, sweeps {n_sweeps}, fixed {fixed}"
            expected = move(rule, gram, cross, l1, l2, n_sweeps, held, other, betas, weights, fixed)
            found = launch_move(
                f"{rule}_{factor}", dtype, gram, cross, held, other, l1=l1, l2=l2, n_sweeps=n_sweeps, fixed=fixed,
                control=control, weights=weights, wants=3,
            )  # fmt: skip
            np.testing.assert_array_equal(found.first, held, err_msg=what)
            assert_close(found.second, expected.moved, dtype, what)
            assert_close(found.point, expected.point, dtype, what)
            assert_close(found.weighted, expected.weighted, dtype, what)
            assert_close(found.penalty.sum(), expected.penalties.sum(), dtype, what)
            assert (
                abs(found.energy.sum() - expected.energies.sum()) <= TOLERANCE[dtype] * np.abs(expected.energies).sum()
            )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", [5, 64, 70])
@pytest.mark.parametrize("rule", slow_moves.MOVES)
def test_state_of_the_loop_decides_where_a_move_goes(rule, k, dtype):
    gram, cross, held, other = problem(np.random.default_rng(3), k, 70, dtype)
    cross = np.abs(cross)
    arguments = (f"{rule}_rows", dtype, gram, cross)
    forward = launch_move(*arguments, held, other, control=control_of(LAST_BETA=0.5, NEXT_BETA=0.25), wants=3)
    flipped = control_of(LAST_BETA=0.5, NEXT_BETA=0.25, FLIPPED=1)
    backward = launch_move(*arguments, other, held, control=flipped, wants=3)
    np.testing.assert_array_equal(backward.first, forward.second)
    np.testing.assert_array_equal(backward.second, held)
    np.testing.assert_array_equal(backward.point, forward.point)
    np.testing.assert_array_equal(backward.partials, forward.partials)

    done = launch_move(*arguments, held, other, control=control_of(DONE=1, LAST_BETA=0.5), wants=3)
    np.testing.assert_array_equal(done.second, other)
    assert np.all(done.point == -1)
    assert np.all(done.weighted == -1)
    assert np.all(done.partials == -1)

    without = launch_move(*arguments, held, other)
    in_place = launch_move(*arguments, held, held, in_place=True, control=control_of())
    np.testing.assert_array_equal(in_place.first, without.second)
    np.testing.assert_array_equal(without.point, without.second)
    assert np.all(without.partials == -1), "partials were not wanted"


@pytest.mark.parametrize("k", [8, 20, 66])
def test_parts_of_j_are_written_as_wanted(k):
    gram, cross, held, other = problem(np.random.default_rng(4), k, 130, np.float64)
    both, penalty, energy = (
        launch_move(
            "hals_rows", np.float64, gram, cross, held, other, l1=0.1, l2=0.2, wants=wants, beyond=False
        ).partials
        for wants in (3, 1, 2)
    )
    np.testing.assert_array_equal(penalty, both * [1, 0])
    np.testing.assert_array_equal(energy, both * [0, 1])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", [3, 24, 65])
@pytest.mark.parametrize("rule", slow_moves.MOVES)
def test_rows_in_another_order_move_to_the_same_bits(rule, k, dtype):
    """Each by the gram of its block, whatever rows lie beside it; rows that are left out stay."""
    rng = np.random.default_rng(5)
    n = 150
    gram, cross, held, other = problem(rng, k, n, dtype)
    grams, cross = np.stack([gram, 2 * gram, gram + np.eye(k, dtype=dtype)]), np.abs(cross)
    which = rng.integers(0, 3, n)
    blocks, gram_of_block = [], []
    for g in (2, 0, 1):
        rows = rng.permutation(np.flatnonzero((which == g) & (np.arange(n) != 7)))
        padded = np.concatenate([rows, np.full(-len(rows) % ROWS, -1)])
        blocks.append(padded)
        gram_of_block += [g] * (len(padded) // ROWS)
    order = np.concatenate(blocks).astype(np.int32)
    weights = rng.random(n)
    some = {"n_sweeps": 2, "weights": weights, "l1": 0.01, "l2": 0.1, "wants": 3}
    found = launch_move(
        f"{rule}_rows", dtype, grams, cross, held, other, order=order,
        gram_of_block=np.array(gram_of_block, np.int32), **some,
    )  # fmt: skip
    for g in range(3):
        alone = launch_move(f"{rule}_rows", dtype, grams[g], cross, held, other, **some)
        mine = (which == g) & (np.arange(n) != 7)
        for what in ("second", "point", "weighted"):
            np.testing.assert_array_equal(getattr(found, what)[:, mine], getattr(alone, what)[:, mine])
    np.testing.assert_array_equal(found.second[:, 7], other[:, 7])
    assert np.all(found.point[:, 7] == -1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", [4, 20, 64, 67])
@pytest.mark.parametrize("l1", [0.0, 0.01])
@pytest.mark.parametrize("rule", slow_moves.MOVES)
def test_moves_at_the_edges_of_numbers(rule, l1, k, dtype):
    """Zero rows, zero components, denormal numbers, large ones and NaN end as with NumPy."""
    rng = np.random.default_rng(6)
    gram, cross, held, other = problem(rng, k, 90, dtype)
    cross = np.abs(cross)
    tiny = np.finfo(dtype).tiny
    gram[1], gram[:, 1], cross[1] = 0, 0, 0  # a component that is nowhere, but in a few rows of V
    held[1, ::2] = 0
    held[:, 5] = cross[:, 5] = 0
    held[:, 6] = tiny / 4
    cross[:, 7] = tiny / 4
    cross[:, 8] *= dtype(1e10)
    held[2, 9] = np.nan
    cross[2, 10] = np.nan
    held[:, 11] = 0
    if rule == "hals":
        cross[1, 12] = 1e-3  # by rounding, say
    expected = move(rule, gram, cross, l1, 0.0, 2, held, other, (0.0, 0.5), None)
    found = launch_move(
        f"{rule}_rows", dtype, gram, cross, held, other, l1=l1, n_sweeps=2, control=control_of(NEXT_BETA=0.5)
    )
    for i in range(90):
        assert_close(found.second[:, i], expected.moved[:, i], dtype, f"row {i}")
        assert_close(found.point[:, i], expected.point[:, i], dtype, f"row {i}, further on")
    assert np.isnan(found.second[:, 9:11]).any(axis=0).all(), "a NaN was lost"
    assert np.all((found.second == 0) | ~(found.second <= {np.float32: 9e-38, np.float64: 9e-301}[dtype]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_column_moves_add_up_to_those_of_the_package(dtype):
    """As `move_columns` does it with both groups of columns in one call."""
    rng = np.random.default_rng(7)
    k, edges = 10, np.array([0, 40, 131])
    gram, FtX, H, other = problem(rng, k, 131, dtype, "columns")
    grams, l1s = np.stack([gram, 3 * gram]), np.array([0.0, 0.02], dtype)
    alpha = rng.random(131) + 0.5
    order = np.concatenate([np.arange(40), np.full(24, -1), np.arange(40, 131), np.full(37, -1)]).astype(np.int32)
    control = control_of(LAST_BETA=0.4, NEXT_BETA=0.6)
    R, HHts, moved = np.empty_like(H), np.empty((2, k, k), dtype), other.copy()
    energy = compiled.move_columns(
        *rule_of(HALS(3)), FtX, grams, l1s, edges, H, moved, 0.4, 0.6, alpha, R, HHts, 0, 131
    )
    total = 0.0
    for g, blocks in enumerate((slice(0, ROWS), slice(ROWS, None))):
        found = launch_move(
            "hals_columns", dtype, grams[g], FtX, H, other, l1=l1s[g], n_sweeps=3, control=control, weights=alpha,
            wants=2, order=order[blocks],
        )  # fmt: skip
        own = slice(edges[g], edges[g + 1])
        assert_close(found.second[:, own], moved[:, own], dtype, f"group {g}")
        assert_close(found.weighted[:, own], R[:, own], dtype, f"group {g}, weighted")
        total += found.energy.sum()
    assert total == pytest.approx(energy, rel=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", [1, 8, 13, 64, 65])
@pytest.mark.parametrize("max_sweeps", [0, 8, 20, 400])
def test_solves_end_where_those_of_the_cpu_do(k, dtype, max_sweeps):
    rng = np.random.default_rng(k)
    n, tol = 130, {np.float32: 1e-5, np.float64: 1e-11}[dtype]
    gram, cross, V, _ = problem(rng, k, n, dtype, alike=0.8)
    if k > 1:
        gram[1], gram[:, 1] = 0, 0
        cross[1] = rng.choice([0, 0.05], n)
    cross *= (10.0 ** rng.integers(-4, 5, n)).astype(dtype)
    l1 = dtype(1e-6)
    expected = np.empty((n, k), dtype)
    slow = compiled.solve_rows(expected, gram, np.ascontiguousarray((cross - l1).T), tol, max_sweeps, 0)
    order = np.concatenate([rng.permutation(n), [-1, -1]]).astype(np.int32)
    grams = np.stack([np.full_like(gram, np.nan), gram])
    for orders, some, of_block in ((None, gram, None), (order, grams, np.ones(3, np.int32))):
        left = launch(
            kernel("solve_rows", dtype, k, "solve"), 3, ROWS, beside(V, 2), np.int64(n + 2), beside(cross, 1),
            np.int64(n + 1), some, np.int32(k), l1, dtype(tol), np.int32(max_sweeps),
            np.int32(n if orders is None else len(orders)), orders, of_block, np.full(n, 9, np.int32),
        )  # fmt: skip
        solution, unsolved = left[0][:, :n], left[12]
        assert np.all(left[0][:, n:] == -1)
        scale = np.abs(expected.astype(np.float64)).max(axis=1) + 1e-300
        far = np.abs(solution.T - expected).max(axis=1) / scale
        other = (far > 10 * TOLERANCE[dtype]) | np.isin(np.arange(n), np.setxor1d(np.flatnonzero(unsolved), slow))
        # By rounding, a few go eight sweeps further or less far, in the last of which they move by less than tol.
        assert other.mean() <= 0.05, "rows are done whose sweeps go on on the CPU, or the other way round"
        assert far.max() <= 20 * tol, "a solution differs"
        assert set(unsolved) <= {0, 1}


def random_course(rng):
    """Values of J: falling, rising, crawling, jumping, of both signs of nothing, and not finite."""
    n, kind = int(rng.integers(1, 25)), rng.integers(0, 5)
    steps = rng.normal({0: -0.3, 1: 0.0, 2: -1e-4, 3: -2.0, 4: -0.05}[int(kind)], 0.2 if kind < 2 else 1e-5, n)
    values = np.exp(np.cumsum(steps)) * 10.0 ** rng.integers(-12, 6)
    values[rng.random(n) < 0.05] *= -1
    values[rng.random(n) < 0.1] *= 1.5
    values[rng.random(n) < 0.01] = rng.choice([np.nan, np.inf, -np.inf])
    repeated = np.flatnonzero(rng.random(n) < 0.1)
    values[repeated] = values[np.maximum(repeated - 1, 0)]
    return values


def decide_control(terms):
    momentum = Momentum()
    return control_of(
        BETA=momentum.beta, CEILING=momentum.ceiling, GOOD=momentum.good, EXTRAPOLATED=terms.extrapolated,
        GROWTH=momentum.growth, CEILING_GROWTH=momentum.ceiling_growth, CUT=momentum.cut, TOL=terms.tol,
        WINDOW=WINDOW, FLOOR=terms.floor,
    )  # fmt: skip


def judge_course(values, terms):
    """What the host decides: betas and whether it accepts, for each value, and how it ends."""
    judge, betas, accepted = HostJudge(terms), [], []
    for value in values:
        betas.append(judge.betas)
        try:
            accepted.append(judge.decide(float(value)))
        except ValueError:
            return betas, accepted, judge.history, "not finite"
        if judge.look().settled:
            return betas, accepted, judge.history, "settled"
    return betas, accepted, judge.history, "stopped by max_iter"


def test_decides_as_the_host_does():
    """The same values of J through `HostJudge` and the kernel: to the bit, since no sums differ."""
    rng, decide = np.random.default_rng(8), kernel("decide", np.float64)
    ends = {"settled": 0, "stopped by max_iter": 0, "not finite": 0, "rejected": 0}
    for course in range(2000):
        values, extrapolated = random_course(rng), bool(rng.integers(0, 2))
        tol = float(rng.choice([0, 1e-6, 1e-3, 0.1]))
        floor = NOISE["d"] * float(rng.choice([0.0, 1e-3, 1.0])) * 10.0 ** rng.integers(-12, 20)
        terms = Terms(extrapolated, tol, floor, np.dtype(np.float64))
        expected = judge_course(values, terms)
        control = Guarded(decide_control(terms))
        history, state = Guarded(np.full(len(values) + 1, -1.0)), control.array
        history.array[0] = 0.0  # in front of the history, and less than any J: not to be looked at
        passed = SimpleNamespace(data=SimpleNamespace(ptr=history.array[1:].ctypes.data))
        betas, accepted = [], []
        for value in values:
            betas.append((state[CONTROL["LAST_BETA"]], state[CONTROL["NEXT_BETA"]]))
            flipped = state[CONTROL["FLIPPED"]]
            decide((1,), (256,), [control, passed, np.float64(value), *[NULL, np.int32(0), np.int32(0)] * 3])
            if state[CONTROL["DONE"]] != 2:
                accepted.append(bool(state[CONTROL["FLIPPED"]] != flipped))
            if state[CONTROL["DONE"]]:
                break
        control.check(), history.check()
        count = int(state[CONTROL["COUNT"]])
        what = f"course {course}: {values}, {terms}"
        end = ("stopped by max_iter", "settled", "not finite")[int(state[CONTROL["DONE"]])]
        assert (betas, accepted, history.array[1 : count + 1].tolist(), end) == expected, what
        assert np.all(history.array[count + 1 :] == -1), what
        ends[end] += 1
        ends["rejected"] += not all(accepted)
    assert all(number > 50 for number in ends.values()), f"the courses miss some ends: {ends}"


def test_decide_sums_its_parts():
    rng, decide = np.random.default_rng(9), kernel("decide", np.float64)
    for sizes in ((0, 0, 0), (1, 0, 3), (255, 256, 257), (1000, 5000, 2)):
        parts = [rng.random((max(n, 1), stride)) - 0.3 for n, stride in zip(sizes, (1, 2, 3), strict=True)]
        arguments = []
        for n, part in zip(sizes, parts, strict=True):
            arguments += [part if n else None, np.int32(n), np.int32(part.shape[1])]
        control = decide_control(Terms(False, 0.0, 0.0, np.dtype(np.float64)))
        left = launch(decide, 1, 256, control, np.zeros(1), np.float64(2e4), *arguments)
        expected = 2e4 + sum(part[:n, 0].sum() for n, part in zip(sizes, parts, strict=True))
        assert left[1][0] == pytest.approx(expected, rel=1e-14)
        again = launch(decide, 1, 256, control, np.zeros(1), np.float64(2e4), *arguments)
        assert left[1][0] == again[1][0]


def test_decides_nothing_once_done():
    control = decide_control(Terms(True, 1e-3, 0.0, np.dtype(np.float64)))
    control[CONTROL["DONE"]] = 1
    left = launch(
        kernel("decide", np.float64),
        1,
        256,
        control,
        np.full(3, -1.0),
        np.float64(1),
        *[None, np.int32(0), np.int32(1)] * 3,
    )
    np.testing.assert_array_equal(left[0], control)
    assert np.all(left[1] == -1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 100, 700])
def test_points_of_a_pair_of_factors(n, dtype):
    rng = np.random.default_rng(10)
    k, ld = 6, n + 3
    first, second, room = (rng.random((k, ld)).astype(dtype) for _ in range(3))
    first[2, 0] = np.nan
    weights = rng.random(n)
    sizes = (np.int32(k), np.int32(n))
    for flipped in (0, 1):
        held, other = (second, first) if flipped else (first, second)
        left = launch(
            kernel("extrapolated", dtype, file="points"), 2, 64, control_of(LAST_BETA=0.8, FLIPPED=flipped), first,
            second, np.int64(ld), *sizes, room, np.int64(ld),
        )  # fmt: skip
        expected = held[:, :n].copy()
        moved = held[:, :n] + dtype(0.8) * (held[:, :n] - other[:, :n])
        assert_close(left[6][:, :n], np.where(moved < 0, 0, moved), dtype, "extrapolated")
        np.testing.assert_array_equal(left[6][:, n:], room[:, n:])
        for rejected in (0, 1):
            for w in (weights, None):
                left = launch(
                    kernel("keep_point", dtype, file="points"), 2, 64, control_of(REJECTED=rejected, FLIPPED=flipped),
                    first, second, np.int64(ld), w, room, room.copy(), np.int64(ld), *sizes,
                )  # fmt: skip
                weighted = (expected * (1 if w is None else w)).astype(dtype)
                for found, wanted in ((left[5], expected), (left[6], weighted)):
                    np.testing.assert_array_equal(found[:, :n], wanted if rejected else room[:, :n])
                    np.testing.assert_array_equal(found[:, n:], room[:, n:])
    left = launch(
        kernel("extrapolated", dtype, file="points"),
        1,
        64,
        None,
        first,
        second,
        np.int64(ld),
        *sizes,
        room,
        np.int64(ld),
    )
    np.testing.assert_array_equal(left[6][:, :n], first[:, :n])


@pytest.mark.parametrize("dtype", DTYPES)
def test_parts_are_added_in_double(dtype):
    rng = np.random.default_rng(11)
    total, parts, add_to = rng.random(1000), rng.random((3, 1000)).astype(dtype), kernel("add_to", dtype, file="sums")
    for begins in (0, 1):
        left = launch(add_to, 2, 256, total, parts, np.int32(3), np.int64(1000), np.int32(begins))
        one, two, three = parts.astype(np.float64)
        np.testing.assert_array_equal(left[0], (0 if begins else total) + one + two + three)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("n", "k"), [(1, 1), (31, 5), (100, 16), (257, 17), (200, 33), (65, 64), (90, 100)])
def test_grams_over_slabs(n, k, dtype):
    """Products of floats are exact in double, so the sums differ by double's rounding alone."""
    rng = np.random.default_rng(12)
    V, weights, l2 = (
        np.concatenate([rng.random((k, n)), np.full((k, 4), np.nan)], axis=1).astype(dtype),
        rng.random(n),
        0.7,
    )
    for slab in (n, 64, 50):
        for w, begins in ((weights, True), (None, True), (weights, False)):
            n_slabs = -(-n // slab)
            squares = -(-k // 64)
            left = launch(
                kernel("gram", dtype, file="sums"), (n_slabs, squares, squares), 256, V, np.int64(n + 4), w,
                np.int32(n), np.int32(k), np.int32(slab), np.full((n_slabs, k, k), -1.0), np.int32(begins),
            )  # fmt: skip
            wide = V[:, :n].astype(np.float64)
            for s in range(n_slabs):
                rows = slice(s * slab, (s + 1) * slab)
                own = wide[:, rows] * (1 if w is None else w[rows])
                np.testing.assert_allclose(left[6][s], own @ wide[:, rows].T - (not begins), rtol=1e-12)
            arguments = [
                left[6],
                np.int32(n_slabs),
                np.int32(k),
                np.float64(l2),
                np.empty((k, k)),
                np.empty((k, k), dtype),
            ]
            function, grid = kernel("reduce_grams", dtype, file="sums"), -(-k * k // 32)
            total, gram = launch(function, grid, 256, *arguments)[4:]
            np.testing.assert_allclose(total, left[6].sum(axis=0), rtol=1e-13)
            np.testing.assert_array_equal(gram, (total + l2 * np.eye(k)).astype(dtype))
            np.testing.assert_array_equal(launch(function, grid, 256, *arguments[:4], None, arguments[5])[5], gram)
            np.testing.assert_array_equal(launch(function, grid, 256, *arguments[:5], None)[4], total)


def gappy(rng, rows, width, dtype):
    """Rows of X with NaNs, a whole block of them missing here and there, negative numbers, room beside each row."""
    x = (rng.random((rows, width + 3)) - 0.1).astype(dtype)
    x[rng.random(x.shape) < 0.2] = np.nan
    x[rng.random(x.shape) < 0.1] = 0
    x[1, : width // 2] = np.nan
    return x


@pytest.mark.parametrize("dtype", DTYPES)
def test_scans_find_what_the_cpu_does(dtype):
    rng = np.random.default_rng(13)
    rows, width, edges = 9, 300, np.array([0, 150, 151, 300], np.int32)
    x, weights = gappy(rng, rows, width, dtype), rng.integers(0, 3, rows).astype(np.float64)
    out = launch(
        kernel("scan", dtype), (rows, 3), 128, x, np.int64(width + 3), np.int32(rows), edges, np.int32(3),
        np.empty((rows, 3, 4)),
    )[5]  # fmt: skip
    absent, scattered = np.zeros((rows, 3), np.bool_), np.zeros(rows, np.bool_)
    missing, squares, totals, observed = np.zeros(width), np.zeros(3), np.zeros(3), np.zeros(3)
    tile = TILES[np.dtype(dtype).char](rows)
    tile.add_dense(x[:, :width], 0)
    negative = compiled.find_gaps(
        tile, edges.astype(np.int64), weights, absent, scattered, missing, squares, totals, observed
    )
    sizes = np.diff(edges)
    np.testing.assert_allclose(weights @ out[..., 0], squares, rtol=1e-13)
    np.testing.assert_allclose(weights @ out[..., 1], totals, rtol=1e-13)
    np.testing.assert_array_equal(out[..., 2] == sizes, absent)
    np.testing.assert_array_equal(((out[..., 2] > 0) & (out[..., 2] < sizes)).any(axis=1), scattered)
    np.testing.assert_allclose(weights @ (sizes - out[..., 2]), observed)
    assert out[..., 3].sum() == negative
    counted = launch(
        kernel("count_gaps", dtype, file="scan"), 2, 256, x, np.int64(width + 3), np.int32(rows), np.int32(width),
        weights, np.ones(width, np.int32),
    )[5]  # fmt: skip
    np.testing.assert_array_equal(counted, missing + 1)
    counted = launch(
        kernel("count_gaps", dtype, file="scan"), 2, 256, x, np.int64(width + 3), np.int32(rows), np.int32(width), None,
        np.zeros(width, np.int32),
    )[5]  # fmt: skip
    np.testing.assert_array_equal(counted, np.isnan(x[:, :width]).sum(axis=0))


def test_infinite_entries_make_infinite_squares():
    x = np.array([[1.0, np.inf, np.nan, -2.0]])
    out = launch(
        kernel("scan", np.float64),
        (1, 1),
        128,
        x,
        np.int64(4),
        np.int32(1),
        np.array([0, 4], np.int32),
        np.int32(1),
        np.empty(4),
    )[5]
    np.testing.assert_array_equal(out, [np.inf, np.inf, 1, 1])


@pytest.mark.parametrize("dtype", DTYPES)
def test_residuals_over_what_is_there(dtype):
    rng = np.random.default_rng(14)
    rows, width, edges = 7, 200, np.array([0, 0, 131, 200], np.int32)
    x, product = gappy(rng, rows, width, dtype), rng.random((rows, width + 9)).astype(dtype)
    out = launch(
        kernel("residual", dtype, file="scan"), (rows, 3), 128, x, np.int64(width + 3), product, np.int64(width + 9),
        np.int32(rows), edges, np.int32(3), np.empty((rows, 3)),
    )[7]  # fmt: skip
    squares = (x[:, :width].astype(np.float64) - product[:, :width]) ** 2
    for block in range(3):
        expected = np.nansum(squares[:, edges[block] : edges[block + 1]], axis=1)
        np.testing.assert_allclose(out[:, block], expected, rtol=1e-13, err_msg=f"block {block}")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("has_products", [0, 1])
def test_gaps_are_filled(has_products, dtype):
    rng = np.random.default_rng(15)
    rows, width = 8, 210
    x, filled = gappy(rng, rows, width, dtype), rng.random((rows, width + 1)).astype(dtype)
    block_of = np.repeat(np.arange(2), [105, 105]).astype(np.int32)
    absent = np.stack([np.isnan(x[:, :105]).all(axis=1), np.isnan(x[:, 105:width]).all(axis=1)], axis=1)
    alpha, weights = rng.random(width), rng.random(rows)
    gaps = np.isnan(x[:, :width])
    kept = gaps & ~absent[:, block_of] & bool(has_products)
    expected = np.where(kept, filled[:, :width], np.where(gaps, 0, x[:, :width]))
    squares = (kept * alpha * filled[:, :width].astype(np.float64) ** 2).sum(axis=1)
    assert absent.any()
    for control, w, begins in ((None, weights, 1), (control_of(), None, 0), (control_of(DONE=2), None, 1)):
        left = launch(
            kernel("fill", dtype), rows, 128, control, x, np.int64(width + 3), filled, np.int64(width + 1),
            np.int32(rows), np.int32(width), block_of, alpha, absent.astype(np.uint8), np.int32(2), w,
            np.int32(has_products), np.ones(rows), np.int32(begins),
        )  # fmt: skip
        done = control is not None and control[CONTROL["DONE"]] != 0
        np.testing.assert_array_equal(left[3][:, :width], filled[:, :width] if done else expected)
        np.testing.assert_array_equal(left[3][:, width], filled[:, width])
        own = squares * (1 if w is None else w) + (0 if begins else 1)
        np.testing.assert_allclose(left[13], np.ones(rows) if done else own, rtol=1e-13)


@pytest.mark.parametrize("dtype", DTYPES)
def test_stored_entries_are_spread(dtype):
    x = scipy.sparse.random(40, 150, density=0.1, format="csr", random_state=16, dtype=dtype)
    x.data[3] = np.nan
    out = launch(
        kernel("expand", dtype, file="fill"), 30, 128, x.data, x.indices.astype(np.int32),
        x.indptr[10:].astype(np.int64), np.int32(30), np.int32(150), np.full((30, 152), -1, dtype), np.int64(152),
    )[5]  # fmt: skip
    np.testing.assert_array_equal(out[:, :150], x[10:].toarray())
    assert np.all(out[:, 150:] == -1)


FAULTY = """
extern "C" __global__ void diverging(int* out) {
  if (threadIdx.x < 3) __syncthreads();
  out[threadIdx.x] = 1;
}
extern "C" __global__ void two_barriers(int* out) {
  if (threadIdx.x < 3) {
    __syncthreads();
  } else {
    __syncthreads();
  }
  out[threadIdx.x] = 1;
}
extern "C" __global__ void unset(double* out) {
  __shared__ double room[4];
  out[threadIdx.x] = room[threadIdx.x];
  __syncthreads();
  room[threadIdx.x] = 0;
}
extern "C" __global__ void exchange(int* out) {
  __shared__ int room[4];
  room[threadIdx.x] = 10 * blockIdx.x + threadIdx.x;
  __syncthreads();
  out[4 * blockIdx.x + threadIdx.x] = room[3 - threadIdx.x];
}
"""


def test_sums_over_a_block_follow_one_another(tmp_path):
    (tmp_path / "twice.cu").write_text(
        '#include "block_sum.cuh"\n'
        'extern "C" __global__ void twice(double* out) {\n'
        "  for (int i = 0; i < 2; ++i) {\n"
        "    const double values[3] = {double(threadIdx.x), double(i), double(i * threadIdx.x)};\n"
        "    const double total = sum_over_block<64>(values);\n"
        "    if (threadIdx.x < 3) out[3 * i + threadIdx.x] = total;\n"
        "  }\n"
        "}\n"
    )
    module = compile_module(tmp_path / "twice.cu", options(np.float64))
    found = launch(module.get_function("twice"), 1, 64, np.zeros(6))[0]
    np.testing.assert_array_equal(found, [2016, 0, 0, 2016, 64, 2016])


def test_the_emulation_finds_faults(tmp_path):
    path = tmp_path / "faulty.cu"
    path.write_text(FAULTY)
    module = compile_module(path, ("-std=c++17",))
    for name in ("diverging", "two_barriers"):
        with pytest.raises(EmulationError, match="barrier that not all threads"):
            launch(module.get_function(name), 1, 4, np.zeros(4, np.int32))
    assert np.isnan(launch(module.get_function("unset"), 2, 4, np.zeros(4))[0]).all()
    found = launch(module.get_function("exchange"), 2, 4, np.zeros(8, np.int32))[0]
    np.testing.assert_array_equal(found, [3, 2, 1, 0, 13, 12, 11, 10])
    with pytest.raises(EmulationError, match="another number"):
        module.get_function("unset")((1,), (4,), [NULL, NULL])
    with pytest.raises(EmulationError, match="argument 0, which has 4"):
        module.get_function("unset")((1,), (4,), [np.int32(0)])
    path.write_text("nonsense")
    with pytest.raises(EmulationError, match="nonsense"):
        compile_module(path, ())


def test_launches_have_the_threads_that_the_kernels_count_on():
    def of(file, name):
        return int(re.search(rf"\b{name} = (\d+)", (KERNELS / file).read_text(encoding="utf-8"))[1])

    assert of("rows.cuh", "ROWS_PER_BLOCK") == device.THREADS
    assert of("decide.cu", "THREADS") == cuda_control.DECIDING
    assert cuda_gaps.FILLING == cuda_matrix.EXPANDING == of("fill.cu", "THREADS")
    assert of("scan.cu", "THREADS") == cuda_scan.LOOKING
    assert moves.SUMMING == of("sums.cu", "THREADS") == of("sums.cu", "ENTRIES") * of("sums.cu", "SLICES")
    assert (of("sums.cu", "SIDE"), of("sums.cu", "ENTRIES")) == (moves.SQUARE, moves.REDUCED)
    assert of("divergence.cu", "THREADS") == moves.SIMPLE
    assert of("divergence.cu", "ROW_THREADS") == cuda_kl.DIVIDING
