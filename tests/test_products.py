"""The compiled products and tiles against plain NumPy, over ranks, odd row counts and both dtypes."""

import os
import subprocess
import sys

import numpy as np
import pytest

from coupled_nmf.blocks import BlockLayout, TiledMatrix
from coupled_nmf.microkernels import DOT_COLUMNS, OUTER_ROWS, VECTOR_BYTES
from coupled_nmf.products import CHUNK_BYTES, add_dots, add_outers
from coupled_nmf.solvers import SOLVERS
from coupled_nmf.solvers.mu import EPSILON
from coupled_nmf.solvers.panels import PANEL
from coupled_nmf.steps import addresses
from coupled_nmf.tiles import move_columns, move_tile, multiply_tile, power_tile, residual_tile, scan_tile

TOLERANCE = {np.float32: 3e-5, np.float64: 1e-12}
RANKS = [1, 3, DOT_COLUMNS, DOT_COLUMNS + 1, OUTER_ROWS + 1, 13, 53]
ROWS = [1, 5, 7, PANEL, PANEL + 3]
WIDTHS = [1, 3, 15, 16, 17, 33, 64, 100, CHUNK_BYTES // 4 + 5]
both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def draw(rng, shape, dtype):
    """Entries in [0, 1) of which a third are zero."""
    return (rng.uniform(size=shape) * (rng.uniform(size=shape) > 1 / 3)).astype(dtype)


def address(array):
    return array.__array_interface__["data"][0]


def close(found, expected, dtype):
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE[dtype] * max(np.abs(expected).max(), 1e-30))


@both_dtypes
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("k", RANKS)
def test_products_are_those_of_numpy_and_touch_nothing_else(k, width, dtype):
    rng = np.random.default_rng(0)
    zero = dtype(0)
    for rows in ROWS:
        x = draw(rng, (rows, width + 3), dtype)[:, 1 : 1 + width]  # neither aligned nor contiguous
        h, f = draw(rng, (k, width), dtype), draw(rng, (k, rows), dtype)
        dots = np.full((k, rows + 2), 7, dtype)
        add_dots(
            zero, address(x), x.strides[0], rows, width, address(h), h.strides[0], k, address(dots), dots.strides[0]
        )
        close(dots[:, :rows], 7 + h @ x.T, dtype)
        assert np.all(dots[:, rows:] == 7)
        outers = np.full((k, width + 5), 7, dtype)
        add_outers(
            zero, address(f), f.strides[0], k, address(x), x.strides[0], rows, width, address(outers), outers.strides[0]
        )
        close(outers[:, :width], 7 + f @ x, dtype)
        assert np.all(outers[:, width:] == 7)


def slow_move(solver, V, gram, cross, sweeps):
    V = V.copy()
    for _ in range(sweeps):
        if solver == "mu":
            V = V * cross / (V @ gram + EPSILON)
            continue
        for j in range(V.shape[1]):
            if gram[j, j] > 0:
                V[:, j] = np.maximum(0, V[:, j] + (cross[:, j] - V @ gram[:, j]) / gram[j, j])
    return V


def further(V, before, beta):
    return np.maximum(V + beta * (V - before), 0)


@pytest.fixture(scope="module")
def matrix():
    """Two parts, one of them a view whose rows do not touch."""
    rng = np.random.default_rng(1)
    parts = [draw(rng, (PANEL + 31, 20), np.float64), draw(rng, (PANEL + 31, 50), np.float64)[:, 3:40]]
    return TiledMatrix(parts, BlockLayout(("a", "b", "c"), (20, 7, 30)), np.dtype(np.float64))


