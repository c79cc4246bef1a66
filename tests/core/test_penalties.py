"""L1 and L2 on both factors, against scikit-learn and against what they are for."""

import numpy as np
import pytest
from oracles import CASES, draw, iterates, model_of, oracle_of, start_of

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

each_case = pytest.mark.parametrize(("solver", "loss"), CASES)
PENALTIES = [(0.0, 0.0, 0.0), (0.02, "same", 0.0), (0.02, "same", 1.0), (0.03, 0.01, 0.4)]  # alpha_F, alpha_H, l1_ratio


@pytest.mark.parametrize(
    ("solver", "loss", "alpha_F", "alpha_H", "l1_ratio"),
    [
        (*case, *penalty)
        for case in CASES
        for penalty in PENALTIES
        if case[1] == "frobenius" or penalty[0] == 0 or penalty[2] == 1
    ],
)
def test_iterates_with_penalties(solver, loss, alpha_F, alpha_H, l1_ratio):
    """Kullback–Leibler with L2 has a step of its own here: scikit-learn's can make the objective rise."""
    X = draw((20, 15))
    F, H = start_of(X, 4)
    model, found = iterates(
        X, 4, solver, loss, F, H, alpha_F=alpha_F, alpha_H=alpha_H, l1_ratio=l1_ratio, max_iter=30, tol=0
    )
    params = {"alpha_W": alpha_F, "alpha_H": alpha_H, "l1_ratio": l1_ratio, "max_iter": 30, "tol": 0}
    expected_F, expected_H = oracle_of(X, 4, solver, loss, F, H, **params)
    np.testing.assert_allclose(model.components_, expected_H, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(found, expected_F, rtol=1e-7, atol=1e-9)


@pytest.mark.not_emulated
def test_kullback_leibler_with_l2_ends_where_scikit_learn_does():
    X = draw((20, 15))
    F, H = start_of(X, 3)
    model, found = iterates(X, 3, "mu", "kullback-leibler", F, H, alpha_F=0.02, max_iter=5000, tol=0)
    expected_F, expected_H = oracle_of(X, 3, "mu", "kullback-leibler", F, H, alpha_W=0.02, max_iter=5000, tol=0)
    np.testing.assert_allclose(found @ model.components_, expected_F @ expected_H, atol=1e-4)
    np.testing.assert_allclose(model.components_, expected_H, atol=1e-3)


@each_case
@pytest.mark.parametrize(("alpha_F", "l1_ratio"), [(0.1, 0.5), (0.1, 0.0), (0.1, 1.0)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_penalized_objective_falls_at_each_iteration(solver, loss, alpha_F, l1_ratio, dtype):
    """Fit by fit of one iteration each, J computed here: not from what the loop says of itself."""
    X = draw((20, 15)).astype(dtype)
    F, H = start_of(X, 6)
    l1, l2 = l1_ratio * alpha_F, (1 - l1_ratio) * alpha_F
    before = np.inf
    for iteration in range(30):
        model, F = iterates(X, 6, solver, loss, F, H, alpha_F=alpha_F, l1_ratio=l1_ratio, max_iter=1, tol=0)
        f, H = F.astype(np.float64), model.components_.astype(np.float64)
        found, x = np.maximum(f @ H, 1e-30), X.astype(np.float64)
        J = np.sum((x - found) ** 2) if loss == "frobenius" else 2 * np.sum(x * np.log(x / found) - x + found)
        J += 15 * (2 * l1 * f.sum() + l2 * np.sum(f**2)) + 20 * (2 * l1 * H.sum() + l2 * np.sum(H**2))
        assert before * (1 + (1e-6 if dtype == np.float32 else 1e-12)) >= J, f"J rose in iteration {iteration}"
        before = J


@each_case
def test_l1_gives_zeros_in_both_factors_and_l2_gives_few(solver, loss):
    X = draw((6, 5))
    zeros = {}
    for name, params in {"l1": {"l1_ratio": 1.0}, "l2": {"l1_ratio": 0.0}}.items():
        model = model_of(3, solver, loss, alpha_F=0.1, max_iter=2000, tol=1e-8, **params)
        F = model.fit_transform(X)
        zeros[name] = [np.sum(factor <= 1e-8) for factor in (F, model.components_)]
    model = model_of(3, solver, loss, max_iter=2000, tol=1e-8)
    zeros["none"] = [np.sum(factor <= 1e-8) for factor in (model.fit_transform(X), model.components_)]
    assert sum(zeros["l1"]) > max(sum(zeros["l2"]), sum(zeros["none"])), f"zeros in F and H: {zeros}"
    assert zeros["l1"][0] >= zeros["l2"][0], f"zeros in F and H: {zeros}"
    assert zeros["l1"][1] >= zeros["l2"][1], f"zeros in F and H: {zeros}"


@each_case
@pytest.mark.filterwarnings("ignore:Nothing is left of F")  # of the largest
def test_l2_shrinks_the_factors_the_more_the_larger_it_is(solver, loss):
    X = draw((6, 5))
    sizes = []  # which end at 0
    for alpha in (1e-3, 1e-2, 1e-1, 1.0, 10.0):
        model = model_of(3, solver, loss, alpha_F=alpha, max_iter=2000)
        sizes.append(5 * np.sum(model.fit_transform(X) ** 2) + 6 * np.sum(model.components_**2))
    assert np.all(np.diff(sizes) <= 0), f"5 ‖F‖² + 6 ‖H‖² by alpha_F: {sizes}"
    assert sizes[2] < 0.95 * sizes[0], f"5 ‖F‖² + 6 ‖H‖² by alpha_F: {sizes}"


@pytest.mark.not_emulated
@each_case
def test_l2_keeps_the_factors_balanced(solver, loss):
    """At the minimum, n_features ‖F_j‖² = n_samples ‖H_j‖² for every component: neither grows without bound."""
    X = draw((12, 9))
    model = model_of(3, solver, loss, alpha_F=0.02, max_iter=20000, tol=1e-12)
    F = model.fit_transform(X)
    np.testing.assert_allclose(9 * np.sum(F**2, axis=0), 12 * np.sum(model.components_**2, axis=1), rtol=1e-3)


@each_case
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
def test_penalties_mean_the_same_for_x_repeated(solver, loss, l1_ratio):
    """Samples twice over: the same H; features twice over: the same F. So alpha need not follow the size of X."""
    X = draw((12, 9))
    F, H = start_of(X, 3)
    params = {"alpha_F": 0.02, "l1_ratio": l1_ratio, "max_iter": 40, "tol": 0}
    once, found = iterates(X, 3, solver, loss, F, H, **params)
    tall, found_tall = iterates(np.vstack([X, X]), 3, solver, loss, np.vstack([F, F]), H, **params)
    wide, found_wide = iterates(np.hstack([X, X]), 3, solver, loss, F, np.hstack([H, H]), **params)
    np.testing.assert_allclose(tall.components_, once.components_, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(found_tall[12:], found, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(wide.components_[:, 9:], once.components_, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(found_wide, found, rtol=1e-7, atol=1e-10)


@each_case
def test_samples_that_all_weigh_little_are_fitted_as_others_are(solver, loss):
    """From the same start, so the same J at every iteration, times the weight."""
    X = draw((20, 15))
    one, light = (model_of(3, solver, loss, alpha_F=0.02, max_iter=10, tol=0) for _ in "ab")
    one.fit(X)
    light.fit(X, sample_weight=np.full(20, 2.0**-20))
    np.testing.assert_allclose(np.multiply(light.objective_history_, 2.0**20), one.objective_history_, rtol=1e-9)
    np.testing.assert_allclose(light.components_, one.components_, rtol=1e-6)
