"""The compiled products and tiles against plain NumPy, over ranks, odd row counts and both dtypes."""

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest

from coupled_nmf.backends.cpu.kernels import PANEL, compiled, rule_of
from coupled_nmf.backends.cpu.tile_step import gate
from coupled_nmf.data.blocks import BlockLayout
from coupled_nmf.data.tiled_matrix import TiledMatrix
from coupled_nmf.problem.sample_weights import NO_WEIGHTS
from coupled_nmf.problem.solvers import SOLVERS

TOLERANCE = {np.float32: 3e-5, np.float64: 1e-12}
RANKS = [1, 3, compiled.DOT_COLUMNS, compiled.DOT_COLUMNS + 1, compiled.OUTER_ROWS + 1, 13, 53]
ROWS = [1, 5, 7, PANEL, PANEL + 3]
WIDTHS = [1, 3, 15, 16, 17, 33, 64, 100, 4096 // 4 + 5]
both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def draw(rng, shape, dtype):
    """Entries in [0, 1) of which a third are zero."""
    return (rng.uniform(size=shape) * (rng.uniform(size=shape) > 1 / 3)).astype(dtype)


def close(found, expected, dtype):
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE[dtype] * max(np.abs(expected).max(), 1e-30))


@both_dtypes
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("k", RANKS)
def test_products_are_those_of_numpy_and_touch_nothing_else(k, width, dtype):
    rng = np.random.default_rng(0)
    for rows in ROWS:
        x = draw(rng, (rows, width + 3), dtype)[:, 1 : 1 + width]  # neither aligned nor contiguous
        h, f = draw(rng, (k, width), dtype), draw(rng, (k, rows), dtype)
        dots = np.full((k, rows + 2), 7, dtype)
        compiled.add_dots(x, h, dots[:, :rows])
        close(dots[:, :rows], 7 + h @ x.T, dtype)
        assert np.all(dots[:, rows:] == 7)
        outers = np.full((k, width + 5), 7, dtype)
        compiled.add_outers(f, x, outers[:, :width])
        close(outers[:, :width], 7 + f @ x, dtype)
        assert np.all(outers[:, width:] == 7)


@both_dtypes
@pytest.mark.parametrize("width", [*WIDTHS, 63, 65, 127, 128, 129, 300])
def test_rows_narrow_and_wide_are_multiplied_alike(width, dtype):
    rng = np.random.default_rng(0)
    for rows, k in itertools.product(ROWS, RANKS):
        x = draw(rng, (rows, width + 3), dtype)[:, 1 : 1 + width]
        H, out = draw(rng, (k, width), dtype), np.full((rows, k), 7, dtype)
        matrix = TiledMatrix([x], BlockLayout(("a",), (width,)), np.dtype(dtype))
        compiled.multiply_tile(gate(matrix, [x]), H, out)
        close(out, x @ H.T, dtype)
        for row in (0, rows - 1):  # whatever stands beside it
            alone = np.empty((1, k), dtype)
            compiled.multiply_tile(gate(matrix, [x[row : row + 1]]), H, alone)
            np.testing.assert_array_equal(alone[0], out[row])


