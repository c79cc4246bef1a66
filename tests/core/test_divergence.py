"""Kullback–Leibler against slow, obvious NumPy, against scikit-learn, and F against an independent solver."""

from functools import partial

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.sparse import csr_array
from scipy.special import xlogy
from sklearn.decomposition import NMF
from slow_moves import extrapolated_above_zero

from coupled_nmf import Blocks, CoupledNMF
from coupled_nmf.backends.cpu.control import HostJudge
from coupled_nmf.problem.control import Momentum, Terms

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

K, SIZES = 3, {"a": 8, "b": 5}
N = 110
WEIGHTS = {"a": 2.0, "b": 0.5}
each_storage = pytest.mark.parametrize("storage", ["dense", "sparse", "mixed"])
each_gap = pytest.mark.parametrize("gaps", [False, True])


def draw(gaps):
    """Counts, many of them zero, with NaN and absent blocks if asked for."""
    rng = np.random.default_rng(0)
    F = rng.gamma(1.0, size=(N, K))
    blocks = {name: rng.poisson(F @ rng.gamma(1.0, size=(K, size))).astype(float) for name, size in SIZES.items()}
    lacks = {name: np.zeros(N, dtype=bool) for name in SIZES}
    if gaps:
        for name, X in blocks.items():
            X[:, 1:][rng.uniform(size=(N, X.shape[1] - 1)) < 0.2] = np.nan
            lacks[name] = rng.uniform(size=N) < 0.3
            lacks[name][4] = True
            X[lacks[name]] = np.nan
    return blocks, lacks


def stored(blocks, lacks, storage):
    if storage == "dense":
        return Blocks(blocks)
    kept = {name: X[~lacks[name]] for name, X in blocks.items()}
    sparse = {name: csr_array(X) if storage == "sparse" or name == "a" else X for name, X in kept.items()}
    return Blocks(sparse, samples={name: np.flatnonzero(~lacks[name]) for name in blocks})


def divergence(X, found):
    """2 Σ x log(x / found) − x + found over the entries that are there, row by row."""
    terms = xlogy(X, X) - xlogy(X, found) - X + found
    return 2 * np.where(np.isnan(X), 0, terms).sum(axis=1)


def least(parts, linear, l2):
    """The v with v (linear + l2 v) = parts: where a multiplicative update's bound above J is least."""
    return parts / np.maximum(linear, 1e-300) if l2 == 0 else (np.sqrt(linear**2 + 4 * l2 * parts) - linear) / (2 * l2)


def slow_fit(judge, blocks, lacks, held_F, held_H, n_iter, alpha, weights, l1=0.0, l2=0.0, sweeps=2):
    """A gap has the quotient 1, an absent block 0; J is that of the new F and of the H that the new H is made from."""
    before_F, before_H = held_F, held_H
    l1_F, l2_F, l1_H, l2_H = (a * b for b in (sum(SIZES.values()), weights.sum()) for a in (l1, l2))

    def quotients(name):
        X = blocks[name]
        return np.where(lacks[name][:, None], 0, np.where(np.isnan(X), 1, X / (F @ H[name])))

    for _ in range(n_iter):
        F = extrapolated_above_zero(held_F, before_F, judge.betas[0])
        H = {name: extrapolated_above_zero(held_H[name], before_H[name], judge.betas[0]) for name in blocks}
        for _ in range(sweeps):
            cross = sum(alpha[name] * quotients(name) @ H[name].T for name in blocks)
            sums = sum(alpha[name] * np.outer(~lacks[name], H[name].sum(axis=1)) for name in blocks)
            F = least(F * cross, sums + l1_F, l2_F)
        J = weights @ (2 * l1_F * F + l2_F * F**2).sum(axis=1)
        moved = {}
        for name, X in blocks.items():
            with np.errstate(divide="ignore"):  # rows of zeros
                J += alpha[name] * weights @ divergence(X, np.maximum(F @ H[name], 1e-300))
            J += np.sum(2 * l1_H * H[name] + l2_H * H[name] ** 2)
            w = (weights * ~lacks[name])[:, None]
            sums = (w * F).sum(axis=0)[:, None]
            with np.errstate(invalid="ignore"):
                Q = np.nan_to_num(quotients(name))
            moved[name] = least(H[name] * (F.T @ (w * Q)), sums + l1_H / alpha[name], l2_H / alpha[name])
        if judge.decide(J):
            before_F, before_H, held_F, held_H = held_F, held_H, F, moved
    return held_F, np.hstack(list(held_H.values())), judge.history


