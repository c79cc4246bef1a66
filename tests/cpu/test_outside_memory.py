"""What lies outside memory: read by slices of rows, ahead of the work, in whole chunks."""

import threading
import tracemalloc

import numpy as np
import pytest

from coupled_nmf import BlockLayout, Blocks, CoupledNMF, make_coupled_blocks
from coupled_nmf.backends.cpu.backend import NumpyBackend
from coupled_nmf.backends.cpu.tile_step import TileStep
from coupled_nmf.data.tiled_matrix import TiledMatrix

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


class OnDisk:
    """What HDF5 and Zarr arrays share: a shape, a dtype, and slices of rows; it counts what is read at once."""

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.most_rows = array, array.shape, array.dtype, 0

    def __getitem__(self, rows):
        assert isinstance(rows, slice), "only slices of rows are asked for"
        self.most_rows = max(self.most_rows, rows.stop - rows.start)
        return self.array[rows]


@pytest.mark.parametrize("init", ["random", "compressed"])
def test_what_gives_slices_of_rows_is_fitted_tile_by_tile(init):
    made, _, _ = make_coupled_blocks(5000, {"a": 300, "b": 20}, 4, noise=0.1, random_state=0)
    source, array = OnDisk(made.to_array()), made.to_array()
    params = {"blocks": {"a": 300, "b": 20}, "init": init, "max_iter": 3, "tol": 0, "random_state": 0}
    model = CoupledNMF(4, **params)
    F = model.fit_transform(source)
    assert source.most_rows <= 1024
    expected = CoupledNMF(4, **params)
    np.testing.assert_array_equal(F, expected.fit_transform(array))
    for n_jobs in (1, 3):
        np.testing.assert_array_equal(CoupledNMF(4, n_jobs=n_jobs, **params).fit_transform(source), F)
    np.testing.assert_array_equal(model.transform(source), F)
    as_one_block = CoupledNMF(4, **(params | {"blocks": None})).fit_transform(Blocks({"X": source}))
    np.testing.assert_allclose(as_one_block, F, rtol=1e-8, atol=1e-10)
    with pytest.raises(ValueError, match="X has 20 features, but the model was fitted with 320"):
        model.transform(OnDisk(array[:, :20]))


def test_reading_runs_ahead_on_threads_of_its_own_but_not_far():
    readers, most = set(), [0]
    worked = threading.Event()

    class Watched(OnDisk):
        def __getitem__(self, rows):
            readers.add(threading.current_thread().name.rsplit("_", 1)[0])
            most[0] = max(most[0], rows.stop)
            return super().__getitem__(rows)

    class Slow(TileStep):
        shapes = ((1,),)

        def __call__(self, tile, rows):
            if rows.start == 0:
                worked.wait(0.2)  # meanwhile, what may be read is read
                self.ahead = most[0] // (rows.stop - rows.start)
            return (np.ones(1),)

    array = np.ones((20_000, 100))
    source, step = TiledMatrix([Watched(array)], BlockLayout(("X",), (100,)), array.dtype), Slow()
    with NumpyBackend(1) as backend:
        (n_tiles,) = backend.sweep(source, step)
    assert readers == {"coupled_nmf_reader"}
    assert 2 <= step.ahead <= 3 < n_tiles[0]


def test_tiles_are_whole_chunks_and_rows_in_any_order_are_found():
    made, _, _ = make_coupled_blocks(5000, {"a": 300}, 4, noise=0.1, random_state=0)
    starts = set()

    class Chunked(OnDisk):
        chunks = (700, 300)

        def __getitem__(self, rows):
            if not isinstance(rows, slice):  # as HDF5 does
                assert np.all(np.diff(rows) > 0), "rising numbers, each once"
                return self.array[rows]
            starts.add(rows.start)
            return super().__getitem__(rows)

    X = Blocks({"a": Chunked(made["a"])})
    CoupledNMF(4, max_iter=2, tol=0, random_state=0).fit(X)
    assert {start % 700 for start in starts} == {0}
    Chunked.chunks = (5000, 300)  # too tall for memory's good
    tall = Chunked(made["a"])
    CoupledNMF(4, max_iter=2, tol=0, random_state=0).fit(Blocks({"a": tall}))
    assert tall.most_rows <= 1024
    rows = np.random.RandomState(0).randint(-5000, 5000, size=50)
    np.testing.assert_array_equal(X[rows]["a"], made["a"][rows])
    mask = made["a"][:, 0] > 1
    np.testing.assert_array_equal(X[mask]["a"], made["a"][mask])


class Unreadable(OnDisk):
    def __getitem__(self, rows):
        if rows.start > 2000:
            raise OSError("the disk is gone")
        return super().__getitem__(rows)


@pytest.mark.parametrize("n_jobs", [1, 2, 5])
def test_an_error_of_the_disk_comes_out_and_nothing_hangs(n_jobs):
    with pytest.raises(OSError, match="the disk is gone"):
        CoupledNMF(4, n_jobs=n_jobs).fit(Unreadable(np.ones((5000, 400))))


@pytest.mark.parametrize("dtype", ["u1", "f2", ">f4"])
def test_a_memory_map_of_another_dtype_is_converted_tile_by_tile(dtype, tmp_path, monkeypatch):
    """Not whole, as one array as well as in `Blocks`; a small one is, once, with the same result."""
    n, width = 20_000, 100
    entries = np.random.RandomState(0).randint(0, 50, (n, width)).astype(dtype)
    X = np.memmap(tmp_path / "X", dtype=dtype, mode="w+", shape=(n, width))
    X[:] = entries
    params = {"n_components": 2, "init": "random", "max_iter": 2, "tol": 0, "random_state": 0, "n_jobs": 1}
    monkeypatch.setattr("coupled_nmf.data.tiled_matrix.CONVERTED_BYTES", 2**20)
    found = []
    for given in (X, Blocks({"X": X})):
        model = CoupledNMF(**params)
        tracemalloc.start()
        try:
            found.append(model.fit_transform(given))
            assert tracemalloc.get_traced_memory()[1] < n * width * found[0].itemsize / 2, "of a copy"
        finally:
            tracemalloc.stop()
    monkeypatch.undo()
    found.append(CoupledNMF(**params).fit_transform(entries))
    for F in found:
        assert F.dtype == np.dtype("f8" if dtype == "u1" else "f4")
        np.testing.assert_array_equal(F, found[0])
