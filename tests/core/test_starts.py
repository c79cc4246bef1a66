"""Where a fit starts, and which of several starts is kept."""

import warnings

import numpy as np
import pytest
from sklearn.decomposition._nmf import _initialize_nmf

from coupled_nmf import Blocks, CoupledNMF, make_coupled_blocks, rank_path
from coupled_nmf.data.arrays import to_host
from coupled_nmf.fit.initial_factors import nndsvd
from coupled_nmf.fit.parameters import INITS
from coupled_nmf.problem.solvers import SOLVERS

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def X():
    return make_coupled_blocks(200, {"a": 30, "b": 20}, 4, noise=0.2, random_state=0)[0]


def nndsvd_of(U, s, Vt, fill, k=4):
    U = U[:, :k]
    by, H = nndsvd(np.stack([np.sum(np.maximum(sign * U, 0) ** 2, axis=0) for sign in (1, -1)]), s[:k], Vt[:k], fill)
    return np.where(U * by > 0, U * by, fill), H


@pytest.mark.parametrize("init", ["nndsvd", "nndsvda"])
def test_nndsvd_is_that_of_scikit_learn(X, init):
    array = X.to_array()
    expected_F, expected_H = _initialize_nmf(array, 4, init=init, random_state=0)
    F, H = nndsvd_of(*np.linalg.svd(array, full_matrices=False), array.mean() if init == "nndsvda" else 0.0)
    np.testing.assert_allclose(F, expected_F, atol=1e-5)  # scikit-learn sets what is below 1e-6 to zero first
    np.testing.assert_allclose(H, expected_H, atol=1e-5)


@pytest.mark.parametrize("weights", [None, {"a": 4.0, "b": 0.25}])
def test_a_fit_starts_there(weights):
    """The same iterates as from that start given by hand, where the stand-in is exact: HALS needs H alone, MU both."""
    X, _, _ = make_coupled_blocks(200, {"a": 30, "b": 20}, 4, random_state=0)
    array = X.to_array()
    root = np.sqrt(np.repeat([4.0, 0.25], X.layout.sizes) if weights else np.ones(50))
    U, s, Vt = np.linalg.svd(array * root, full_matrices=False)
    F, H = nndsvd_of(U, s, Vt / root, array.mean())
    params = {"block_weights": weights, "max_iter": 10, "tol": 0}
    for solver, given in (("hals", {"H": H}), ("mu", {"H": H, "F": F})):
        model = CoupledNMF(4, solver=solver, init="nndsvda", random_state=0, **params).fit(X)
        expected = CoupledNMF(4, solver=solver, init="custom", **params).fit(X, **given)
        np.testing.assert_allclose(model.objective_history_, expected.objective_history_, rtol=1e-6)


EVERY = [
    (solver, loss, init)
    for solver in SOLVERS
    for loss in SOLVERS[solver].losses
    for init in sorted(INITS - {"custom"})
    if not (init == "compressed" and solver == "mu") and not (init == "hals" and loss == "frobenius")
]


@pytest.mark.parametrize(("solver", "loss", "init"), EVERY)
def test_every_start_serves_and_its_seed_decides(X, solver, loss, init):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        params = {"solver": solver, "beta_loss": loss, "init": init, "max_iter": 50, "random_state": 3}
        first, again = (CoupledNMF(4, **params).fit(X) for _ in "ab")
    np.testing.assert_array_equal(first.components_, again.components_)
    never_move = init == "nndsvd" and solver == "mu"  # its zeros
    assert first.score(X) > (0.9 if loss == "frobenius" else 0.7 if never_move else 0.85)


def counts(gaps=False):
    """Counts of four planted patterns in two blocks, rows and columns of many sizes."""
    rng = np.random.default_rng(0)
    F = rng.gamma(0.5, size=(120, 4)) * rng.lognormal(0, 0.5, size=(120, 1))
    X = rng.poisson(3 * F @ (rng.gamma(0.5, size=(4, 40)) * rng.lognormal(0, 1, size=40))).astype(float)
    if gaps:
        X[rng.uniform(size=X.shape) < 0.1] = np.nan
        X[:20, :15] = np.nan
    return Blocks({"a": X[:, :15], "b": X[:, 15:]})


def diverging(init, **params):
    fixed = {"tol": 0, "random_state": 0, "solver": "mu", "beta_loss": "kullback-leibler"}
    return CoupledNMF(4, init=init, **fixed | params)


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("weights", [None, {"a": 3.0, "b": 0.5}])
def test_kullback_leibler_starts_where_hals_ends(gaps, weights):
    """The same iterates as from there by hand, with what is near zero lifted."""
    X, sample_weight, held = counts(gaps), np.linspace(0.5, 2, 120), {}

    def hear(info):
        held.update(F=info.F.copy(), H=info.H.copy())

    CoupledNMF(4, init="random", max_iter=40, tol=1e-3, random_state=0, block_weights=weights, callbacks=hear).fit(
        X, sample_weight=sample_weight
    )
    F, H = (np.asarray(to_host(held[name])) for name in "FH")
    means = sample_weight @ F / sample_weight.sum()
    F, H = np.maximum(F, 0.01 * means), np.maximum(H, 0.01 * H.mean(axis=1, keepdims=True))
    by_hand = diverging("custom", block_weights=weights, max_iter=12).fit(X, F=F, H=H, sample_weight=sample_weight)
    model = diverging("auto", block_weights=weights, max_iter=12).fit(X, sample_weight=sample_weight)
    np.testing.assert_allclose(model.objective_history_, by_hand.objective_history_, rtol=1e-7)


