"""partial_fit against a slow transcription: sums over batches, each older one forgotten a little more."""

import numpy as np
import pytest
from oracles import CASES
from scipy.optimize import nnls
from scipy.sparse import csr_array

from coupled_nmf import Blocks, CoupledNMF, make_coupled_blocks
from coupled_nmf.problem.solvers import SOLVERS

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

K, LIFT = 3, 1e-4
each_solver = pytest.mark.parametrize("solver", sorted(SOLVERS))
each_loss = pytest.mark.parametrize(("solver", "loss"), CASES)


@pytest.fixture(scope="module")
def batches():
    X, _, _ = make_coupled_blocks(90, {"a": 8, "b": 6}, K, noise=0.3, random_state=0)
    return [X[:40], X[40:65], X[65:]]


def move(solver, V, gram, cross, l1, sweeps):
    """The rows of V by the solver, in plain letters."""
    V = V.copy()
    for _ in range(sweeps):
        if solver == "mu":
            V = V * cross / (V @ gram + l1 + 1e-300)
            continue
        for j in range(V.shape[1]):
            V[:, j] = np.maximum(0, V[:, j] + (cross[:, j] - l1 - V @ gram[:, j]) / gram[j, j])
    return V


def lifted(H, solver):
    """Where a zero would never move again, no entry is below a small part of its component's mean."""
    return H if solver == "hals" else np.maximum(H, LIFT * H.mean(axis=1, keepdims=True))


@each_solver
@pytest.mark.parametrize("forget_factor", [0.0, 0.7, 1.0])
@pytest.mark.parametrize(("alpha_F", "l1_ratio"), [(0.0, 0.0), (0.01, 0.5)])
def test_sums_of_all_batches_move_the_components(batches, solver, forget_factor, alpha_F, l1_ratio):
    """The penalty on H is that of all samples that the sums stand for."""
    model = CoupledNMF(
        K, solver=solver, random_state=0, forget_factor=forget_factor, alpha_F=alpha_F, l1_ratio=l1_ratio
    )
    H = CoupledNMF(**model.get_params()).fit(batches[0]).components_
    l1, l2 = l1_ratio * alpha_F, (1 - l1_ratio) * alpha_F
    FtX = FtF = n = 0.0
    for number, batch in enumerate(batches, start=1):
        model.partial_fit(batch)
        X, H = batch.to_array(), lifted(H, solver)
        root = np.linalg.cholesky(H @ H.T + 14 * l2 * np.eye(K))
        F = np.array([nnls(root.T, np.linalg.solve(root, H @ row - 14 * l1))[0] for row in X])
        n = len(X) + forget_factor * n
        FtX, FtF = F.T @ X + forget_factor * FtX, F.T @ F + forget_factor * FtF
        assert model.reconstruction_err_ == pytest.approx(np.linalg.norm(X - F @ H), rel=1e-8)
        assert model.objective_history_ == [pytest.approx(model.reconstruction_err_**2)]
        sweeps = SOLVERS[solver].default_sweeps
        H = move(solver, H.T, FtF + n * l2 * np.eye(K), FtX.T, n * l1, sweeps).T
        np.testing.assert_allclose(model.components_, H, rtol=1e-7, atol=1e-9, err_msg=f"batch {number}")
        assert model.n_steps_ == number


@pytest.mark.parametrize("forget_factor", [0.0, 0.7, 1.0])
def test_kullback_leibler_adds_up_what_each_component_explains(forget_factor):
    rng = np.random.default_rng(0)
    X = rng.poisson(rng.gamma(1.0, size=(60, K)) @ rng.gamma(1.0, size=(K, 9))).astype(float)
    model = CoupledNMF(K, solver="mu", beta_loss="kullback-leibler", random_state=0, forget_factor=forget_factor)
    H = CoupledNMF(**model.get_params()).fit(X[:20]).components_
    parts = sums = 0.0
    for start in (0, 20, 40, 0, 20):
        batch, H = X[start : start + 20], lifted(H, "mu")
        given = CoupledNMF(**model.get_params() | {"init": "custom", "max_iter": 1})
        given.fit(batch, F=np.ones((20, K)), H=H).components_ = H  # a model that has H, to solve for F
        F = given.transform(batch)
        model.partial_fit(batch)
        parts = H * (F.T @ (batch / (F @ H))) + forget_factor * parts
        sums = F.sum(axis=0)[:, None] + forget_factor * sums
        H = parts / sums
        np.testing.assert_allclose(model.components_, H, rtol=1e-7, atol=1e-12, err_msg=f"batch at {start}")


