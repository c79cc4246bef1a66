"""Bad and extreme input: each case works as a plain array does, or raises the one right error.

What works is compared with the same data as a dense array in float64, and with F and J found by hand, for every solver
and loss.
"""

import numpy as np
import pytest
from extreme_cases import CASES, F32, INF, NAN, G, H
from scipy.optimize import nnls
from sklearn.exceptions import NotFittedError

from coupled_nmf import CoupledNMF
from coupled_nmf.system.blas import BLAS

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

MODES = {
    "hals-frobenius": {"solver": "hals"},
    "mu-frobenius": {"solver": "mu"},
    "mu-kullback-leibler": {"solver": "mu", "beta_loss": "kullback-leibler"},
}


def model_of(case, mode):
    """An estimator that iterates a while, from a start in the scale of X."""
    params = {"n_components": 3, "init": "random", "max_iter": 20, "tol": 0, "random_state": 0}
    return CoupledNMF(**(params | MODES[mode] | case.params))


def divergence(x, found, mode):
    """Twice D of Kullback and Leibler or the squares, over the entries that are there, a sample."""
    if mode != "mu-kullback-leibler":
        return np.nansum((x - found) ** 2, axis=1)
    found = np.maximum(found, 1e-300)
    return 2 * np.nansum(np.where(x > 0, x * np.log(np.where(x > 0, x, 1) / found), 0) - x + found, axis=1)


def best_rows(x, H, mode):
    """F H for the best F, one sample after the other over the entries that are there."""
    found = np.zeros_like(x)
    for row, there, fh in zip(x, ~np.isnan(x), found, strict=True):
        h = H[:, there]
        if not there.any() or not h.any():
            continue
        f = nnls(h.T, row[there])[0]
        if mode == "mu-kullback-leibler":
            f, sums = np.full(len(H), row[there].sum() / h.sum()), np.maximum(h.sum(axis=1), 1e-300)
            for _ in range(100):
                f *= h @ (row[there] / np.maximum(f @ h, 1e-300)) / sums
        fh[:] = f @ H
    return found


# Both solvers of the Frobenius loss read X by the same kernels.
ON_THE_DEVICE_TOO = [mode for mode in MODES if mode != "mu-frobenius"]
each_mode = pytest.mark.parametrize(
    "mode", [*ON_THE_DEVICE_TOO, pytest.param("mu-frobenius", marks=pytest.mark.not_emulated)]
)


@pytest.fixture(autouse=True, scope="module")
def _one_guard_for_all():
    """Each fit would look for the libraries of BLAS, which takes longer than the fit."""
    with BLAS.one_thread():
        yield


