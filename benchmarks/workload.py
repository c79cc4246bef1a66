"""The paper's workload: 10,000 MNIST test images and the two layers of its network, 784 + 1440 + 320 features."""

import gzip
import os
import shutil
import tempfile
import time
import warnings
from functools import cache
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from cnn_probe import TrainingPlan, build_network, load_dataset, train
from cnn_probe.probing.recording import prepare, record
from coupled_nmf import CoupledNMF

MNIST = Path(os.environ.get("MNIST", Path(__file__).parents[2] / "shared" / "data" / "mnist"))


@cache
def mnist():
    """MNIST as an `ImageData`; ``MNIST`` in the environment says where the gzipped files lie."""
    with tempfile.TemporaryDirectory() as root:
        raw = Path(root) / "MNIST" / "raw"
        raw.mkdir(parents=True)
        for file in MNIST.glob("*.gz"):
            with gzip.open(file) as packed, open(raw / file.stem, "wb") as plain:
                shutil.copyfileobj(packed, plain)
        return load_dataset("mnist", root)


@cache
def paper_workload():
    """Blocks of shape (10000, 2544), float32."""
    data = mnist()
    network = build_network(1, 28, 10, seed=0)
    train(network, data.train, TrainingPlan(seed=0))
    return record(prepare(network, data.test, layers=network.paper_layers, pool="whole")).X


@cache
def paper_array():
    """The same side by side, for peers that take one array."""
    return paper_workload().to_array()


def true_loss(F, H):
    """‖X − FH‖² of the returned factors, from X, in float64."""
    X, total = paper_array(), 0.0
    for start in range(0, len(X), 1000):
        rows = slice(start, start + 1000)
        total += float(np.sum((X[rows].astype(np.float64) - F[rows].astype(np.float64) @ H.astype(np.float64)) ** 2))
    return total


def warm_up():
    """Compile what a fit calls, and let runs of a fixed length end without a warning."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    CoupledNMF(10, random_state=0, max_iter=2).fit(paper_workload())


def timed(call):
    """Seconds, and what the call returns; after a rest, in which the threads of the call before fall asleep."""
    time.sleep(0.2)
    began = time.perf_counter()
    found = call()
    return time.perf_counter() - began, found


def iteration_seconds(model, X):
    """The median between two calls of a callback while the model is fitted."""
    marks = []
    model.set_params(callbacks=[lambda info: marks.append(info.seconds)])
    timed(lambda: model.fit(X))
    return float(np.median(np.diff(marks)))


def spread(values):
    """Median, smallest and largest."""
    return {"median": float(np.median(values)), "min": float(np.min(values)), "max": float(np.max(values))}


def geometric_mean(values):
    """Geometric mean."""
    return float(np.exp(np.mean(np.log(values))))
