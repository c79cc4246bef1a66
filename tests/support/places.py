"""Where tests of the estimator run: here, on the emulated device, on a GPU, or on a cluster in this process.

``PLACES=cluster`` in the environment has them run there alone: what passes between tasks takes longer than the rest.
"""

from __future__ import annotations

import atexit
import functools
import importlib
import itertools
import os
import shutil
import sys
from typing import Any

import pytest

# Where the tests of a backend run; of one that is not named here, in one place of its own name, which needs nothing.
PLACES_OF = {"numpy": ("cpu",), "cupy": ("emulated", "gpu"), "dask": ("cluster",)}
PIECES = 3  # into which X is cut on the cluster


def places() -> list[Any]:
    """Where the tests that run on every backend run: on a GPU, too, if there is one."""
    found = [place for name in _backends() for place in PLACES_OF.get(name, (name,)) if place != "gpu" or has_gpu()]
    asked = os.environ.get("PLACES", "").split(",")
    found = [place for place in found if (place in asked if asked != [""] else place != "cluster")]
    return [pytest.param(place, marks=pytest.mark.gpu) if place == "gpu" else place for place in found]


def backend_of(place: str) -> str:
    """The name of the backend whose tests run there."""
    return next(name for name in _backends() if place in PLACES_OF.get(name, (name,)))


def _backends() -> list[str]:
    return list(importlib.import_module("coupled_nmf.backends.choice").BACKENDS)


def make_ready(place: str, patch: pytest.MonkeyPatch) -> None:
    """Put what a place needs where it is looked for; skip what cannot run there."""
    if place == "emulated":
        emulate(patch)
    elif place == "gpu":
        need_gpu()
    elif place == "cluster":
        need_cluster(patch)


def emulate(patch: pytest.MonkeyPatch) -> None:
    """Put a CuPy in place that works in the host's memory, by kernels compiled for the host."""
    if shutil.which("g++") is None:
        pytest.skip("g++, which compiles the kernels for the host, is not installed")
    patch.setitem(sys.modules, "cupy", importlib.import_module("emulation.cupy"))


def need_cluster(patch: pytest.MonkeyPatch) -> None:
    """Begin a cluster of two workers in this process, for all tests; X is cut into some pieces, however small."""
    pytest.importorskip("distributed")
    _cluster()

    def pieces_of(X: Any) -> list[slice]:
        edges = sorted({round(X.shape[0] * i / PIECES) for i in range(PIECES + 1)})
        return [slice(a, b) for a, b in itertools.pairwise(edges)]

    patch.setattr("coupled_nmf.backends.dask.workers.cut", pieces_of)


@functools.cache
def _cluster() -> Any:
    distributed = importlib.import_module("distributed")
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0", silence_logs=50
    )
    client = distributed.Client(cluster)
    atexit.register(cluster.close)
    atexit.register(client.close)
    return client


@functools.cache
def has_gpu() -> bool:
    """Whether there is an NVIDIA GPU, and CuPy."""
    try:
        return bool(importlib.import_module("cupy").cuda.is_available())
    except ImportError:
        return False


def need_gpu() -> None:
    """Skip where there is none."""
    if not has_gpu():
        pytest.skip("there is no NVIDIA GPU, or no CuPy")
