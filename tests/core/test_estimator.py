"""CoupledNMF as users of scikit-learn meet it."""

import itertools
import pickle

import numpy as np
import pytest
from scipy.optimize import nnls
from scipy.sparse import coo_array, csr_array, csr_matrix
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from coupled_nmf import Blocks, CoupledNMF, make_coupled_blocks
from coupled_nmf.problem.solvers import SOLVERS

each_solver = pytest.mark.parametrize("solver", sorted(SOLVERS))
quiet = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def X():
    return make_coupled_blocks(150, {"a": 12, "b": 9}, 3, noise=0.05, random_state=0)[0]


@quiet
@parametrize_with_checks([CoupledNMF()])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@quiet
@pytest.mark.not_emulated
@parametrize_with_checks(
    [CoupledNMF(solver="mu", beta_loss=loss) for loss in SOLVERS["mu"].losses]
    + [CoupledNMF(alpha_F=1e-3, l1_ratio=0.5)]
)
def test_scikit_learn_checks_of_other_solvers_losses_and_penalties(estimator, check):
    check(estimator)


@quiet
@each_solver
def test_fit_transform_is_transform(X, solver):
    model = CoupledNMF(3, solver=solver, random_state=0)
    F = model.fit_transform(X)
    np.testing.assert_array_equal(F, model.transform(X))


@quiet
@each_solver
def test_transform_solves_the_least_squares_problem(X, solver):
    model = CoupledNMF(3, solver=solver, random_state=0).fit(X)
    expected = np.array([nnls(model.components_.T, row)[0] for row in X.to_array()])
    np.testing.assert_allclose(model.transform(X), expected, atol=1e-8)


@quiet
@each_solver
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept(X, solver, dtype):
    model = CoupledNMF(3, solver=solver, random_state=0)
    F = model.fit_transform(X.to_array().astype(dtype))
    assert F.dtype == dtype
    assert model.components_.dtype == dtype


def test_planted_factors_are_found():
    X, _, planted = make_coupled_blocks(300, {"a": 20, "b": 15}, 3, random_state=0)
    model = CoupledNMF(3, random_state=0, tol=1e-8, max_iter=2000).fit(X)
    assert model.score(X) > 0.99999
    H = np.hstack(list(planted.values()))
    cosines = (model.components_ @ H.T) / np.linalg.norm(H, axis=1)
    assert cosines.max(axis=0).min() > 0.999


def test_errors_are_those_of_the_returned_factors(X):
    model = CoupledNMF(3, block_weights={"b": 4.0}, random_state=0)
    F = model.fit_transform(X)
    squares = {name: np.sum((X[name] - F @ model.block_components_[name]) ** 2) for name in X.names}
    assert model.reconstruction_err_ == pytest.approx(np.sqrt(squares["a"] + 4 * squares["b"]))
    assert model.rmse_ == pytest.approx(np.sqrt(sum(squares.values()) / (150 * 21)))
    assert model.block_rmse_["b"] == pytest.approx(np.sqrt(squares["b"] / (150 * 9)))
    assert model.block_relative_error_["a"] == pytest.approx(squares["a"] / np.sum(X["a"] ** 2))
    total = np.sum(X["a"] ** 2) + 4 * np.sum(X["b"] ** 2)
    assert model.score(X) == pytest.approx(1 - (squares["a"] + 4 * squares["b"]) / total)


def test_components_have_unit_norm_and_falling_energy(X):
    model = CoupledNMF(3, random_state=0)
    F = model.fit_transform(X)
    np.testing.assert_allclose(np.linalg.norm(model.components_, axis=1), 1)
    energy = np.sum(F**2, axis=0)
    assert np.all(np.diff(energy) <= 1e-3 * energy[0])


