"""The kernels that look at X, fill its gaps, spread it and sum over it, emulated, against plain NumPy and the CPU."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from emulation import COMPILER
from launches import DTYPES, control_of, kernel, launch

from coupled_nmf.backends.cpu.kernels import compiled
from coupled_nmf.backends.cpu.tile_step import TILES
from coupled_nmf.backends.cuda.kernels import CONTROL

pytestmark = pytest.mark.skipif(COMPILER is None, reason="g++, which compiles the emulation, is not installed")


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
