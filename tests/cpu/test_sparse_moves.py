"""Moves of F on an X that is held by rows and by columns, against those by rows alone."""

import numpy as np
import pytest
import scipy.sparse as sp

from coupled_nmf import Blocks, CoupledNMF
from coupled_nmf.backends.cpu.backend import NumpyBackend
from coupled_nmf.backends.cpu.kernels import compiled
from coupled_nmf.backends.cpu.moves import sparse as sparse_moves
from coupled_nmf.backends.cpu.moves.by_rows import MoveF
from coupled_nmf.backends.cpu.moves.sparse import MoveSparseF, SparseMoves, by_columns, pays_by_columns, turned_room
from coupled_nmf.backends.cpu.tile_step import gate
from coupled_nmf.data import tile_heights
from coupled_nmf.data.blocks import BlockLayout
from coupled_nmf.data.tiled_matrix import TiledMatrix
from coupled_nmf.problem.sample_weights import NO_WEIGHTS
from coupled_nmf.problem.solvers import HALS, MultiplicativeUpdate

N, WIDTHS = 300, (170, 1, 400)


def matrix(dtype, widths=WIDTHS, n=N, density=0.05):
    parts = [
        sp.random(n, width, density=density, format="csr", dtype=dtype, random_state=i)
        for i, width in enumerate(widths)
    ]
    names = tuple("abcdef"[: len(widths)])
    return TiledMatrix(parts, BlockLayout(names, widths), np.dtype(dtype)), sp.hstack(parts).toarray()


def swept(X, k=2):
    """Sums of a sweep by columns."""
    F, R = np.ones((X.shape[0], k), X.dtype), np.ones((k, X.shape[1]), X.dtype)
    with NumpyBackend(1) as backend:
        step = MoveSparseF(X, HALS(0), backend.sparse_moves.turned(R), np.eye(k, dtype=X.dtype), 0.0, 0.0)
        return backend.sparse_moves.sweep(backend, step, F, F, NO_WEIGHTS)


@pytest.fixture
def small(monkeypatch):
    """Several tiles and several blocks of samples."""
    monkeypatch.setattr(sparse_moves, "COLUMN_BLOCK", 128)
    monkeypatch.setattr(tile_heights, "SPARSE_TILE", 1000)
    monkeypatch.setattr("coupled_nmf.backends.cpu.sweep.ALONE", 0)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("rule", [HALS(3), HALS(0), HALS(2, fixed=1), MultiplicativeUpdate(1)])
@pytest.mark.parametrize(("k", "dtype", "tol"), [(1, "f", 1e-5), (20, "f", 1e-5), (101, "f", 1e-4), (7, "d", 1e-13)])
@pytest.mark.parametrize("case", ["plain", "extrapolated", "weighted"])
def test_f_moves_and_is_summed_as_by_rows(rule, k, dtype, tol, case):
    X, dense = matrix(dtype)
    rng = np.random.default_rng(0)
    R, F, before = (rng.random(shape).astype(dtype) for shape in ((k, X.shape[1]), (N, k), (N, k)))
    gram = R @ R.T + np.eye(k, dtype=dtype)
    weights = rng.random(N) if case == "weighted" else NO_WEIGHTS
    betas, penalties = ((0.0, 0.0), (0.0, 0.0)) if case == "plain" else ((0.5, 0.7), (0.1, 1.0))
    with NumpyBackend(2) as backend:
        others = before.copy(), before.copy()
        expected = backend.sweep(X, MoveF(X, rule, R, gram, *betas, [], *penalties), F, others[0], weights)
        moves = backend.sparse_moves
        step = MoveSparseF(X, rule, moves.turned(R), gram, *betas, *penalties)
        found = moves.sweep(backend, step, F, others[1], weights)
    np.testing.assert_array_equal(others[0], others[1])
    assert np.any(others[0] != before)
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(other, one, rtol=tol, atol=tol * max(1, np.abs(one).max()))
    if case == "plain":
        np.testing.assert_allclose(found[0], others[1].T @ dense, rtol=10 * tol)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("dtype", ["f", "d"])