def test_blocks_and_one_array_are_the_same_fit(X):
    from_blocks = CoupledNMF(3, random_state=0).fit(X)
    from_array = CoupledNMF(3, blocks={"a": 12, "b": 9}, random_state=0).fit(X.to_array())
    np.testing.assert_allclose(from_blocks.components_, from_array.components_, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(from_blocks.block_components_["b"], from_array.block_components_["b"], atol=1e-12)


def test_transform_from_some_of_the_blocks():
    X, _, _ = make_coupled_blocks(300, {"a": 20, "b": 15}, 3, random_state=0)
    model = CoupledNMF(3, random_state=0, tol=1e-8, max_iter=2000).fit(X)
    F = model.transform(X.select(["b"]))
    predicted = model.inverse_transform(F, block="a")
    assert np.linalg.norm(predicted - X["a"]) < 0.01 * np.linalg.norm(X["a"])


@pytest.mark.parametrize("sparse", [csr_array, csr_matrix, coo_array])
def test_inverse_transform_takes_sparse_factors(X, sparse):
    model = CoupledNMF(3, random_state=0).fit(X)
    F = np.asarray(model.transform(X)) * (np.arange(3) != 1)
    for name, expected in zip(X.names, X.layout.split(F @ model.components_).values(), strict=True):
        found = model.inverse_transform(X=sparse(F), block=name)
        assert isinstance(found, np.ndarray)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_inverse_transform_gives_back_what_went_in(X):
    model = CoupledNMF(3, random_state=0)
    F = model.fit_transform(X)
    back = model.inverse_transform(F)
    assert isinstance(back, Blocks)
    assert back.names == X.names
    np.testing.assert_array_equal(back["a"], model.inverse_transform(F, block="a"))
    array = CoupledNMF(3, random_state=0).fit(X.to_array())
    assert array.inverse_transform(F).shape == X.shape


@each_solver
def test_grid_search_over_the_rank(X, solver):
    search = GridSearchCV(CoupledNMF(solver=solver, random_state=0, max_iter=2000), {"n_components": [1, 3]}, cv=3)
    for data in (X, X.to_array()):
        assert search.fit(data).best_params_ == {"n_components": 3}
        assert search.best_score_ > 0.9


def test_pipeline_and_set_output(X):
    pipeline = make_pipeline(MinMaxScaler(), CoupledNMF(3, random_state=0)).set_output(transform="pandas")
    frame = pipeline.fit_transform(X.to_array())
    assert list(frame.columns) == ["couplednmf0", "couplednmf1", "couplednmf2"]
    assert make_pipeline(CoupledNMF(3, random_state=0)).fit_transform(X).shape == (150, 3)


def test_pickle_and_clone(X):
    model = CoupledNMF(3, random_state=0).fit(X)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.transform(X), model.transform(X))
    assert not hasattr(clone(model), "components_")


def test_save_and_load_without_pickle(X, tmp_path):
    model = CoupledNMF(3, block_weights={"a": 2.0}, random_state=0).fit(X)
    model.save(tmp_path / "model")
    again = CoupledNMF.load(tmp_path / "model")
    np.testing.assert_array_equal(again.transform(X), model.transform(X))
    assert again.get_params() == model.get_params()
    assert again.block_rmse_ == model.block_rmse_
    (tmp_path / "other").write_bytes(b"not a model")
    with pytest.raises(ValueError, match="not a model that"):
        CoupledNMF.load(tmp_path / "other")


@pytest.mark.not_emulated
@pytest.mark.parametrize("tall", [300, 1500])
def test_threads_do_not_change_the_bits(tall):
    X, _, _ = make_coupled_blocks(tall, {"a": 1200, "b": 700}, 3, noise=0.1, random_state=0)
    fits = [CoupledNMF(6, n_jobs=n, max_iter=10, tol=0, random_state=0).fit(X) for n in (1, 2, 3)]
    for other in fits[1:]:
        np.testing.assert_array_equal(other.components_, fits[0].components_)
        assert other.objective_history_ == fits[0].objective_history_
        assert other.reconstruction_err_ == fits[0].reconstruction_err_


def test_callback_sees_every_iteration_and_can_stop(X):
    seen = []

    def stop_at_four(info):
        seen.append((info.iteration, info.objective))
        assert not info.F.flags.writeable
        return info.iteration == 4

    model = CoupledNMF(3, random_state=0, callbacks=[stop_at_four]).fit(X)
    assert [iteration for iteration, _ in seen] == [1, 2, 3, 4]
    assert [objective for _, objective in seen] == model.objective_history_
    assert model.n_iter_ == 4


def test_convergence_warning_names_what_to_raise(X):
    with pytest.warns(ConvergenceWarning, match="raise max_iter"):
        CoupledNMF(3, max_iter=2, random_state=0).fit(X)


@each_solver
@quiet
@pytest.mark.parametrize(
    "X",
    [
        np.zeros((5, 4)),
        np.eye(6)[:, :4],
        np.ones((1, 4)),
        np.ones((5, 1)),
        np.ones((3, 2), dtype=np.float32),
        np.arange(12).reshape(4, 3),
        np.asfortranarray(np.ones((5, 4))),
        Blocks({"a": np.zeros((5, 2)), "b": np.ones((5, 3))}),
    ],
    ids=["zeros", "zero rows", "one sample", "one feature", "float32", "integers", "fortran", "a block of zeros"],
)
def test_extreme_but_fair_input_works(solver, X):
    model = CoupledNMF(7, solver=solver, random_state=0, max_iter=500)  # a rank above both dimensions
    F = model.fit_transform(X)
    assert np.all(np.isfinite(F))
    assert np.all(np.isfinite(model.components_))
    assert model.score(X) > 0.99


