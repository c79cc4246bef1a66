"""The kernels that move a factor or solve for it, emulated on the host, against plain NumPy and the CPU's code."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import slow_moves
from emulation import COMPILER
from launches import DTYPES, TOLERANCE, assert_close, beside, control_of, kernel, launch

from coupled_nmf.backends.cpu.kernels import compiled, rule_of
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
def test_solves_end_where_plain_sweeps_do(k, dtype, max_sweeps):
    rng = np.random.default_rng(k)
    n, tol = 130, {np.float32: 1e-5, np.float64: 1e-11}[dtype]
    gram, cross, V, _ = problem(rng, k, n, dtype, alike=0.8)
    if k > 1:
        gram[1], gram[:, 1] = 0, 0
        cross[1] = rng.choice([0, 0.05], n)
    cross *= (10.0 ** rng.integers(-4, 5, n)).astype(dtype)
    l1 = dtype(1e-6)
    expected, slow = slow_moves.swept_until_done(cross - l1, gram, dtype(0), dtype(tol), max_sweeps)
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
        scale = np.abs(expected.astype(np.float64)).max(axis=0) + 1e-300
        far = np.abs(solution - expected).max(axis=0) / scale
        other = (far > 10 * TOLERANCE[dtype]) | np.isin(np.arange(n), np.setxor1d(np.flatnonzero(unsolved), slow))
        # By rounding, a few go eight sweeps further or less far, in the last of which they move by less than tol.
        assert other.mean() <= 0.05, "rows are done whose sweeps go on, or the other way round"
        assert far.max() <= 20 * tol, "a solution differs"
        assert set(unsolved) <= {0, 1}
