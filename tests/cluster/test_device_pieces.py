"""What a worker does with a piece whose rows are on a device, here the emulated one: as with one in memory."""

import pickle
import sys

import numpy as np
import pytest
from places import emulate

from coupled_nmf import Blocks, make_coupled_blocks
from coupled_nmf.backends.cpu.backend import OBJECTIVES, NumpyBackend
from coupled_nmf.backends.dask.on_device import LOSSES, OnDevice
from coupled_nmf.backends.dask.pieces import make_pieces
from coupled_nmf.data.tiled_matrix import TiledMatrix
from coupled_nmf.problem.penalties import Penalties
from coupled_nmf.problem.problem import Gaps, Problem
from coupled_nmf.problem.sample_weights import NO_WEIGHTS
from coupled_nmf.problem.solvers import HALS, MultiplicativeUpdate

N, SIZES = 50, {"a": 12, "b": 8}


@pytest.fixture
def cupy(monkeypatch):
    """CuPy's stand-in."""
    emulate(monkeypatch)
    return sys.modules["cupy"]


@pytest.fixture(scope="module")
def gappy():
    """Blocks that samples lack, and entries alone."""
    X = make_coupled_blocks(N, SIZES, 3, noise=0.2, random_state=0)[0]
    blocks = {name: np.array(X[name]) for name in X.names}
    blocks["a"][np.random.default_rng(0).uniform(size=(N, 12)) < 0.1] = np.nan
    blocks["b"][::3] = np.nan
    return Blocks(blocks)


def test_each_loss_of_the_cpu_is_there():
    assert set(LOSSES) == set(OBJECTIVES)


def loss_on(X, put, loss, passes):
    """A loss on blocks with gaps, and weights, held where ``put`` puts them."""
    X = TiledMatrix([put(X[name]) for name in X.names], X.layout, np.dtype(float))
    absent, scattered, (squares, totals, entries, _) = passes.look(X, NO_WEIGHTS)
    gaps = Gaps(absent, scattered, np.unique(absent, axis=0), np.zeros(X.shape[1], bool))
    problem = Problem(X, np.array([0.5, 2.0]), np.linspace(0, 2, N), squares, totals, entries, gaps)
    return passes.objective(loss, problem, Penalties(0.1, 0.2, np.array([0.3, 0.0]), np.array([0.0, 0.4])))


@pytest.mark.parametrize("loss", OBJECTIVES)
def test_moves_are_those_of_the_cpu_whatever_came_before(gappy, cupy, loss):
    """In place and extrapolated, of several ranks, and after sums of an F that stays."""
    rng, plain = np.random.default_rng(0), (0.0, 0.0)
    rule = HALS(2) if loss == "frobenius" else MultiplicativeUpdate(2)
    with NumpyBackend(1) as backend:
        cpu = loss_on(gappy, np.asarray, loss, backend)
        device = loss_on(gappy, cupy.asarray, loss, OnDevice(backend))
        moves = [(3, plain), (3, plain), (3, (0.3, 0.6)), (3, (0.0, 0.5)), (2, (0.3, 0.6)), (2, plain)]
        for number, (k, betas) in enumerate(moves):
            F, other, H = (rng.random(shape) for shape in ((N, k), (N, k), (k, gappy.shape[1])))
            found = []
            for one in (cpu, device, device):
                moved = other.copy()
                before = moved if betas == plain or loss != "frobenius" else F
                found.append((*one.move_f(rule, cpu.point_of(H), before, moved, betas), moved))
            for one in (cpu, device, device) if number == 0 else ():
                found.append((*one.sums_of(F[:, :2], H[:2]), *one.solved(H)[1]))
            for place in range(0, len(found), 3):
                expected, first, second = found[place : place + 3]
                for sums in zip(expected, first, second, strict=True):
                    assert sums[0].shape == sums[1].shape
                    np.testing.assert_allclose(sums[1], sums[0], rtol=1e-8, atol=1e-10)
                    np.testing.assert_array_equal(sums[1], sums[2])


def test_a_piece_that_is_sent_has_its_rows_on_a_device_again(gappy, cupy):
    places = np.array([0, -1, 1])
    given = [(cupy.asarray(np.asarray(gappy["a"])[:3]), None), (cupy.asarray(np.asarray(gappy["b"])[:2]), places)]
    (piece,) = make_pieces(5, [slice(100, 103)], gappy.layout, np.dtype(float), [given], [NO_WEIGHTS])
    assert sys.getsizeof(piece) > 8 * (3 * 12 + 2 * 8), "by which Dask has tasks go where it is"
    again = pickle.loads(pickle.dumps(piece))
    assert again.X.on_device
    assert (again.number, again.X.first_row) == (5, 100)
    for part, sent in zip(piece.X.tile(slice(0, 3)), again.X.tile(slice(0, 3)), strict=True):
        np.testing.assert_array_equal(sent, part)
