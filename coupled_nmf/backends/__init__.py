"""Where the work runs: one module a backend, chosen by name."""

from typing import Any

from coupled_nmf.backends.numpy import NumpyBackend
from coupled_nmf.tiled import TiledMatrix

BACKENDS = {"numpy": NumpyBackend}


def open_backend(name: str, X: TiledMatrix, n_jobs: int | None) -> Any:
    """The backend of that name for X; 'auto' goes by where X is."""
    return NumpyBackend(n_jobs)


__all__ = ["BACKENDS", "NumpyBackend", "open_backend"]
