"""Activations on disk are fitted here and by workers, by the same call, and each worker reads its own rows."""

import pickle

import numpy as np
import pytest
import torch
from clusters import PLAIN, cluster_of
from torch import nn

from cnn_probe import open_store, probe
from cnn_probe.activations.store import Shifted
from coupled_nmf import Blocks, CoupledNMF

distributed = pytest.importorskip("distributed")

N = 701
HOW = {"n_components": 2, "max_iter": 30, "batch_size": 64, "inputs": 4}


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.GELU(), nn.Conv2d(4, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(48, 5))


@pytest.fixture(scope="module")
def pictures():
    return torch.rand(N, 1, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def store(network, pictures, tmp_path_factory):
    """Of layers that are shifted, whole and pooled, and one that is split."""
    folder = tmp_path_factory.mktemp("store")
    how = {"layers": ["1", "2", "3"], "negative": {"[12]": "shift", "3": "split"}, "pool": {"1": "mean", "2": "max"}}
    probe(network, pictures, store=folder, **HOW, **how)
    return folder


@pytest.mark.parametrize("params", [{}, {"solver": "mu", "init": "random"}], ids=["hals", "mu"])
def test_the_same_call_fits_here_and_there(store, params, monkeypatch):
    monkeypatch.setattr("coupled_nmf.backends.dask.cut.PIECE_BYTES", 10_000)
    X = open_store(store)
    assert X.names == ("pixels", "1", "2", "3", "3 (negative)")
    plain = Blocks({name: np.asarray(X[name][:]) for name in X.names})
    models = [CoupledNMF(**PLAIN | params), CoupledNMF(**PLAIN | params), CoupledNMF(**PLAIN | params, backend="dask")]
    expected, here, there = (model.fit_transform(given) for model, given in zip(models, [plain, X, X], strict=True))
    assert isinstance(there, np.ndarray)
    np.testing.assert_array_equal(here, expected)
    np.testing.assert_array_equal(models[1].components_, models[0].components_)
    np.testing.assert_allclose(there, expected, rtol=2e-3, atol=2e-4)  # in float32
    np.testing.assert_allclose(models[2].components_, models[0].components_, rtol=2e-3, atol=2e-4)


def test_workers_read_their_rows_themselves(store, monkeypatch):
    X = open_store(store)
    assert len(pickle.dumps(X)) < 2500
    assert isinstance(X["1"], Shifted)
    with cluster_of(2) as cluster, distributed.Client(cluster):

        def read_here(*arguments):
            raise AssertionError("the client has read a row")

        expected = CoupledNMF(**PLAIN, init="random").fit_transform(X)
        monkeypatch.setattr(Shifted, "__getitem__", read_here)
        found = CoupledNMF(**PLAIN, init="random", backend="dask").fit_transform(X)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_a_probe_is_fitted_there(network, pictures, tmp_path):
    """With its result here, that needs no cluster; and goes on from a checkpoint."""
    how = HOW | {"negative": "shift", "store": tmp_path / "store"}
    here = probe(network, pictures, **how)
    there = probe(network, pictures, record_on="workers", backend="dask", **how)
    assert type(there.F) is np.ndarray
    assert type(there.model.components_) is np.ndarray
    np.testing.assert_allclose(there.F, here.F, rtol=1e-2, atol=1e-3)
    assert (there.model.backend, there.model.checkpoint) == ("auto", None)

    how |= {"backend": "dask", "checkpoint": tmp_path / "kept"}
    expected = probe(network, pictures, **how | {"checkpoint": tmp_path / "unbroken"})

    def cut_off(what, done, total):
        if what == "fitting" and done == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        probe(network, pictures, progress=cut_off, **how)
    np.testing.assert_array_equal(probe(network, pictures, **how).F, expected.F)
