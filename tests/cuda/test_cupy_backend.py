"""What the GPU's backend promises beyond what holds on every backend: on an emulated device, and on a GPU."""

import importlib
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from places import emulate, need_gpu, places
from scipy.sparse import csr_array
from sklearn.model_selection import GridSearchCV, KFold

from coupled_nmf import Blocks, CoupledNMF, make_coupled_blocks, rank_path, stability
from coupled_nmf.backends.cuda import matrix
from coupled_nmf.backends.cuda.control import ROOM, DeviceJudge
from coupled_nmf.backends.cuda.device import leading

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
PLACES = ["emulated", pytest.param("gpu", marks=pytest.mark.gpu)]
SIZES = {"a": 30, "b": 20, "c": 11}


@pytest.fixture(scope="module", params=PLACES)
def cupy(request):
    """CuPy, or what stands in for it."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "emulated":
            emulate(patch)
        else:
            need_gpu()
        yield importlib.import_module("cupy")


@pytest.fixture
def emulated(monkeypatch):
    """CuPy's stand-in, to be tampered with."""
    emulate(monkeypatch)
    return sys.modules["cupy"]


@pytest.fixture(scope="module")
def X():
    return make_coupled_blocks(301, SIZES, 4, noise=0.2, random_state=0)[0]


@pytest.fixture(scope="module")
def gappy(X):
    """Blocks of which samples lack some, with single gaps beside."""
    rng, arrays = np.random.RandomState(0), {name: X[name].copy() for name in X.names}
    arrays["a"][rng.uniform(size=arrays["a"].shape) < 0.1] = np.nan
    arrays["b"][::3] = np.nan
    arrays["c"][50:120] = np.nan
    return Blocks(arrays)


def there(cupy, X, dtype=np.float64):
    return Blocks({name: cupy.asarray(X[name].astype(dtype)) for name in X.names})


def difference(found, expected):
    """Largest difference, as a part of the largest entry."""
    return float(np.abs(found - expected).max() / np.abs(expected).max())


@pytest.mark.gpu
def test_what_runs_on_every_backend_runs_on_the_gpu():
    """One line that says that they do not where there is none, in place of some two thousand."""
    need_gpu()
    assert len(places()) == 3


