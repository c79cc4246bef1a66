"""Moves of F on an X of few rows, by ranges of its columns, against those by tiles of rows."""

import numpy as np
import pytest

from coupled_nmf import Blocks, CoupledNMF
from coupled_nmf.backends.cpu.backend import NumpyBackend
from coupled_nmf.backends.cpu.losses import frobenius
from coupled_nmf.backends.cpu.moves import wide
from coupled_nmf.backends.cpu.moves.wide import Ranges, move_wide, pays_by_ranges
from coupled_nmf.backends.cpu.tile_step import MoveF
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
    monkeypatch.setattr(frobenius, "move_wide", lambda *given: calls.append(1) or move_wide(*given))
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


def test_ranges_are_for_dense_and_wide_arrays_that_are_read_as_they_are():
    assert pays_by_ranges(matrix(50, "f"), 20)
    assert not pays_by_ranges(matrix(50, "f"), 2), "one thread does that at once"
    assert not pays_by_ranges(matrix(800, "f"), 20), "tiles of rows are as many as threads want"
    assert not pays_by_ranges(matrix(200, "f", (700, 800)), 50), "not wide"
    copied = TiledMatrix([np.ones((50, 4100), np.float16)], BlockLayout(("a",), (4100,)), np.dtype("f"))
    assert not pays_by_ranges(copied, 20)
    assert wide.WIDE * 800 > sum(WIDTHS) > wide.WIDE * 200