@pytest.mark.not_emulated
@each_loss
def test_rounds_over_one_set_that_forget_nothing_end_where_a_fit_ends(batches, solver, loss):
    X = Blocks({name: np.vstack([batch[name] for batch in batches]) for name in "ab"})
    params = {"solver": solver, "beta_loss": loss, "random_state": 0}
    whole = CoupledNMF(K, max_iter=2000, tol=1e-7, **params).fit(X)
    model = CoupledNMF(K, forget_factor=0.9, **params)
    for _ in range(30):
        for batch in batches:
            model.partial_fit(batch)
    assert 1 - model.score(X) < 1.05 * (1 - whole.score(X))


@each_loss
def test_the_first_batch_is_fitted_and_then_moves(batches, solver, loss):
    params = {"solver": solver, "beta_loss": loss, "random_state": 0}
    fitted = CoupledNMF(K, **params).fit(batches[0])
    model = CoupledNMF(K, **params).partial_fit(batches[0])
    assert model.reconstruction_err_ == pytest.approx(fitted.reconstruction_err_, rel=1e-4)
    # Zeros are lifted under Kullback–Leibler: later batches may need them, and this one loses a little.
    lifted = 1e-5 if loss == "kullback-leibler" else 1e-9
    assert model.score(batches[0]) >= fitted.score(batches[0]) - lifted
    after = CoupledNMF(K, **params).fit(batches[0])
    np.testing.assert_allclose(after.partial_fit(batches[0]).components_, model.components_, rtol=1e-10, atol=1e-12)
    assert after.n_steps_ == 1, "batches are counted from the last fit"


@each_loss
def test_the_order_within_a_batch_its_storage_and_repeats_as_weights_do_not_matter(batches, solver, loss):
    params = {"solver": solver, "beta_loss": loss, "random_state": 0, "max_iter": 20, "tol": 0}
    order = np.random.default_rng(0).permutation(25)
    repeats = np.arange(25) % 3
    again = np.repeat(np.arange(25), repeats)
    sparse = Blocks({name: csr_array(batches[1][name]) for name in "ab"})

    def fitted(batch, weights=None):
        first = CoupledNMF(K, **params).partial_fit(batches[0])
        return first.partial_fit(batch, sample_weight=weights).components_

    close = {"rtol": 1e-7, "atol": 1e-10}
    expected = fitted(batches[1])
    np.testing.assert_allclose(fitted(batches[1][order]), expected, **close, err_msg="order")
    np.testing.assert_allclose(fitted(sparse), expected, **close, err_msg="sparse")
    np.testing.assert_allclose(fitted(batches[1], repeats), fitted(batches[1][again]), **close, err_msg="weights")


@each_loss
def test_blocks_that_some_samples_of_a_batch_lack_keep_sums_of_their_own(batches, solver, loss):
    """Samples that lack "b" say nothing of it: H_b moves as if they had not been there, also in later whole batches."""
    params = {"solver": solver, "beta_loss": loss, "random_state": 0, "forget_factor": 1.0}
    gappy = Blocks({"a": batches[0]["a"], "b": np.where(np.arange(40)[:, None] < 30, np.nan, batches[0]["b"])})
    model = CoupledNMF(K, **params).partial_fit(gappy)
    H = lifted(model.components_, solver)
    before = CoupledNMF(K, **params).fit(gappy)
    before.components_ = H_before = lifted(before.components_, solver)
    F, X = before.transform(gappy[30:]), batches[0]["b"][30:]
    before.components_ = H
    F_next, X_next = before.transform(batches[1]), batches[1]["b"]
    model.partial_fit(batches[1])
    if loss == "kullback-leibler":
        parts = H_before * (F.T @ (gappy.to_array()[30:] / (F @ H_before)))
        parts += H * (F_next.T @ (batches[1].to_array() / (F_next @ H)))
        expected = (parts / (F.sum(axis=0) + F_next.sum(axis=0))[:, None])[:, 8:]
    else:
        gram, cross = F.T @ F + F_next.T @ F_next, F.T @ X + F_next.T @ X_next
        expected = move(solver, H[:, 8:].T, gram, cross.T, 0.0, SOLVERS[solver].default_sweeps).T
    np.testing.assert_allclose(model.block_components_["b"], expected, rtol=1e-6, atol=1e-8)


