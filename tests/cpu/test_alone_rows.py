"""Rows that miss single entries: active sets by a gram of each row's own, against SciPy's least squares."""

import numpy as np
import pytest
from scipy.optimize import nnls

from coupled_nmf import Blocks, CoupledNMF
from coupled_nmf.backends.cpu.kernels import compiled

FAR = {np.float32: 3e-5, np.float64: 1e-9}  # of a row's largest entry


def planted(k, n_features, rows=60):
    rng = np.random.default_rng(k)
    H = rng.gamma(0.3, size=(k, n_features))
    X = (rng.gamma(0.5, size=(rows, k)) * (rng.random((rows, k)) < 0.5)) @ H
    return H, X + 0.3 * X.mean() * rng.random(X.shape), rng


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("missing", [0.05, 0.4, 0.7])
@pytest.mark.parametrize(("k", "n_features"), [(1, 40), (8, 90), (17, 700), (60, 1100)])
def test_each_row_is_least_squares_over_what_it_has(k, n_features, missing, dtype):
    """With few gaps and with hundreds, of which some are missing in one block more than in half of it."""
    H, X, rng = planted(k, n_features)
    X[rng.random(X.shape) < missing] = np.nan
    X[:, : n_features // 3][rng.random((len(X), n_features // 3)) < 0.5] = np.nan
    X = X.astype(dtype)
    first, H = n_features // 3, H.astype(dtype)
    model = CoupledNMF(k, block_weights={"a": 2.0, "b": 0.5}).set_components({"a": H[:, :first], "b": H[:, first:]})
    F = model.transform(Blocks({"a": X[:, :first], "b": X[:, first:]})).astype(np.float64)
    root = np.sqrt(np.where(np.arange(n_features) < first, 2.0, 0.5))
    for f, x in zip(F, X.astype(np.float64) * root, strict=True):
        there = ~np.isnan(x)
        best = nnls((H * root)[:, there].T, x[there])[0]
        assert np.abs(f - best).max() <= FAR[dtype] * best.max()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("few", [0, 32, 1000])
def test_rows_that_lack_whole_blocks_are_least_squares_however_many_share_them(few, dtype, monkeypatch):
    """By a gram that they share, or of their own: a row a pattern, 60 of one, and some that lack none."""
    monkeypatch.setattr("coupled_nmf.backends.cpu.solve.FEW_ROWS", few)
    H, X, rng = planted(12, 120, rows=150)
    lacks = rng.random((150, 6)) < 0.3
    lacks[:60], lacks[60:70] = [False, True, False, False, True, False], False
    lacks[70:75, 1:5] = True  # 40 entries are left, of 12 components
    X[np.repeat(lacks, 20, axis=1)] = np.nan
    X, H = X.astype(dtype), H.astype(dtype)
    names = "abcdef"
    model = CoupledNMF(12).set_components({name: H[:, 20 * i : 20 * i + 20] for i, name in enumerate(names)})
    F = model.transform(Blocks({name: X[:, 20 * i : 20 * i + 20] for i, name in enumerate(names)}))
    for f, x in zip(F.astype(np.float64), X.astype(np.float64), strict=True):
        best = nnls(H[:, ~np.isnan(x)].T.astype(np.float64), x[~np.isnan(x)])[0] if not np.isnan(x).all() else 0 * f
        assert np.abs(f - best).max() <= FAR[dtype] * max(best.max(), 1e-30)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [1, 2, 7, 8, 9, 15, 16, 17, 25, 70])
def test_active_sets_end_alike_wherever_they_begin(k, dtype):
    """From none and from all, so that systems of any size are solved, also of no whole number of eliminated rows."""
    H, X, _ = planted(k, 4 * k + 3)
    gram, cross = H @ H.T, np.ascontiguousarray(X @ H.T, dtype=dtype)
    best = np.array([nnls(H.T, row)[0] for row in X])
    for start in (0, 1):
        V = np.full(cross.shape, start, dtype)
        compiled.pivot_rows(V, gram, cross, np.arange(len(V)), 0.0, 1e-13)

        assert np.all(np.abs(V - best).max(axis=1) <= FAR[dtype] * best.max(axis=1))


def overlapping(k, n_features, width, dtype, rows=40):
    """Bumps so wide that a gram's eigenvalues fall to rounding, and rows of some of them and noise."""
    rng = np.random.default_rng(k)
    centres = np.linspace(0, n_features, k)[:, None]
    H = np.exp(-0.5 * ((np.arange(n_features) - centres) / width) ** 2)
    X = (rng.gamma(0.5, size=(rows, k)) * (rng.random((rows, k)) < 0.5)) @ H
    return H.astype(dtype), (X + 0.1 * X.mean() * rng.random(X.shape)).astype(dtype), rng