@both_dtypes
@pytest.mark.parametrize("k", [*range(1, 10), 15, 16, 17, 31, 33])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 40, 97])
def test_turned_over_is_transposed_with_zeros_beside_it(n, k, dtype):
    line = 64 // np.dtype(dtype).itemsize
    H, stride = np.arange(1.0, k * (n + 2) + 1, dtype=dtype).reshape(k, n + 2)[:, 1 : n + 1], -(-k // line) * line
    turned = np.full((n + 1, stride), 7, dtype)
    compiled.turn_over(H, turned[:n])
    np.testing.assert_array_equal(turned[:n, :k], H.T)
    assert not turned[:n, k:].any()
    assert np.all(turned[n:] == 7)


def slow_move(solver, V, gram, cross, sweeps, l1=0.0):
    V = V.copy()
    for _ in range(sweeps):
        if solver == "mu":
            V = V * cross / (V @ gram + l1 + np.finfo(V.dtype).tiny)
            continue
        for j in range(V.shape[1]):
            if gram[j, j] > 0:
                V[:, j] = np.maximum(0, V[:, j] + (cross[:, j] - l1 - V @ gram[:, j]) / gram[j, j])
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


@pytest.mark.parametrize(("l1", "l2", "weighted"), [(0.0, 0.0, False), (0.5, 0.25, True)])
@pytest.mark.parametrize("betas", [(0.0, 0.0), (0.7, 0.0), (0.0, 0.6), (0.7, 0.6)])
@pytest.mark.parametrize("k", [1, 4, 11])
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_tile_moves_as_a_slow_loop_does(solver, k, betas, l1, l2, weighted, matrix):
    F, other, H, X = start(matrix, k)
    gram, weights = H @ H.T + l2 * np.eye(k), np.linspace(0, 2, len(X)) if weighted else NO_WEIGHTS
    moved = slow_move(solver, further(F, other, betas[0]), gram, X @ H.T, 3, l1)
    point = further(moved, F, betas[1])
    FtX, FtF, extras = np.empty((k, 57)), np.empty((k, k)), np.ones(2)
    tile = gate(matrix, matrix.tile(slice(0, len(X))))
    kept = F.copy()
    compiled.move_tile(
        *rule_of(SOLVERS[solver].rule(3)), tile, H, gram, l1, l2, F, other, *betas, weights, FtX, FtF, extras
    )
    np.testing.assert_array_equal(F, kept)
    np.testing.assert_allclose(other, moved, rtol=1e-9, atol=1e-12)
    scaled = point * weights[:, None] if weighted else point
    np.testing.assert_allclose(FtX, scaled.T @ X, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(FtF, scaled.T @ point, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(extras[1], 2 * l1 * scaled.sum() + l2 * np.sum(scaled * point), rtol=1e-9)
    penalized = np.sum((X - moved @ H) ** 2) + 2 * l1 * moved.sum() + l2 * np.sum(moved**2)
    np.testing.assert_allclose(extras[0] + np.sum(X**2), penalized, rtol=1e-9)


@pytest.mark.parametrize("rows", [0, 1, PANEL - 1, PANEL + 31])
@pytest.mark.parametrize("solver", SOLVERS)
def test_tiles_of_any_height_in_float32(solver, rows, matrix):
    F, other, H, X = (array.astype(np.float32) for array in start(matrix, 11))
    single = TiledMatrix([part.astype(np.float32) for part in matrix.parts], matrix.layout, np.dtype(np.float32))
    moved = slow_move(solver, further(F[:rows], other[:rows], 0.5), H @ H.T, X[:rows] @ H.T, 3)
    FtX, FtF, extras = np.empty((11, 57), np.float32), np.empty((11, 11), np.float32), np.zeros(2)
    tile, kept = gate(single, single.tile(slice(0, rows))), other.copy()
    arguments = (H, H @ H.T, 0.0, 0.0, F[:rows], other[:rows], 0.5, 0.0, NO_WEIGHTS, FtX, FtF, extras)
    compiled.move_tile(*rule_of(SOLVERS[solver].rule(3)), tile, *arguments)
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
    FtX, edges, l1s, l2s = F.T @ X, np.array([0, 20, 27, 57]), np.array([0.0, 0.3, 0.5]), np.array([0.1, 0.0, 0.4])
    grams = F.T @ F + l2s[:, None, None] * np.eye(k)
    groups = [slice(a, b) for a, b in itertools.pairwise(edges)]
    before = further(H, other, betas[0])
    moved = np.hstack(
        [
            slow_move(solver, before[:, group].T, gram, FtX[:, group].T, 3, l1).T
            for group, gram, l1 in zip(groups, grams, l1s, strict=True)
        ]
    )
    point = further(moved, H, betas[1])
    R, sums, energies = np.empty_like(H), np.zeros((3, k, k)), 0.0
    for columns in [(0, 25), (25, 57)]:
        HHts = np.empty((3, k, k))
        arguments = (FtX, grams, l1s, edges, H, other, *betas, alpha, R, HHts, *columns)
        energies += compiled.move_columns(*rule_of(SOLVERS[solver].rule(3)), *arguments)
        sums = sums + HHts
    np.testing.assert_allclose(other, moved, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(R, alpha * point, rtol=1e-9, atol=1e-12)
    for group, found in zip(groups, sums, strict=True):
        np.testing.assert_allclose(found, (alpha * point)[:, group] @ point[:, group].T, rtol=1e-9, atol=1e-12)
    penalties = 2 * np.repeat(l1s, [20, 7, 30]) * moved + np.repeat(l2s, [20, 7, 30]) * moved**2
    expected = np.sum(alpha * np.sum((X - F @ moved) ** 2 - X**2, axis=0)) + np.sum(alpha * penalties)
    np.testing.assert_allclose(energies, expected, rtol=1e-9)


@both_dtypes
def test_the_other_tiles_are_those_of_numpy(matrix, dtype):
    F, _, H, X = (array.astype(dtype) for array in start(matrix, 5))
    single = TiledMatrix([part.astype(dtype) for part in matrix.parts], matrix.layout, np.dtype(dtype))
    tile = single.tile(slice(0, len(X)))
    held, bounds = gate(single, tile), matrix.layout.bounds
    cross, power, squares = np.empty((len(X), 5), dtype), np.empty((5, 57), dtype), np.zeros(3)
    compiled.multiply_tile(held, H, cross)
    close(cross, X @ H.T, dtype)
    compiled.power_tile(held, H, power)
    close(power, (X @ H.T).T @ X, dtype)
    totals = np.zeros(3)
    assert compiled.scan_tile(held, bounds, NO_WEIGHTS, squares, totals) == 0
    blocks = [slice(0, 20), slice(20, 27), slice(27, 57)]
    np.testing.assert_allclose(squares, [np.sum(X[:, b].astype(np.float64) ** 2) for b in blocks])
    np.testing.assert_allclose(totals, [np.sum(X[:, b], dtype=np.float64) for b in blocks])
    squares[:] = 0
    compiled.residual_tile(held, F, H, np.empty((3, 5, 5)), bounds, NO_WEIGHTS, squares)
    np.testing.assert_allclose(squares, [np.sum((X - F @ H)[:, b] ** 2) for b in blocks], rtol=TOLERANCE[dtype])


def test_what_becomes_too_small_for_normal_numbers_becomes_zero():
    x, H = np.array([[1e-20, 2.0]], np.float32), np.eye(2, dtype=np.float32)
    matrix = TiledMatrix([x], BlockLayout(("a",), (2,)), x.dtype)
    for solver, F in [("mu", [[1e-30, 1.0]]), ("hals", [[0.0, 1.0]])]:
        F = np.array(F, np.float32)
        if solver == "hals":
            x[0, 0] = 1e-39
        compiled.move_tile(
            *rule_of(SOLVERS[solver].rule(1)), gate(matrix, [x]), H, H, 0.0, 0.0, F, F, 0.0, 0.0, NO_WEIGHTS,
            np.empty((2, 2), np.float32), np.empty((2, 2), np.float32), np.zeros(2),
        )  # fmt: skip
        np.testing.assert_array_equal(F, [[0, 2]])


@pytest.mark.parametrize("instructions", compiled.all_instructions())
def test_every_instruction_set_of_this_processor_gives_the_same(instructions):
    """Their vectors differ in length, and so do their blocks."""
    if instructions == compiled.instructions():
        pytest.skip("what the other tests run with")
    environment = os.environ | {"COUPLED_NMF_INSTRUCTIONS": instructions}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, "-k", "not instruction_set"]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert ran.returncode == 0, ran.stdout[-2000:]
    assert " passed" in ran.stdout
