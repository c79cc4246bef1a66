"""The kernels of the Kullback–Leibler loss, emulated on the host, against plain NumPy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import slow_moves
from emulation import COMPILER
from launches import DTYPES, TOLERANCE, assert_close, beside, control_of, kernel, launch

from coupled_nmf.backends.cpu.backend import NumpyBackend
from coupled_nmf.backends.cpu.losses.kullback_leibler import KullbackLeibler
from coupled_nmf.backends.cuda.kernels import CONTROL
from coupled_nmf.backends.cuda.kullback_leibler import slabs_of
from coupled_nmf.data.blocks import BlockLayout
from coupled_nmf.data.tiled_matrix import TiledMatrix
from coupled_nmf.problem.penalties import Penalties
from coupled_nmf.problem.problem import Problem
from coupled_nmf.problem.sample_weights import NO_WEIGHTS
from coupled_nmf.problem.solvers import MultiplicativeUpdate

pytestmark = pytest.mark.skipif(COMPILER is None, reason="g++, which compiles the emulation, is not installed")

EDGES = np.array([0, 70, 71, 210], np.int32)
ALPHA = np.array([0.5, 2.0, 1.25])


def draw(rng, rows, k, dtype):
    """Counts with zeros, NaNs and what underflows, and blocks that rows lack; F, with an entry of zero, and H."""
    F, H = rng.gamma(1.0, size=(rows, k)).astype(dtype), rng.gamma(1.0, size=(k, EDGES[-1])).astype(dtype)
    x = rng.poisson(F @ H).astype(dtype)
    x[rng.random(x.shape) < 0.2] = np.nan
    x[0, :3] = np.finfo(dtype).smallest_subnormal
    F[1] = 0
    absent = rng.random((rows, 3)) < 0.3
    absent[2], absent[0] = True, False
    return x, F, H, absent


def slow_quotients(x, F, H, absent, weights):
    """What plain NumPy makes of it: quotients, and the losses of the rows."""
    FH, lacks = F @ H, np.repeat(absent, np.diff(EDGES), axis=1)
    found = slow_moves.quotients(x, FH, lacks)
    losses = slow_moves.divergences(x, FH, found, lacks) @ np.repeat(ALPHA, np.diff(EDGES))
    return found, 2 * losses * (1 if weights is None else weights)


def launch_quotients(x, product, absent, weights, losses, *, control=None, some=slice(0, 3), begins=1):
    """Of some of the blocks, as of a part of X; return what was made of it, and the losses."""
    dtype, first = x.dtype.type, EDGES[some.start]
    left = launch(
        kernel("quotients", dtype, file="divergence"), len(x), 128, control,
        beside(x[:, first : EDGES[some.stop]], 3), np.int64(EDGES[some.stop] - first + 3),
        beside(product[:, first : EDGES[some.stop]], 1), np.int64(EDGES[some.stop] - first + 1),
        EDGES[some.start : some.stop + 1] - first, np.int32(some.stop - some.start),
        None if absent is None else np.ascontiguousarray(np.roll(absent, -some.start, axis=1), np.uint8), np.int32(3),
        ALPHA[some].copy(), weights, losses, np.int32(begins),
    )  # fmt: skip
    assert np.all(left[3][:, -1] == -1), "written beside a row"
    return left[3][:, :-1], left[11]


@pytest.mark.parametrize("dtype", DTYPES)
def test_quotients_and_losses_are_those_of_numpy(dtype):
    rng = np.random.default_rng(0)
    x, F, H, absent = draw(rng, 12, 5, dtype)
    for lacks, weights in ((absent, rng.random(12)), (None, None)):
        some = np.zeros_like(absent) if lacks is None else lacks
        expected, losses = slow_quotients(x, F, H, some, weights)
        scale = np.nansum(np.abs(x) * np.log1p(np.abs(expected)) + F @ H, axis=1) + 1
        found, summed = launch_quotients(x, F @ H, lacks, weights, np.full(12, 7.0))
        for row in range(12):
            assert_close(found[row], expected[row], dtype, f"row {row}")
        np.testing.assert_allclose(summed / scale, losses / scale, rtol=0, atol=TOLERANCE[dtype])
        assert np.all(found[np.repeat(some, np.diff(EDGES), axis=1)] == 0)

        left, partly = launch_quotients(x, F @ H, lacks, weights, np.full(12, 7.0), some=slice(0, 1))
        right, both = launch_quotients(x, F @ H, lacks, weights, partly.copy(), some=slice(1, 3), begins=0)
        np.testing.assert_array_equal(np.hstack([left, right]), found)
        np.testing.assert_allclose(both / scale, summed / scale, rtol=0, atol=1e-15, err_msg="in two parts")
        np.testing.assert_array_equal(launch_quotients(x, F @ H, lacks, weights, None)[0], found)


@pytest.mark.parametrize("dtype", DTYPES)
def test_nothing_is_written_once_the_loop_is_done(dtype):
    x, F, H, absent = draw(np.random.default_rng(2), 5, 3, dtype)
    control = control_of(DONE=2.0)
    found, losses = launch_quotients(x, F @ H, absent, None, np.full(5, 7.0), control=control)
    np.testing.assert_array_equal(found, F @ H)
    assert np.all(losses == 7)
    left = launch(
        kernel("sum_rows", dtype, file="divergence"), (1, 3, 1), 256, control, F.T.copy(), np.int64(5), np.int32(5),
        np.int32(512), None, None, np.ones(5), dtype(0), dtype(0), np.full((3, 5), -1, dtype), np.int64(5),
        np.full((7, 1), -1.0), np.int64(1),
    )  # fmt: skip
    assert np.all(left[10] == -1)
    assert np.all(left[12] == -1)


def test_a_product_that_is_no_number_is_not_lost():
    x, product = np.ones((1, 210)), np.ones((1, 210))
    product[0, 3] = np.nan
    found, losses = launch_quotients(x, product, None, None, np.zeros(1))
    assert np.isnan(found[0, 3])
    assert np.isnan(losses[0])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", [1, 6, 70])
@pytest.mark.parametrize(("l1", "l2"), [(0.0, 0.0), (0.3, 0.0), (0.2, 0.7)])
def test_divisions_are_those_of_numpy(l1, l2, k, dtype):
    rng = np.random.default_rng(k)
    rows = 96
    V, cross = rng.random((k, rows)).astype(dtype), rng.random((k, rows)).astype(dtype)
    sums, pattern = rng.random((2, k)) * k, rng.integers(0, 2, rows).astype(np.int32)
    V[0, 5], cross[0, 6], V[0, 7], cross[0, 8] = np.nan, np.nan, np.finfo(dtype).tiny, 0
    sums[1, 0] = 0
    for which in (None, pattern):
        expected = np.empty_like(V)
        for number in range(2):
            panel = slow_moves.divided_by_sums(V, cross, sums[number], l1, dtype(l2))
            mine = (np.zeros(rows) if which is None else which) == number
            expected[:, mine] = panel[:, mine]
        for control in (None, control_of(), control_of(DONE=1)):
            left = launch(
                kernel("divide_by_sums", dtype, file="divergence"), (1, k), 256, control, beside(V, 2),
                np.int64(rows + 2), beside(cross, 1), np.int64(rows + 1), sums, which, dtype(l1), dtype(l2),
                np.int32(rows),
            )[1]  # fmt: skip
            assert np.all(left[:, rows:] == -1)
            done = control is not None and control[CONTROL["DONE"]]
            np.testing.assert_allclose(left[:, :rows], V if done else expected, rtol=TOLERANCE[dtype] / 10)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("k", "rows", "slab"), [(1, 1, 512), (5, 600, 300), (3, 700, 512)])
def test_sums_of_rows_are_those_of_numpy(k, rows, slab, dtype):
    rng = np.random.default_rng(rows)
    V, losses, l1, l2 = rng.random((k, rows)).astype(dtype), rng.random(rows), dtype(0.3), dtype(0.2)
    for weights, absent in ((None, None), (rng.random(rows), (rng.random((rows, 3)) < 0.4).astype(np.uint8))):
        n_sets, n_slabs = 1 if absent is None else 3, -(-rows // slab)
        weighted = slow_moves.weighed(V, weights)
        table = np.full((n_sets * k + k + 1, n_slabs + 2), -1.0)
        left = launch(
            kernel("sum_rows", dtype, file="divergence"), (n_slabs, k, n_sets), 256, None, beside(V, 3),
            np.int64(rows + 3), np.int32(rows), np.int32(slab), weights, absent, losses, l1, l2,
            None if weights is None else np.full((k, rows + 1), -1, dtype), np.int64(rows + 1), table,
            np.int64(n_slabs + 2),
        )  # fmt: skip
        assert np.all(left[12][:, n_slabs:] == -1), "written beside the table"
        if weights is not None:
            np.testing.assert_array_equal(left[10], beside(weighted, 1))
        arguments = (left[12][:, :n_slabs].copy(), np.int32(n_slabs), np.zeros(len(table)))
        totals = launch(kernel("add_up", dtype, file="divergence"), len(table), 256, *arguments)[2]
        there = np.ones((rows, 1)) if absent is None else 1.0 - absent
        sums = (weighted.astype(np.float64) @ there).T
        np.testing.assert_allclose(totals[: n_sets * k].reshape(n_sets, k), sums, rtol=1e-13)
        doubles = V.astype(np.float64)
        penalty = np.sum(weighted.astype(np.float64) * (2 * float(l1) + float(l2) * doubles))
        np.testing.assert_allclose(totals[n_sets * k : -1].sum(), penalty, rtol=1e-13)
        np.testing.assert_allclose(totals[-1], losses.sum(), rtol=1e-13)


def test_a_long_table_is_added_up():
    table = np.random.default_rng(1).random((3, 1001))
    left = launch(kernel("add_up", np.float64, file="divergence"), 3, 256, table, np.int32(1001), np.zeros(3))
    np.testing.assert_allclose(left[2], table.sum(axis=1), rtol=1e-14)


def given(alpha, dtype, sizes):
    """As much of a problem as H's move reads."""
    layout = BlockLayout(tuple("abc"[: len(sizes)]), tuple(sizes))
    X = TiledMatrix([np.ones((2, sum(sizes)), dtype)], layout, np.dtype(dtype))
    return Problem(X, alpha, NO_WEIGHTS, *(np.ones(len(sizes)) for _ in range(3)), None)


