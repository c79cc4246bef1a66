"""How much of each block every component explains, against the definition in plain NumPy."""

import numpy as np
import pytest
from oracles import RowSource
from places import emulate
from scipy.sparse import csr_array

from coupled_nmf import Blocks, CoupledNMF, make_coupled_blocks
from coupled_nmf.backends.cpu import sweep

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SIZES = {"a": 14, "b": 9, "zero": 3}


@pytest.fixture(scope="module")
def arrays():
    X, _, _ = make_coupled_blocks(90, {"a": 14, "b": 9}, 4, noise=0.2, random_state=0)
    return {"a": X["a"], "b": X["b"], "zero": np.zeros((90, 3))}


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    """Several tiles, so that what is summed over them is."""
    monkeypatch.setattr(sweep, "MOST_ROWS", 40)


def slow_shares(model, F, blocks, weights):
    """The definition: sums over observed entries."""
    shares = {}
    for name, x in blocks.items():
        H = model.block_components_[name].astype(float)
        there = ~np.isnan(x) * weights[:, None]
        x, whole, squares = np.nan_to_num(x), F @ H, np.nansum(weights[:, None] * x**2)
        each = [np.sum(there * np.outer(F[:, j], H[j]) * (2 * x - whole)) for j in range(len(H))]
        shares[name] = np.array(each) / squares if squares else np.zeros(len(H))
        left = 1 - np.sum(there * (x - whole) ** 2) / squares if squares else 0
        assert shares[name].sum() == pytest.approx(left, abs=1e-12), "the definition adds up"
    return shares


def with_gaps(x, seed=0):
    return np.where(np.random.RandomState(seed).uniform(size=x.shape) < 0.1, np.nan, x)


def sparse_with_gaps(x):
    """A sparse array with some of its zeros stored, and NaN stored among its entries."""
    kept = np.where(x > np.median(x), x, 0)
    rows = csr_array(kept)
    rows.data[::7] = np.nan
    return rows


def case_of(name, arrays):
    """X in some form, and its blocks as dense arrays."""
    plain = dict(arrays)
    if name == "gaps":
        plain["a"] = with_gaps(plain["a"])
    if name == "lacking":
        lacks = np.full((90, 9), np.nan)
        lacks[20:70] = plain["b"][20:70]
        return Blocks(plain | {"b": plain["b"][20:70]}, samples={"b": range(20, 70)}), plain | {"b": lacks}
    if name.startswith("sparse"):
        sparse = sparse_with_gaps(plain["a"])
        dense = plain | {"a": sparse.toarray()}
        if name == "sparse":
            return Blocks(plain | {"a": sparse}), dense
        some = np.full((90, 14), np.nan)
        some[::2] = dense["a"][::2]
        return Blocks(plain | {"a": sparse[::2]}, samples={"a": np.arange(0, 90, 2)}), dense | {"a": some}
    if name == "outside":
        return Blocks({block: RowSource(x) for block, x in plain.items()}), plain
    return Blocks(plain), plain


CASES = ["plain", "gaps", "lacking", "sparse", "sparse and lacking", "outside"]


@pytest.mark.parametrize("weighs", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_shares_are_those_of_the_definition(name, weighs, arrays):
    X, blocks = case_of(name, arrays)
    weights = np.random.RandomState(1).randint(0, 3, 90).astype(float) if weighs else None
    model = CoupledNMF(5, random_state=0, block_weights={"b": 2.0}, max_iter=30, tol=0).fit(X)
    found = model.component_shares(X, weights)
    expected = slow_shares(model, model.transform(X), blocks, np.ones(90) if weights is None else weights)
    assert list(found) == list(SIZES)
    for block, shares in found.items():
        np.testing.assert_allclose(shares, expected[block], rtol=1e-9, atol=1e-12, err_msg=block)
    assert not found["zero"].any()
    if not weighs:
        for block, error in model.block_relative_error_.items():
            if block != "zero":
                assert found[block].sum() == pytest.approx(1 - error, abs=1e-10)


def test_one_array_of_several_blocks_and_single_precision(arrays):
    array = np.hstack(list(arrays.values()))
    for x in (array.astype(np.float32), csr_array(array)):
        model = CoupledNMF(4, blocks=SIZES, random_state=0).fit(x)
        dense = x.toarray() if isinstance(x, csr_array) else x.astype(float)
        blocks = {"a": dense[:, :14], "b": dense[:, 14:23], "zero": dense[:, 23:]}
        expected = slow_shares(model, model.transform(x).astype(float), blocks, np.ones(90))
        for block, shares in model.component_shares(x).items():
            np.testing.assert_allclose(shares, expected[block], rtol=1e-9, atol=1e-12)


def test_some_blocks_alone_and_the_other_loss(arrays):
    X = Blocks(arrays)
    model = CoupledNMF(4, solver="mu", beta_loss="kullback-leibler", random_state=0).fit(X)
    some = X.select(["b", "a"])
    expected = slow_shares(model, model.transform(some), {"b": arrays["b"], "a": arrays["a"]}, np.ones(90))
    found = model.component_shares(some)
    assert list(found) == ["b", "a"]
    for block in found:
        np.testing.assert_allclose(found[block], expected[block], rtol=1e-9, atol=1e-12)


def test_the_bits_do_not_depend_on_threads_and_a_table_is_made_of_it(arrays):
    pandas = pytest.importorskip("pandas")
    X, _, _ = make_coupled_blocks(3000, {"a": 200, "b": 60}, 3, noise=0.2, random_state=0)
    model = CoupledNMF(3, random_state=0, max_iter=5).fit(X).set_output(transform="pandas")
    one, two = (model.set_params(n_jobs=n).component_shares(X) for n in (1, 3))
    for block in one:
        np.testing.assert_array_equal(one[block], two[block])
    table = pandas.DataFrame(one)
    assert table.shape == (3, 2)
    assert np.all(table.sum() <= 1)


def test_a_large_sparse_block_is_never_dense(arrays):
    import tracemalloc

    wide = csr_array((np.ones(90), (np.arange(90), np.arange(90) * 3000)), shape=(90, 300_000))
    X = Blocks({"a": arrays["a"], "wide": wide})
    model = CoupledNMF(2).set_components({"a": np.ones((2, 14)), "wide": np.ones((2, 300_000))})
    model.component_shares(X)
    tracemalloc.start()
    model.component_shares(X)
    assert tracemalloc.get_traced_memory()[1] < 90 * 300_000 * 8 / 2
    tracemalloc.stop()


def test_cupy_arrays_give_arrays_in_memory(arrays, monkeypatch):
    emulate(monkeypatch)
    import sys

    cupy = sys.modules["cupy"]
    model = CoupledNMF(3, random_state=0, max_iter=10).fit(Blocks(arrays))
    on_device = Blocks({name: cupy.asarray(x) for name, x in arrays.items()})
    for block, shares in model.component_shares(on_device).items():
        assert isinstance(shares, np.ndarray)
        np.testing.assert_allclose(shares, model.component_shares(Blocks(arrays))[block], rtol=1e-6, atol=1e-9)


def test_what_cannot_be_is_refused(arrays):
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        CoupledNMF(3).component_shares(Blocks(arrays))
    model = CoupledNMF(3, random_state=0).fit(Blocks(arrays))
    with pytest.raises(ValueError, match="sample_weight"):
        model.component_shares(Blocks(arrays), np.ones(3))
