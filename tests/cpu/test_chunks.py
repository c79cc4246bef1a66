"""X wider than a chunk, or a strip, and deeper than the vectors held at once: iterates against slow, obvious NumPy."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.special import xlogy

from coupled_nmf import Blocks, CoupledNMF

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N, SIZES, ALPHA = 130, {"a": 1100, "b": 100}, {"a": 2.0, "b": 0.5}
COLUMNS = np.repeat(list(ALPHA.values()), list(SIZES.values()))
TOLERANCE = {"float64": 1e-9, "float32": 2e-4}
each_dtype = pytest.mark.parametrize("dtype", sorted(TOLERANCE))
each_rank = pytest.mark.parametrize("k", [1, 17, 120])
FEW, MANY = (0.001, 0.005), (0.02, 0.1, 0.7)  # of a row's entries are missing: each by itself is found, or all of F H


def draw(k, dtype, *, gaps=(), zeros=0.0):
    """X, of which each row lacks one of these parts at random, and both factors."""
    rng = np.random.default_rng(3)
    X = rng.gamma(1.0, size=(N, sum(SIZES.values())))
    X[rng.uniform(size=X.shape) < zeros] = 0
    if gaps:
        X[rng.uniform(size=X.shape) < rng.choice(gaps, size=(N, 1))] = np.nan
        X[:, 0] = 1.0
        X[::2, -1] = 1.0
        X[5:9] = np.where(np.isnan(X[5:9]), 0.5, X[5:9])  # rows without a gap
    F, H = rng.uniform(0.5, 1, size=(N, k)), rng.uniform(0.5, 1, size=(k, X.shape[1]))
    return X.astype(dtype), F.astype(dtype), H.astype(dtype)


def blocks_of(X, storage):
    cut = dict(zip(SIZES, np.split(X, [SIZES["a"]], axis=1), strict=True))
    return Blocks({name: csr_array(part) if storage == "sparse" else part for name, part in cut.items()})


def check(X, F, H, weights, slow, storage, **params):
    seen = {}
    model = CoupledNMF(
        len(H), solver="mu", init="custom", max_iter=3, tol=0, inner_sweeps=1, extrapolate=False, block_weights=ALPHA,
        callbacks=[lambda info: seen.update(F=info.F.copy(), H=info.H.copy())], **params,
    )  # fmt: skip
    model.fit(blocks_of(X, storage), F=F.copy(), H=H.copy(), sample_weight=weights)
    slow_F, slow_H, history = slow(*(a.astype(float) for a in (X, F, H)), np.ones(N) if weights is None else weights)
    tolerance = TOLERANCE[X.dtype.name]
    np.testing.assert_allclose(seen["F"], slow_F, rtol=tolerance, atol=tolerance / 100, err_msg="F")
    np.testing.assert_allclose(seen["H"], slow_H, rtol=tolerance, atol=tolerance / 100, err_msg="H")
    np.testing.assert_allclose(model.objective_history_, history, rtol=tolerance / 10, err_msg="J")


def slow_frobenius(X, F, H, weights):
    history, w = [], weights[:, None]
    for _ in range(3):
        F = F * (np.where(np.isnan(X), F @ H, X) * COLUMNS @ H.T) / (F @ (H * COLUMNS @ H.T))
        filled = np.where(np.isnan(X), F @ H, X)
        H = H * (F.T @ (w * filled)) / (F.T @ (w * F) @ H)
        history.append(np.sum(w * COLUMNS * (filled - F @ H) ** 2))
    return F, H, history


def slow_divergence(X, F, H, weights):
    history, w = [], weights[:, None]
    for _ in range(3):
        F = F * (np.where(np.isnan(X), 1, X / (F @ H)) * COLUMNS @ H.T) / (H * COLUMNS).sum(axis=1)
        found = F @ H
        terms = np.nan_to_num(xlogy(X, X) - xlogy(X, found) - X + found)
        history.append(2 * np.sum(w * COLUMNS * terms))
        H = H * (F.T @ (w * np.where(np.isnan(X), 1, X / found))) / (w * F).sum(axis=0)[:, None]
    return F, H, history


@each_dtype
@each_rank
@pytest.mark.parametrize("weights", [None, np.arange(N) % 4 / 2.0 + 0.1])
@pytest.mark.parametrize("gaps", [FEW, MANY])
def test_gaps_in_a_wide_x(k, dtype, weights, gaps):
    check(*draw(k, dtype, gaps=gaps), weights, slow_frobenius, "dense")


@each_dtype
@each_rank
def test_gaps_that_are_many_in_some_columns(k, dtype):
    X, F, H = draw(k, dtype, gaps=FEW)
    many = np.random.default_rng(4).uniform(size=(N, 400)) < 0.7
    X[:, 1:401][many] = np.nan
    check(X, F, H, None, slow_frobenius, "dense")


@each_dtype
@each_rank
@pytest.mark.parametrize("storage", ["dense", "sparse"])
@pytest.mark.parametrize("gaps", [(), MANY])
def test_divergence_of_a_wide_x(k, dtype, storage, gaps):
    check(*draw(k, dtype, gaps=gaps, zeros=0.6), None, slow_divergence, storage, beta_loss="kullback-leibler")


@each_dtype
@each_rank
def test_sparse_and_wide_x(k, dtype):
    check(*draw(k, dtype, zeros=0.9), None, slow_frobenius, "sparse")


@each_dtype
def test_divergence_of_entries_of_all_sizes(dtype):
    X, F, H = draw(3, dtype)
    X *= 10 ** np.random.default_rng(4).uniform(-25, 6, size=X.shape).astype(dtype)
    check(X, F, H, None, slow_divergence, "dense", beta_loss="kullback-leibler")
