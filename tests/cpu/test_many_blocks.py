"""Blocks of one column each, and ranks beyond all bounds."""

import numpy as np
import pytest
import scipy.sparse as sp

from coupled_nmf import BlockLayout, Blocks, CoupledNMF, rank_path
from coupled_nmf.data.partial_block import PartialBlock
from coupled_nmf.data.tiled_matrix import TiledMatrix
from coupled_nmf.system.memory import memory

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

KINDS = {
    "dense": np.asarray,
    "sparse": sp.csr_array,
    "gappy": lambda X: np.where(X < 0.1, np.nan, X),
}
LOSSES = {"frobenius": {}, "kullback-leibler": {"solver": "mu", "beta_loss": "kullback-leibler"}}


@pytest.mark.parametrize("params", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_blocks_of_one_column_each_are_the_same_as_one_array(kind, params):
    X = np.random.RandomState(0).uniform(size=(50, 40))
    parts = Blocks({f"b{i}": kind(X[:, i : i + 1]) for i in range(40)})
    params = {"max_iter": 5, "tol": 0, "random_state": 0} | params
    model, whole = CoupledNMF(3, **params), CoupledNMF(3, blocks=[1] * 40, **params)
    np.testing.assert_allclose(model.fit_transform(parts), whole.fit_transform(kind(X)), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(list(model.block_rmse_.values()), list(whole.block_rmse_.values()), rtol=1e-6)
    some = parts.select(parts.names[::-3])
    np.testing.assert_allclose(
        model.transform(some), whole.set_params(blocks=None).transform(some_of(whole, some)), rtol=1e-5, atol=1e-8
    )


def test_narrow_neighbours_are_put_together_where_that_costs_little(tmp_path, monkeypatch):
    """Products of few columns are slow; what is large, wide, sparse, partial or alone stays as it is."""
    for n, n_parts in ((15, 15), (16, 1)):
        layout = BlockLayout(tuple(map(str, range(n))), (1,) * n)
        assert len(TiledMatrix([np.ones((3, 1))] * n, layout, np.dtype("d")).parts) == n_parts
    monkeypatch.setattr("coupled_nmf.data.tiled_matrix.MANY", 2)
    partial = PartialBlock(np.ones((2, 2), "f4"), np.array([0, 1, -1, -1, -1, -1]))
    narrow = [np.full((6, i), i, "f4") for i in (1, 2, 3)]
    on_disk = np.memmap(tmp_path / "X", mode="w+", shape=(6, 3), dtype="f4")
    on_disk[:] = 3
    masked = np.ma.masked_equal(np.arange(12).reshape(6, 2), 0)
    parts = [*narrow[:2], on_disk, np.ones((6, 128), "f4"), masked, sp.csr_array(narrow[1]), *narrow, partial, masked]
    layout = BlockLayout(tuple(f"b{i}" for i in range(len(parts))), tuple(part.shape[1] for part in parts))
    X = TiledMatrix(parts, layout, np.dtype("f4"))
    assert [columns.stop - columns.start for columns in X.part_columns] == [6, 128, 2, 2, 6, 2, 2]
    assert X.tile(slice(0, 6))[0][0].tolist() == [1, 2, 2, 3, 3, 3]
    assert list(X.absent) == [5]
    found = TiledMatrix([masked, narrow[0]], BlockLayout(("a", "b"), (2, 1)), np.dtype("f4")).parts
    np.testing.assert_array_equal(found[0][:2], [[np.nan, 1, 1], [2, 3, 1]])
    monkeypatch.setattr("coupled_nmf.data.tiled_matrix.CONVERTED_BYTES", 4 * 6 * 16 - 1)
    assert len(TiledMatrix(parts, layout, np.dtype("f4")).parts) == len(parts)


def some_of(model, some):
    """The same columns of one array, for a model that was fitted on one: what is not there is missing."""
    columns = [int(name[1:]) for name in some.names]
    X = np.full((len(some), 40), np.nan)
    X[:, columns] = some.to_array()
    return X


HUGE = [10**9, 2**63, 10**400]


@pytest.mark.parametrize("rank", HUGE, ids=["10**9", "2**63", "10**400"])
@pytest.mark.parametrize("init", ["auto", "random", "uniform", "compressed", "nndsvd", "nndsvda"])
def test_a_rank_that_memory_cannot_hold_is_one_error_at_once(init, rank):
    X = np.random.RandomState(0).uniform(size=(200, 50))
    limited = init in ("nndsvd", "nndsvda")
    message = (
        rf"init='{init}' needs n_components <= min\(n_samples, n_features\) = 50, got 10"[:-2]
        if limited
        else r"n_components=\d+ needs .* GiB for the factors and their products, and there are .*; lower it: 50"
    )
    model = CoupledNMF(rank, init=init)
    for fit in (model.fit, model.partial_fit, lambda X: rank_path(X, [rank], estimator=CoupledNMF(init=init))):
        with pytest.raises(ValueError, match=message):
            fit(X)
    assert not hasattr(model, "components_")


def test_many_blocks_count_for_what_memory_holds(monkeypatch):
    """H_b H_bᵀ of each block is held: many blocks allow a smaller rank."""
    X = np.ones((20, 30))
    monkeypatch.setattr("coupled_nmf.backends.cpu.backend.memory", lambda: 30_000.0)
    assert CoupledNMF(10, max_iter=2, tol=0).fit(X).n_components_ == 10
    with pytest.raises(ValueError, match="n_components=10 needs"):
        CoupledNMF(10, blocks=[1] * 30, max_iter=2).fit(X)


def test_a_system_that_does_not_say_how_much_memory_it_has_refuses_nothing(monkeypatch):
    assert 2**20 < memory() < 2**60
    monkeypatch.delattr("os.sysconf")
    assert memory() == float("inf")


def test_more_components_than_columns_are_allowed_where_they_start_at_random():
    X = np.random.RandomState(0).uniform(size=(12, 5))
    assert CoupledNMF(20, random_state=0, max_iter=50, tol=0).fit(X).score(X) > 0.99