@pytest.mark.parametrize(("dtype", "far"), [(np.float32, 2e-5), (np.float64, 1e-12)])
@pytest.mark.parametrize("missing", [0.0, 0.1, 0.3])
@pytest.mark.parametrize(("k", "n_features", "width"), [(10, 30, 4), (25, 60, 6), (15, 200, 30), (50, 200, 8)])
def test_components_that_overlap_end_at_the_minimum(k, n_features, width, missing, dtype, far):
    """Blocks of entries go in circles there; one after the other ends."""
    H, X, rng = overlapping(k, n_features, width, dtype)
    X[rng.random(X.shape) < missing] = np.nan
    F = CoupledNMF(k).set_components(H).transform(X).astype(np.float64)
    for f, x in zip(F, X.astype(np.float64), strict=True):
        there = ~np.isnan(x)
        A = H[:, there].T.astype(np.float64)
        best = np.linalg.norm(A @ nnls(A, x[there], maxiter=100 * k)[0] - x[there])
        assert np.linalg.norm(A @ f - x[there]) <= best + far * np.linalg.norm(x[there])


@pytest.mark.parametrize("start", [0.0, 1.0, 1e6])
def test_rows_whose_blocks_go_in_circles_end_from_anywhere(start):
    H, X, _ = overlapping(25, 60, 6, np.float64)
    gram, cross = H @ H.T, X @ H.T
    V = np.full(cross.shape, start)
    compiled.pivot_rows(V, gram, cross, np.arange(len(V)), 1e-13 * gram.max(), 1e-13)
    assert V.min() >= 0
    best = np.array([nnls(H.T, row, maxiter=2500)[1] for row in X])
    left = np.linalg.norm(X - V @ H, axis=1)
    assert np.all(left <= best + 1e-10 * np.linalg.norm(X, axis=1))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_row_that_is_no_number_leaves_the_others(bad):
    H, X, _ = overlapping(25, 60, 6, np.float64)
    gram, cross = H @ H.T, X @ H.T
    expected = np.zeros(cross.shape)
    compiled.pivot_rows(expected, gram, cross, np.arange(len(cross)), 1e-13 * gram.max(), 1e-13)
    found = np.zeros(cross.shape)
    cross[3] = bad
    compiled.pivot_rows(found, gram, cross, np.arange(len(cross)), 1e-13 * gram.max(), 1e-13)
    np.testing.assert_array_equal(np.delete(found, 3, axis=0), np.delete(expected, 3, axis=0))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loud", [1e2, 1e4, 1e6])
@pytest.mark.parametrize("n_loud", [1, 30])
def test_what_is_missing_may_be_most_of_what_components_are(n_loud, loud, dtype):
    """What is left of their gram is then not to be its rounding."""
    H, X, _ = planted(6, 200)
    H[:, :n_loud] *= loud
    X[:, :n_loud] = np.nan
    H, X = H.astype(dtype), np.vstack([X, X[:1] * 0 + 1]).astype(dtype)
    F = CoupledNMF(6).set_components(H).transform(X).astype(np.float64)
    for f, x in zip(F, X.astype(np.float64), strict=True):
        best = nnls(H[:, n_loud:].T, x[n_loud:])[0]
        assert np.abs(f - best).max() <= FAR[dtype] * best.max()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("width", [1, 5, 40])
def test_a_component_of_which_nothing_is_there_gets_nothing(width, dtype):
    H, X, _ = planted(5, 200)
    H[0], X[:, :width] = np.where(np.arange(200) < width, 2.0, 0.0), np.nan
    F = CoupledNMF(5).set_components(H.astype(dtype)).transform(X.astype(dtype))
    assert not F[:, 0].any()
    assert F[:, 1:].any()


@pytest.mark.parametrize(("size", "weight"), [(1e15, 1e10), (1e-17, 1e-10)])
def test_grams_may_lie_outside_of_the_range_of_float32(size, weight):
    H, X, rng = planted(6, 90)
    X[rng.random(X.shape) < 0.2] = np.nan
    H, X = (H * size).astype(np.float32), X.astype(np.float32)
    model = CoupledNMF(6, block_weights={"a": weight, "b": weight}).set_components({"a": H[:, :50], "b": H[:, 50:]})
    F = model.transform(Blocks({"a": X[:, :50], "b": X[:, 50:]})).astype(np.float64)
    for f, x in zip(F, X.astype(np.float64), strict=True):
        there = ~np.isnan(x)
        best = nnls(H[:, there].T.astype(np.float64) / size, x[there])[0]
        assert np.abs(f * size - best).max() <= FAR[np.float32] * best.max()