@pytest.mark.parametrize("seed", range(5))
def test_kullback_leibler_is_lower_from_there_after_ten_iterations_than_from_random_after_twenty(seed):
    X = counts()
    near = diverging("hals", max_iter=10, random_state=seed).fit(X)
    far = diverging("random", max_iter=20, random_state=seed).fit(X)
    assert near.objective_history_[-1] < far.objective_history_[-1]


def test_what_auto_is_under_kullback_leibler():
    X = counts()
    for options, init in (({}, "hals"), ({"alpha_F": 1e-3}, "random")):
        found, expected = (diverging(one, max_iter=5, **options).fit(X) for one in ("auto", init))
        np.testing.assert_array_equal(found.components_, expected.components_)
    zeros = np.zeros((8, 6))
    for init in ("auto", "hals"):
        expected = diverging("random").fit(zeros).components_
        np.testing.assert_array_equal(diverging(init).fit(zeros).components_, expected)


def test_components_that_hals_lost_live_again():
    """Of data of rank 1 HALS loses some components of four, and no multiplicative update would move what is zero."""
    X = np.outer(np.arange(1.0, 31.0), np.arange(1.0, 13.0))
    seen = []
    diverging("hals", max_iter=1, callbacks=lambda info: seen.append((info.F.min(), info.H.min())) and None).fit(X)
    assert min(seen[0]) > 0


def test_known_components_stay_in_a_start_by_hals():
    X = counts()
    known = CoupledNMF(4, random_state=0).fit(X).components_[:2]
    found = diverging("hals", fixed_components=known, max_iter=20).fit(X)
    np.testing.assert_array_equal(found.components_[:2], known)
    far = diverging("random", fixed_components=known, max_iter=20).fit(X)
    assert found.objective_history_[-1] < far.objective_history_[-1]


@pytest.mark.parametrize("size", [1e-25, 1e15])
def test_known_components_of_any_size_serve_a_start_by_hals(size):
    X = np.asarray(counts().to_array(), dtype=np.float32)
    known = np.abs(np.random.default_rng(0).normal(size=(2, 40))).astype(np.float32)
    found, expected = (
        diverging("hals", fixed_components=known * np.float32(by), max_iter=20).fit(X) for by in (size, 1)
    )
    np.testing.assert_allclose(found.objective_history_[-1], expected.objective_history_[-1], rtol=1e-4)


def test_x_of_a_smaller_rank_than_nndsvd_wants_starts_at_random():
    X = np.outer(np.arange(1.0, 9.0), np.arange(1.0, 7.0))
    for init in ("nndsvd", "nndsvda"):
        assert CoupledNMF(3, init=init, random_state=0).fit(X).score(X) > 0.999
        assert CoupledNMF(3, init=init, random_state=0).fit(np.zeros((8, 6))).reconstruction_err_ == 0


def test_requests_that_do_not_go_together(X):
    with pytest.raises(ValueError, match=r"init='nndsvd' needs n_components <= .* = 50, got 60"):
        CoupledNMF(60, init="nndsvd").fit(X)
    with pytest.raises(ValueError, match="init='hals' is no start for beta_loss='frobenius'"):
        CoupledNMF(4, init="hals").fit(X)
    with pytest.raises(ValueError, match="init='hals' knows no penalties"):
        diverging("hals", alpha_F=0.1).fit(X)
    with pytest.raises(ValueError, match="n_init=2 with init='custom'"):
        CoupledNMF(4, init="custom", n_init=2).fit(X, H=np.ones((4, 50)))
    with pytest.warns(UserWarning, match="use 'nndsvda'"):
        CoupledNMF(4, init="nndsvd", solver="mu", max_iter=2).fit(X)


@pytest.mark.parametrize("init", ["random", "compressed"])
def test_the_best_of_several_starts_is_kept(X, init):
    seen = []
    hear = [lambda info: seen.append(info.iteration) and None]
    model = CoupledNMF(6, init=init, n_init=4, max_iter=8, random_state=0, callbacks=hear)
    F = model.fit_transform(X)
    assert seen.count(1) == 4
    np.testing.assert_array_equal(F, model.transform(X))
    single = CoupledNMF(6, init=init, max_iter=8, random_state=0).fit(X)
    assert model.reconstruction_err_ <= single.reconstruction_err_
    path = rank_path(X, [6], 4, estimator=CoupledNMF(init=init, max_iter=8, random_state=0))
    assert len({fit.objective for fit in path.fits}) > 1, "the starts differ, so there is a best to keep"


def test_a_callback_that_stops_ends_the_starts_that_are_left(X):
    seen = []

    def stop(info):
        seen.append(info.iteration)
        return info.iteration == 3

    CoupledNMF(4, n_init=5, random_state=0, callbacks=[stop]).fit(X)
    assert seen == [1, 2, 3]


def test_balanced_blocks_count_the_same(X):
    scaled = Blocks({"a": 100 * X["a"], "b": X["b"]})
    model = CoupledNMF(3, block_weights="balanced", random_state=0, max_iter=500, tol=1e-9).fit(scaled)
    squares = np.array([np.sum(scaled[name] ** 2) for name in "ab"])
    np.testing.assert_allclose(model.block_weights_ * squares, squares.sum() / 2)
    other = CoupledNMF(3, block_weights="balanced", random_state=0, max_iter=500, tol=1e-9).fit(X)
    for name in "ab":
        assert model.block_relative_error_[name] == pytest.approx(other.block_relative_error_[name], rel=1e-3)
    zeros = Blocks({"a": X["a"], "z": np.zeros((200, 3))})
    assert CoupledNMF(3, block_weights="balanced", random_state=0).fit(zeros).block_weights_[1] == 1
