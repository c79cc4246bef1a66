"""Components that are known: a model made of them, and some held while others are learned."""

import pickle

import numpy as np
import pytest
from oracles import CASES, SKLEARN_SOLVER, draw
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.decomposition import non_negative_factorization

from coupled_nmf import Blocks, CoupledNMF, make_coupled_blocks, rank_path

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

each_loss = pytest.mark.parametrize(("solver", "loss"), CASES)
SIZES = {"a": 12, "b": 9}


@pytest.fixture(scope="module")
def X():
    return make_coupled_blocks(60, SIZES, 4, noise=0.2, random_state=0)[0]


@pytest.fixture(scope="module")
def known():
    return draw((2, 21), seed=5)


def by_block(H):
    return {"b": H[:, 12:], "a": H[:, :12]}


def test_a_model_of_given_components_is_as_one_that_was_fitted(X, tmp_path):
    fitted = CoupledNMF(4, random_state=0, block_weights={"b": 2.0}).fit(X)
    model = CoupledNMF(4, block_weights={"b": 2.0})
    assert model.set_components(fitted.block_components_) is model
    np.testing.assert_array_equal(model.transform(X), fitted.transform(X))
    assert model.score(X) == fitted.score(X)
    F = model.transform(X.select(["a"]))
    np.testing.assert_array_equal(F, fitted.transform(X.select(["a"])))
    np.testing.assert_array_equal(model.inverse_transform(F)["b"], fitted.inverse_transform(F)["b"])
    assert list(model.get_feature_names_out()) == [f"couplednmf{i}" for i in range(4)]
    model.save(tmp_path / "model.npz")
    for copied in (pickle.loads(pickle.dumps(model)), CoupledNMF.load(tmp_path / "model.npz")):
        np.testing.assert_array_equal(copied.transform(X), model.transform(X))
        assert copied.layout_ == fitted.layout_
    assert not hasattr(clone(model), "components_")


def test_a_model_of_given_components_goes_on_learning(X):
    fitted = CoupledNMF(4, random_state=0, max_iter=5, tol=0).fit(X)
    given = CoupledNMF(4, random_state=0, max_iter=5, tol=0).set_components(fitted.block_components_)
    for one in (fitted, given):
        one.partial_fit(X)
    np.testing.assert_array_equal(given.components_, fitted.components_)
    assert given.n_steps_ == 1
    first = given.reconstruction_err_
    warm = given.set_params(warm_start=True).fit(X)
    assert warm.reconstruction_err_ < first


def test_given_components_are_copied_and_keep_their_dtype_and_the_columns_that_blocks_say():
    H = np.asfortranarray(draw((3, 21)).astype(np.float32))
    model = CoupledNMF(3, blocks=SIZES).set_components(H)
    assert model.components_.dtype == np.float32
    assert model.components_.flags.c_contiguous
    assert not model.fitted_on_blocks_
    H[:] = -1
    assert model.components_.min() >= 0
    np.testing.assert_array_equal(model.block_components_["b"], model.components_[:, 12:])
    whole = CoupledNMF(2).set_components([[1, 0], [2, 3]])
    assert whole.components_.dtype == np.float64
    assert whole.layout_.sizes == (2,)
    np.testing.assert_allclose(whole.transform([[4.0, 3.0]]), [[2.0, 1.0]], rtol=1e-6)


def test_what_an_earlier_fit_left_is_gone(X):
    pandas = pytest.importorskip("pandas")
    model = (
        CoupledNMF(2, random_state=0)
        .fit(pandas.DataFrame(draw((9, 3)), columns=list("xyz")))
        .partial_fit(pandas.DataFrame(draw((9, 3)), columns=list("xyz")))
    )
    assert model.n_steps_ == 1
    model.set_components(np.eye(2))
    gone = ("rmse_", "reconstruction_err_", "objective_history_", "n_iter_", "n_steps_", "feature_names_in_")
    assert [name for name in gone if hasattr(model, name)] == []
    assert model.n_features_in_ == 2
    assert model.partial_fit(draw((9, 2))).n_steps_ == 1, "the batches of before count no more"


