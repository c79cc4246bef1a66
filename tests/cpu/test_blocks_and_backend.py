"""Blocks as a container; the sweep and the BLAS guard as the ground under everything."""

import threading

import numpy as np
import pytest
from joblib import parallel_config
from scipy.optimize import nnls
from sklearn.model_selection import GridSearchCV, train_test_split
from threadpoolctl import threadpool_info, threadpool_limits

from coupled_nmf import BlockLayout, Blocks, CoupledNMF, make_coupled_blocks
from coupled_nmf.backends.cpu.backend import NumpyBackend
from coupled_nmf.backends.cpu.kernels import PANEL
from coupled_nmf.backends.cpu.solve import solve_exactly
from coupled_nmf.backends.cpu.tile_step import TileStep
from coupled_nmf.data.tile_heights import LEAST_ROWS, tile_rows
from coupled_nmf.data.tiled_matrix import TiledMatrix
from coupled_nmf.system.blas import BLAS


def test_blocks_select_rows_as_arrays_do():
    X = Blocks({"a": np.arange(12.0).reshape(6, 2), "b": np.arange(6.0).reshape(6, 1)})
    mask = np.array([True, False] * 3)
    for rows in (slice(1, 4), np.array([0, 5]), [2, 2], mask):
        np.testing.assert_array_equal(X[rows].to_array(), X.to_array()[rows])
        np.testing.assert_array_equal(X[rows, ...].to_array(), X.to_array()[rows])
    train, test = train_test_split(X, random_state=0)
    assert len(train) + len(test) == len(X) == 6
    with pytest.raises(IndexError, match=r"X\[2:3\]"):
        X[2]
    with pytest.raises(KeyError, match="unknown block 'c'"):
        X["c"]


def test_blocks_do_not_copy_and_keep_float32():
    array = np.ones((4, 3), dtype=np.float32)
    X = Blocks({"a": array, "b": array.astype(np.float16)})
    assert np.shares_memory(X["a"], array)
    assert X.dtype == np.float32
    assert Blocks({"a": array, "b": np.ones((4, 1), dtype=int)}).dtype == np.float64


def test_layout_splits_columns():
    layout = BlockLayout(("a", "b"), (2, 3))
    assert layout.slices == {"a": slice(0, 2), "b": slice(2, 5)}
    assert layout.columns_of(["b", "a"]).tolist() == [2, 3, 4, 0, 1]
    assert layout.weights({"b": 2.0}).tolist() == [1.0, 2.0]


def matrix(rows=4000, columns=3000):
    X = np.random.RandomState(0).uniform(size=(rows, columns)).astype(np.float32)
    return TiledMatrix([X], BlockLayout(("X",), (columns,)), X.dtype)


def test_the_least_height_of_a_tile_is_a_panel():
    assert LEAST_ROWS == PANEL


def test_sweep_reads_every_row_once_and_sums_in_tile_order():
    X = matrix()
    height = tile_rows(X)
    seen = np.zeros(4000, dtype=int)

    class SumRows(TileStep):
        shapes = ((3000,),)

        def __call__(self, tile, rows):
            seen[rows] += 1
            return (tile[0].sum(axis=0),)

    expected = np.zeros(3000)
    for start in range(0, 4000, height):
        expected += X.parts[0][start : start + height].sum(axis=0)
    for n_jobs in (1, 2, 5):
        seen[:] = 0
        with NumpyBackend(n_jobs) as backend:
            (total,) = backend.sweep(X, SumRows())
        assert np.all(seen == 1)
        np.testing.assert_array_equal(total, expected)


@pytest.mark.parametrize("n_jobs", [1, 2, 5])
def test_an_error_in_a_tile_comes_out_and_nothing_hangs(n_jobs):
    class Broken(TileStep):
        shapes = ((1,),)

        def __call__(self, tile, rows):
            if rows.start > 1000:
                raise RuntimeError("broken tile")
            return (np.zeros(1),)

    with NumpyBackend(n_jobs) as backend, pytest.raises(RuntimeError, match="broken tile"):
        backend.sweep(matrix(), Broken())


