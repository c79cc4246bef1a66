"""X where a backend is open, looked at once: what every fit, and every solve for F, goes by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from coupled_nmf.backends.choice import open_backend
from coupled_nmf.data.tiled_matrix import TiledMatrix
from coupled_nmf.fit.parameters import Parameters
from coupled_nmf.problem.contracts import Backend, Objective
from coupled_nmf.problem.losses import LOSSES
from coupled_nmf.problem.problem import Problem, examine
from coupled_nmf.system.interrupts import INTERRUPTS


@dataclass(frozen=True)
class Place:
    """Where the work runs, as the estimator's parameters of these names say."""

    backend: str
    precision: str
    n_jobs: int | None


@dataclass(frozen=True)
class Session:
    """An open backend, and the problem that it works on."""

    backend: Backend
    problem: Problem

    def objective(self, parameters: Parameters, n_samples: float | None = None) -> Objective:
        """The loss on X; ``n_samples`` as for `Parameters.penalties`."""
        penalties = parameters.penalties(self.problem, n_samples)
        return self.backend.objective(parameters.loss, self.problem, penalties)


@contextmanager
def open_session(
    X: TiledMatrix,
    place: Place,
    rank: int,
    loss: str,
    *,
    sample_weight: Any = None,
    block_weights: Any = None,
    learns: bool = True,
) -> Iterator[Session]:
    """Open a backend for X and fits of that rank, and look at X; Ctrl-C is heard between tiles.

    Parameters
    ----------
    X : TiledMatrix
        The data; no entry has been looked at.
    place : Place
        Where.
    rank : int
        The largest rank, for which there has to be room.
    loss : str
        One of ``LOSSES``.
    sample_weight, block_weights : object
        As the estimator takes them.
    learns : bool
        Whether H is to move.

    Raises
    ------
    ValueError
        If an entry, or a weight, cannot be, or X is too large or too small for its dtype.
    """
    with INTERRUPTS, open_backend(place.backend, X, rank, place.n_jobs, place.precision) as backend:
        weights = backend.weights(sample_weight, X.shape[0])
        by_totals = LOSSES[loss].grows_with_totals
        scanned = backend.scan(X, weights)
        yield Session(
            backend,
            examine(X, scanned, block_weights=block_weights, by_totals=by_totals, learns=learns),
        )