def launch_components(data, penalties, H, FtQ, Fsums, *, start=None, fixed=0, control=None, moves=True, flipped=False):
    """Return what was written to the other of the pair, the point, that weighted, and the sums of the slabs."""
    (k, n), dtype, slabs = H.shape, H.dtype.type, slabs_of(data.X.layout.bounds)
    held, other = beside(H, 2), np.full((k, n + 2), -1, dtype)
    by_block = penalties.by_block(data.alpha, H.dtype)
    left = launch(
        kernel("move_components", dtype, file="divergence"), (len(slabs), k), 256, control,
        *((other, held) if flipped else (held, other)), np.int64(n + 2), FtQ if moves else None, Fsums,
        np.int32(k if len(Fsums) > 1 else 0), np.int32(fixed), slabs, by_block, data.alpha, np.int32(n),
        np.full((k, n), -1, dtype) if start is None else start, np.full((k, n), -1, dtype),
        *(np.full((len(slabs), k), -1.0) for _ in range(2)),
    )  # fmt: skip
    written, stays = left[1 if flipped else 2], left[2 if flipped else 1]
    np.testing.assert_array_equal(stays, held, err_msg="the held factor")
    assert np.all(written[:, n:] == -1)
    return written[:, :n], *left[12:16], slabs[:, 2]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("k", "sizes"), [(1, (1, 2, 3)), (4, (600, 5, 512)), (9, (1030,))])
