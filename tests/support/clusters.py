"""Fits on clusters of this machine, beside those here."""

from __future__ import annotations

import hashlib
import importlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf import Blocks, CoupledNMF

N, SIZES, K = 700, {"a": 30, "b": 20}, 4
PLAIN = {"n_components": K, "max_iter": 12, "tol": 0, "random_state": 0}


def cluster_of(n_workers: int, **how: Any) -> Any:
    """Workers of one thread each, in processes of their own unless ``processes`` is False."""
    return importlib.import_module("distributed").LocalCluster(
        n_workers=n_workers, threads_per_worker=1, dashboard_address=":0", silence_logs=50, **how
    )


def spread(X: Blocks, rows: Any, columns: Any = 17) -> Blocks:
    """The same blocks as Dask arrays, in chunks."""
    da = importlib.import_module("dask.array")
    return Blocks({name: da.from_array(np.asarray(X[name]), chunks=(rows, columns)) for name in X.names})


def digest(model: CoupledNMF, F: NDArray[Any]) -> str:
    """One of all bits of both factors."""
    return hashlib.sha256(model.components_.tobytes() + np.ascontiguousarray(F).tobytes()).hexdigest()


def fitted(X: Any, **params: Any) -> tuple[CoupledNMF, Any]:
    """A fit, and its F."""
    model = CoupledNMF(**PLAIN | params)
    return model, model.fit_transform(X)


def wait_until(true: Callable[[], Any], seconds: float, what: object = "") -> None:
    """Wait so long at most."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
