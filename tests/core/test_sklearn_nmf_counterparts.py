"""What scikit-learn promises of ``NMF`` and ``MiniBatchNMF``, promised here too, with scikit-learn as the oracle.

Not offered, so without a counterpart: ``n_components="auto"`` or None (a rank is chosen, see `rank_path`), losses but
Frobenius and Kullback–Leibler (so neither Itakura–Saito nor other β), ``init="nndsvdar"``, a function beside the class
(``non_negative_factorization``), and, of mini-batches, a size of them, ``fresh_restarts``, and stopping when batches no
longer improve: `partial_fit` takes the batches that it is given, and always solves for F. A custom start may be of
another dtype than X: it is converted. What `partial_fit` does is in ``test_streaming.py``, of penalties in
``test_penalties.py``.
"""

import logging

import numpy as np
import pytest
from oracles import CASES, SKLEARN_SOLVER, draw, model_of, oracle_of, start_of
from scipy.sparse import coo_array, csc_array, csc_matrix, csr_array, csr_matrix
from sklearn.base import clone
from sklearn.decomposition import NMF, MiniBatchNMF
from sklearn.exceptions import ConvergenceWarning

from coupled_nmf import Blocks, CoupledNMF
from coupled_nmf.fit.parameters import INITS
from coupled_nmf.problem.solvers import SOLVERS

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning", "ignore:init='nndsvd' has zeros:UserWarning"
)

each_solver = pytest.mark.parametrize("solver", sorted(SOLVERS))
each_case = pytest.mark.parametrize(("solver", "loss"), CASES)


@each_case
def test_a_start_that_has_converged_stays(solver, loss):
    F, H = start_of(np.ones((12, 9)), 3)
    X = F @ H
    model = model_of(3, solver, loss, init="custom", max_iter=50, tol=0, extrapolate=False)
    found = model.fit_transform(X, F=F, H=H)
    np.testing.assert_allclose(model.components_, H, rtol=1e-6)
    np.testing.assert_allclose(found, F, rtol=1e-6)
    assert model.reconstruction_err_ < 1e-7 * np.linalg.norm(X)


@each_solver
@pytest.mark.parametrize("init", sorted(INITS - {"custom", "compressed", "hals"}))
@pytest.mark.parametrize(("alpha_F", "alpha_H"), [(0.0, 0.0), (1.0, 1.0), (1.0, "same")])
def test_factors_are_not_negative(solver, init, alpha_F, alpha_H):
    X = np.column_stack([5.0 - np.arange(1, 6), 5.0 + np.arange(1, 6)])
    model = model_of(2, solver, init=init, alpha_F=alpha_F, alpha_H=alpha_H)
    assert model.fit_transform(X).min() >= 0
    assert model.components_.min() >= 0


@pytest.mark.parametrize(("solver", "init"), [("hals", "nndsvd"), ("hals", "nndsvda"), ("mu", "nndsvda")])
def test_fits_from_nndsvd_come_close(solver, init):
    X = draw((6, 5))
    assert model_of(5, solver, init=init, max_iter=600, tol=1e-7).fit(X).reconstruction_err_ < 0.1


@each_case
@pytest.mark.parametrize("shape", [(30, 10), (10, 30)])
def test_fits_are_no_worse_than_those_of_scikit_learn(solver, loss, shape):
    X = draw(shape)
    F, H = start_of(X, 5)
    W, components = oracle_of(X, 5, solver, loss, F, H, max_iter=300, tol=0)
    oracle = NMF(5, solver=SKLEARN_SOLVER[solver], beta_loss=loss, init="custom", max_iter=1, tol=0)
    oracle.fit(X, W=W, H=components)
    model = model_of(5, solver, loss, init="custom", max_iter=300, tol=0).fit(X, F=F, H=H)
    assert model.reconstruction_err_ <= 1.02 * oracle.reconstruction_err_


@each_case
def test_exact_factors_are_found(solver, loss):
    """Every column has one component, every component one column in five: X is a permuted block diagonal."""
    F, H = np.zeros((15, 5)), np.zeros((5, 10))
    F[np.arange(15), np.arange(15) % 5] = draw(15)
    H[np.arange(10) % 5, np.arange(10)] = draw(10, seed=1)
    model = model_of(5, solver, loss, max_iter=1000, tol=1e-12, n_init=5)
    found = model.fit_transform(F @ H) @ model.components_
    assert model.reconstruction_err_ < 0.1
    np.testing.assert_allclose(found, F @ H, atol=1e-2)