@pytest.mark.parametrize("k", [1, 4, 50, 70])
@pytest.mark.parametrize("solver", ["hals", "mu"])
def test_fifty_iterations_from_the_same_start_are_those_of_the_numpy_backend(cupy, X, solver, k):
    rng = np.random.RandomState(1)
    start = {"F": rng.uniform(size=(len(X), k)), "H": rng.uniform(size=(k, X.shape[1]))}
    params = {"solver": solver, "init": "custom", "max_iter": 50, "tol": 0}
    models = [CoupledNMF(k, backend=backend, **params) for backend in ("cupy", "numpy")]
    F, expected = (model.fit_transform(X, **start) for model in models)
    assert difference(models[0].components_, models[1].components_) < 1e-8
    # Of more components than X has columns, rounding decides which of them a sample uses: errors show a little of it.
    assert difference(F, expected) < (1e-8 if k <= 4 else 1e-3)
    rel = 1e-7 if k <= X.shape[1] else 1e-6
    assert models[0].reconstruction_err_ == pytest.approx(models[1].reconstruction_err_, rel=rel)
    np.testing.assert_allclose(models[0].objective_history_, models[1].objective_history_, rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cupy_in_cupy_out(cupy, X, dtype):
    device_X = there(cupy, X, dtype)
    model = CoupledNMF(4, random_state=0)
    F = model.fit_transform(device_X)
    for found in (F, model.components_, model.block_components_["b"], model.inverse_transform(F)["a"]):
        assert isinstance(found, cupy.ndarray)
        assert found.dtype == dtype
    np.testing.assert_array_equal(model.transform(device_X).get(), F.get())
    np.testing.assert_allclose(F.get() @ model.components_.get(), X.to_array(), atol=0.2 * X.to_array().max())
    assert model.score(device_X) > 0.95


def test_numpy_in_numpy_out_and_models_go_from_one_to_the_other(cupy, X, tmp_path):
    model = CoupledNMF(4, random_state=0, backend="cupy")
    F = model.fit_transform(X)
    assert isinstance(F, np.ndarray)
    assert isinstance(model.components_, np.ndarray)
    device_F = model.set_params(backend="auto").transform(there(cupy, X))
    assert isinstance(device_F, cupy.ndarray)
    np.testing.assert_allclose(device_F.get(), F, rtol=1e-10)
    on_device = CoupledNMF(4, random_state=0).fit(there(cupy, X))
    assert isinstance(on_device.transform(X), np.ndarray)
    assert isinstance(on_device.inverse_transform(F)["a"], cupy.ndarray)
    on_device.save(tmp_path / "model.npz")
    np.testing.assert_array_equal(CoupledNMF.load(tmp_path / "model.npz").components_, on_device.components_.get())


def test_the_numpy_backend_takes_what_is_on_a_device(cupy, X):
    F = CoupledNMF(4, random_state=0, backend="numpy").fit_transform(there(cupy, X))
    np.testing.assert_array_equal(F, CoupledNMF(4, random_state=0).fit_transform(X))


def test_one_array_on_a_device_is_one_block_or_divided_by_the_parameter(cupy, X):
    array = cupy.asarray(X.to_array())
    F = CoupledNMF(4, random_state=0, blocks=SIZES).fit_transform(array)
    np.testing.assert_allclose(F.get(), CoupledNMF(4, random_state=0).fit_transform(X), rtol=1e-8, atol=1e-9)
    bad = X.to_array()
    bad[7, 3] = -1
    with pytest.raises(ValueError, match=r"Negative values.*row 7"):
        CoupledNMF(4).fit(cupy.asarray(bad))
    with pytest.raises(ValueError, match="X has 61 features, but the model was fitted with 20"):
        CoupledNMF(2, random_state=0).fit(X["b"]).transform(array)


def test_arrays_of_any_order_and_stride_are_taken(cupy, X):
    array = X.to_array()
    expected = CoupledNMF(4, random_state=0).fit(array).components_
    views = [cupy.asarray(np.ascontiguousarray(array.T)).T, cupy.asarray(array[::-1].copy())[::-1]]
    wide = cupy.asarray(np.concatenate([array, array], axis=1))
    for view in (*views, wide[:, : array.shape[1]], cupy.asarray(array.astype(np.float32))):
        found = CoupledNMF(4, random_state=0).fit(view).components_.get()
        assert difference(found, expected) < (1e-8 if view.dtype == np.float64 else 1e-2)


def test_an_array_on_another_device_than_the_current_is_refused(emulated, monkeypatch, X):
    array = emulated.asarray(X["a"])
    monkeypatch.setattr(emulated.cuda.Device, "id", 1)
    with pytest.raises(ValueError, match=r"X is on device 0, and 1 is the current one.*cupy.cuda.Device\(0\)"):
        CoupledNMF(2).fit(array)


def test_blocks_on_a_device_are_searched_and_sampled_by_row(cupy, X):
    search = GridSearchCV(CoupledNMF(random_state=0), {"n_components": [1, 4]}, cv=KFold(2)).fit(there(cupy, X))
    assert search.best_params_ == {"n_components": 4}
    some = Blocks({"a": cupy.asarray(X["a"]), "b": cupy.asarray(X["b"][::2])}, samples={"b": np.arange(0, 301, 2)})
    expected = Blocks({"a": X["a"], "b": X["b"][::2]}, samples={"b": np.arange(0, 301, 2)})
    found, model = (CoupledNMF(3, random_state=0).fit(data) for data in (some, expected))
    assert difference(found.components_.get(), model.components_) < 1e-8


def test_labels_come_back_with_an_F_that_lies_there(cupy, X):
    pd = pytest.importorskip("pandas")
    index = pd.Index([f"cell{i}" for i in range(301)])
    model = CoupledNMF(3, random_state=0).set_output(transform="pandas")
    blocks = Blocks({"a": cupy.asarray(X["a"]), "b": pd.DataFrame(X["b"], index=index)})
    pd.testing.assert_index_equal(model.fit_transform(blocks).index, index)
    assert isinstance(model.transform(there(cupy, X).select(["a"])), pd.DataFrame)


def test_rank_paths_and_stability_run_there(cupy, X):
    path = rank_path(there(cupy, X), [2, 4], estimator=CoupledNMF(random_state=0, init="compressed"))
    expected = rank_path(X, [2, 4], estimator=CoupledNMF(random_state=0, init="compressed"))
    for fit, other in zip(path.fits, expected.fits, strict=True):
        assert difference(fit.F.get(), other.F) < 1e-6
    found = stability(there(cupy, X), [4], n_init=3, estimator=CoupledNMF(random_state=0))
    assert found.rows()[0]["similarity"] > 0.9


@pytest.mark.parametrize("data", ["X", "gappy", "sparse"])
def test_what_does_not_fit_is_streamed_and_tiles_change_nothing(cupy, data, monkeypatch, request):
    X = request.getfixturevalue("X" if data == "sparse" else data)
    if data == "sparse":
        X = Blocks({"a": csr_array(X["a"] * (X["a"] > 20)), "b": X["b"]})
    weights = np.random.RandomState(0).uniform(size=len(X))
    params = {"n_components": 4, "max_iter": 20, "tol": 0, "random_state": 0, "backend": "cupy"}
    whole = CoupledNMF(**params).fit(X, sample_weight=weights)
    monkeypatch.setattr(matrix, "MOST_ROWS", 128)
    tiled = CoupledNMF(**params).fit(X, sample_weight=weights)
    monkeypatch.setattr(matrix, "SHARE", 0.0)
    streamed = CoupledNMF(**params).fit(X, sample_weight=weights)
    np.testing.assert_array_equal(streamed.components_, tiled.components_)
    assert difference(tiled.components_, whole.components_) < 1e-9
    assert tiled.reconstruction_err_ == pytest.approx(whole.reconstruction_err_, rel=1e-12)


class OnDisk:
    """What HDF5 and Zarr arrays share; it keeps where it was read, and may fail."""

    def __init__(self, array, chunks=None, ends=np.inf):
        self.array, self.shape, self.dtype, self.chunks, self.ends = array, array.shape, array.dtype, chunks, ends
        self.starts = []

    def __getitem__(self, rows):
        self.starts.append(rows.start)
        if rows.stop > self.ends:
            raise OSError("the disk is gone")
        return self.array[rows]


def test_files_are_read_once_if_they_fit_and_else_tile_by_tile(cupy, X, monkeypatch):
    monkeypatch.setattr(matrix, "MOST_ROWS", 128)
    params = {"n_components": 4, "init": "random", "max_iter": 3, "tol": 0, "random_state": 0, "backend": "cupy"}
    held = OnDisk(X.to_array(), chunks=(50, 61))
    F = CoupledNMF(**params).fit_transform(held)
    assert held.starts == [0, 100, 200, 300], "whole chunks, each once"
    monkeypatch.setattr(matrix, "SHARE", 0.0)
    streamed = OnDisk(X.to_array(), chunks=(50, 61))
    np.testing.assert_array_equal(CoupledNMF(**params).fit_transform(streamed), F)
    assert streamed.starts == held.starts * (len(streamed.starts) // 4)
    assert len(streamed.starts) == 4 * (1 + 3 + 1), "the check, the iterations and the last solve"


@pytest.mark.parametrize("share", [0.75, 0.0])
def test_an_error_of_the_disk_comes_out(cupy, X, share, monkeypatch):
    monkeypatch.setattr(matrix, "MOST_ROWS", 128)
    monkeypatch.setattr(matrix, "SHARE", share)
    with pytest.raises(OSError, match="the disk is gone"):
        CoupledNMF(4, backend="cupy").fit(OnDisk(X.to_array(), ends=200))


def test_parts_on_the_device_and_in_memory_go_together(cupy, X, monkeypatch):
    mixed = Blocks({"a": cupy.asarray(X["a"]), "b": X["b"], "c": cupy.asarray(X["c"].astype(np.float32))})
    plain = Blocks({"a": X["a"], "b": X["b"], "c": X["c"].astype(np.float32)})
    expected = CoupledNMF(4, random_state=0).fit(plain).components_
    assert difference(CoupledNMF(4, random_state=0).fit(mixed).components_.get(), expected) < 1e-8
    monkeypatch.setattr(matrix, "SHARE", 0.0)
    assert difference(CoupledNMF(4, random_state=0).fit(mixed).components_.get(), expected) < 1e-8


def test_seeded_fits_repeat_bit_for_bit(cupy, gappy):
    fits = [CoupledNMF(4, random_state=0, backend="cupy").fit(gappy) for _ in range(2)]
    np.testing.assert_array_equal(fits[0].components_, fits[1].components_)
    assert fits[0].objective_history_ == fits[1].objective_history_


def test_tf32_is_near_and_full_precision_is_not_it(cupy, X):
    single = Blocks({name: X[name].astype(np.float32) for name in X.names})
    fits = {
        precision: CoupledNMF(4, random_state=0, max_iter=30, tol=0, backend="cupy", precision=precision).fit(single)
        for precision in ("full", "tf32")
    }
    errors = {name: fit.reconstruction_err_ for name, fit in fits.items()}
    assert errors["tf32"] == pytest.approx(errors["full"], rel=1e-3)
    if cupy.__version__ == "emulated" or int(cupy.cuda.Device().compute_capability) >= 80:
        assert not np.array_equal(fits["full"].components_, fits["tf32"].components_)


@pytest.mark.parametrize(
    ("params", "dtype"), [({"backend": "numpy"}, np.float32), ({}, np.float32), ({"backend": "cupy"}, np.float64)]
)
def test_tf32_is_refused_where_it_means_nothing(emulated, X, params, dtype):
    with pytest.raises(ValueError, match="precision='tf32' is for X in float32 on backend='cupy'"):
        CoupledNMF(2, precision="tf32", **params).fit(X["a"].astype(dtype))


def test_float32_settles_near_float64(cupy, X):
    single = CoupledNMF(4, random_state=0, backend="cupy").fit(Blocks({n: X[n].astype(np.float32) for n in X.names}))
    double = CoupledNMF(4, random_state=0, backend="cupy").fit(X)
    assert single.components_.dtype == np.float32
    assert single.reconstruction_err_ == pytest.approx(double.reconstruction_err_, rel=1e-4)


def test_callbacks_are_told_of_every_iteration_where_x_is(cupy, X):
    seen = []

    def hear(info):
        seen.append((info.iteration, info.objective, type(info.F), type(info.H)))
        return info.iteration == 6

    model = CoupledNMF(3, random_state=0, tol=0, callbacks=hear)
    model.fit(there(cupy, X))
    assert [one[0] for one in seen] == [1, 2, 3, 4, 5, 6]
    assert [one[1] for one in seen] == model.objective_history_
    assert {one[2:] for one in seen} == {(cupy.ndarray, cupy.ndarray)}
    assert model.n_iter_ == 6


def test_a_long_history_is_kept_whole(cupy, X):
    model = CoupledNMF(1, random_state=0, tol=0, max_iter=ROOM + 50, extrapolate=False, backend="cupy").fit(X["c"][:9])
    assert len(model.objective_history_) == model.n_iter_ == ROOM + 50
    assert np.all(np.isfinite(model.objective_history_))


def test_j_that_overflows_is_an_error(cupy):
    X = np.full((6, 5), 1e10, np.float32)
    with pytest.raises(ValueError, match="J overflows in float32"):
        CoupledNMF(2, init="custom", solver="mu", backend="cupy").fit(
            X, F=np.full((6, 2), 3e18, np.float32), H=np.full((2, 5), 3e18, np.float32)
        )


class Counting:
    """CuPy with what it was asked for."""

    def __init__(self, cupy, patch):
        self.calls = Counter()
        for name in ("empty", "zeros", "asarray", "ascontiguousarray", "take"):
            patch.setattr(cupy, name, self._counted(name, getattr(cupy, name)))
        patch.setattr(cupy.ndarray, "get", self._counted("get", cupy.ndarray.get))

    def _counted(self, name, function):
        def call(*args, **kwargs):
            self.calls[name] += 1
            return function(*args, **kwargs)

        return call


@pytest.mark.parametrize(("solver", "data"), [("hals", "X"), ("mu", "X"), ("hals", "gappy")])
def test_nothing_is_allocated_in_the_loop_and_the_host_seldom_looks(emulated, monkeypatch, solver, data, request):
    X = request.getfixturevalue(data)
    counts = []
    for max_iter in (8, 8 + 5 * DeviceJudge.patience):
        with pytest.MonkeyPatch.context() as patch:
            counting = Counting(emulated, patch)
            CoupledNMF(4, solver=solver, random_state=0, tol=0, max_iter=max_iter, backend="cupy").fit(X)
            counts.append(counting.calls)
    more = counts[1] - counts[0]
    assert more == Counter({"get": 2 * 5}), "a look copies the state and J's history, and nothing else is asked for"


def test_a_matrix_is_told_from_its_transpose(emulated):
    array = emulated.zeros((7, 5))
    assert leading(array) == (5, False)
    assert leading(array.T) == (5, True)
    assert leading(array[2:4, 1:3]) == (5, False)
    assert leading(array[:1]) == (5, False)
    assert leading(array[:, :1]) == (5, False)
    assert leading(array[:, :1].T) == (5, True)
    with pytest.raises(ValueError, match="contiguous along neither axis"):
        leading(array[:, ::2])


def test_without_cupy_it_says_what_to_install(monkeypatch, X):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(ImportError, match=r'pip install "cupy-cuda13x\[ctk\]"'):
        CoupledNMF(2, backend="cupy").fit(X)
    assert CoupledNMF(2, random_state=0).fit(X).score(X) > 0


def test_without_a_device_it_says_so(emulated, monkeypatch, X):
    def no_driver():
        raise emulated.cuda.runtime.CUDARuntimeError("cudaErrorNoDevice")

    for found in (no_driver, lambda: 0):
        monkeypatch.setattr(emulated.cuda.runtime, "getDeviceCount", found)
        with pytest.raises(RuntimeError, match=r"needs an NVIDIA GPU and its driver.*use backend='numpy'"):
            CoupledNMF(2, backend="cupy").fit(X)


def test_what_else_is_on_a_device_is_refused_with_what_to_do(emulated, X):
    class Tensor:
        shape, ndim = (5, 3), 2

        def __dlpack_device__(self):
            return 2, 0

    for fit in (lambda: CoupledNMF(2).fit(Tensor()), lambda: Blocks({"a": Tensor()})):
        with pytest.raises(TypeError, match=r"Tensor on a GPU; pass cupy.from_dlpack"):
            fit()
    Tensor.__module__ = "cupyx.scipy.sparse"
    with pytest.raises(TypeError, match=r"sparse array of CuPy's; pass X.get\(\), with backend='cupy'"):
        CoupledNMF(2).fit(Tensor())
    on_device = Blocks({name: emulated.asarray(X[name]) for name in X.names})
    np.testing.assert_array_equal(on_device.to_array(), X.to_array())


def test_a_fit_on_the_cpu_never_imports_cupy():
    code = (
        "import sys, numpy; from coupled_nmf import CoupledNMF; "
        "CoupledNMF(2, random_state=0).fit(numpy.ones((9, 4))); print('cupy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_what_is_called_of_cupy_is_there():
    """The stand-in offers nothing that CuPy itself has not; without a driver its functions cannot be called."""
    real = pytest.importorskip("cupy", exc_type=ImportError)
    fake = importlib.import_module("emulation.cupy")
    names = ["ndarray", "empty", "zeros", "asarray", "ascontiguousarray", "take", "copyto", "RawModule",
             "get_default_memory_pool", "__version__"]  # fmt: skip
    for name in names:
        assert hasattr(real, name), name
        assert hasattr(fake, name), name
    for group in ("runtime", "cublas"):
        for name in vars(getattr(fake.cuda, group)):
            assert hasattr(getattr(real.cuda, group), name), f"cupy.cuda.{group}.{name}"
    for name in vars(fake.cuda):
        assert hasattr(real.cuda, name), f"cupy.cuda.{name}"
    for name in vars(fake.ndarray):
        assert name in ("__module__", "__dict__", "__weakref__") or hasattr(real.ndarray, name), f"ndarray.{name}"
