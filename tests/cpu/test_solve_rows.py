"""Non-negative least squares for rows that share a gram: against SciPy's, from sweeps and conjugate gradients."""

import numpy as np
import pytest
from scipy.optimize import nnls

from coupled_nmf.backends.cpu.kernels import compiled

TOL = {np.float32: 1e-6, np.float64: 1e-11}
FAR = {np.float32: 2e-5, np.float64: 1e-9}  # of a row's largest entry


def crowded(k, dtype, rows=130):
    """Components that overlap, so that sweeps alone crawl, and rows that use about half of them."""
    rng = np.random.default_rng(k)
    H = rng.gamma(0.5, size=(k, 4 * k))
    V = rng.gamma(0.5, size=(rows, k)) * (rng.random((rows, k)) < 0.5)
    x = np.maximum(V @ H + rng.standard_normal((rows, H.shape[1])), 0)
    return H, x, np.ascontiguousarray(H @ H.T, dtype=dtype), np.ascontiguousarray(x @ H.T, dtype=dtype)


def solved(gram, cross, sweeps, rounds):
    V = np.empty_like(cross)
    return V, compiled.solve_rows(V, gram, cross, TOL[cross.dtype.type], sweeps, rounds)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [1, 7, 50, 120])
def test_rounds_end_where_active_sets_do(k, dtype):
    _, _, gram, cross = crowded(k, dtype)
    V, left = solved(gram, cross, 8, 12)
    assert left.size == 0
    root = np.linalg.cholesky(gram.astype(np.float64))
    exact = np.array([nnls(root.T, np.linalg.solve(root, row.astype(np.float64)))[0] for row in cross])
    assert np.count_nonzero(exact == 0) > 0.1 * exact.size or k == 1, "some are not to be zero"
    assert np.all(np.abs(V - exact).max(axis=1) <= FAR[dtype] * exact.max(axis=1))


def test_rounds_solve_what_as_many_sweeps_do_not():
    _, _, gram, cross = crowded(120, np.float64)
    assert solved(gram, cross, 200, 0)[1].size > 100
    assert solved(gram, cross, 8, 12)[1].size == 0


def test_components_that_are_one_are_left_for_active_sets():
    _, _, gram, cross = crowded(20, np.float64)
    twice, crosses = np.tile(gram, (2, 2)), np.tile(cross, 2)
    twice[:20, :20] *= 1 + 1e-9
    V, left = solved(twice, crosses, 8, 12)
    assert np.all(np.isfinite(V))
    assert V.min() >= 0
    done = np.setdiff1d(np.arange(len(V)), left)
    gradient = V[done] @ twice - crosses[done]
    assert np.all(np.abs(np.where(V[done] > 0, gradient, np.minimum(gradient, 0))) <= 1e-8 * np.abs(crosses).max())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_row_does_not_depend_on_its_neighbours(dtype):
    _, _, gram, cross = crowded(60, dtype)
    V, _ = solved(gram, cross, 8, 12)
    order = np.random.default_rng(0).permutation(len(cross))[:97]
    assert np.array_equal(solved(gram, np.ascontiguousarray(cross[order]), 8, 12)[0], V[order])
    assert np.array_equal(solved(gram, np.ascontiguousarray(cross[5:6]), 8, 12)[0], V[5:6])


def test_a_zero_component_stays_zero_and_nan_stays_in_its_row():
    _, _, gram, cross = crowded(30, np.float64)
    gram[3], gram[:, 3], cross[:, 3] = 0, 0, 0
    clean, left = solved(gram, cross, 8, 12)
    assert left.size == 0
    assert not clean[:, 3].any()
    cross[7, 2] = np.nan
    V, _ = solved(gram, cross, 8, 12)
    assert np.array_equal(np.delete(V, 7, axis=0), np.delete(clean, 7, axis=0))