@each_case
def test_transform_is_fit_transform(solver, loss):
    """To the bit, from any start; scikit-learn's differ by up to 0.1."""
    X = draw((6, 5))
    F, H = start_of(X, 4)
    for params, start in ({}, {}), ({"init": "custom"}, {"F": F, "H": H}), ({"alpha_F": 0.01}, {}):
        model = model_of(4, solver, loss, tol=1e-6, **params)
        np.testing.assert_array_equal(model.fit_transform(X, **start), model.transform(X))


@each_case
@pytest.mark.parametrize("container", [csr_array, csc_array, coo_array, csr_matrix, csc_matrix])
def test_transform_of_sparse_x(solver, loss, container):
    X = draw((3, 2))
    X[1, 1] = 0
    model = model_of(2, solver, loss, max_iter=400)
    F = model.fit_transform(container(X))
    np.testing.assert_array_equal(F, model.transform(container(X)))
    np.testing.assert_allclose(F, model.transform(X), rtol=1e-6, atol=1e-8)


@each_case
def test_transform_is_close_to_that_of_scikit_learn(solver, loss):
    """For the same H; scikit-learn's stops by its tol, ours is the minimum: never above."""
    X = draw((12, 8))
    F, H = start_of(X, 3)
    oracle = NMF(3, solver=SKLEARN_SOLVER[solver], beta_loss=loss, init="custom", max_iter=1000, tol=1e-10)
    oracle.fit(X, W=F, H=H)
    model = model_of(3, solver, loss, init="custom", max_iter=1, tol=0).fit(X, F=F, H=H)
    model.components_ = oracle.components_
    np.testing.assert_allclose(model.transform(X), oracle.transform(X), atol=1e-3)


@each_solver
def test_inverse_transform_gives_x_back_at_full_rank(solver):
    X = draw((6, 4), seed=0)
    model = model_of(4, solver, max_iter=5000, tol=1e-9)
    F = model.fit_transform(X)
    np.testing.assert_allclose(model.inverse_transform(F), X, atol=1e-2)
    np.testing.assert_array_equal(model.inverse_transform(F), F @ model.components_)


@each_case
def test_more_components_than_features(solver, loss):
    model = model_of(15, solver, loss, tol=1e-2).fit(draw((30, 10)))
    assert model.components_.shape == (15, 10)
    assert np.isfinite(model.reconstruction_err_)