@each_mode
@pytest.mark.parametrize("case", [case for case in CASES if case.error is None], ids=lambda case: case.name)
def test_what_works_equals_a_plain_array(case, mode):
    x = np.array(case.plain, dtype=np.float64)
    largest = np.nanmax(x, initial=0)
    weights = {name: value for name, value in case.fit.items() if name == "sample_weight"}
    start = {name: value for name, value in case.fit.items() if name != "sample_weight"}
    streams = case.params.get("init") != "custom"
    for learn in ("fit", "partial_fit") if streams else ("fit",):
        X, model = case.make(), model_of(case, mode)
        getattr(model, learn)(X, **case.fit)
        F, components = model.transform(X), model.components_.astype(np.float64)
        plain = model_of(case, mode).set_params(blocks=dict(zip(model.layout_.names, model.layout_.sizes, strict=True)))
        getattr(plain, learn)(x, **start)
        single = F.dtype == np.float32
        assert np.isfinite(F).all()
        assert F.min() >= 0
        assert np.isfinite(components).all()
        assert components.min() >= 0
        expected = (plain.transform(x) @ plain.components_)[:: max(len(x) // len(F), 1)]
        found = (F.astype(np.float64) @ components)[: len(expected)] / case.scale
        np.testing.assert_allclose(found, expected, atol=(2e-3 if single else 1e-6) * largest)
        score = model.score(X, **weights)
        assert score == pytest.approx(plain.score(x), abs=1e-3 if single else 1e-6)

    if np.ptp(model.block_weights_) == 0:
        model = model_of(case, mode)
        F = model.fit_transform(X, **case.fit)
        components = model.components_.astype(np.float64)
        np.testing.assert_array_equal(F, model.transform(X))
        by_hand = divergence(x, best_rows(x, components, mode), mode).sum()
        power = 1 if mode == "mu-kullback-leibler" else 2
        noise = (1e-4 if single else 1e-9) * max(largest**power, 1e-12) * x.size
        reached = model.reconstruction_err_**2 / case.scale**power
        assert reached <= by_hand * (1 + 1e-3) + noise
        if len(F) == len(x):
            own = divergence(x, F.astype(np.float64) / case.scale @ components, mode).sum()
            assert reached == pytest.approx(own, rel=1e-3, abs=noise)
        assert not F[: len(x)][np.isnan(x).all(axis=1)[: len(F)]].any(), "nothing observed: F is 0"
        assert not model.components_[:, np.isnan(x).all(axis=0)].any(), "no sample has the column: H is 0"


@each_mode
@pytest.mark.parametrize("case", [case for case in CASES if case.error is not None], ids=lambda case: case.name)
def test_what_cannot_be_raises_the_one_right_error(case, mode):
    weights = {name: value for name, value in case.fit.items() if name == "sample_weight"}
    if case.at != "later":
        with pytest.raises(case.error, match=case.match):
            model_of(case, mode).fit_transform(case.make(), **case.fit)
        if case.fit == weights:
            with pytest.raises(case.error, match=case.match):
                model_of(case, mode).partial_fit(case.make(), **weights)
    if case.at != "fit":
        model = model_of(case, mode).fit(case.fitted())
        before = model.components_.copy()
        if case.at != "weights":
            with pytest.raises(case.error, match=case.match):
                model.transform(case.make())
        for method in (model.score, model.partial_fit):
            with pytest.raises(case.error, match=case.match):
                method(case.make(), **weights)
        np.testing.assert_array_equal(model.components_, before)


def test_the_table_is_long_and_its_names_differ():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names) >= 100


@each_mode
def test_nothing_observed_after_the_fit_is_zero_and_teaches_nothing(mode):
    model = CoupledNMF(3, random_state=0, **MODES[mode]).fit(G)
    before = model.components_.copy()
    assert not model.transform(NAN * G).any()
    assert model.score(NAN * G) == 1
    twice = CoupledNMF(3, random_state=0, **MODES[mode]).partial_fit(G)
    expected = CoupledNMF(3, random_state=0, **MODES[mode]).partial_fit(G).components_
    np.testing.assert_allclose(twice.partial_fit(NAN * G).components_, expected, atol=0.05)
    np.testing.assert_array_equal(model.components_, before)


@each_mode
@pytest.mark.parametrize("size", [1e-270, 1e-30, 1e-10, 1e10])
def test_transform_takes_data_of_another_size_than_the_fit(mode, size):
    model = CoupledNMF(3, random_state=0, **MODES[mode]).fit(G)
    np.testing.assert_allclose(model.transform(G * size) / size, model.transform(G), rtol=1e-4, atol=1e-6)


@each_mode
def test_transform_refuses_data_so_small_that_F_would_be_lost(mode):
    model = CoupledNMF(3, random_state=0, **MODES[mode]).fit(G)
    for X in (1e-300 * G, (1e-35 * G).astype("f")):
        with pytest.raises(ValueError, match=r"X is too small for .* scale X up"):
            model.transform(X)


def test_components_too_large_for_the_dtype_of_new_data():
    model = CoupledNMF(3, init="custom", max_iter=1, tol=0).fit(G, H=1e30 * H)
    assert np.isfinite(model.transform(G)).all()
    for method in (model.transform, model.score, model.partial_fit):
        with pytest.raises(ValueError, match=r"components_ has entries up to .* pass X as float64"):
            method(F32)


@pytest.mark.parametrize("method", ["transform", "score", "inverse_transform", "save"])
def test_unfitted(method):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        getattr(CoupledNMF(), method)(G)


def test_unfitted_has_no_components_by_block():
    with pytest.raises(NotFittedError, match="not fitted yet"):
        _ = CoupledNMF().block_components_
    assert not hasattr(CoupledNMF(), "block_components_")


@pytest.mark.parametrize(
    ("value", "match"), [(NAN, "NaN"), (INF, "infinity"), (1j, "Complex"), ("a", "could not convert")]
)
def test_inverse_transform_takes_finite_numbers(value, match):
    model = CoupledNMF(3, random_state=0).fit(G)
    with pytest.raises(ValueError, match=match):
        model.inverse_transform(np.full((2, 3), value))
