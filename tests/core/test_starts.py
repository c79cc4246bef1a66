"""Where a fit starts, and which of several starts is kept."""

import warnings

import numpy as np
import pytest
from sklearn.decomposition._nmf import _initialize_nmf

from coupled_nmf import Blocks, CoupledNMF, make_coupled_blocks, rank_path
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


@pytest.mark.parametrize("init", sorted(INITS - {"custom"}))
@pytest.mark.parametrize("solver", SOLVERS)
def test_every_start_serves_and_its_seed_decides(X, solver, init):
    if init == "compressed" and not SOLVERS[solver].starts_from_h:
        pytest.skip("the stand-in is signed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        first, again = (CoupledNMF(4, solver=solver, init=init, max_iter=50, random_state=3).fit(X) for _ in "ab")
    np.testing.assert_array_equal(first.components_, again.components_)
    assert first.score(X) > 0.9


def test_x_of_a_smaller_rank_than_nndsvd_wants_starts_at_random():
    X = np.outer(np.arange(1.0, 9.0), np.arange(1.0, 7.0))
    for init in ("nndsvd", "nndsvda"):
        assert CoupledNMF(3, init=init, random_state=0).fit(X).score(X) > 0.999
        assert CoupledNMF(3, init=init, random_state=0).fit(np.zeros((8, 6))).reconstruction_err_ == 0


def test_requests_that_do_not_go_together(X):
    with pytest.raises(ValueError, match=r"init='nndsvd' needs n_components <= .* = 50, got 60"):
        CoupledNMF(60, init="nndsvd").fit(X)
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
