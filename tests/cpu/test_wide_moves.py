"""Moves of F on an X of few rows, by ranges of its columns, against those by tiles of rows."""

import numpy as np
import pytest

from coupled_nmf import Blocks, CoupledNMF
from coupled_nmf.backends.cpu.backend import NumpyBackend
from coupled_nmf.backends.cpu.losses import frobenius
from coupled_nmf.backends.cpu.moves import wide
from coupled_nmf.backends.cpu.moves.by_rows import MoveF
from coupled_nmf.backends.cpu.moves.wide import Ranges, move_wide, pays_by_ranges
from coupled_nmf.data.blocks import BlockLayout
from coupled_nmf.data.tiled_matrix import TiledMatrix
from coupled_nmf.problem.sample_weights import NO_WEIGHTS
from coupled_nmf.problem.solvers import HALS, MultiplicativeUpdate

WIDTHS = (1700, 1, 2399)  # ranges of columns begin and end within blocks


def matrix(n, dtype, widths=WIDTHS):
    parts = [np.random.default_rng(width).random((n, width)).astype(dtype) for width in widths]
    return TiledMatrix(parts, BlockLayout(tuple("abc"[: len(widths)]), widths), np.dtype(dtype))


@pytest.mark.parametrize("rule", [HALS(3), HALS(0), MultiplicativeUpdate(1)])
@pytest.mark.parametrize(("k", "dtype", "tol"), [(1, "f", 1e-5), (20, "f", 1e-5), (101, "f", 1e-4), (7, "d", 1e-12)])
@pytest.mark.parametrize("case", ["plain", "extrapolated", "weighted"])
@pytest.mark.parametrize("n", [1, 50, 200])
def test_f_moves_and_is_summed_as_by_rows(n, case, k, dtype, tol, rule):
    X, rng = matrix(n, dtype), np.random.default_rng(0)
    R, F, before = (rng.random(shape).astype(dtype) for shape in ((k, X.shape[1]), (n, k), (n, k)))
    gram = R @ R.T + np.eye(k, dtype=dtype)
    weights = rng.random(n) if case == "weighted" else NO_WEIGHTS
    betas, penalties = ((0.0, 0.0), (0.0, 0.0)) if case == "plain" else ((0.5, 0.7), (0.1, 1.0))
    expected_F, found_F = F.copy(), F.copy()
    others = (expected_F, found_F) if case == "plain" else (before.copy(), before.copy())
    with NumpyBackend(2) as backend:
        step = MoveF(X, rule, R, gram, *betas, [], *penalties)
        expected = backend.sweep(X, step, expected_F, others[0], weights)
        found = move_wide(backend, Ranges(X), step, found_F, others[1], weights)
    np.testing.assert_allclose(others[1], others[0], rtol=tol, atol=tol)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == np.float64
        np.testing.assert_allclose(one, other, rtol=tol, atol=tol * np.abs(other).max())


@pytest.mark.parametrize("solver", ["hals", "mu"])
def test_a_wide_fit_has_the_same_bits_on_any_number_of_threads_and_the_factors_of_one_by_rows(solver, monkeypatch):
    calls = []
    monkeypatch.setattr(wide, "move_wide", lambda *given: calls.append(1) or move_wide(*given))
    rng = np.random.default_rng(0)
    X = Blocks({"a": rng.random((60, 9000)), "b": rng.random((60, 7000))})
    penalties = {"alpha_F": 1e-4, "alpha_H": 1e-4, "l1_ratio": 0.5}
    settings = {"solver": solver, "init": "random", "max_iter": 8, "tol": 0, "random_state": 0, **penalties}
    weights = rng.random(60)

    def factors(n_jobs):
        model = CoupledNMF(5, n_jobs=n_jobs, **settings)
        return model.fit_transform(X, sample_weight=weights), model.components_

    one, two = factors(1), factors(2)
    assert len(calls) == 16
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)
    monkeypatch.setattr(frobenius, "pays_by_ranges", lambda X, k: False)
    for a, b in zip(one, factors(2), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_wide_fit_has_the_same_bits_however_x_lies_in_memory(dtype, tmp_path):
    X = np.random.default_rng(0).random((60, 9000)).astype(dtype)
    np.save(tmp_path / "X.npy", np.asfortranarray(X))
    twice = np.zeros((60, 18000), dtype)
    twice[:, ::2] = X
    settings = {"max_iter": 8, "tol": 0, "random_state": 0}
    expected = CoupledNMF(8, **settings).fit(X).components_
    mapped, swapped = np.load(tmp_path / "X.npy", mmap_mode="r"), X.astype(X.dtype.newbyteorder())
    for same in (np.asfortranarray(X), mapped, twice[:, ::2], swapped):
        assert pays_by_ranges(TiledMatrix([same], BlockLayout(("X",), (9000,)), X.dtype), 8)
        np.testing.assert_array_equal(CoupledNMF(8, **settings).fit(same).components_, expected)


def test_weights_of_any_size_count_in_double():
    X, weights = np.random.default_rng(0).random((60, 9000)).astype(np.float32), np.logspace(0, 40, 60)
    model = CoupledNMF(8, max_iter=5, tol=0, random_state=0).fit(X * np.float32(1e-12), sample_weight=weights)
    assert np.all(np.isfinite(model.components_))


def test_ranges_are_for_dense_and_wide_arrays_in_memory():
    assert pays_by_ranges(matrix(50, "f"), 20)
    assert not pays_by_ranges(matrix(50, "f"), 2), "one thread does that at once"
    assert not pays_by_ranges(matrix(400, "f"), 20), "tiles of rows are as many as threads want"
    assert not pays_by_ranges(matrix(200, "f", (700, 800)), 50), "not wide"
    assert wide.WIDE * 400 < sum(WIDTHS) > wide.WIDE * 200
