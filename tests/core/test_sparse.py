"""Sparse blocks: whatever their format, alone and beside dense ones, they are the dense array with zeros."""

import numpy as np
import pytest
from oracles import CASES
from scipy.sparse import bsr_array, coo_array, csc_array, csc_matrix, csr_array, csr_matrix, dok_array, lil_array
from scipy.sparse import random as random_sparse

from coupled_nmf import Blocks, CoupledNMF
from coupled_nmf.data.blocks import BlockLayout
from coupled_nmf.data.tiled_matrix import SparseRows, TiledMatrix

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

each_case = pytest.mark.parametrize(("solver", "loss"), CASES)
FORMATS = [bsr_array, coo_array, csc_array, csr_array, csc_matrix, csr_matrix]


@pytest.fixture(scope="module")
def dense():
    """Counts, most of them zero, with a row and a column of zeros."""
    rng = np.random.default_rng(0)
    X = rng.poisson(rng.gamma(0.3, size=(130, 3)) @ rng.gamma(0.5, size=(3, 24))).astype(float)
    X[7], X[:, 5] = 0, 0
    assert np.mean(X == 0) > 0.6
    return X


def fit(X, solver="hals", loss="frobenius", **params):
    params = {"max_iter": 30, "tol": 0, "extrapolate": False, "random_state": 0, **params}
    model = CoupledNMF(3, solver=solver, beta_loss=loss, **params)
    return model, model.fit_transform(X)


def check(found, expected, rtol=1e-6):
    np.testing.assert_allclose(found[0].components_, expected[0].components_, rtol=rtol, atol=1e-9, err_msg="H")
    np.testing.assert_allclose(found[1], expected[1], rtol=rtol, atol=1e-9, err_msg="F")
    np.testing.assert_allclose(found[0].objective_history_, expected[0].objective_history_, rtol=1e-8, err_msg="J")
    assert found[0].rmse_ == pytest.approx(expected[0].rmse_)


@each_case
@pytest.mark.parametrize("container", FORMATS)
def test_every_format_is_the_dense_array(dense, solver, loss, container):
    expected = fit(dense, solver, loss)
    check(fit(container(dense), solver, loss), expected)
    check(fit(Blocks({"a": container(dense)}), solver, loss), expected)


@pytest.mark.parametrize("container", [dok_array, lil_array])
def test_formats_for_building_serve_too(dense, container):
    check(fit(container(dense)), fit(dense))
    check(fit(Blocks({"a": container(dense)})), fit(dense))


@each_case
def test_sparse_and_dense_blocks_side_by_side(dense, solver, loss):
    parts = np.split(dense, [9, 10], axis=1)
    expected = fit(Blocks(dict(zip("abc", parts, strict=True))), solver, loss, block_weights=[1.0, 2.0, 0.5])
    for sparse in ("a", "b", "ac", "abc"):
        mixed = {name: csr_array(X) if name in sparse else X for name, X in zip("abc", parts, strict=True)}
        check(fit(Blocks(mixed), solver, loss, block_weights=[1.0, 2.0, 0.5]), expected)
    sizes = {"a": 9, "b": 1, "c": 14}
    check(fit(csr_array(dense), solver, loss, blocks=sizes, block_weights=[1.0, 2.0, 0.5]), expected)


@each_case
@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.uint8, bool])
def test_dtypes(dense, solver, loss, dtype):
    X = dense.astype(dtype)
    expected = fit(X.astype(np.float32 if dtype == np.float32 else np.float64), solver, loss)
    found = fit(csr_array(X), solver, loss)
    assert found[0].components_.dtype == expected[0].components_.dtype
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-2 if dtype == np.float32 else 1e-6, atol=1e-2)
    assert found[0].reconstruction_err_ == pytest.approx(expected[0].reconstruction_err_, rel=1e-4)


