"""The CPU: X and the factors in memory, worked on by threads over tiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.backends.threads import Threads
from coupled_nmf.judging import HostJudge, Terms
from coupled_nmf.losses import LOSSES
from coupled_nmf.lowrank import PowerPass, Project, StandInReading
from coupled_nmf.penalties import Penalties
from coupled_nmf.prepared import Prepared, Scan, Scanned
from coupled_nmf.tiled import Tile, TiledMatrix


class NumpyBackend(Threads):
    """Where X is looked at and fitted: what a backend is asked for, and how the CPU does it.

    Arrays of as many rows as X that a backend makes are its own, F and Y: others ask it for what they need of them.
    Those that come from outside, and those of as many columns as X, are in memory; it copies them to where it works.
    """

    def scan(self, X: TiledMatrix, weights: NDArray[np.float64], refuse: Callable[[Tile, slice], None]) -> Scanned:
        """Look at X once, see `prepare`."""
        step = Scan(X, weights, refuse)
        squares, totals, entries, missing = self.sweep(X, step)
        return Scanned(squares, totals, entries, missing, step.absent, step.scattered)

    def judge(self, terms: Terms, max_iter: int) -> HostJudge:
        """Who decides for a loop of so many iterations at most."""
        return HostJudge(terms)

    def reading(self, loss: str, data: Prepared, penalties: Penalties) -> Any:
        """What the loop reads for that loss."""
        return LOSSES[loss](data, penalties)

    def stand_in_reading(self, Y: NDArray[Any], Bt: NDArray[Any], weighted_squares: float) -> StandInReading:
        """What the loop reads in the place of X; the last are the squares of Y."""
        return StandInReading(Y, Bt, weighted_squares, self)

    def power_pass(self, X: TiledMatrix, basis: NDArray[Any], chosen: NDArray[np.int64]) -> NDArray[np.float64]:
        """``basis XᵀX`` over chosen rows, for a basis (l, n_features)."""
        return self.sweep(X, PowerPass(X, basis, chosen))[0]

    def project(self, X: TiledMatrix, basis: NDArray[Any]) -> NDArray[Any]:
        """``X basisᵀ``."""
        Y = np.empty((X.shape[0], len(basis)), dtype=X.dtype)
        self.sweep(X, Project(X, basis, Y))
        return Y

    def room_for(self, V: NDArray[Any]) -> NDArray[Any]:
        """An array like V."""
        return np.empty_like(V)

    def take(self, V: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[Any]:
        """Copy some rows."""
        return V[rows]

    def scale(self, V: NDArray[Any], by: Any) -> None:
        """Multiply V, or each of its rows, by a number, in place."""
        V *= V.dtype.type(by) if np.ndim(by) == 0 else by.astype(V.dtype)[:, None]

    def row_squares(self, V: NDArray[Any]) -> NDArray[np.float64]:
        """Squares of each row."""
        return np.einsum("ij,ij->i", V, V, dtype=np.float64)

    def column_squares(self, V: NDArray[Any], weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Squares of each column, of rows with these weights (none: 1 each)."""
        rows = weights if weights.size else np.ones(len(V))
        return np.einsum("i,ij,ij->j", rows, V, V, dtype=np.float64)

    def host(self, V: NDArray[Any]) -> NDArray[Any]:
        """V in memory."""
        return V

    def give(self, V: NDArray[Any]) -> NDArray[Any]:
        """V, from here or from memory, where the user wants it: where X is."""
        return V

    def show(self, V: NDArray[Any]) -> NDArray[Any]:
        """A view for a callback, which cannot change V."""
        view = V.view()
        view.flags.writeable = False
        return view