BAD = {
    "has negative": (-np.ones((2, 3)), {}),
    "non-finite": (np.full((2, 3), np.inf), {}),
    "masked": (np.ma.masked_array(np.ones((2, 3)), mask=np.eye(2, 3)), {}),
    "dtype complex128": (np.ones((2, 3)) * 1j, {}),
    "is sparse": (csr_array(np.ones((2, 3))), {}),
    r"shape \(3,\)": (np.ones(3), {}),
    r"shape \(2, 0\)": (np.ones((2, 0)), {}),
    "squares overflow": (np.full((2, 3), 1e200), {}),
    "set it to 3": (np.ones((3, 3)), {}),
    "different numbers of rows": ({"a": np.ones((2, 3)), "b": np.ones((3, 3))}, {}),
    "maps one block or more": ({}, {}),
    r"names \[1\]": ({1: np.ones((2, 3))}, {}),
    "components names its own": ({"a": np.ones((2, 3))}, {"blocks": {"a": 3}}),
    "add up to 4": (np.ones((2, 3)), {"blocks": [2, 2]}),
    "goes by data": (np.ones((2, 3)), {"block_weights": "balanced"}),
    "block_weights has 2": (np.ones((2, 3)), {"block_weights": [1, 2]}),
    "first rows": (np.ones((2, 3)), {"fixed_components": np.full((1, 3), 2)}),
    "n_components": (np.ones((2, 3)), {"n_components": 0}),
}


@pytest.mark.parametrize("message", BAD)
def test_components_that_cannot_be_leave_the_model_as_it_was(message):
    components, params = BAD[message]
    model = CoupledNMF(2).set_components(np.ones((2, 5)))
    before = dict(vars(model))
    model.set_params(**params)
    with pytest.raises(ValueError, match=message):
        model.set_components(components)
    assert {name: vars(model)[name] for name in before if name.endswith("_")} == {
        name: value for name, value in before.items() if name.endswith("_")
    }


@each_loss
def test_all_components_fixed_is_scikit_learns_update_h_false(X, solver, loss):
    """Theirs adds the penalty anew in each iteration under Kullback–Leibler, so there it is left out."""
    H, array, alpha = draw((3, 21), seed=2), X.to_array(), 0.01 if loss == "frobenius" else 0.0
    options = {"solver": SKLEARN_SOLVER[solver], "beta_loss": loss, "alpha_W": alpha, "l1_ratio": 1.0}
    expected = non_negative_factorization(
        array, H=H, n_components=3, init="custom", update_H=False, max_iter=5000, tol=0, **options
    )[0]
    told = []
    model = CoupledNMF(
        3, solver=solver, beta_loss=loss, fixed_components=H, alpha_F=alpha, l1_ratio=1.0, alpha_H=0.0, n_init=3,
        callbacks=told.append,
    )  # fmt: skip
    F = model.fit_transform(X)
    np.testing.assert_allclose(F, expected, rtol=1e-4, atol=1e-4 * expected.max())
    np.testing.assert_array_equal(model.components_, H)
    np.testing.assert_array_equal(F, model.transform(X))
    assert (model.n_iter_, model.objective_history_, told) == (0, [], [])


def slow_moves(V, gram, cross, solver, fixed):
    """The rows of V, moved once in plain letters, but for the entries of the first ``fixed`` columns."""
    if solver == "mu":
        moved = V * cross / (V @ gram)
        moved[:, :fixed] = V[:, :fixed]
        return moved
    V = V.copy()
    for j in range(fixed, V.shape[1]):
        V[:, j] = np.maximum(0, V[:, j] + (cross[:, j] - V @ gram[:, j]) / gram[j, j])
    return V