def test_every_callback_hears_of_every_iteration():
    heard = []
    X = np.random.RandomState(0).uniform(size=(20, 6))
    CoupledNMF(2, callbacks=[lambda info: True, heard.append], random_state=0).fit(X)
    assert [info.iteration for info in heard] == [1]


def test_a_rank_from_numpy_saves_and_a_damaged_file_is_named(tmp_path):
    X = np.random.RandomState(0).uniform(size=(20, 6))
    CoupledNMF(np.int64(2), random_state=0).fit(X).save(tmp_path / "model")
    assert CoupledNMF.load(tmp_path / "model").n_components_ == 2
    damaged = tmp_path / "damaged"
    damaged.write_bytes((tmp_path / "model").read_bytes()[:-40])
    np.save(tmp_path / "plain.npy", X)
    for path in (damaged, tmp_path / "plain.npy"):
        with pytest.raises(ValueError, match="is not a model"):
            CoupledNMF.load(path)


def test_blocks_may_be_memory_maps_and_read_only(tmp_path):
    made, _, _ = make_coupled_blocks(300, {"a": 8, "b": 5}, 3, noise=0.1, random_state=0)
    np.save(tmp_path / "a.npy", made["a"])
    locked = made["b"].copy()
    locked.flags.writeable = False
    X = Blocks({"a": np.load(tmp_path / "a.npy", mmap_mode="r"), "b": locked})
    expected = CoupledNMF(3, random_state=0).fit(made).components_
    np.testing.assert_array_equal(CoupledNMF(3, random_state=0).fit(X).components_, expected)


def test_extrapolation_never_freezes():
    """A rejection is followed by a step that is kept; before that was so, this fit stood still for 117 iterations."""
    X, _, _ = make_coupled_blocks(120, {"a": 20, "b": 15}, 4, noise=0.1, random_state=4)
    for seed in range(10):
        history = CoupledNMF(8, tol=0, max_iter=150, random_state=seed).fit(X).objective_history_
        standing = max(len(list(run)) for _, run in itertools.groupby(history))
        assert standing <= 5, f"seed {seed}: the same J {standing} times"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_transform_solves_also_where_components_are_much_alike(dtype):
    rng = np.random.RandomState(0)
    H = (rng.uniform(size=40) + 0.1 * rng.uniform(size=(20, 40))).astype(dtype)
    X = (rng.uniform(size=(60, 20)) @ H).astype(dtype)
    model = CoupledNMF(20, init="custom", max_iter=1, tol=0).fit(X, H=H)
    found = model.transform(X).astype(np.float64)
    components = model.components_.astype(np.float64)
    ours = np.sum((X - found @ components) ** 2, axis=1)
    best = np.array([nnls(components.T, row.astype(np.float64))[1] ** 2 for row in X])
    noise = (1e-6 if dtype == np.float32 else 1e-13) * np.sum(X.astype(np.float64) ** 2, axis=1)
    assert np.all(ours <= 1.001 * best + noise)


def test_weights_of_the_fit_are_those_of_transform(tmp_path):
    X, _, _ = make_coupled_blocks(60, {"a": 8, "b": 5}, 3, noise=0.3, random_state=0)
    model = CoupledNMF(3, block_weights={"a": 5.0}, random_state=0)
    F = model.fit_transform(X)
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(model.set_params(block_weights=None).transform(X), F)
    np.testing.assert_array_equal(CoupledNMF.load(tmp_path / "model").transform(X), F)


def test_blocks_pass_through_steps_that_take_one_array():
    X, _, _ = make_coupled_blocks(60, {"a": 8, "b": 5}, 3, noise=0.3, random_state=0)
    assert make_pipeline(MinMaxScaler(), CoupledNMF(2, random_state=0)).fit_transform(X).shape == (60, 2)


def test_warnings_point_at_the_line_that_called(X):
    for call in ("fit", "fit_transform"):
        with pytest.warns(ConvergenceWarning) as caught:
            getattr(CoupledNMF(3, max_iter=2, random_state=0), call)(X)
        assert caught[0].filename == __file__
