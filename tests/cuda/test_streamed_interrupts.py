"""Ctrl-C while the device works on X: it is heard between tiles, and costs no iteration that is whole."""

import signal

import numpy as np
import pytest
from places import emulate

from coupled_nmf import CoupledNMF, make_coupled_blocks
from coupled_nmf.backends.cuda import matrix
from coupled_nmf.backends.cuda.scan import look_at

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
PARAMS = {"n_components": 3, "init": "random", "tol": 0, "random_state": 0, "backend": "cupy"}
TILES = 3


class Pressing:
    """An array outside memory; Ctrl-C is pressed while it is read for the time with that number, from 1."""

    def __init__(self, array, press_in=0):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.starts, self._press_in = [], press_in

    def __getitem__(self, rows):
        self.starts.append(rows.start)
        if len(self.starts) == self._press_in:
            signal.raise_signal(signal.SIGINT)
        return self.array[rows]


@pytest.fixture
def X(monkeypatch):
    """What makes three tiles on an emulated device."""
    emulate(monkeypatch)
    monkeypatch.setattr(matrix, "MOST_ROWS", 128)
    return make_coupled_blocks(301, {"a": 20, "b": 11}, 3, noise=0.2, random_state=0)[0].to_array()


@pytest.mark.parametrize("share", [0.9, 0.0], ids=["copied", "streamed"])
def test_an_interrupt_in_the_first_look_is_heard_at_the_next_tile(X, share, monkeypatch):
    monkeypatch.setattr(matrix, "SHARE", share)
    source = Pressing(X, press_in=2)
    with pytest.raises(KeyboardInterrupt):
        CoupledNMF(**PARAMS).fit(source)
    assert source.starts == [0, 128]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_is_heard_between_tiles_that_lie_on_the_device_too(X, monkeypatch):
    looked = []

    def press(*arguments):
        looked.append(len(looked))
        signal.raise_signal(signal.SIGINT)
        return look_at(*arguments)

    monkeypatch.setattr("coupled_nmf.backends.cuda.scan.look_at", press)
    with pytest.raises(KeyboardInterrupt):
        CoupledNMF(**PARAMS).fit(X)
    assert looked == [0]


@pytest.mark.parametrize("solver", ["hals", "mu"])
def test_an_interrupt_inside_an_iteration_leaves_the_one_before(X, solver, monkeypatch):
    monkeypatch.setattr(matrix, "SHARE", 0.0)
    expected = CoupledNMF(**PARAMS, solver=solver, max_iter=2).fit(X)
    source = Pressing(X, press_in=TILES * (1 + 2) + 2)  # the look, two iterations, and the second tile of the third
    with pytest.warns(UserWarning, match="was interrupted, and is fitted to iteration 2"):
        model = CoupledNMF(**PARAMS, solver=solver, max_iter=50).fit(source)
    assert len(source.starts) == TILES * (1 + 2) + 2 + TILES, "what is left of the third is not read, but by the solve"
    np.testing.assert_array_equal(model.components_, expected.components_)
    assert model.objective_history_ == expected.objective_history_
    assert model.rmse_ == expected.rmse_


def test_an_interrupt_in_transform_comes_out(X, monkeypatch):
    monkeypatch.setattr(matrix, "SHARE", 0.0)
    model = CoupledNMF(**PARAMS, max_iter=2).fit(X)
    source = Pressing(X, press_in=TILES + 1)
    with pytest.raises(KeyboardInterrupt):
        model.transform(source)
    assert source.starts == [0, 128, 256, 0]
    np.testing.assert_array_equal(model.transform(Pressing(X)), model.transform(X))