@pytest.mark.parametrize("solver", ["hals", "mu"])
@pytest.mark.parametrize("n_fixed", [1, 3, 6])
def test_some_components_fixed_are_left_out_of_the_slow_loop(X, solver, n_fixed):
    """Seven components: more than the compiled pass combines, which some of the held ones are beside."""
    rng, array = np.random.RandomState(1), X.to_array()
    F, H = rng.uniform(size=(60, 7)), rng.uniform(size=(7, 21))
    model = CoupledNMF(
        7, solver=solver, init="custom", fixed_components=H[:n_fixed], inner_sweeps=1, extrapolate=False, max_iter=10,
        tol=0,
    ).fit(X, F=F, H=H)  # fmt: skip
    for _ in range(10):
        F = slow_moves(F, H @ H.T, array @ H.T, solver, 0)
        H = slow_moves(H.T, F.T @ F, array.T @ F, solver, n_fixed).T
    np.testing.assert_allclose(model.components_, H, rtol=1e-9, atol=1e-12)
    assert model.objective_history_[-1] == pytest.approx(np.sum((array - F @ H) ** 2), rel=1e-9)


def test_kullback_leibler_leaves_what_is_fixed_out_of_the_slow_loop(X):
    rng, array = np.random.RandomState(1), X.to_array()
    F, H = rng.uniform(0.1, 1, size=(60, 4)), rng.uniform(0.1, 1, size=(4, 21))
    model = CoupledNMF(
        4, solver="mu", beta_loss="kullback-leibler", init="custom", fixed_components=by_block(H[:2]), max_iter=10,
        tol=0, extrapolate=False,
    ).fit(X, F=F, H=H)  # fmt: skip
    further = clone(model).set_params(extrapolate=True).fit(X, F=F, H=H)
    np.testing.assert_array_equal(further.components_[:2], H[:2])
    assert further.objective_history_[-1] < model.objective_history_[-1]
    for _ in range(10):
        F = F * ((array / (F @ H)) @ H.T) / H.sum(axis=1)
        H[2:] *= (F.T @ (array / (F @ H)))[2:] / F.sum(axis=0)[2:, None]
    np.testing.assert_allclose(model.components_, H, rtol=1e-9, atol=1e-12)


VARIANTS = {
    "plain": {},
    "gaps": {"gaps": True},
    "lacking": {"lacking": True},
    "sparse": {"sparse": True},
    "penalties": {"params": {"alpha_F": 0.01, "alpha_H": {"a": 0.02, "b": 0.01}, "l1_ratio": 0.5}},
    "weights": {"weights": True, "params": {"block_weights": {"a": 3.0, "b": 0.5}}},
    "float32": {"dtype": np.float32},
}


def data_of(X, *, gaps=False, lacking=False, sparse=False, dtype=np.float64):
    a, b = (X[name].astype(dtype) for name in "ab")
    if gaps:
        a = np.where(np.random.RandomState(0).uniform(size=a.shape) < 0.1, np.nan, a).astype(dtype)
        a[:, 3] = np.nan  # a column that nobody has
    if sparse:
        a = csr_array(np.where(a > np.median(a), a, 0))
    if lacking:
        return Blocks({"a": a, "b": b[:40]}, samples={"b": range(40)})
    return Blocks({"a": a, "b": b})


@each_loss
@pytest.mark.parametrize("variant", VARIANTS)
def test_fixed_components_come_back_as_they_were_and_j_falls(X, known, solver, loss, variant):
    chosen = dict(VARIANTS[variant])
    params, weighs = chosen.pop("params", {}), chosen.pop("weights", False)
    data = data_of(X, **chosen)
    weights = np.random.RandomState(3).uniform(0.5, 2, len(X)) if weighs else None
    params = {"solver": solver, "beta_loss": loss, "random_state": 0, "extrapolate": False, **params}
    model = CoupledNMF(5, fixed_components=by_block(known), max_iter=40, tol=0, **params)
    F = model.fit_transform(data, sample_weight=weights)
    np.testing.assert_array_equal(model.components_[:2], known.astype(data.dtype))
    history, noise = model.objective_history_, 1e-6 if data.dtype == np.float32 else 1e-12
    if variant != "gaps":  # there J inside the loop holds what a move changes at the gaps
        assert np.all(np.diff(history) <= noise * history[0]), "J rose"
    np.testing.assert_array_equal(F, model.transform(data))
    free = model.components_[2:]
    if "alpha_F" not in params:
        np.testing.assert_allclose(np.linalg.norm(free, axis=1), 1, rtol=1e-5)
        energies = np.sum(F[:, 2:].astype(float) ** 2, axis=0)
        if variant == "plain":
            assert np.all(np.diff(energies) < 0.05 * energies[0]), "in order of falling energy, about"
    if variant == "gaps":
        assert not free[:, 3].any()
    alone = CoupledNMF(2, fixed_components=by_block(known), **params).fit(data, sample_weight=weights)
    assert model.score(data, sample_weight=weights) > alone.score(data, sample_weight=weights), "the others serve"