@each_case
@pytest.mark.parametrize("container", [csr_array, csc_array, coo_array, csr_matrix, csc_matrix])
@pytest.mark.parametrize(("alpha_F", "alpha_H"), [(0.0, 0.0), (0.1, 0.1), (0.1, "same")])
def test_sparse_x_is_fitted_as_dense(solver, loss, container, alpha_F, alpha_H):
    X = draw((10, 10))
    X[:, ::2] = 0
    dense = model_of(5, solver, loss, alpha_F=alpha_F, alpha_H=alpha_H, max_iter=100, tol=0, extrapolate=False)
    sparse = clone(dense)
    np.testing.assert_allclose(sparse.fit_transform(container(X)), dense.fit_transform(X), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(sparse.components_, dense.components_, rtol=1e-6, atol=1e-8)


@each_case
@pytest.mark.parametrize(
    ("given", "kept"),
    [(np.float32, np.float32), (np.float64, np.float64), (np.int32, np.float64), (np.int64, np.float64)],
)
def test_dtype(solver, loss, given, kept):
    X = (3 * draw((20, 15), seed=0)).astype(given)
    model = model_of(3, solver, loss, alpha_F=1e-3, tol=1e-2)
    assert model.fit(X).transform(X).dtype == kept
    assert model.fit_transform(X).dtype == model.components_.dtype == kept
    assert model.inverse_transform(model.transform(X)).dtype == kept


@each_case
def test_float32_ends_near_float64(solver, loss):
    X = draw((50, 7), seed=0)
    single, double = (model_of(3, solver, loss, max_iter=40, tol=0, extrapolate=False) for _ in "ab")
    F = single.fit_transform(X.astype(np.float32))
    np.testing.assert_allclose(F, double.fit_transform(X), rtol=1e-3, atol=1e-3)
    assert single.reconstruction_err_ == pytest.approx(double.reconstruction_err_, rel=1e-4)


@pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")
@each_case
def test_convergence_warning(solver, loss):
    X = draw((6, 5))
    with pytest.warns(ConvergenceWarning, match=r"stopped at max_iter=1 before J settled to tol=0\.0001; raise max_it"):
        model_of(2, solver, loss, max_iter=1).fit(X)
    model_of(2, solver, loss, max_iter=1, tol=0).fit(X)  # which asks for that many
    model_of(2, solver, loss, max_iter=5000).fit(X)


def test_negative_input_names_the_estimator():
    message = "Negative values in data passed to CoupledNMF"
    X = np.ones((2, 2))
    model = model_of(2).fit(X)
    for call in (model_of(2).fit, model_of(2).fit_transform, model_of(2).partial_fit, model.transform, model.score):
        with pytest.raises(ValueError, match=message):
            call(-X)
        with pytest.raises(ValueError, match=message):
            call(csr_array(-X))


def test_parameters_that_do_not_go_together():
    X = np.ones((2, 2))
    with pytest.raises(ValueError, match=r"beta_loss='kullback-leibler' needs solver in \['mu'\], got 'hals'"):
        CoupledNMF(2, beta_loss="kullback-leibler").fit(X)
    for init in ("nndsvd", "nndsvda"):
        with pytest.raises(ValueError, match=r"n_components <= min\(n_samples, n_features\) = 2, got 3"):
            CoupledNMF(3, init=init).fit(X)
    for name in ("itakura-saito", 1.0, "kl"):
        with pytest.raises(ValueError, match="The 'beta_loss' parameter of CoupledNMF must be"):
            CoupledNMF(2, beta_loss=name, solver="mu").fit(X)
    for name, value in {"alpha_F": -1.0, "alpha_H": -1.0, "l1_ratio": 1.5, "forget_factor": 1.5}.items():
        with pytest.raises(ValueError, match=f"The '{name}' parameter of CoupledNMF must be"):
            CoupledNMF(2, **{name: value}).fit(X)
    for rank in ("auto", None):
        with pytest.raises(ValueError, match="The 'n_components' parameter of CoupledNMF must be"):
            CoupledNMF(rank).fit(X)


def test_a_custom_start_that_cannot_be():
    X = draw((6, 5))
    F, H = start_of(X, 2)
    model = model_of(2, init="custom")
    for wrong, message in (
        ({"F": F[:5], "H": H}, r"F has shape \(5, 2\); for this X and n_components it must be \(6, 2\)"),
        ({"F": F, "H": H[:, :4]}, r"H has shape \(2, 4\); for this X and n_components it must be \(2, 5\)"),
        ({"F": -F, "H": H}, "F has negative or non-finite entries"),
        ({"F": F, "H": -H}, "H has negative or non-finite entries"),
    ):
        with pytest.raises(ValueError, match=message):
            model.fit(X, **wrong)
    with pytest.raises(ValueError, match="F and H are given but init='random'"):
        model_of(2, init="random").fit(X, F=F, H=H)


def test_a_custom_start_is_converted_and_not_written_to():
    X = draw((6, 5))
    F, H = start_of(X, 2)
    kept = F.copy(), H.copy()
    model = model_of(2, "mu", init="custom").fit(X.astype(np.float32), F=F, H=H)
    assert model.components_.dtype == np.float32
    np.testing.assert_array_equal(F, kept[0])
    np.testing.assert_array_equal(H, kept[1])


def test_feature_names_out():
    model = model_of(3).fit(draw((10, 4)))
    assert list(model.get_feature_names_out()) == ["couplednmf0", "couplednmf1", "couplednmf2"]
    assert list(model_of(2).fit(Blocks({"a": draw((9, 4))})).get_feature_names_out()) == ["couplednmf0", "couplednmf1"]


def test_verbose_is_one_line_of_logging_and_nothing_on_the_screen(caplog, capsys):
    with caplog.at_level(logging.INFO, logger="coupled_nmf"):
        model_of(3, verbose=1).fit(draw((100, 10)))
    assert len(caplog.records) == 1
    assert "iterations, J " in caplog.text
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("loss", "forget_factor"), [("frobenius", 0.0), ("kullback-leibler", 0.0), ("kullback-leibler", 0.7)]
)
def test_batches_move_the_components_as_those_of_scikit_learn(loss, forget_factor):
    """From the same H. For Frobenius, what is summed up is not the same: here FᵀX and FᵀF, as in ``test_streaming.py``.

    With ``batch_size`` that of the batches, scikit-learn's factor is not raised to a power. Its sums begin with its
    start, which is forgotten here.
    """
    X = draw((60, 8))
    model = model_of(3, "mu", loss, forget_factor=forget_factor, max_iter=3, tol=0).partial_fit(X[:20])
    oracle = MiniBatchNMF(
        3, init="custom", beta_loss=loss, forget_factor=0.0, fresh_restarts=True,
        fresh_restarts_max_iter=20000, tol=1e-12, batch_size=20,
    )  # fmt: skip
    first = CoupledNMF(**model.get_params()).fit(X[:20]).components_
    for batch in (X[:20], X[20:40], X[40:]):
        oracle.partial_fit(batch, W=np.ones((20, 3)), H=first.copy())
        oracle._rho = forget_factor
    for batch in (X[20:40], X[40:]):
        model.partial_fit(batch)
    np.testing.assert_allclose(model.components_, oracle.components_, rtol=1e-4, atol=1e-5)
