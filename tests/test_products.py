"""The compiled products and moves against plain NumPy, over ranks, odd row counts and both dtypes."""

import numpy as np
import pytest

from coupled_nmf.products import SKINNY, add_cross, add_moments
from coupled_nmf.solvers import SOLVERS
from coupled_nmf.solvers.mu import EPSILON

TOLERANCE = {np.float32: 2e-4, np.float64: 1e-12}
RANKS = [1, 4, 5, 11, SKINNY, SKINNY + 1, 53]
ROWS = [1, 3, 8, 129]


def draw(rng, shape, dtype):
    """Entries in [0, 1) of which a third are zero."""
    return (rng.uniform(size=shape) * (rng.uniform(size=shape) > 1 / 3)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("k", RANKS)
def test_products_of_a_part_are_those_of_numpy(k, rows, dtype):
    rng = np.random.default_rng(0)
    x, H, f = draw(rng, (rows, 37), dtype), draw(rng, (k, 60), dtype), draw(rng, (rows, k), dtype)
    columns = slice(11, 48)
    cross = np.ones((rows, k), dtype)
    add_cross(x, H, columns, cross)
    np.testing.assert_allclose(cross, 1 + x @ H[:, columns].T, rtol=TOLERANCE[dtype])
    moments = np.full((k, 60), 7, dtype)
    add_moments(f, x, columns, moments)
    np.testing.assert_allclose(moments[:, columns], f.T @ x, rtol=TOLERANCE[dtype], atol=1e-6)
    assert np.all(np.delete(moments, np.arange(11, 48), axis=1) == 7), "columns of other parts are not touched"


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


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("k", [1, 4, 11])
@pytest.mark.parametrize("solver", SOLVERS)
def test_moves_are_those_of_a_slow_loop(solver, k, rows, order):
    """Of F, and of H, which comes transposed; with a component that is zero."""
    rng = np.random.default_rng(1)
    H = draw(rng, (k, 40), np.float64)
    H[k // 2] = 0
    gram, cross = H @ H.T, draw(rng, (rows, 40), np.float64) @ H.T
    V = np.asarray(draw(rng, (rows, k), np.float64), order=order)
    expected = slow_move(solver, V, gram, cross, 3)
    SOLVERS[solver](3).update(V, gram, cross)
    np.testing.assert_allclose(V, expected, rtol=1e-9, atol=1e-12)


def test_what_mu_makes_too_small_for_normal_numbers_becomes_zero():
    V = np.array([[1e-30, 1.0]], dtype=np.float32)
    SOLVERS["mu"](1).update(V, np.eye(2, dtype=np.float32), np.array([[1e-20, 2.0]], dtype=np.float32))
    np.testing.assert_allclose(V, [[0, 2]])