def start():
    rng = np.random.default_rng(5)
    return rng.uniform(0.1, 1, size=(N, K)), {name: rng.uniform(0.1, 1, size=(K, size)) for name, size in SIZES.items()}


def model_of(**params):
    defaults = {"solver": "mu", "beta_loss": "kullback-leibler", "random_state": 0}
    return CoupledNMF(**{"n_components": K, **defaults, **params})


@each_storage
@each_gap
@pytest.mark.parametrize(("alpha_F", "l1_ratio"), [(0.0, 0.0), (0.01, 1.0), (0.02, 0.3)])
@pytest.mark.parametrize("course", ["plain", "extrapolated", "rejected"])
def test_iterates_are_those_of_a_slow_loop(course, gaps, storage, alpha_F, l1_ratio, monkeypatch):
    if course == "rejected":  # the first step further goes far too far, and is taken back
        for place in ("cpu", "cuda"):
            monkeypatch.setattr(f"coupled_nmf.backends.{place}.control.Momentum", partial(Momentum, 1e3, 1e4))
    judge = HostJudge(Terms(course != "plain", 0.0, 0.0, np.dtype(float)))
    blocks, lacks = draw(gaps)
    F, H = start()
    alpha, weights = (WEIGHTS, np.arange(N) % 4 / 2.0) if alpha_F else (dict.fromkeys(SIZES, 1.0), np.ones(N))
    seen = {}
    model = model_of(
        init="custom", max_iter=8, tol=0, inner_sweeps=2, block_weights=alpha, alpha_F=alpha_F, l1_ratio=l1_ratio,
        extrapolate=course != "plain", callbacks=[lambda info: seen.update(F=info.F.copy())],
    )  # fmt: skip
    model.fit(stored(blocks, lacks, storage), F=F, H=np.hstack(list(H.values())), sample_weight=weights)
    penalties = {"l1": l1_ratio * alpha_F, "l2": (1 - l1_ratio) * alpha_F}
    slow_F, slow_H, history = slow_fit(judge, blocks, lacks, F, H, 8, alpha, weights, **penalties)
    np.testing.assert_allclose(seen["F"], slow_F, rtol=1e-8, atol=1e-10, err_msg="F")
    np.testing.assert_allclose(model.components_, slow_H, rtol=1e-8, atol=1e-10, err_msg="H")
    np.testing.assert_allclose(model.objective_history_, history, rtol=1e-9, err_msg="J")
    assert np.all(np.diff(history) <= 1e-12 * np.abs(history[:-1]))
    assert np.flatnonzero(np.diff(history) == 0).tolist() == ([1] if course == "rejected" else []), "iteration 3 alone"


