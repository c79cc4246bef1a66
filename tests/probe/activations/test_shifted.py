"""Rows that are shifted when they are read: a fit of them is a fit of the shifted array, to the last bit."""

import pickle
import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from cnn_probe.activations.store import Shifted, Store
from coupled_nmf import Blocks, CoupledNMF

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(700, 30)).astype(np.float32) + RNG.random((700, 1), dtype=np.float32)
MINIMA = ROWS.min(axis=0)
PIXELS = RNG.random((700, 20), dtype=np.float32)


def test_rows_and_shape():
    shifted = Shifted(ROWS, MINIMA)
    assert (shifted.shape, shifted.ndim, shifted.dtype, len(shifted)) == ((700, 30), 2, np.float32, 700)
    expected = ROWS - MINIMA
    for key in (slice(3, 9), slice(None), slice(690, 900), np.array([1, 5, 6]), [0, 699]):
        np.testing.assert_array_equal(shifted[key], expected[key])
        assert type(shifted[key]) is np.ndarray
    np.testing.assert_array_equal(np.asarray(shifted), expected)
    np.testing.assert_array_equal(Shifted(ROWS - 1, MINIMA)[:], np.maximum(ROWS - 1 - MINIMA, 0))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(shifted))[:], expected)
    for key in (3, (slice(3), 0)):
        with pytest.raises(IndexError, match="several rows alone"):
            shifted[key]
    with pytest.raises(ValueError, match=r"minima has shape \(29,\), and the rows have \(700, 30\)"):
        Shifted(ROWS, MINIMA[1:])


@pytest.mark.parametrize("solver", ["hals", "mu"])
def test_a_fit_equals_that_of_the_shifted_array(tmp_path, solver):
    with Store.open(tmp_path, {}, {"pixels": 20, "gelu": 30}, n=700) as store:
        store.write("pixels", slice(0, 700), PIXELS)
        store.write("gelu", slice(0, 700), ROWS)
        store.commit(700)
        store.finish({"gelu": MINIMA})
    fits = []
    for blocks in (store.arrays(), {"pixels": PIXELS, "gelu": ROWS - MINIMA}):
        model = CoupledNMF(4, solver=solver, max_iter=20, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            fits.append((model.fit_transform(Blocks(blocks)), model))
    (F, model), (expected_F, expected) = fits
    assert isinstance(store.arrays()["gelu"], Shifted)
    np.testing.assert_array_equal(F, expected_F)
    np.testing.assert_array_equal(model.components_, expected.components_)
    assert model.reconstruction_err_ == expected.reconstruction_err_
    later = Blocks({"gelu": Shifted(2 * ROWS[:50], MINIMA)})
    np.testing.assert_array_equal(
        model.transform(later), expected.transform(Blocks({"gelu": np.maximum(2 * ROWS[:50] - MINIMA, 0)}))
    )
