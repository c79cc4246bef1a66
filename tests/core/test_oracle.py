"""The iterates against scikit-learn's NMF and against a slow transcription of the paper, from the same start."""

import numpy as np
import pytest
from sklearn.decomposition import NMF

from coupled_nmf import CoupledNMF, make_coupled_blocks
from coupled_nmf.problem.draws import SEEDS, DrawnF

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SKLEARN_SOLVER = {"mu": "mu", "hals": "cd"}
K = 5


@pytest.fixture(scope="module")
def X():
    return make_coupled_blocks(700, {"a": 30, "b": 21, "c": 1}, K, noise=0.1, random_state=0)[0]


@pytest.fixture(scope="module")
def start(X):
    rng = np.random.RandomState(1)
    return rng.uniform(size=(X.shape[0], K)), rng.uniform(size=(K, X.shape[1]))


def run(X, start, solver, n_iter, **params):
    """Components, the F that the callback sees, and J after every iteration."""
    seen = {}
    model = CoupledNMF(
        K,
        solver=solver,
        init="custom",
        max_iter=n_iter,
        tol=0,
        inner_sweeps=1,
        extrapolate=False,
        callbacks=[lambda info: seen.update(F=info.F.copy())],
        **params,
    ).fit(X, F=start[0], H=start[1])
    return model.components_, seen["F"], model.objective_history_


def oracle(array, start, solver, n_iter):
    model = NMF(K, solver=SKLEARN_SOLVER[solver], init="custom", max_iter=n_iter, tol=0, shuffle=False)
    F = model.fit_transform(array, W=start[0].copy(), H=start[1].copy())
    return model.components_, F


@pytest.mark.parametrize("n_iter", [1, 5, 50])
@pytest.mark.parametrize("solver", ["mu", "hals"])
def test_iterates_are_those_of_scikit_learn(X, start, solver, n_iter):
    H, F, _ = run(X, start, solver, n_iter)
    H_oracle, F_oracle = oracle(X.to_array(), start, solver, n_iter)
    np.testing.assert_allclose(H, H_oracle, atol=1e-10, rtol=1e-10)
    np.testing.assert_allclose(F, F_oracle, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("n_iter", [1, 5, 50])
@pytest.mark.parametrize("solver", ["mu", "hals"])
def test_weights_are_those_of_scaled_blocks(X, start, solver, n_iter):
    weights = {"a": 4.0, "b": 0.25, "c": 9.0}
    scale = np.sqrt(np.repeat(list(weights.values()), X.layout.sizes))
    H, F, _ = run(X, start, solver, n_iter, block_weights=weights)
    H_oracle, F_oracle = oracle(X.to_array() * scale, (start[0], start[1] * scale), solver, n_iter)
    np.testing.assert_allclose(H * scale, H_oracle, atol=1e-10, rtol=1e-10)
    np.testing.assert_allclose(F, F_oracle, atol=1e-10, rtol=1e-10)


def test_mu_is_the_papers_formulas(X, start):
    """Equation by equation, with the paper's letters and orientation: D is (pixels, images)."""
    blocks = {name: X[name].T for name in X.names}
    F = start[0].copy()
    parts = {name: H.T.copy() for name, H in X.layout.split(start[1]).items()}
    for _ in range(5):
        numerator = sum(D.T @ parts[name] for name, D in blocks.items())
        denominator = sum(F @ P.T @ P for P in parts.values())
        F = F * numerator / (denominator + 1e-12)
        parts = {name: P * (blocks[name] @ F) / (P @ F.T @ F + 1e-12) for name, P in parts.items()}
    H, F_ours, history = run(X, start, "mu", 5)
    np.testing.assert_allclose(F_ours, F, rtol=1e-10)
    np.testing.assert_allclose(H, np.vstack(list(parts.values())).T, rtol=1e-10, atol=1e-12)
    J = sum(np.sum((D - parts[name] @ F.T) ** 2) for name, D in blocks.items())
    assert history[-1] == pytest.approx(J, rel=1e-10)


@pytest.mark.parametrize("solver", ["mu", "hals"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_objective_never_rises(X, start, solver, dtype):
    _, _, history = run(X.to_array().astype(dtype), start, solver, 100)
    rounding = (1e-6 if dtype == np.float32 else 1e-13) * np.sum(X.to_array() ** 2)  # J is a difference of such numbers
    assert np.diff(history).max() <= rounding


def test_paper_start_is_uniform_in_zero_one(X):
    """solver="mu", init="uniform" is a custom start of F and H drawn in [0, 1), H first; F by rows, by a seed."""
    rng = np.random.RandomState(7)
    H = rng.uniform(size=(K, X.shape[1]))
    F = DrawnF(np.ones(K), H.dtype, seed=rng.randint(SEEDS)).rows(slice(0, X.shape[0]))
    start = F, H
    assert F.min() >= 0
    assert 0.99 < F.max() < 1
    _, _, history = run(X, start, "mu", 5)
    model = CoupledNMF(K, solver="mu", init="uniform", max_iter=5, tol=0, random_state=7).fit(X)
    assert model.objective_history_ == history


def test_extrapolation_reaches_a_lower_objective_in_the_same_iterations():
    """At a rank above the planted one, where plain HALS is slow; the mean of several starts, since each may differ."""
    X, _, _ = make_coupled_blocks(300, {"a": 30, "b": 20}, 8, noise=0.2, random_state=0)

    def mean_error(extrapolate):
        fits = [
            CoupledNMF(12, max_iter=40, tol=0, inner_sweeps=1, extrapolate=extrapolate, random_state=seed).fit(X)
            for seed in range(5)
        ]
        return np.mean([fit.reconstruction_err_ for fit in fits])

    assert mean_error(True) < mean_error(False)