def test_one_slow_tile_does_not_let_the_sums_of_the_others_pile_up():
    slow, brought, most = threading.Event(), [0], [0]

    class SlowFirst(TileStep):
        shapes = ((1,),)

        def __call__(self, tile, rows):
            if rows.start == 0:
                slow.wait(0.3)
                most[0] = brought[0]
            brought[0] += 1
            return (np.ones(1),)

    with NumpyBackend(4) as backend:
        (n_tiles,) = backend.sweep(matrix(40_000, 100), SlowFirst())
    assert n_tiles[0] == brought[0]
    assert 3 <= most[0] <= 2 * 4 + 3 < n_tiles[0], "at most 8 wait, and each of three threads holds one"


def test_sums_of_another_shape_than_promised_are_refused():
    class Short(TileStep):
        shapes = ((3,),)

        def __call__(self, tile, rows):
            return (np.zeros(1),)

    with NumpyBackend(2) as backend, pytest.raises(ValueError, match="shapes that its step promised"):
        backend.sweep(matrix(), Short())


def test_an_interrupt_comes_out_and_leaves_blas_as_it_was():
    before = blas_threads()

    class Interrupted(TileStep):
        shapes = ((1,),)

        def __call__(self, tile, rows):
            if rows.start > 1000:
                raise KeyboardInterrupt
            return (np.zeros(1),)

    with NumpyBackend(2) as backend, pytest.raises(KeyboardInterrupt):
        backend.sweep(matrix(), Interrupted())
    assert blas_threads() == before
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("coupled_nmf")]


def blas_threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_blas_guard_counts_its_holders():
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        inside, leave = threading.Event(), threading.Event()

        def hold():
            with BLAS.one_thread():
                inside.set()
                leave.wait(10)

        other = threading.Thread(target=hold)
        with BLAS.one_thread():
            other.start()
            assert inside.wait(10)
            assert blas_threads() == {1}
            assert BLAS.n_threads(None) == max(before)
        assert blas_threads() == {1}, "the first to leave must not free BLAS under the second"
        leave.set()
        other.join()
        assert blas_threads() == before


@pytest.mark.parametrize("where", ["threading", "loky"])
def test_a_parallel_grid_search_finds_what_a_serial_one_does_and_leaves_blas_alone(where):
    X, _, _ = make_coupled_blocks(4000, {"a": 300, "b": 20}, 3, noise=0.1, random_state=0)
    estimator = CoupledNMF(init="random", max_iter=5, tol=0, random_state=0)
    before = blas_threads()
    scores = []
    for n_jobs in (None, 2):
        search = GridSearchCV(estimator, {"n_components": [2, 3]}, cv=2, n_jobs=n_jobs)
        with parallel_config(where):
            scores.append(search.fit(X).cv_results_["mean_test_score"])
    np.testing.assert_array_equal(*scores)
    assert blas_threads() == before


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("alike", [0.0, 1e-3])
def test_components_that_are_alike_are_solved_for_exactly(alike, dtype):
    """More components than X has dimensions, or nearly the same ones: sweeps crawl, active sets do not."""
    rng = np.random.RandomState(0)
    H = rng.uniform(size=(30, 8)) if alike == 0 else 1 + alike * rng.uniform(size=(30, 60))
    x = rng.uniform(size=(50, 4)) @ rng.uniform(size=(4, H.shape[1]))
    gram, cross = (H @ H.T).astype(dtype), (x @ H.T).astype(dtype)
    V = np.zeros((50, 30), dtype=dtype)
    solve_exactly(V, gram, cross, np.arange(50))
    assert V.min() >= 0
    best = np.array([nnls(H.T, row)[1] ** 2 for row in x])
    found = np.sum((x - V.astype(np.float64) @ H) ** 2, axis=1)
    slack = 1e-5 if dtype == np.float32 else 1e-10
    assert np.all(found <= best + slack * np.sum(x**2, axis=1))