def test_extrapolation_leaves_what_is_fixed(X, known):
    model = CoupledNMF(6, fixed_components=known, max_iter=300, tol=0, random_state=0).fit(X)
    np.testing.assert_array_equal(model.components_[:2], known)
    plain = clone(model).set_params(extrapolate=False).fit(X)
    assert model.reconstruction_err_ < 1.01 * plain.reconstruction_err_


@pytest.mark.parametrize("init", ["auto", "random", "uniform", "nndsvd", "nndsvda"])
@pytest.mark.parametrize("solver", ["hals", "mu"])
@pytest.mark.filterwarnings("ignore:init='nndsvd' has zeros")
def test_every_start_serves_whatever_the_scale_of_what_is_fixed(X, known, solver, init):
    """The product of a column of F and its row starts at the same size: neither swamps the free ones."""
    scores = []
    for scale in (1e-6, 1.0, 1e6):
        fixed = known * scale
        fixed[0, :3] = 0
        model = CoupledNMF(5, solver=solver, init=init, fixed_components=fixed, random_state=0, max_iter=100, tol=0)
        scores.append(model.fit(X).score(X))
        np.testing.assert_array_equal(model.components_[:2], fixed)
    assert np.ptp(scores) < 2e-3


def test_large_x_starts_at_random_where_the_stand_in_could_not_hold_what_is_fixed(known):
    X, _, _ = make_coupled_blocks(3000, {"a": 400}, 3, noise=0.1, random_state=0)
    fixed = draw((1, 400))
    auto = CoupledNMF(3, fixed_components=fixed, random_state=0, max_iter=3, tol=0).fit(X)
    named = CoupledNMF(3, init="random", fixed_components=fixed, random_state=0, max_iter=3, tol=0).fit(X)
    np.testing.assert_array_equal(auto.components_, named.components_)
    with pytest.raises(ValueError, match="init='compressed' cannot hold fixed_components"):
        CoupledNMF(3, init="compressed", fixed_components=fixed).fit(X)


@each_loss
def test_batches_and_warm_starts_keep_what_is_fixed(X, known, solver, loss):
    fixed = known.copy()
    fixed[1, :4] = 0  # which solvers that never move a zero would lift
    model = CoupledNMF(
        4, solver=solver, beta_loss=loss, fixed_components=fixed, random_state=0, warm_start=True, max_iter=20
    )
    model.partial_fit(X[:30])
    before = model.components_
    model.partial_fit(X[30:])
    np.testing.assert_array_equal(model.components_[:2], fixed)
    assert np.any(model.components_[2:] != before[2:])
    model.fit(X)
    np.testing.assert_array_equal(model.components_[:2], fixed)
    other = model.set_params(fixed_components=fixed[::-1]).partial_fit(X)
    np.testing.assert_array_equal(other.components_[:2], fixed[::-1])


def test_a_planted_component_that_is_known_is_found_beside_those_that_are_not():
    X, _, H = make_coupled_blocks(300, SIZES, 3, noise=0.02, random_state=0)
    H = np.concatenate(list(H.values()), axis=1) if isinstance(H, dict) else H
    model = CoupledNMF(3, fixed_components=H[:1], random_state=0, n_init=3).fit(X)
    free, rest = (V / np.linalg.norm(V, axis=1, keepdims=True) for V in (model.components_[1:], H[1:]))
    assert np.all((free @ rest.T).max(axis=1) > 0.97)


