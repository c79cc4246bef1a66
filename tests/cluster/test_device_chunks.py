"""Dask arrays whose chunks are CuPy arrays: swept by the device that they are on, here the emulated one."""

import sys
import threading
from collections import Counter

import numpy as np
import pytest
from clusters import cluster_of, digest
from emulation import Kernel
from places import emulate
from scipy.sparse import csr_array

from coupled_nmf import Blocks, CoupledNMF, make_coupled_blocks, rank_path
from coupled_nmf.backends.cpu.losses import kullback_leibler
from coupled_nmf.backends.cpu.shares import Shares
from coupled_nmf.backends.cpu.sweep import Sweeper
from coupled_nmf.backends.cuda import matrix
from coupled_nmf.backends.dask.cut import CutPart
from coupled_nmf.backends.dask.on_device import LossOnDevice
from coupled_nmf.fit import checkpoint

da = pytest.importorskip("dask.array")
distributed = pytest.importorskip("distributed")

HEIGHTS, K = (30, 27, 23), 3
N, SIZES = sum(HEIGHTS), {"a": 12, "b": 8}
PLAIN = {"n_components": K, "max_iter": 8, "tol": 0, "random_state": 0}
RANDOM, KL = {"init": "random"}, {"init": "random", "solver": "mu", "beta_loss": "kullback-leibler"}
PENALTIES = {"alpha_F": 0.01, "alpha_H": {"a": 0.01, "b": 0.02}, "l1_ratio": 0.5}
FITS = [
    RANDOM,
    {"init": "compressed"},
    RANDOM | {"extrapolate": False},
    {"init": "uniform", "solver": "mu"},
    {"init": "nndsvda", "solver": "mu"},
    KL,
    KL | {"extrapolate": False},
    RANDOM | PENALTIES | {"n_init": 2},
    KL | PENALTIES,
    {"init": "compressed", "block_weights": "balanced"},
]
LEFT_TO_THE_CPU = (kullback_leibler.SolveF, Shares)


@pytest.fixture(scope="module")
def X():
    return make_coupled_blocks(N, SIZES, K, noise=0.2, random_state=0)[0]


@pytest.fixture(scope="module")
def gappy(X):
    """In the first piece samples lack a block, and entries alone, in the second these, in the last nothing."""
    blocks = {name: np.array(X[name]) for name in X.names}
    blocks["a"][:57][np.random.default_rng(0).uniform(size=(57, 12)) < 0.1] = np.nan
    blocks["b"][:30:3] = np.nan
    return Blocks(blocks)


@pytest.fixture
def cupy(monkeypatch):
    """CuPy's stand-in; the CPU may sweep over what is on its device where that is left to it, and nowhere else."""
    emulate(monkeypatch)
    sweep = Sweeper.sweep

    def swept(self, X, step, *by_row):
        assert not X.on_device or isinstance(step, LEFT_TO_THE_CPU), f"the CPU makes {type(step).__name__}"
        return sweep(self, X, step, *by_row)

    monkeypatch.setattr(Sweeper, "sweep", swept)
    return sys.modules["cupy"]


@pytest.fixture
def launched(monkeypatch):
    """How often each kernel was launched, by the workers alone."""
    found, call = Counter(), Kernel.__call__

    def counted(self, *arguments, **how):
        assert threading.current_thread() is not threading.main_thread(), "the client launches a kernel"
        found[self.name] += 1
        return call(self, *arguments, **how)

    monkeypatch.setattr(Kernel, "__call__", counted)
    return found


def in_chunks(array, kind=None):
    """A Dask array of three chunks, each given to that function, if there is one."""
    found = da.from_array(np.asarray(array), chunks=(HEIGHTS, -1))
    return found if kind is None else found.map_blocks(kind, dtype=found.dtype, meta=np.empty((0, 0), found.dtype))


def spread(X, kind=None):
    return Blocks({name: in_chunks(X[name], kind) for name in X.names})


def fitted(X, params, **given):
    model = CoupledNMF(**PLAIN | params)
    return model, model.fit_transform(X, **given).compute()


def assert_same(found, expected, tolerance=1e-8):
    for one, other in zip((found[0].components_, found[1]), (expected[0].components_, expected[1]), strict=True):
        assert isinstance(one, np.ndarray)
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance * np.abs(other).max())
    np.testing.assert_allclose(found[0].objective_history_, expected[0].objective_history_, rtol=tolerance)
    assert found[0].reconstruction_err_ == pytest.approx(expected[0].reconstruction_err_, rel=tolerance)