@each_case
def test_entries_stored_twice_out_of_order_or_as_zeros_are_what_they_add_up_to(dense, solver, loss):
    rows, columns = np.nonzero(dense)
    values = dense[rows, columns]
    order = np.random.default_rng(0).permutation(2 * len(rows))
    twice = (np.tile(values / 2, 2)[order], (np.tile(rows, 2)[order], np.tile(columns, 2)[order]))
    zeros = (np.append(values, [0.0, 0.0]), (np.append(rows, [7, 0]), np.append(columns, [5, 5])))
    shuffled = csr_array(dense)
    for row in range(len(dense)):
        own = slice(shuffled.indptr[row], shuffled.indptr[row + 1])
        shuffled.indices[own], shuffled.data[own] = shuffled.indices[own][::-1].copy(), shuffled.data[own][::-1].copy()
    shuffled.has_sorted_indices = False
    expected = fit(dense, solver, loss)
    for X in (coo_array(twice, dense.shape), coo_array(zeros, dense.shape), shuffled):
        kept = X.copy()
        check(fit(X, solver, loss), expected)
        assert (kept != X).nnz == 0, "the caller's array was written to"


@each_case
def test_a_stored_nan_is_missing_and_an_empty_place_is_zero(dense, solver, loss):
    """On the dense side, NaN where NaN is stored."""
    gappy = dense.copy()
    gappy[np.random.default_rng(0).uniform(size=dense.shape) < 0.1] = np.nan
    check(fit(csr_array(gappy), solver, loss), fit(gappy, solver, loss))
    check(
        fit(csr_array(gappy), solver, loss, alpha_F=0.01, l1_ratio=0.5),
        fit(gappy, solver, loss, alpha_F=0.01, l1_ratio=0.5),
    )


@each_case
def test_transform_and_score(dense, solver, loss):
    model, F = fit(csr_array(dense), solver, loss)
    for container in FORMATS:
        np.testing.assert_array_equal(model.transform(container(dense)), F)
    np.testing.assert_allclose(model.transform(dense), F, rtol=1e-6, atol=1e-9)
    assert model.score(csr_array(dense)) == pytest.approx(model.score(dense))


@pytest.mark.parametrize(
    ("solver", "loss", "init"),
    [("hals", "frobenius", init) for init in ("compressed", "nndsvd", "nndsvda")]
    + [("mu", "frobenius", "nndsvda"), ("mu", "kullback-leibler", "nndsvda")],
)
def test_starts_from_a_stand_in(dense, solver, loss, init):
    found, expected = (fit(X, solver, loss, init=init, max_iter=60)[0] for X in (csr_array(dense), dense))
    assert found.reconstruction_err_ == pytest.approx(expected.reconstruction_err_, rel=1e-3)


def test_wide_sparse_x_is_never_made_dense(place):
    """80 GB as a dense array."""
    if place != "cpu":
        pytest.skip("on a device tiles are made dense, one after the other")
    rng = np.random.default_rng(0)
    places = rng.integers(10_000, size=100_000), rng.integers(1_000_000, size=100_000)
    X = coo_array((rng.uniform(size=100_000), places), shape=(10_000, 1_000_000))
    model = CoupledNMF(2, init="random", max_iter=2, tol=0, random_state=0).fit(X)
    assert 0 < model.score(X) < 1


def test_rows_of_sparse_parts():
    X = random_sparse(20, 7, density=0.3, random_state=0, format="csr")
    matrix = TiledMatrix([X], BlockLayout(("a",), (7,)), np.dtype(np.float64))
    (tile,) = matrix.tile(slice(5, 12))
    assert isinstance(tile, SparseRows)
    np.testing.assert_array_equal(tile.to_dense(), X.toarray()[5:12])
    rows = np.array([6, 0, 0, 3])
    np.testing.assert_array_equal(tile.take(rows).to_dense(), X.toarray()[5:12][rows])
    assert matrix.n_entries == X.nnz


@pytest.mark.parametrize(("value", "message"), [(-1.0, "Negative values"), (np.inf, "contains infinity")])
def test_entries_that_cannot_be_are_placed(dense, value, message):
    X = csr_array(dense)
    row = int(np.flatnonzero(np.diff(X.indptr))[3])
    X.data[X.indptr[row]] = value
    with pytest.raises(ValueError, match=f"{message}.*block 'a', row {row}"):
        CoupledNMF(2).fit(Blocks({"a": X}))