def test_a_batch_with_other_blocks_is_refused(batches):
    model = CoupledNMF(K, random_state=0).partial_fit(batches[0])
    with pytest.raises(ValueError, match=r"X has blocks \['a'\]; a batch has all blocks of the first"):
        model.partial_fit(batches[1].select(["a"]))


@each_loss
def test_a_saved_stream_goes_on(batches, solver, loss, tmp_path):
    model = CoupledNMF(K, solver=solver, beta_loss=loss, random_state=0)
    for batch in batches[:2]:
        model.partial_fit(batch)
    model.save(tmp_path / "model")
    again = CoupledNMF.load(tmp_path / "model")
    assert again.n_steps_ == 2
    for one in (model, again):
        one.partial_fit(batches[2])
    np.testing.assert_array_equal(again.components_, model.components_)
    assert again.n_steps_ == 3


def test_the_loss_and_the_rank_stay_through_a_stream(batches):
    model = CoupledNMF(K, solver="mu", random_state=0).partial_fit(batches[0])
    with pytest.raises(ValueError, match="beta_loss is 'kullback-leibler', and was 'frobenius'"):
        model.set_params(beta_loss="kullback-leibler").partial_fit(batches[1])
    with pytest.raises(ValueError, match=f"n_components is {K + 1}, but the model has {K}"):
        model.set_params(beta_loss="frobenius", n_components=K + 1).partial_fit(batches[1])


@each_loss
def test_a_stream_that_begins_with_zeros_begins_with_what_comes_next(batches, solver, loss):
    params = {"solver": solver, "beta_loss": loss, "random_state": 0}
    model = CoupledNMF(K, **params)
    for _ in range(2):
        model.partial_fit(zeros_like(batches[0]))
        assert not model.components_.any()
    expected = CoupledNMF(K, **params).partial_fit(batches[1])
    np.testing.assert_array_equal(model.partial_fit(batches[1]).components_, expected.components_)
    assert model.n_steps_ == 3
    for one in (model, expected):
        one.partial_fit(batches[2])
    np.testing.assert_array_equal(model.components_, expected.components_)


@each_loss
def test_a_batch_of_zeros_that_all_else_is_forgotten_for_is_no_end(batches, solver, loss):
    model = CoupledNMF(K, solver=solver, beta_loss=loss, random_state=0, forget_factor=0.0)
    for batch in (batches[0], zeros_like(batches[0]), batches[1]):
        model.partial_fit(batch)
    assert model.score(batches[1]) > 0.5
    assert model.n_steps_ == 3


@each_loss
def test_a_component_of_zeros_is_drawn_anew_by_the_seed(batches, solver, loss):
    found = []
    for _ in range(2):
        model = CoupledNMF(K, solver=solver, beta_loss=loss, random_state=0).fit(batches[0])
        model.components_ = model.components_ * (np.arange(K) != 1)[:, None]
        before = model.score(batches[1])
        for _ in range(3):
            model.partial_fit(batches[1])
        assert model.score(batches[1]) > before
        assert model.components_.any(axis=1).all()
        found.append(model.components_)
    np.testing.assert_array_equal(*found)


def zeros_like(batch):
    return Blocks({name: np.zeros_like(batch[name]) for name in batch})
