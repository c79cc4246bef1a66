"""Peers of `shapes`, each with its own defaults and its own stopping, and data in the form that it takes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from scipy.sparse import csc_matrix, csr_array, issparse

from benchmarks.shape_data import KULLBACK_LEIBLER

Fit = Callable[[], tuple[Any, Any]]


class Refused(Exception):
    """A peer is not there, or cannot take this."""


def scikit_learn(solver: str, seed: int = 0) -> Callable[[Any, int, str], Fit]:
    """NMF with the defaults of a solver."""
    from sklearn.decomposition import NMF

    def prepare(X: Any, rank: int, loss: str) -> Fit:
        if solver == "cd" and loss == KULLBACK_LEIBLER:
            raise Refused("cd has no Kullback–Leibler loss")

        def run() -> tuple[Any, Any]:
            model = NMF(rank, solver=solver, beta_loss=loss, random_state=seed)
            return model.fit_transform(X), model.components_

        return run

    return prepare


def nmf_torch(X: Any, rank: int, loss: str) -> Fit:
    """Its defaults are halsvar and the precision of 32 bits; of Kullback–Leibler it has mu alone."""
    try:
        import torch
        from nmf import run_nmf
    except ImportError as error:
        raise Refused("not installed") from error
    if issparse(X):
        raise Refused("takes no sparse array")
    torch.set_num_threads(os.cpu_count())
    options = {"algo": "mu" if loss == KULLBACK_LEIBLER else "halsvar", "beta_loss": loss}
    if X.dtype == np.float64:
        options["fp_precision"] = "double"

    def run() -> tuple[Any, Any]:
        return run_nmf(X, rank, **options)[:2]

    return run


def pyplanc(X: Any, rank: int, loss: str) -> Fit:
    """Its hals, in float64, its only choice."""
    try:
        import pyplanc
    except ImportError as error:
        raise Refused("not installed") from error
    if loss == KULLBACK_LEIBLER:
        raise Refused("has no Kullback–Leibler loss")
    data = csc_matrix(X, dtype=np.float64) if issparse(X) else np.asfortranarray(X, dtype=np.float64)

    def run() -> tuple[Any, Any]:
        found = pyplanc.nmf(data, rank, algo="hals", ncores=os.cpu_count())
        return np.array(found.W), np.array(found.H).T

    return run


def peers() -> dict[str, Callable[[Any, int, str], Fit]]:
    """Each peer's name, and what makes a fit of data, rank and loss."""
    return {
        "scikit-learn cd": scikit_learn("cd"),
        "scikit-learn mu": scikit_learn("mu"),
        "nmf-torch": nmf_torch,
        "pyplanc hals": pyplanc,
    }


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """End what takes longer, as soon as it comes back to Python: by a signal, which POSIX has."""

    def end(*_: Any) -> None:
        raise Refused(f"did not end in {seconds:g} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def loss_of(X: Any, F: Any, H: Any, loss: str) -> float:
    """The loss of the returned factors in float64: ‖X − FH‖² as a part of ‖X‖², or the Kullback–Leibler divergence."""
    F, H = np.asarray(F, dtype=np.float64), np.asarray(H, dtype=np.float64)
    if issparse(X):
        X = csr_array(X, dtype=np.float64)
        squares = float(np.sum(X.data**2))
        return 1 - (2 * float(np.sum(F * (X @ H.T))) - float(np.sum((F.T @ F) * (H @ H.T)))) / squares
    lost = squares = 0.0
    for start in range(0, len(X), 1000):
        x, y = X[start : start + 1000].astype(np.float64), F[start : start + 1000] @ H
        squares += float(np.sum(x**2))
        lost += divergence(x, y) if loss == KULLBACK_LEIBLER else float(np.sum((x - y) ** 2))
    return lost if loss == KULLBACK_LEIBLER else lost / squares


def divergence(x: Any, y: Any) -> float:
    """Σ x log(x / y) − x + y, of a y that is kept from zero as scikit-learn does it."""
    y = np.maximum(y, np.finfo(np.float32).eps)
    return float(np.sum(x * np.log(np.where(x > 0, x, y) / y) - x + y))