@each_storage
@pytest.mark.parametrize("alpha_F", [0.0, 0.01])
@pytest.mark.parametrize("n_iter", [1, 20])
def test_iterates_are_those_of_scikit_learn(storage, n_iter, alpha_F):
    """With L1 alone: scikit-learn's step for L2 is another one, after which its objective may rise."""
    blocks, lacks = draw(False)
    F, H = start()
    H = np.hstack(list(H.values()))
    params = {"init": "custom", "max_iter": n_iter, "tol": 0}
    oracle = NMF(K, solver="mu", beta_loss=1, alpha_W=alpha_F, l1_ratio=1.0, **params)
    oracle_F = oracle.fit_transform(np.hstack(list(blocks.values())), W=F.copy(), H=H.copy())
    seen = {}
    hear = [lambda info: seen.update(F=info.F.copy())]
    model = model_of(alpha_F=alpha_F, l1_ratio=1.0, extrapolate=False, callbacks=hear, **params)
    model.fit(stored(blocks, lacks, storage), F=F, H=H)
    np.testing.assert_allclose(model.components_, oracle.components_, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(seen["F"], oracle_F, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_extrapolation_reaches_a_lower_objective_in_half_the_iterations(seed):
    rng = np.random.default_rng(seed)
    X = rng.poisson(5 * rng.gamma(0.5, size=(90, 8)) @ rng.gamma(0.5, size=(8, 60))).astype(float)
    params = {"solver": "mu", "beta_loss": "kullback-leibler", "init": "random", "random_state": seed, "tol": 0}
    plain = CoupledNMF(8, extrapolate=False, max_iter=120, **params).fit(X)
    further = CoupledNMF(8, max_iter=60, **params).fit(X)
    assert further.objective_history_[-1] < plain.objective_history_[-1]
    assert np.all(np.diff(further.objective_history_) <= 0)


@pytest.mark.parametrize("n_features", [32, 45])
def test_j_has_the_same_digits_at_any_scale(n_features):
    """Powers of two round nothing, and what fills up the last vector of a row must not be seen in J."""
    rng = np.random.default_rng(0)
    X = rng.gamma(0.5, size=(40, 4)) @ rng.gamma(0.5, size=(4, n_features)) + 0.1
    F, H = rng.random((40, 4)), rng.random((4, n_features))
    histories = [
        model_of(n_components=4, init="custom", max_iter=60, tol=0)
        .fit(X * scale, F=F * scale, H=H).objective_history_
        for scale in (1.0, 2.0**-44)
    ]  # fmt: skip
    np.testing.assert_array_equal(np.array(histories[1]) * 2.0**44, histories[0])


def test_penalties_on_a_block_of_weight_zero_are_not_in_j_inside_the_loop():
    """It learns beside the others as if its weight were 1, and would make J rise."""
    blocks, _ = draw(False)
    params = {"block_weights": {"a": 1.0, "b": 0.0}, "alpha_F": 0.02, "max_iter": 80, "tol": 0}
    history = model_of(**params).fit(Blocks(blocks)).objective_history_
    assert np.all(np.diff(history) <= 0)
    assert len(set(history)) >= 75, "many steps were taken back"


def test_l2_never_makes_the_objective_rise():
    """From a small start, where dividing by S + l2 V, as scikit-learn does, steps far too far."""
    blocks, _ = draw(False)
    F, H = start()
    H = np.hstack(list(H.values()))
    model = model_of(init="custom", alpha_F=1.0, max_iter=30, tol=0).fit(Blocks(blocks), F=F / 100, H=H / 100)
    history = np.array(model.objective_history_)
    assert np.all(np.diff(history) <= 1e-12 * history[:-1])


@each_gap
@pytest.mark.parametrize("penalties", [{}, {"alpha_F": 0.05, "l1_ratio": 0.4}])
def test_transform_is_the_minimum_that_an_independent_solver_finds(gaps, penalties):
    blocks, lacks = draw(gaps)
    model = model_of(block_weights=WEIGHTS, **penalties).fit(Blocks(blocks))
    found = {storage: model.transform(stored(blocks, lacks, storage)[:12]) for storage in ("dense", "sparse", "mixed")}
    alpha = np.repeat(list(WEIGHTS.values()), list(SIZES.values()))
    l1, l2 = (penalties.get("alpha_F", 0) * share * sum(SIZES.values()) for share in (0.4, 0.6))
    for number, row in enumerate(np.hstack(list(blocks.values()))[:12]):
        seen = ~np.isnan(row)
        H, x, a = model.components_[:, seen], row[seen], alpha[seen]

        def J(f, H=H, x=x, a=a):
            product = np.maximum(f @ H, 1e-12)
            gradient = H @ (a * (1 - x / product)) + l1 + l2 * f
            return a @ (product - xlogy(x, product)) + l1 * f.sum() + l2 / 2 * f @ f, gradient

        best = minimize(J, np.ones(K), jac=True, bounds=[(0, None)] * K, options={"ftol": 1e-14, "gtol": 1e-9})
        for storage, F in found.items():
            ours = J(F[number])[0]
            assert ours <= best.fun + 1e-6 * max(abs(best.fun), 1.0), f"{storage}, row {number}: {ours} > {best.fun}"
            assert seen.any() or np.all(F[number] == 0), f"{storage}, row {number}: of nothing there is to be nothing"


@each_storage
@each_gap
def test_errors_are_those_of_the_entries_that_are_there(gaps, storage):
    blocks, lacks = draw(gaps)
    X, weights = stored(blocks, lacks, storage), np.arange(N) % 3 + 0.5
    model = model_of(block_weights=WEIGHTS)
    F = model.fit_transform(X, sample_weight=weights)
    np.testing.assert_array_equal(F, model.transform(X))
    J = nothing = 0.0
    for name, array in blocks.items():
        seen, found = ~np.isnan(array), np.maximum(F @ model.block_components_[name], 1e-300)
        squares = weights @ np.where(seen, array - found, 0) ** 2
        assert model.block_rmse_[name] == pytest.approx(np.sqrt(squares.sum() / (weights @ seen).sum()))
        J += WEIGHTS[name] * weights @ divergence(array, found)
        mean = (weights @ np.where(seen, array, 0)).sum() / (weights @ seen).sum()
        nothing += WEIGHTS[name] * weights @ divergence(array, np.full(array.shape, mean))
    assert model.reconstruction_err_ == pytest.approx(np.sqrt(J))
    assert model.score(X, sample_weight=weights) == pytest.approx(1 - J / nothing)


@pytest.mark.not_emulated
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scaling_all_weights_does_not_change_where_a_fit_ends(dtype):
    """J's rounding is judged beside what the weights make of X, not beside X."""
    X = np.hstack(list(draw(False)[0].values())).astype(dtype)
    one = model_of(max_iter=500).fit(X)
    small = model_of(max_iter=500, block_weights=[2.0**-24]).fit(X)
    light = model_of(max_iter=500).fit(X, sample_weight=np.full(N, 2.0**-24))
    assert small.n_iter_ == light.n_iter_ == one.n_iter_
    assert small.score(X) == pytest.approx(one.score(X), rel=1e-5)
    assert light.score(X) == pytest.approx(one.score(X), rel=1e-5)


def test_zeros_that_underflow_cost_nothing():
    """A stored 1e-323, whose quotient is 0, is as good as a zero."""
    blocks, _ = draw(False)
    X = np.hstack(list(blocks.values()))
    X[0, 0] = 0
    zero = model_of().fit(X)
    X[0, 0] = 1e-323
    tiny = model_of().fit(X)
    assert tiny.reconstruction_err_ == pytest.approx(zero.reconstruction_err_, rel=1e-9)
    np.testing.assert_allclose(tiny.objective_history_, zero.objective_history_, rtol=1e-9)


def test_numbers_too_small_to_be_normal_are_what_they_were_after_a_fit():
    """Kernels count them as zero; what runs on the same thread after them does not."""
    blocks, _ = draw(gaps=False)
    for n_jobs in (1, 2):
        CoupledNMF(K, solver="mu", beta_loss="kullback-leibler", n_jobs=n_jobs, max_iter=5, random_state=0).fit(
            Blocks(blocks)
        )
        assert np.all(np.full(100, 1e-40, np.float32) * np.float32(0.5) > 0)


def test_balanced_blocks_count_the_same_whatever_their_scale():
    rng = np.random.default_rng(0)
    X = {name: rng.poisson(2.0, size=(60, 8)).astype(float) for name in "ab"}
    models = [
        CoupledNMF(2, solver="mu", beta_loss="kullback-leibler", block_weights="balanced", random_state=0).fit(
            Blocks({"a": X["a"], "b": scale * X["b"]})
        )
        for scale in (1.0, 100.0)
    ]
    for model, scale in zip(models, (1.0, 100.0), strict=True):
        shares = model.block_weights_ * [X["a"].sum(), scale * X["b"].sum()]
        np.testing.assert_allclose(shares[0], shares[1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("init", ["auto", "uniform"])
def test_a_constant_is_explained_or_not_and_rounding_does_not_decide(dtype, init):
    """J of the mean is then 0 but for rounding: what is left over it would be noise."""
    for value in (0.1, 1.0, 3e4):
        X = np.full((30, 12), value, dtype)
        model = CoupledNMF(3, solver="mu", beta_loss="kullback-leibler", init=init, random_state=0).fit(X)
        assert model.score(X) == 1.0
        other = CoupledNMF(1, solver="mu", beta_loss="kullback-leibler", random_state=0)
        assert other.fit(np.arange(1, 13, dtype=dtype) * np.ones((30, 1), dtype)).score(X) == 0.0
    nearly = np.full((30, 12), 0.1, dtype)
    nearly[0, 0] *= dtype(1.01)
    assert 0 <= model.fit(nearly).score(nearly) <= 1