@pytest.mark.parametrize("params", FITS, ids=lambda params: "-".join(map(str, params.values())))
def test_fits_are_those_of_chunks_in_memory(X, cupy, launched, params):
    expected = fitted(spread(X), params)
    assert not launched
    found = fitted(spread(X, cupy.asarray), params)
    assert_same(found, expected)
    n_passes = PLAIN["max_iter"] * params.get("n_init", 1) * len(HEIGHTS)
    if "beta_loss" in params:
        assert launched["sum_rows"] == n_passes
    else:
        assert launched[f"{params.get('solver', 'hals')}_columns"] == n_passes, "in float64 both factors move by it"
        assert launched["solve_rows"] == params.get("n_init", 1) * len(HEIGHTS)
    assert launched["scan"] == len(HEIGHTS) * len(SIZES)
    if params.get("extrapolate") is False:
        assert np.all(np.diff(found[0].objective_history_) <= 0)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("params", [RANDOM, RANDOM | PENALTIES, {"init": "uniform", "solver": "mu"}, KL | PENALTIES],
                         ids=["hals", "penalties", "mu", "divergence"])  # fmt: skip
def test_gaps_and_weights(gappy, cupy, params, weighted):
    weights = np.random.default_rng(0).integers(0, 3, N).astype(float) if weighted else None
    expected = fitted(spread(gappy), params, sample_weight=weights)
    found = fitted(spread(gappy, cupy.asarray), params, sample_weight=weights)
    assert_same(found, expected)


def test_blocks_that_samples_lack_beside_sparse_ones_and_arrays_in_memory(X, cupy, launched):
    some = np.arange(0, N, 2)
    given = {"b": np.asarray(X["b"])[some], "c": csr_array(np.where(np.asarray(X["a"]) > 1.5, X["a"], 0))}
    given["d"] = np.asarray(X["a"]) / 2
    for params in (RANDOM, KL):
        there, here = (
            fitted(Blocks({"a": in_chunks(X["a"], kind)} | given, samples={"b": some}), params)
            for kind in (cupy.asarray, None)
        )
        assert_same(there, here)
    assert launched["expand"]


def test_pieces_of_both_kinds_stand_side_by_side(X, cupy, launched):
    def second_there(block, block_info=None):
        return cupy.asarray(block) if block_info[0]["chunk-location"][0] == 1 else block

    for params in (RANDOM, KL):
        assert_same(fitted(spread(X, second_there), params), fitted(spread(X), params))
    assert launched["hals_columns"] == PLAIN["max_iter"]


@pytest.mark.parametrize("init", ["compressed", "nndsvd"])
def test_the_rows_that_a_stand_in_is_found_by_are_those_of_all_of_x(X, cupy, init, monkeypatch):
    monkeypatch.setattr("coupled_nmf.fit.stand_in.share_of_rows", lambda n, width: 3)
    assert_same(fitted(spread(X, cupy.asarray), {"init": init}), fitted(spread(X), {"init": init}))


def test_tiles_and_what_is_streamed_beside_change_no_bit(X, cupy, monkeypatch):
    """Rows of a piece in several tiles; and where a part in memory does not fit beside that on the device."""
    monkeypatch.setattr(matrix, "MOST_ROWS", 8)
    mixed = Blocks({"a": in_chunks(X["a"], cupy.asarray), "b": in_chunks(X["b"])})
    held = fitted(mixed, RANDOM)
    assert_same(held, fitted(spread(X), RANDOM))
    monkeypatch.setattr(matrix, "SHARE", 0.0)
    assert digest(*fitted(mixed, RANDOM)) == digest(*held)


def test_float32_and_arrays_of_other_kinds(X, cupy):
    single = Blocks({name: np.asarray(X[name], np.float32) for name in X.names})
    assert_same(fitted(spread(single, cupy.asarray), RANDOM), fitted(spread(single), RANDOM), 1e-3)
    turned = spread(X, lambda block: cupy.asarray(np.ascontiguousarray(block.T)).T)
    assert_same(fitted(turned, RANDOM), fitted(spread(X), RANDOM))


def test_what_a_fitted_model_does(X, cupy):
    models = [CoupledNMF(**PLAIN).fit(spread(X)) for _ in range(2)]
    for model, there in zip(models, (spread(X), spread(X, cupy.asarray)), strict=True):
        model.found = [model.transform(there).compute(), model.score(there), model.component_shares(there)["a"]]
        model.found += [model.partial_fit(there).components_, model.partial_fit(there.select(["a", "b"])).components_]
    for expected, found in zip(*(model.found for model in models), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)


