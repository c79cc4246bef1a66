"""Non-negative least squares for rows that share a gram: a guess, conjugate gradients and sweeps, against SciPy's."""

import numpy as np
import pytest
from scipy.optimize import nnls

from coupled_nmf.backends.cpu.kernels import compiled
from coupled_nmf.backends.cpu.solve import SharedGram

TOL = {np.float32: 1e-6, np.float64: 1e-11}
FAR = {np.float32: 2e-5, np.float64: 1e-9}  # of a row's largest entry


def crowded(k, dtype, rows=130):
    """Components that overlap, so that sweeps alone crawl, and rows that use about half of them."""
    rng = np.random.default_rng(k)
    H = rng.gamma(0.5, size=(k, 4 * k))
    H /= np.linalg.norm(H, axis=1, keepdims=True)
    V = rng.gamma(0.5, size=(rows, k)) * (rng.random((rows, k)) < 0.5)
    x = np.maximum(V @ H + rng.standard_normal((rows, H.shape[1])), 0)
    return H, x, np.ascontiguousarray(H @ H.T, dtype=dtype), np.ascontiguousarray(x @ H.T, dtype=dtype)


def inverse_of(gram):
    inverse = np.empty_like(gram)
    compiled.invert(gram.astype(np.float64), inverse)
    return inverse


def solved(gram, cross, rounds=12, inverse=None):
    V = np.empty_like(cross)
    inverse = inverse_of(gram) if inverse is None else inverse
    return V, compiled.solve_rows(V, gram, inverse, cross, TOL[cross.dtype.type], rounds)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [1, 7, 50, 120])
