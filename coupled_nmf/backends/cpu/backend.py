"""The CPU: X and the factors in memory, worked on by threads over tiles."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.backends.cpu.control import HostJudge
from coupled_nmf.backends.cpu.losses.frobenius import Frobenius
from coupled_nmf.backends.cpu.losses.kullback_leibler import KullbackLeibler
from coupled_nmf.backends.cpu.losses.objective import HostObjective
from coupled_nmf.backends.cpu.moves.sparse import SparseMoves
from coupled_nmf.backends.cpu.scan import Scan
from coupled_nmf.backends.cpu.shares import Shares, shares_by_block
from coupled_nmf.backends.cpu.stand_in import PowerPass, Project, StandInObjective
from coupled_nmf.backends.cpu.sweep import Sweeper
from coupled_nmf.data.digests import digest_of_data
from coupled_nmf.data.tiled_matrix import TiledMatrix
from coupled_nmf.problem.contracts import Backend, Sums
from coupled_nmf.problem.control import Terms
from coupled_nmf.problem.draws import RowSample
from coupled_nmf.problem.penalties import Penalties
from coupled_nmf.problem.problem import Problem, Scanned, gaps_of
from coupled_nmf.problem.sample_weights import check_weights
from coupled_nmf.system.folders import Folder
from coupled_nmf.system.kept_files import read_array, write_array
from coupled_nmf.system.memory import memory

OBJECTIVES: dict[str, type[Frobenius] | type[KullbackLeibler]] = {
    "frobenius": Frobenius,
    "kullback-leibler": KullbackLeibler,
}


def row_squares(V: NDArray[Any]) -> NDArray[np.float64]:
    """Squares of each row."""
    return np.einsum("ij,ij->i", V, V, dtype=np.float64)


def powers(weights: NDArray[np.float64], power: float) -> NDArray[np.float64]:
    """Powers of weights, 0 of 0."""
    return np.power(weights, power, out=np.zeros_like(weights), where=weights > 0)


class NumpyBackend(Sweeper):
    """Where X is looked at and fitted on the CPU: a `Backend`."""

    def __init__(self, n_jobs: int | None = None, free: list[Sums] | None = None) -> None:
        super().__init__(n_jobs, free)
        self.sparse_moves = SparseMoves()

    def memory(self) -> float:
        """Bytes of this machine's memory."""
        return memory()

    def weights(self, sample_weight: Any, n_samples: int) -> NDArray[np.float64]:
        """What each sample counts for; empty for 1 each."""
        return check_weights(sample_weight, n_samples)

    def scan(self, X: TiledMatrix, weights: NDArray[np.float64]) -> Scanned:
        """Look at X once. Raises ValueError for an entry that cannot be."""
        absent, scattered, (squares, totals, entries, missing) = self.look(X, weights)
        return Scanned(weights, squares, totals, entries, gaps_of(absent, scattered, missing, weights))

    def look(self, X: TiledMatrix, weights: NDArray[np.float64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_], Sums]:
        """What rows lack, blocks and other entries, and the sums of `Scan`."""
        absent, scattered = X.absent_blocks(), np.zeros(X.shape[0], dtype=bool)
        return absent, scattered, self.sweep(X, Scan(X), weights, absent, scattered)

    def judge(self, terms: Terms, max_iter: int) -> HostJudge:
        """Who decides for a loop of so many iterations at most."""
        return HostJudge(terms)

    def objective(self, loss: str, problem: Problem, penalties: Penalties) -> HostObjective:
        """That loss on X."""
        return OBJECTIVES[loss](problem, penalties, self)

    def stand_in_objective(self, Y: NDArray[Any], Bt: NDArray[Any], weighted_squares: float) -> StandInObjective:
        """What the loop alternates on in the place of X: Y B, of so many squares."""
        return StandInObjective(Y, Bt, weighted_squares, self)

    def power_pass(self, X: TiledMatrix, basis: NDArray[Any], sample: RowSample) -> NDArray[np.float64]:
        """``basis XᵀX`` over a sample of the rows, for a basis (l, n_features)."""
        return self.sweep(X, PowerPass(X, basis, sample))[0]

    def project(self, X: TiledMatrix, basis: NDArray[Any]) -> NDArray[Any]:
        """``X basisᵀ``."""
        Y = np.empty((X.shape[0], len(basis)), dtype=X.dtype)
        self.sweep(X, Project(X, basis), Y)
        return Y

    def component_shares(
        self, X: TiledMatrix, F: NDArray[Any], H: NDArray[Any], weights: NDArray[np.float64]
    ) -> dict[str, NDArray[np.float64]]:
        """How much of each block's squares every component explains, by block (k,)."""
        by_row = F.astype(np.float64), weights if weights.size else np.ones(len(F))
        return shares_by_block(X, *self.sweep(X, Shares(X, H.astype(np.float64)), *by_row, X.absent_blocks()))

    def digest(self, X: TiledMatrix, weights: NDArray[np.float64]) -> str:
        """A digest of X and the weights, on which the bits of a fit depend; one pass."""
        return digest_of_data(X, weights)

    def reach(self, folder: Folder, name: str) -> None:
        """Do nothing: who works on X is this process."""

    def keep(self, V: NDArray[Any], folder: Folder, stem: str) -> dict[str, str]:
        """Write V to a file; return its digest by its name."""
        name = f"{stem}.npy"
        return {name: write_array(folder, name, V)}

    def take(self, folder: Folder, files: dict[str, str], shape: tuple[int, int]) -> NDArray[Any]:
        """A V that was kept."""
        ((name, digest),) = files.items()
        return read_array(folder, name, digest, shape)

    def bring(self, V: NDArray[Any]) -> tuple[Backend, NDArray[Any]]:
        """V, and this backend, which works on it where it is."""
        return self, V

    def place(self, F: NDArray[Any], k: int) -> NDArray[Any]:
        """F as it is."""
        return F

    def room_for(self, V: NDArray[Any]) -> NDArray[Any]:
        """An array like V."""
        return np.empty_like(V)

    def living(self, V: NDArray[Any]) -> tuple[int, float]:
        """How many rows of V are not zero, and the squares of them all."""
        squares = row_squares(V)
        return int(np.count_nonzero(squares)), float(squares.sum())

    def take_living(self, V: NDArray[Any], ranks: NDArray[np.int64] | None) -> NDArray[Any]:
        """Copy some of the rows that are not zero, by their places among those alone; None: all of them."""
        alive = np.flatnonzero(row_squares(V))
        return V[alive if ranks is None else alive[ranks]]

    def scale(self, V: NDArray[Any], by: float | NDArray[np.float64]) -> None:
        """Multiply V, or each of its columns, by a number, in place."""
        V *= np.asarray(by, dtype=V.dtype)

    def weigh(self, V: NDArray[Any], weights: NDArray[np.float64], power: float) -> None:
        """Multiply each row of V by a power of its weight, in place; by 0 where the weight is 0."""
        V *= powers(weights, power).astype(V.dtype)[:, None]

    def gram(self, V: NDArray[Any]) -> NDArray[np.float64]:
        """``VᵀV``."""
        return (V.T @ V).astype(np.float64)

    def signed_squares(self, V: NDArray[Any], W: NDArray[Any]) -> NDArray[np.float64]:
        """Squares of the entries of each column of ``V W`` that are above zero, and of those below (2, n_columns)."""
        product = V @ W
        parts = (np.maximum(sign * product, 0) for sign in (1, -1))
        return np.stack([np.einsum("ij,ij->j", part, part, dtype=np.float64) for part in parts])

    def rectified(self, V: NDArray[Any], W: NDArray[Any], fill: float) -> NDArray[Any]:
        """``V W``, with ``fill`` in the place of what is not above zero."""
        product = V @ W
        return np.where(product > 0, product, product.dtype.type(fill))

    def lift(self, V: NDArray[Any], least: NDArray[np.float64]) -> None:
        """Raise what is below ``least`` (k,), a number for each column, to it, in place."""
        np.maximum(V, least.astype(V.dtype), out=V)

    def column_sums(self, V: NDArray[Any], weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum of each column, of rows with these weights (none: 1 each)."""
        return np.einsum("i,ij->j", weights if weights.size else np.ones(len(V)), V, dtype=np.float64)

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