def test_a_fit_has_the_same_bits_on_any_number_of_threads_and_the_factors_of_a_dense_one(dtype):
    X, dense = matrix(dtype)
    assert pays_by_columns(X)
    given = Blocks(dict(zip(X.layout.names, X.layout.split(dense).values(), strict=True)))
    sparse = Blocks({name: sp.csr_array(given[name]) for name in given.names})
    fits = [
        CoupledNMF(5, init="random", max_iter=40, tol=0, random_state=0, n_jobs=n_jobs, alpha_F=1e-3).fit(one)
        for n_jobs, one in ((1, sparse), (2, sparse), (3, sparse), (1, given))
    ]
    for fit in fits[1:3]:
        np.testing.assert_array_equal(fit.components_, fits[0].components_)
    assert np.all(np.diff(fits[0].objective_history_) <= 1e-6 * fits[0].objective_history_[0])
    assert fits[0].objective_history_[-1] == pytest.approx(fits[3].objective_history_[-1], rel=1e-3)


@pytest.mark.usefixtures("small")
def test_x_is_turned_once_for_many_fits_and_not_where_it_is_passed_over_once(monkeypatch):
    X, _ = matrix("d")
    turned = []
    monkeypatch.setattr(sparse_moves, "by_columns", lambda tile: turned.append(len(tile[0])) or by_columns(tile))
    for _ in range(2):
        swept(X)
    assert turned == [128, 128, 44]
    batch = sp.random(N, 500, density=0.05, format="csr", random_state=0)
    model = CoupledNMF(3, random_state=0).partial_fit(batch)  # the first is fitted
    turned.clear()
    model.partial_fit(batch)
    assert not turned


def test_what_stays_by_rows(monkeypatch):
    assert pays_by_columns(matrix("f")[0])
    assert not pays_by_columns(matrix("f", (40,), n=5000)[0])
    gaps = sp.random(40, 60, density=0.2, format="csr", random_state=0)
    gaps.data[3] = np.nan
    model = CoupledNMF(2, random_state=0, max_iter=3, tol=0)
    assert pays_by_columns(TiledMatrix([gaps], BlockLayout(("a",), (60,)), np.dtype("d")))
    with monkeypatch.context() as patched:
        patched.setattr(sparse_moves, "by_columns", None)  # it would be called
        assert np.isfinite(model.fit(gaps).components_).all()
    mixed = [np.ones((4, 3)), sp.csr_array(np.ones((4, 500)))]
    assert not pays_by_columns(TiledMatrix(mixed, BlockLayout(("a", "b"), (3, 500)), np.dtype("d")))


def test_long_columns_are_added_up_in_double(monkeypatch):
    n = 2**18  # in float32 alone, sums of as many would be 2e-3 off
    monkeypatch.setattr(sparse_moves, "COLUMN_BLOCK", n)
    column = np.full((n, 1), 0.1, np.float32)
    X = TiledMatrix([sp.csr_array(column)], BlockLayout(("a",), (1,)), np.dtype("f"))
    np.testing.assert_allclose(swept(X)[0], column.sum(dtype=np.float64), rtol=1e-4)


def test_few_entries_are_held_in_few_blocks(monkeypatch):
    monkeypatch.setattr(sparse_moves, "COLUMN_BLOCK", 1)
    heights = []
    monkeypatch.setattr(sparse_moves, "by_columns", lambda tile: heights.append(len(tile[0])) or by_columns(tile))
    X, _ = matrix("d", (200,), density=0.01)  # two of a column are 200 samples'
    swept(X)
    assert heights == [200, 100]