def test_rounds_end_where_active_sets_do(k, dtype):
    _, _, gram, cross = crowded(k, dtype)
    V, left = solved(gram, cross)
    assert left.size == 0
    root = np.linalg.cholesky(gram.astype(np.float64))
    exact = np.array([nnls(root.T, np.linalg.solve(root, row.astype(np.float64)))[0] for row in cross])
    assert np.count_nonzero(exact == 0) > 0.1 * exact.size or k == 1, "some are not to be zero"
    assert np.all(np.abs(V - exact).max(axis=1) <= FAR[dtype] * exact.max(axis=1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [1, 2, 31, 200])
def test_an_inverse_is_that_of_a_gram_kept_apart(k, dtype):
    _, _, gram, _ = crowded(k, np.float64)
    inverse = np.empty((k, k), dtype)
    compiled.invert(gram, inverse)
    assert np.array_equal(inverse, inverse.T)
    apart, far = gram + 0.05 * np.eye(k), 1e-4 if dtype == np.float32 else 1e-10
    np.testing.assert_allclose(inverse.astype(np.float64) @ apart, np.eye(k), atol=far)


def test_a_gram_s_inverse_saves_rounds():
    _, _, gram, cross = crowded(120, np.float64)
    assert solved(gram, cross, 5, np.eye(120))[1].size > 100
    assert solved(gram, cross, 5)[1].size == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("spread", [3, 6, 16])
def test_components_of_any_length_are_solved_for_alike(spread, dtype):
    """A fixed component in its own unit may be smaller or larger than others by any power of ten."""
    rng = np.random.default_rng(spread)
    H, x = rng.gamma(0.5, size=(20, 80)), rng.gamma(0.5, size=(60, 20)) @ rng.gamma(0.5, size=(20, 80))
    lengths = 10.0 ** rng.uniform(-spread, spread, 20)
    H *= lengths[:, None]
    V, gram = np.empty((60, 20), dtype), H @ H.T
    SharedGram.of(gram, np.dtype(dtype)).solve(V, (x @ H.T).astype(dtype))
    best = np.array([nnls((H / lengths[:, None]).T, row)[1] ** 2 for row in x])
    found = np.sum((x - V.astype(np.float64) @ H) ** 2, axis=1)
    assert np.all(found <= best + (1e-10 if dtype == np.float32 else 1e-14) * np.sum(x**2, axis=1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_parallel_components_leave_no_row_without_numbers(dtype):
    """Conjugate gradients go along what changes nothing: how far is nothing but rounding."""
    t = np.linspace(0, 1, 12)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        H = np.exp(-(((t - rng.random((12, 1))) / 0.02) ** 2))  # narrow bumps: several share one column
        x = rng.random((500, 12)) * 10.0 ** rng.integers(-3, 5, (500, 1))
        V = np.empty((500, 12), dtype)
        SharedGram.of(H @ H.T, np.dtype(dtype)).solve(V, (x @ H.T).astype(dtype))
        assert np.all(np.isfinite(V))
        assert V.min() >= 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_cross_far_below_zero_says_nothing_of_the_other_entries(dtype):
    """As an L1 penalty makes it of a short component."""
    _, _, gram, cross = crowded(30, dtype)
    cross[:, 3] = 0
    expected, left = solved(gram, cross)
    assert left.size == 0
    cross[:, 3] = -1e12
    np.testing.assert_array_equal(solved(gram, cross)[0], expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_component_of_no_length_stays_at_zero(dtype):
    H, x, _, _ = crowded(6, np.float64)
    H[2] *= 1e-19 if dtype == np.float32 else 1e-151
    V = np.empty((len(x), 6), dtype)
    SharedGram.of(H @ H.T, np.dtype(dtype)).solve(V, (x @ H.T).astype(dtype))
    assert not V[:, 2].any()
    H[2] = 0
    best = np.array([nnls(H.T, row)[1] ** 2 for row in x])
    assert np.all(np.sum((x - V @ H) ** 2, axis=1) <= best + 1e-9 * np.sum(x**2, axis=1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("k", "n"), [(60, 60), (60, 66), (150, 135)])
def test_few_features_for_many_dense_components_leave_few_rows(k, n, dtype):
    """The inverse of the whole gram is then not that of the entries in use."""
    rng = np.random.default_rng(0)
    H, V = rng.gamma(1, size=(k, n)), rng.gamma(1, size=(96, k)) * (rng.random((96, k)) < 0.5)
    lengths = np.linalg.norm(H, axis=1, keepdims=True)
    gram = (H / lengths) @ (H / lengths).T + (1e-4 if n < k else 0) * np.eye(k)
    cross = ((V @ H + rng.gamma(1, size=(96, n))) @ (H / lengths).T).astype(dtype)
    assert solved(gram.astype(dtype), cross, 20 if dtype == np.float32 else 40)[1].size < 10


def test_components_that_are_one_are_left_for_active_sets():
    _, _, gram, cross = crowded(20, np.float64)
    twice, crosses = np.tile(gram, (2, 2)), np.tile(cross, 2)
    twice[:20, :20] *= 1 + 1e-9
    V, left = solved(twice, crosses)
    assert np.all(np.isfinite(V))
    assert V.min() >= 0
    done = np.setdiff1d(np.arange(len(V)), left)
    gradient = V[done] @ twice - crosses[done]
    assert np.all(np.abs(np.where(V[done] > 0, gradient, np.minimum(gradient, 0))) <= 1e-8 * np.abs(crosses).max())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_row_does_not_depend_on_its_neighbours(dtype):
    _, _, gram, cross = crowded(60, dtype)
    V, _ = solved(gram, cross)
    order = np.random.default_rng(0).permutation(len(cross))[:97]
    assert np.array_equal(solved(gram, np.ascontiguousarray(cross[order]))[0], V[order])
    assert np.array_equal(solved(gram, np.ascontiguousarray(cross[5:6]))[0], V[5:6])


def test_a_zero_component_stays_zero_and_nan_stays_in_its_row():
    _, _, gram, cross = crowded(30, np.float64)
    gram[3], gram[:, 3], cross[:, 3] = 0, 0, 0
    clean, left = solved(gram, cross)
    assert left.size == 0
    assert not clean[:, 3].any()
    cross[7, 2] = np.nan
    V, left = solved(gram, cross)
    assert left.tolist() == [7], "what is no number is not solved"
    assert np.array_equal(np.delete(V, 7, axis=0), np.delete(clean, 7, axis=0))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", [1, 127, 128, 300])
def test_solution_meets_the_optimality_conditions(rows, dtype):
    rng = np.random.RandomState(0)
    H = rng.uniform(size=(7, 30))
    gram = np.ascontiguousarray(H @ H.T, dtype=dtype)
    cross = np.ascontiguousarray(rng.standard_normal((rows, 30)) @ H.T, dtype=dtype)
    V = np.empty((rows, 7), dtype=dtype)
    tol = 1e-6 if dtype == np.float32 else 1e-12
    assert compiled.solve_rows(V, gram, inverse_of(gram), cross, tol, 12).size == 0
    gradient = V @ gram - cross
    slack = 1e-3 if dtype == np.float32 else 1e-8
    assert V.min() >= 0
    assert gradient[V == 0].min(initial=0) > -slack
    assert np.abs(gradient[V > 0]).max(initial=0) < slack