def start(matrix, k):
    """F, the F before, H with a component of zeros, and X in one array."""
    rng = np.random.default_rng(2)
    F, other, H = (draw(rng, shape, np.float64) for shape in [(PANEL + 31, k), (PANEL + 31, k), (k, 57)])
    H[k // 2] = 0
    return F, other, H, np.hstack(matrix.parts)


@pytest.mark.parametrize("betas", [(0.0, 0.0), (0.7, 0.0), (0.0, 0.6), (0.7, 0.6)])
@pytest.mark.parametrize("k", [1, 4, 11])
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_tile_moves_as_a_slow_loop_does(solver, k, betas, matrix):
    F, other, H, X = start(matrix, k)
    gram = H @ H.T
    moved = slow_move(solver, further(F, other, betas[0]), gram, X @ H.T, 3)
    point = further(moved, F, betas[1])
    FtX, FtF, energy = np.empty((k, 57)), np.empty((k, k)), np.ones(1)
    parts = addresses(matrix, matrix.tile(slice(0, len(X))))
    kept = F.copy()
    move_tile(SOLVERS[solver].rule(3), parts, H, gram, F, other, *betas, FtX, FtF, energy)
    np.testing.assert_array_equal(F, kept)
    np.testing.assert_allclose(other, moved, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(FtX, point.T @ X, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(FtF, point.T @ point, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(energy[0] + np.sum(X**2), np.sum((X - moved @ H) ** 2), rtol=1e-9)


@pytest.mark.parametrize("rows", [0, 1, PANEL - 1, PANEL + 31])
@pytest.mark.parametrize("solver", SOLVERS)
def test_tiles_of_any_height_in_float32(solver, rows, matrix):
    F, other, H, X = (array.astype(np.float32) for array in start(matrix, 11))
    single = TiledMatrix([part.astype(np.float32) for part in matrix.parts], matrix.layout, np.dtype(np.float32))
    moved = slow_move(solver, further(F[:rows], other[:rows], 0.5), H @ H.T, X[:rows] @ H.T, 3)
    FtX, FtF, energy = np.empty((11, 57), np.float32), np.empty((11, 11), np.float32), np.zeros(1)
    parts, betas = addresses(single, single.tile(slice(0, rows))), (np.float32(0.5), np.float32(0))
    kept = other.copy()
    move_tile(SOLVERS[solver].rule(3), parts, H, H @ H.T, F[:rows], other[:rows], *betas, FtX, FtF, energy)
    np.testing.assert_allclose(other[:rows], moved, rtol=2e-3, atol=1e-4)
    np.testing.assert_array_equal(other[rows:], kept[rows:])
    np.testing.assert_allclose(FtX, other[:rows].T @ X[:rows], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(FtF, other[:rows].T @ other[:rows], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("betas", [(0.0, 0.0), (0.7, 0.6)])
@pytest.mark.parametrize("k", [1, 4, 11])
@pytest.mark.parametrize("solver", SOLVERS)
def test_columns_move_as_a_slow_loop_does(solver, k, betas, matrix):
    F, _, H, X = start(matrix, k)
    F[:, k // 2] = 0
    other, alpha = draw(np.random.default_rng(3), H.shape, np.float64), np.repeat([2.0, 0.0, 0.5], [20, 7, 30])
    gram, FtX = F.T @ F, F.T @ X
    moved = slow_move(solver, further(H, other, betas[0]).T, gram, FtX.T, 3).T
    point = further(moved, H, betas[1])
    R, sums, energies = np.empty_like(H), np.zeros((k, k)), 0.0
    for columns in [(0, 25), (25, 57)]:
        HHt, energy = np.empty((k, k)), np.empty(1)
        move_columns(SOLVERS[solver].rule(3), FtX, gram, H, other, *betas, alpha, R, HHt, energy, *columns)
        sums, energies = sums + HHt, energies + energy[0]
    np.testing.assert_allclose(other, moved, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(R, alpha * point, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(sums, (alpha * point) @ point.T, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(energies, np.sum(alpha * ((X - F @ moved) ** 2 - X**2)), rtol=1e-9)


@both_dtypes
def test_the_other_tiles_are_those_of_numpy(matrix, dtype):
    F, _, H, X = (array.astype(dtype) for array in start(matrix, 5))
    single = TiledMatrix([part.astype(dtype) for part in matrix.parts], matrix.layout, np.dtype(dtype))
    tile = single.tile(slice(0, len(X)))
    parts, bounds = addresses(single, tile), matrix.layout.bounds
    cross, power, squares = np.empty((len(X), 5), dtype), np.empty((5, 57), dtype), np.zeros(3)
    multiply_tile(parts, H, cross)
    close(cross, X @ H.T, dtype)
    power_tile(parts, H, len(X), power)
    close(power, (X @ H.T).T @ X, dtype)
    negative, total = scan_tile(dtype(0), parts, len(X), bounds, squares)
    assert negative == 0
    assert total == pytest.approx(X.sum(dtype=np.float64))
    blocks = [slice(0, 20), slice(20, 27), slice(27, 57)]
    np.testing.assert_allclose(squares, [np.sum(X[:, b].astype(np.float64) ** 2) for b in blocks])
    squares[:] = 0
    residual_tile(parts, F, H, bounds, squares)
    np.testing.assert_allclose(squares, [np.sum((X - F @ H)[:, b] ** 2) for b in blocks], rtol=TOLERANCE[dtype])


def test_what_becomes_too_small_for_normal_numbers_becomes_zero():
    x, H = np.array([[1e-20, 2.0]], np.float32), np.eye(2, dtype=np.float32)
    matrix = TiledMatrix([x], BlockLayout(("a",), (2,)), x.dtype)
    for solver, F in [("mu", [[1e-30, 1.0]]), ("hals", [[0.0, 1.0]])]:
        F = np.array(F, np.float32)
        if solver == "hals":
            x[0, 0] = 1e-39
        move_tile(
            SOLVERS[solver].rule(1), addresses(matrix, [x]), H, H, F, F, np.float32(0), np.float32(0),
            np.empty((2, 2), np.float32), np.empty((2, 2), np.float32), np.zeros(1),
        )  # fmt: skip
        np.testing.assert_array_equal(F, [[0, 2]])


@pytest.mark.parametrize("features", [{"avx2": True}, {}])
def test_the_blocks_of_other_processors_give_the_same(features, tmp_path):
    """Their vectors are shorter and their blocks smaller; this processor runs them too."""
    n_bytes = 32 if features else 16
    if n_bytes == VECTOR_BYTES:
        pytest.skip("this processor's own blocks")
    code = (
        "import sys, numba, pytest, llvmlite.binding as binding\n"
        "numba.njit(lambda: 1)()\n"  # which asks for the features of the processor that it compiles for
        "real = binding.get_host_cpu_features\n"
        f"binding.get_host_cpu_features = lambda: {features}\n"
        "import coupled_nmf.microkernels as microkernels\n"
        "binding.get_host_cpu_features = real\n"
        f"assert microkernels.VECTOR_BYTES == {n_bytes}\n"
        "sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', *sys.argv[1:]]))"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}  # the cache knows the processor, not the blocks
    names = ("test_products_are_those_of_numpy_and_touch_nothing_else", "test_a_tile_moves_as_a_slow_loop_does")
    command = [sys.executable, "-c", code, *(f"{__file__}::{name}" for name in names)]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert ran.returncode == 0, ran.stdout[-2000:]
    assert " passed" in ran.stdout