@pytest.mark.parametrize("scale", [0.0, 1.0])
@pytest.mark.parametrize(("fixed", "betas"), [(0, (0.0, 0.0)), (1, (0.0, 0.9)), (0, (0.7, 0.0)), (1, (0.7, 0.9))])
def test_components_move_as_those_of_the_numpy_code(betas, fixed, scale, k, sizes, dtype):
    rng = np.random.default_rng(k)
    n, n_blocks = sum(sizes), len(sizes)
    H, FtQ = rng.random((k, n)).astype(dtype), rng.random((k, n))
    before = H * rng.uniform(0.2, 3, size=H.shape).astype(dtype)
    before[:fixed] = H[:fixed]
    H[0, 0], FtQ[0, -1] = 0, 0
    start = slow_moves.extrapolated_above_zero(H, before, betas[0])
    Fsums, alpha = rng.random((n_blocks, k)) + 0.1, ALPHA[:n_blocks].copy()
    alpha[0] = 0
    penalties = Penalties(0.0, 0.0, scale * rng.random(n_blocks), scale * rng.random(n_blocks))
    data, moved = given(alpha, dtype, sizes), before.copy()
    rule, sums = MultiplicativeUpdate(1, fixed), (FtQ * start, Fsums, np.zeros(2))
    value, point = KullbackLeibler(data, penalties, NumpyBackend()).move_h(rule, sums, H, moved, betas)
    np.testing.assert_array_equal(moved[:fixed], H[:fixed])
    for flipped in (False, True):
        control = control_of(FLIPPED=float(flipped), NEXT_BETA=betas[1])
        found = launch_components(
            data, penalties, H, FtQ, Fsums, start=start, fixed=fixed, control=control, flipped=flipped
        )
        np.testing.assert_allclose(found[0], moved, rtol=TOLERANCE[dtype] / 10)
        np.testing.assert_allclose(found[1], point.H, rtol=TOLERANCE[dtype] / 10)
        np.testing.assert_allclose(found[2], point.R, rtol=TOLERANCE[dtype] / 10)
        sums = np.zeros((n_blocks, k))
        np.add.at(sums, found[5], found[3])
        np.testing.assert_allclose(sums, point.sums, rtol=TOLERANCE[dtype] / 10)
        assert found[4].sum() == pytest.approx(value, rel=TOLERANCE[dtype] / 10)
    stays = launch_components(data, penalties, H, FtQ, Fsums, moves=False)
    assert np.all(stays[0] == -1)
    np.testing.assert_array_equal(stays[1], H)
    for rejected, flipped in itertools.product((0.0, 1.0), (False, True)):
        control = control_of(REJECTED=rejected, FLIPPED=float(flipped))
        found = launch_components(data, penalties, H, FtQ, Fsums, control=control, moves=False, flipped=flipped)
        for array, expected in zip(found[:5], stays[:5], strict=True):
            np.testing.assert_array_equal(array, expected if rejected else -1)
    done = launch_components(data, penalties, H, FtQ, Fsums, control=control_of(DONE=1.0))
    assert all(np.all(array == -1) for array in done[:5])


def test_slabs_end_where_blocks_do():
    np.testing.assert_array_equal(
        slabs_of(np.array([0, 3, 1030])), [[0, 3, 0], [3, 515, 1], [515, 1027, 1], [1027, 1030, 1]]
    )