def test_ranks_along_a_path(X, cupy):
    paths = [rank_path(some, [2, 3], estimator=CoupledNMF(**PLAIN)) for some in (spread(X), spread(X, cupy.asarray))]
    for expected, found in zip(*(path.models.values() for path in paths), strict=True):
        np.testing.assert_allclose(found.components_, expected.components_, rtol=1e-6, atol=1e-8)


def test_a_refused_entry_is_named_by_its_row_in_all_of_x(X, cupy):
    array = np.array(X.to_array())
    array[61, 3] = -1
    with pytest.raises(ValueError, match=r"Negative values .* row 61"):
        CoupledNMF(2).fit(in_chunks(array, cupy.asarray))


@pytest.mark.parametrize("params", [RANDOM, {"init": "compressed"}, KL], ids=["random", "compressed", "divergence"])
def test_x_stays_on_the_device(cupy, params, monkeypatch):
    """What comes from it is rows of F and of a stand-in, sums, and what is counted of each row: less than any piece."""
    fetched, get = [], cupy.ndarray.get

    def counted(self):
        fetched.append(self.size)
        return get(self)

    monkeypatch.setattr(cupy.ndarray, "get", counted)
    until, width = [], 60
    array = make_coupled_blocks(N, {"a": width}, K, noise=0.2, random_state=0)[0].to_array()
    fitted(in_chunks(array, cupy.asarray), params | {"callbacks": lambda info: until.append(len(fetched)) and None})
    before_the_solve = fetched[: until[-1]]
    assert len(before_the_solve) > PLAIN["max_iter"] * len(HEIGHTS)
    assert max(fetched if params is not KL else before_the_solve) < min(HEIGHTS) * width


@pytest.mark.parametrize("params", [RANDOM, KL], ids=["hals", "divergence"])
def test_bits_do_not_depend_on_who_works_on_what_nor_on_workers_that_go(gappy, cupy, params):
    there = spread(gappy, cupy.asarray)
    expected = digest(*fitted(there, params))
    with cluster_of(3, processes=False) as cluster, distributed.Client(cluster):
        gone = []

        def close(info):
            if info.iteration in (3, 5):
                gone.append(info.iteration)
                cluster.scale(3 - len(gone))

        assert digest(*fitted(there, params | {"callbacks": close})) == expected
        assert gone == [3, 5]


def test_a_worker_of_several_threads_makes_anew_what_belongs_to_one(X, cupy, monkeypatch):
    expected = digest(*fitted(spread(X, cupy.asarray), RANDOM))
    used, move_f = [], LossOnDevice.move_f

    def seen(self, *arguments):
        sums = move_f(self, *arguments)
        used.append((self._there, threading.current_thread()))
        return sums

    monkeypatch.setattr(LossOnDevice, "move_f", seen)
    how = {"n_workers": 1, "threads_per_worker": 3, "processes": False, "dashboard_address": ":0", "silence_logs": 50}
    with distributed.LocalCluster(**how) as cluster, distributed.Client(cluster):
        assert digest(*fitted(spread(X, cupy.asarray), RANDOM)) == expected
    assert len({thread for _, thread in used}) > 1
    assert all(one is not other or thread is another for one, thread in used for other, another in used)


def test_what_is_on_a_device_here_is_sent_as_what_is_in_memory(X, cupy, launched):
    some = np.arange(0, N, 2)
    digests = {
        digest(model, model.fit_transform(Blocks({"a": put(X["a"]), "b": put(X["b"][some])}, samples={"b": some})))
        for put in (np.asarray, cupy.asarray)
        for model in [CoupledNMF(**PLAIN, init="random", backend="dask")]
    }
    assert len(digests) == 1
    assert not launched
    rows, _ = CutPart(cupy.asarray(X["a"]), None, [slice(0, 30), slice(30, N)]).piece(0)
    np.testing.assert_array_equal(rows, X["a"][:30])


def test_a_fit_goes_on_from_a_checkpoint(X, cupy, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "ITERATIONS", 3)
    monkeypatch.setattr(checkpoint, "SHARE", 1e9)
    there, seen = spread(X, cupy.asarray), []
    expected = digest(*fitted(there, RANDOM))

    def told(info):
        seen.append(info.iteration)
        if len(seen) == 5:
            raise OSError("it is cut off")

    params = RANDOM | {"checkpoint": tmp_path, "callbacks": told}
    with pytest.raises(OSError, match="it is cut off"):
        fitted(there, params)
    assert digest(*fitted(there, params)) == expected
    assert seen == [1, 2, 3, 4, 5, 4, 5, 6, 7, 8]