REFUSED = {
    "fixed_components has 3 rows, but n_components is 2": ({"fixed_components": np.ones((3, 21))}, {}),
    "fixed_components has 20 columns; X has 21": ({"fixed_components": np.ones((1, 20))}, {}),
    r"blocks of the sizes \{'a': 12\}": ({"fixed_components": {"a": np.ones((1, 12))}}, {}),
    r"sizes \{'a': 9, 'b': 12\}": ({"fixed_components": {"a": np.ones((1, 9)), "b": np.ones((1, 12))}}, {}),
    "fixed_components has negative": ({"fixed_components": -np.ones((1, 21))}, {}),
    "fixed_components has masked": ({"fixed_components": np.ma.masked_less(np.eye(1, 21), 1)}, {}),
    "first rows of H": ({"fixed_components": np.ones((1, 21)), "init": "custom"}, {"H": np.full((2, 21), 2.0)}),
    "'fixed_components' parameter": ({"fixed_components": 3}, {}),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_fixed_is_refused(X, message):
    params, start = REFUSED[message]
    with pytest.raises(ValueError, match=message):
        CoupledNMF(2, **params).fit(X, **start)


def test_a_path_refuses_at_once_a_rank_below_what_is_fixed(X, known):
    done = []
    with pytest.raises(ValueError, match="fixed_components has 2 rows, but n_components is 1"):
        rank_path(X, [3, 1], estimator=CoupledNMF(fixed_components=known), progress=lambda *told: done.append(told))
    assert done == []
    path = rank_path(X, [2, 3], estimator=CoupledNMF(fixed_components=known, random_state=0))
    for fit in path.fits:
        np.testing.assert_array_equal(fit.model.components_[:2], known)


def test_the_parameter_is_cloned_printed_and_kept(X, known, tmp_path):
    for fixed in (known, by_block(known), known.tolist(), known.astype(np.float32)):
        model = CoupledNMF(3, fixed_components=fixed, random_state=0).fit(X)
        assert "fixed_components" in repr(model)
        copied = clone(model).set_params(n_components=3).fit(X)
        np.testing.assert_array_equal(copied.components_, model.components_)
        model.save(tmp_path / "model.npz")
        loaded = CoupledNMF.load(tmp_path / "model.npz")
        np.testing.assert_equal(loaded.get_params()["fixed_components"], fixed)
        np.testing.assert_array_equal(loaded.transform(X), model.transform(X))
        np.testing.assert_array_equal(loaded.fit(X).components_, model.components_)


def test_columns_that_have_names_go_with_those_of_x():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(draw((9, 3)), columns=list("abc"))
    H = pandas.DataFrame([[1.0, 0, 0], [0, 1, 0]], columns=list("cba"))
    for x, given in ((frame, H), (Blocks({"x": frame}), {"x": H})):
        with pytest.raises(ValueError, match=r"fixed_components has columns .* column 0 is 'c', and that of X is 'a'"):
            CoupledNMF(3, fixed_components=given).fit(x)
        with pytest.raises(ValueError, match="feature names should match"):
            CoupledNMF(2).set_components(given).transform(x)
    np.testing.assert_array_equal(
        CoupledNMF(3, fixed_components=H[list("abc")], random_state=0).fit(frame).components_[:2], H[list("abc")]
    )
    known = CoupledNMF(2).set_components(H[list("abc")])
    assert known.feature_names_in_.tolist() == list("abc")
    np.testing.assert_array_equal(
        known.transform(frame), CoupledNMF(2).set_components(np.eye(3)[[2, 1]]).transform(frame.to_numpy())
    )
    plain = pandas.DataFrame(np.eye(2, 3))
    assert CoupledNMF(3, fixed_components=plain, random_state=0).fit(frame).n_features_in_ == 3, "numbers are no names"


def test_a_frame_of_two_level_columns_brings_its_blocks_along():
    pandas = pytest.importorskip("pandas")
    columns = pandas.MultiIndex.from_tuples([("x", "a"), ("x", "b"), ("y", "c")])
    H, X = pandas.DataFrame(np.eye(2, 3) + 0.5, columns=columns), pandas.DataFrame(draw((9, 3)), columns=columns)
    known = CoupledNMF(2).set_components(H)
    assert known.layout_.sizes == (2, 1)
    assert known.block_feature_names_ == {"x": ("a", "b"), "y": ("c",)}
    assert known.transform(X).shape == (9, 2)
    np.testing.assert_array_equal(
        CoupledNMF(3, fixed_components=H, random_state=0).fit(X).components_[:2], H.to_numpy()
    )
