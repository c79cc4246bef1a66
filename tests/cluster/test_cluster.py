"""Fits on Dask arrays: the same as here, bit for bit whoever works on what."""

import itertools
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from clusters import PLAIN, SIZES, K, N, cluster_of, digest, fitted, spread

from coupled_nmf import Blocks, CoupledNMF, make_coupled_blocks, rank_path
from coupled_nmf.backends.dask.cluster import Cluster
from coupled_nmf.backends.dask.tree import add_up, rise, root_of

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
distributed = pytest.importorskip("distributed")

STARTS = [
    {"init": "random"},
    {"init": "compressed"},
    {"init": "nndsvd"},
    {"init": "random", "extrapolate": False},
    {"init": "uniform", "solver": "mu"},
    {"init": "nndsvda", "solver": "mu"},
    {"init": "random", "solver": "mu", "beta_loss": "kullback-leibler"},
    {"init": "random", "alpha_F": 0.01, "l1_ratio": 0.5, "n_init": 2},
    {"init": "compressed", "block_weights": "balanced"},
    {"init": "hals", "solver": "mu", "beta_loss": "kullback-leibler"},
]


@pytest.mark.parametrize("params", STARTS, ids=lambda params: "-".join(map(str, params.values())))
def test_one_partition_has_the_bits_of_a_fit_here_and_others_are_as_near_as_rounding(X, params):
    expected, F = fitted(X, **params)
    model, found = fitted(spread(X, N), **params)
    assert isinstance(found, da.Array)
    assert digest(model, found.compute()) == digest(expected, F)
    assert model.objective_history_ == expected.objective_history_
    assert model.block_rmse_ == expected.block_rmse_
    for rows in (300, (1, 99, 600), (0, 350, 0, 350)):
        model, found = fitted(spread(X, rows), **params)
        np.testing.assert_allclose(model.components_, expected.components_, rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(found.compute(), F, rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(model.objective_history_, expected.objective_history_, rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_large_stand_in_stays_on_the_workers(dtype):
    """Of many rows, from which a part comes here, and whose later iterations are made there."""
    X = make_coupled_blocks(6000, SIZES, K, noise=0.2, random_state=0)[0]
    X = Blocks({name: X[name].astype(dtype) for name in X.names})
    expected, F = fitted(X, init="compressed", max_iter=3)
    model, found = fitted(spread(X, 6000), init="compressed", max_iter=3)
    assert digest(model, found.compute()) == digest(expected, F)
    model, _ = fitted(spread(X, 999), init="compressed", max_iter=3)
    assert model.objective_history_[-1] == pytest.approx(expected.objective_history_[-1], rel=1e-5)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("params", [STARTS[0], STARTS[6]], ids=["hals", "divergence"])
def test_gaps_and_weights(X, params, weighted):
    rng = np.random.default_rng(0)
    blocks = {name: np.array(X[name]) for name in X.names}
    blocks["a"][rng.uniform(size=blocks["a"].shape) < 0.1] = np.nan
    blocks["b"][::3] = np.nan
    weights = rng.integers(0, 3, N).astype(float) if weighted else None
    expected = CoupledNMF(**PLAIN | params).fit(Blocks(blocks), sample_weight=weights)
    for rows in (N, 150):
        there = Blocks({name: da.from_array(block, chunks=(rows, 11)) for name, block in blocks.items()})
        model = CoupledNMF(**PLAIN | params).fit(there, sample_weight=weights)
        np.testing.assert_allclose(model.components_, expected.components_, rtol=1e-8, atol=1e-10)
        assert model.score(there, sample_weight=weights) == pytest.approx(
            expected.score(Blocks(blocks), sample_weight=weights), abs=1e-9
        )


def test_weights_that_are_a_dask_array_stay_on_the_workers(X, monkeypatch):
    weights = np.random.default_rng(0).integers(0, 3, N).astype(float)
    expected = CoupledNMF(**PLAIN).fit(spread(X, 150), sample_weight=weights)
    there = da.from_array(weights, chunks=90)
    monkeypatch.setattr(da.Array, "__array__", lambda *arguments, **how: pytest.fail("it came here"))
    model = CoupledNMF(**PLAIN).fit(spread(X, 150), sample_weight=there)
    np.testing.assert_array_equal(model.components_, expected.components_)
    for bad, said in [(there[:-1], r"expected \(700,\)"), (-there, "negative or not finite"), (0 * there, "all its")]:
        with pytest.raises(ValueError, match=said):
            CoupledNMF(**PLAIN).fit(spread(X, 150), sample_weight=bad)


def test_blocks_of_other_kinds_beside_a_dask_array(X, tmp_path):
    """Sparse chunks, an array of this process, samples that lack a block, and a file that workers map themselves."""
    sparse = np.where(np.asarray(X["b"]) > 1.5, X["b"], 0)
    np.save(tmp_path / "c.npy", np.asarray(X["a"]))
    some = np.arange(0, N, 2)
    expected = Blocks({"a": X["a"], "b": sparse, "c": X["a"], "d": np.asarray(X["b"])[some]}, samples={"d": some})
    there = Blocks(
        {
            "a": da.from_array(np.asarray(X["a"]), chunks=(200, 10)),
            "b": da.from_array(sparse, chunks=(130, -1)).map_blocks(sp.csr_array, dtype=float),
            "c": np.load(tmp_path / "c.npy", mmap_mode="r"),
            "d": da.from_array(np.asarray(X["b"])[some], chunks=(100, -1)),
        },
        samples={"d": some},
    )
    here, F = fitted(expected)
    model, found = fitted(there)
    np.testing.assert_allclose(model.components_, here.components_, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(found.compute(), F, rtol=1e-8, atol=1e-10)


def test_a_file_is_read_by_the_workers_when_they_are_asked(X, tmp_path, monkeypatch):
    monkeypatch.setattr("coupled_nmf.backends.dask.cut.PIECE_BYTES", 40_000)
    np.save(tmp_path / "X.npy", X.to_array())
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    expected, F = fitted(X.to_array())
    model, found = fitted(mapped, backend="dask")
    assert isinstance(found, np.ndarray), "what comes from memory goes there"
    np.testing.assert_allclose(model.components_, expected.components_, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(found, F, rtol=1e-8, atol=1e-10)


class Stored:
    """An array outside memory."""

    ndim = 2

    def __init__(self, array, sent=True):
        self.array, self.shape, self.dtype, self.chunks, self.sent = array, array.shape, array.dtype, (60, 7), sent

    def __getitem__(self, rows):
        return self.array[rows].copy()

    def __reduce__(self):
        if not self.sent:
            raise TypeError("it is open here alone")
        return Stored, (self.array,)


def test_a_store_is_read_by_the_workers_by_its_chunks(X, monkeypatch):
    monkeypatch.setattr("coupled_nmf.backends.dask.cut.PIECE_BYTES", 40_000)
    expected, F = fitted(X.to_array())
    model, found = fitted(Stored(X.to_array()), backend="dask")
    np.testing.assert_allclose(model.components_, expected.components_, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(found, F, rtol=1e-8, atol=1e-10)
    with pytest.raises(TypeError, match=r"Stored, which cannot be sent to workers \(it is open here alone\)"):
        fitted(Stored(X.to_array(), sent=False), backend="dask")


def test_what_a_fitted_model_does(X):
    there = spread(X, 150)
    expected, model = (CoupledNMF(**PLAIN).fit(some) for some in (X, there))
    assert model.score(there) == pytest.approx(expected.score(X), abs=1e-12)
    np.testing.assert_allclose(model.transform(there).compute(), expected.transform(X), rtol=1e-8, atol=1e-10)
    for name, shares in model.component_shares(there).items():
        np.testing.assert_allclose(shares, expected.component_shares(X)[name], rtol=1e-8, atol=1e-10)
    for some in (X, there):
        (expected if some is X else model).partial_fit(some)
    np.testing.assert_allclose(model.components_, expected.components_, rtol=1e-8, atol=1e-10)


def test_what_f_stands_for_is_made_when_it_is_asked_for(X):
    model = CoupledNMF(**PLAIN).fit(X)
    made, F = [], model.transform(X)

    def heard(block):
        made.append(len(block))
        return block

    lazy = da.from_array(F, chunks=(150, 2)).map_blocks(heard, dtype=F.dtype, meta=F[:0, :0])
    found, one = model.inverse_transform(lazy), model.inverse_transform(X=lazy, block="a")
    assert all(isinstance(array, da.Array) for array in (one, *map(found.__getitem__, found.names)))
    assert not made, "nothing is computed"
    np.testing.assert_allclose(found.to_array(), F @ model.components_, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(one.compute(), model.inverse_transform(F, block="a"), rtol=1e-12, atol=1e-12)
    array = CoupledNMF(**PLAIN).fit(X.to_array())
    assert isinstance(array.inverse_transform(lazy), da.Array)
    with pytest.raises(ValueError, match=f"X has {K + 1} columns; the model has {K} components"):
        model.inverse_transform(da.ones((4, K + 1)))


def test_ranks_along_a_path(X):
    paths = [rank_path(some, [2, 3, 4], estimator=CoupledNMF(**PLAIN)) for some in (X, spread(X, 150))]
    for expected, found in zip(*(path.models.values() for path in paths), strict=True):
        np.testing.assert_allclose(found.components_, expected.components_, rtol=1e-6, atol=1e-8)


def test_a_refused_entry_is_named_by_its_row_in_all_of_x(X):
    array = np.array(X.to_array())
    array[611, 3] = -1
    with pytest.raises(ValueError, match=r"Negative values .* row 611"):
        CoupledNMF(2).fit(da.from_array(array, chunks=(100, 50)))


@pytest.mark.parametrize("changed", [lambda rows: rows[:50], lambda rows: np.vstack([rows, rows])])
def test_chunks_of_other_rows_than_dask_says_are_refused(X, changed):
    there = da.from_array(X.to_array(), chunks=(100, -1)).map_blocks(changed, dtype=float)
    for some in (there, Blocks({"a": there, "b": there})):
        with pytest.raises(ValueError, match=r"X gives shape \((50|200), \d+\) for its rows \d+ to \d+, and not real"):
            fitted(some)
    with pytest.raises(ValueError, match="Block 'b' has shape"):
        fitted(Blocks({"a": da.from_array(X.to_array(), chunks=(100, -1)), "b": there}))


def test_only_few_rows_ever_come_here(monkeypatch):
    """But for the part of a stand-in on which a start is sought."""
    X = make_coupled_blocks(8000, SIZES, K, noise=0.2, random_state=0)[0]
    monkeypatch.setattr("coupled_nmf.backends.dask.workers.LARGE_ARGUMENTS", 0)
    brought, gather = [], Cluster.gather

    def gathered(self, futures):
        found = gather(self, futures)
        brought.append(sum(_numbers_in(one) for one in found))
        return found

    monkeypatch.setattr(Cluster, "gather", gathered)
    for params in ({"init": "compressed"}, {"init": "nndsvda", "solver": "mu"}, {"init": "uniform", "solver": "mu"}):
        fitted(spread(X, 1000), **params | {"max_iter": 2})
    assert max(brought) <= 2500 * 20, "2,500 rows of a stand-in, 14 wide"


def test_wide_x_is_sent_without_a_word():
    """Points of more than 10 MB, of which Dask warns where it could be a mistake."""
    there = da.random.default_rng(0).random((20, 300_000), np.float32, chunks=(10, 150_000))
    expected, _ = fitted(there.compute(), init="random", max_iter=2, n_components=10)
    model, _ = fitted(there, init="random", max_iter=2, n_components=10)
    np.testing.assert_allclose(model.components_, expected.components_, rtol=1e-3, atol=1e-4)


def test_a_rank_is_refused_by_the_memory_of_the_workers(X, monkeypatch):
    monkeypatch.setattr("coupled_nmf.backends.dask.cluster.Cluster.memory", lambda self: 1000.0)
    with pytest.raises(ValueError, match=r"n_components=4 needs .* GiB for the factors"):
        CoupledNMF(4).fit(spread(X, 150))


def test_arrays_for_sums_are_kept_where_passes_take_them(X):
    there = spread(X, 100)
    kept = []

    def look(info):
        if info.iteration == 3:
            kept.append(max(client.run(_bytes_free).values()))

    client = distributed.default_client()
    fitted(there, callbacks=look)  # each piece is one tile, whose sums are its own
    assert kept == [0]


def _bytes_free(dask_worker):
    held = [one for group in dask_worker.data.values() if isinstance(group, list) for one in group]
    return sum(array.nbytes for piece in held for sums in getattr(piece, "free", []) for array in sums)


def _numbers_in(some):
    if isinstance(some, np.ndarray):
        return some.size
    if isinstance(some, dict):
        some = list(some.values())
    return sum(map(_numbers_in, some)) if isinstance(some, (list, tuple)) else 1


def test_without_a_client_it_is_said_where_the_fit_runs(X, monkeypatch):
    for place in ("cluster", "backend"):
        monkeypatch.setattr(f"coupled_nmf.backends.dask.{place}.current_client", lambda: None)
    expected, F = fitted(X)
    with pytest.warns(UserWarning, match=r"no distributed\.Client"):
        model, found = fitted(spread(X, 150))
    np.testing.assert_array_equal(model.components_, expected.components_)
    np.testing.assert_array_equal(found, F)
    with pytest.raises(RuntimeError, match="backend='dask' needs a cluster"):
        CoupledNMF(2, backend="dask").fit(X)


@pytest.mark.parametrize("n_workers", [1, 3, 9])
def test_bits_do_not_depend_on_who_works_on_what(X, n_workers):
    expected = digest(*fitted(spread(X, 100), init="compressed"))
    with cluster_of(n_workers, processes=False) as cluster, distributed.Client(cluster):
        assert digest(*fitted(spread(X, 100), init="compressed")) == expected


def test_x_and_f_stay_with_their_workers(X, monkeypatch):
    """Where every pass has a task of its own for what it sends, whose worker could seem the nearest."""
    monkeypatch.setattr("coupled_nmf.backends.dask.workers.LARGE_ARGUMENTS", 0)
    seen = []
    with cluster_of(2, processes=False) as cluster, distributed.Client(cluster) as client:

        def look(info):
            there = client.who_has().items()
            seen.append({key: tuple(who) for key, who in there if str(key).startswith("marked")})

        fitted(spread(X, 100), init="random", callbacks=look)
    assert all(len(who) == 1 for places in seen for who in places.values()), seen
    assert len(set(seen[-1].values())) == 2


def test_a_map_that_differs_from_its_file_is_sent_as_it_is(X, tmp_path):
    np.save(tmp_path / "X.npy", X.to_array())
    for mode in ("c", "r+"):
        changed = np.load(tmp_path / "X.npy", mmap_mode=mode)
        changed[:50] *= 3
        expected, _ = fitted(np.array(changed))
        model, _ = fitted(changed, backend="dask")
        np.testing.assert_allclose(model.components_, expected.components_, rtol=1e-8, atol=1e-10)


def test_components_that_are_fixed_beside_a_start_on_the_workers(X):
    params = {"init": "nndsvda", "solver": "mu", "fixed_components": CoupledNMF(**PLAIN).fit(X).components_[:2]}
    expected, F = fitted(X, **params)
    model, found = fitted(spread(X, N), **params)
    assert digest(model, found.compute()) == digest(expected, F)


def test_arrays_that_only_dask_can_send(X):
    expected, _ = fitted(np.asarray(X["a"]))
    model, _ = fitted(da.from_array(np.asarray(X["a"]), chunks=(100, 30)).map_blocks(lambda block: block))
    np.testing.assert_allclose(model.components_, expected.components_, rtol=1e-8, atol=1e-10)


def test_sums_are_added_along_one_tree():
    rng = np.random.default_rng(0)
    for n in (1, 2, 3, 7, 8, 13):
        leaves = [{(0, i): (rng.standard_normal(5),)} for i in range(n)]
        expected = root_of(add_up(leaves, n))[0]
        for _ in range(10):
            edges = sorted({0, n, *rng.integers(0, n + 1, 3).tolist()})
            groups = [add_up(leaves[a:b], n) for a, b in itertools.pairwise(edges)]
            rng.shuffle(groups)
            np.testing.assert_array_equal(root_of(add_up(groups, n))[0], expected)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            np.testing.assert_allclose(expected, sum(leaf[0, i][0] for i, leaf in enumerate(leaves)))


def test_sums_that_are_added_in_place_have_the_same_bits_and_free_what_was_added():
    for n in (1, 2, 3, 7, 8, 13):
        leaves = [(np.random.default_rng(i).standard_normal(5),) for i in range(n)]
        expected = root_of(add_up([{(0, i): (leaf[0].copy(),)} for i, leaf in enumerate(leaves)], n))[0]
        nodes, free = {}, []
        for i, leaf in enumerate(leaves):
            nodes[0, i] = leaf
            rise(nodes, (0, i), n, free)
        np.testing.assert_array_equal(root_of(nodes)[0], expected)
        assert {id(sums) for sums in free} == {id(leaf) for leaf in leaves[1:]}
