"""Which backend, by name and by where X is."""

import importlib
import sys
from collections.abc import Callable

import numpy as np

from coupled_nmf.backends.cpu.backend import NumpyBackend
from coupled_nmf.data.tiled_matrix import TiledMatrix
from coupled_nmf.problem.contracts import Backend
from coupled_nmf.system.blas import BLAS
from coupled_nmf.system.notices import warn_caller


def _cupy_backend(X: TiledMatrix, rank: int, precision: str, n_jobs: int | None) -> Backend:
    """The backend of the GPU, loaded where it is asked for."""
    opened: Backend = importlib.import_module("coupled_nmf.backends.cuda.backend").CupyBackend(
        X, rank, precision, n_jobs
    )
    return opened


def _dask_backend(X: TiledMatrix, rank: int, precision: str, n_jobs: int | None) -> Backend:
    """The backend of a cluster, loaded where it is asked for."""
    opened: Backend = importlib.import_module("coupled_nmf.backends.dask.backend").DaskBackend(X, n_jobs)
    return opened


def _has_client() -> bool:
    """Whether this process has a client of a cluster; if nobody has loaded what makes one, it has none."""
    if "distributed" not in sys.modules:
        return False
    return importlib.import_module("coupled_nmf.backends.dask.cluster").current_client() is not None


# By its name, what opens a backend for X, and fits of a rank, in a precision, with so many threads.
BACKENDS: dict[str, Callable[[TiledMatrix, int, str, int | None], Backend]] = {
    "numpy": lambda X, rank, precision, n_jobs: NumpyBackend(n_jobs),
    "cupy": _cupy_backend,
    "dask": _dask_backend,
}
PRECISIONS = ("full", "tf32")


def open_backend(name: str, X: TiledMatrix, rank: int, n_jobs: int | None, precision: str) -> Backend:
    """The backend of that name for X, and fits of that rank; 'auto' goes by where X is.

    Raises
    ------
    ValueError
        If the precision is not one of this backend, or of X's dtype, or ``n_jobs`` is 0.
    ImportError, RuntimeError
        If it is that of the GPU and CuPy or a device is missing.
    """
    BLAS.n_threads(n_jobs)  # refuses what cannot be, wherever the work runs
    if name == "auto":
        name = "cupy" if X.on_device else "dask" if X.is_dask and _has_client() else "numpy"
        if X.is_dask and name == "numpy":
            warn_caller(
                "X holds Dask arrays, and this process has no distributed.Client: they are read tile by tile, and "
                "fitted in this process; backend='numpy' says nothing."
            )
    if precision == "tf32" and (name != "cupy" or X.dtype != np.float32):
        raise ValueError(
            f"precision='tf32' is for X in float32 on backend='cupy'; this X is {X.dtype}, on {name!r}. Use 'full'."
        )
    return BACKENDS[name](X, rank, precision, n_jobs)