def test_a_point_that_was_given_up_is_turned_anew():
    X, _ = matrix("d")
    rng = np.random.default_rng(0)
    given_up, R = rng.random((2, 3, X.shape[1]))
    moves = SparseMoves()
    moves.turned(R)
    moves.room_for(given_up)[:] = np.nan
    np.testing.assert_array_equal(moves.turned(R)[:, :3], R.T)


BAD = {
    "lines": {"G": np.zeros((4, 9))},
    "stride": {"G": np.zeros((4, 16))[:, 8:]},
    "narrow": {"G": np.zeros((4, 0))},
    "rows": {"G": np.zeros((3, 8))},
    "dtype": {"G": np.zeros((4, 16), np.float32)},
    "sums": {"FtX": np.zeros((2, 4))},
    "columns": {"last": 6},
    "order": {"first": 3, "last": 2},
}


@pytest.mark.parametrize("case", BAD)
def test_sums_of_columns_are_entered_with_the_arrays_that_they_expect_alone(case):
    X = matrix("d", (5,), n=4, density=0.5)[0]
    swept(X)
    columns = X.by_columns
    assert columns.n_bytes == X.stored * 12 + 8 * 6
    good = {"columns": columns, "G": np.zeros((4, 8)), "first": 0, "last": 5, "FtX": np.zeros((2, 5))}
    compiled.sum_columns(**good)
    with pytest.raises((TypeError, ValueError)):
        compiled.sum_columns(**good | BAD[case])


@pytest.mark.parametrize(
    "turned",
    [
        np.zeros((5, 9)), np.zeros((4, 8)), np.zeros((5, 16), np.float32), np.zeros((5, 16))[:, 8:], np.zeros((8, 5)).T,
        np.broadcast_to(0.0, (5, 8)),
    ],
)  # fmt: skip
def test_what_is_turned_is_written_to_whole_lines_alone(turned):
    H = np.arange(10.0).reshape(2, 5)
    good = turned_room(5, 2, H.dtype)
    compiled.turn_over(H, good)
    np.testing.assert_array_equal(good[:, :2], H.T)
    with pytest.raises((TypeError, ValueError)):
        compiled.turn_over(H, turned)


def test_what_sparse_rows_of_many_blocks_leave():
    X, dense = matrix("d")
    rng = np.random.default_rng(0)
    F, H, weights = rng.random((N, 3)), rng.random((3, X.shape[1])), rng.random(N)
    H_b = list(X.layout.split(H).values())
    squares, bounds = np.zeros(3), X.layout.bounds
    one = TiledMatrix([sp.csr_array(dense)], X.layout, X.dtype)  # three blocks in a part
    for some in (X, one):
        squares[:] = 0
        grams = np.stack([part @ part.T for part in H_b])
        compiled.residual_tile(gate(some, some.tile(slice(0, N))), F, H, grams, bounds, weights, squares)
        expected = [weights @ np.sum(part**2, axis=1) for part in X.layout.split(dense - F @ H).values()]
        np.testing.assert_allclose(squares, expected, rtol=1e-12)


def test_sums_that_are_left_free_are_taken_by_who_asks_for_such():
    other, wanted = (np.ones((2, 3)),), (np.ones((4, 5)),)
    free = [wanted, other]
    (found,) = NumpyBackend(1, free).totals([(4, 5)])
    assert found is wanted[0]
    assert not found.any()
    assert len(free) == 1
    assert free[0] is other


def test_a_tile_with_a_dense_part_is_not_moved_as_a_sparse_one():
    x = np.ones((4, 5))
    layout = BlockLayout(("a",), (5,))
    F = np.zeros((4, 2))
    with pytest.raises(ValueError, match="not sparse"):
        compiled.move_sparse_tile(
            "hals", 1, 0, gate(TiledMatrix([x], layout, x.dtype), [x]), turned_room(5, 2, x.dtype), np.eye(2), 0.0, 0.0,
            F, F, 0.0, 0.0, NO_WEIGHTS, turned_room(4, 2, x.dtype), np.zeros((2, 2)), np.zeros(2),
        )  # fmt: skip
