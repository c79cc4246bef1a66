"""A Dask cluster, on whose workers X is, or who read it: a `Backend`."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.backends.cpu.backend import NumpyBackend
from coupled_nmf.backends.cpu.control import HostJudge
from coupled_nmf.backends.cpu.shares import shares_by_block
from coupled_nmf.backends.dask import steps
from coupled_nmf.backends.dask.cluster import Cluster, current_client
from coupled_nmf.backends.dask.objective import DaskObjective, DaskStandIn
from coupled_nmf.backends.dask.pieces import Made
from coupled_nmf.backends.dask.rows import HeldWeights, Rows
from coupled_nmf.backends.dask.workers import Workers
from coupled_nmf.data.tiled_matrix import TiledMatrix
from coupled_nmf.problem.contracts import Alternated, Backend
from coupled_nmf.problem.control import Terms
from coupled_nmf.problem.draws import RowSample
from coupled_nmf.problem.penalties import Penalties
from coupled_nmf.problem.problem import Gaps, Problem, Scanned
from coupled_nmf.problem.sample_weights import check_weights, no_weight, refuse_other_shape
from coupled_nmf.system.folders import Folder
from coupled_nmf.system.kept_files import digest_of_text


class DaskBackend:
    """Workers of the current ``distributed.Client``.

    Parameters
    ----------
    X : TiledMatrix
        What is fitted: Dask arrays, or what workers can read.
    n_jobs : int or None
        Threads of this process, for what is done here; a worker uses its own number.

    Raises
    ------
    RuntimeError
        If there is no client, or no worker.
    """

    def __init__(self, X: TiledMatrix, n_jobs: int | None = None) -> None:
        client = current_client()
        if client is None:
            raise RuntimeError("backend='dask' needs a cluster: make a distributed.Client first, or use 'numpy'.")
        self._X, self._cluster, self.near = X, Cluster(client), NumpyBackend(n_jobs)

    def __enter__(self) -> Self:
        self.workers = Workers(self._cluster, self._X)
        self.near.__enter__()
        self._cluster.ignore_ctrl_c()
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.workers.let_go()
        del self.workers
        try:
            if exc_info[0] is not None:
                self._cluster.release()
            self._cluster.hear_ctrl_c()
        finally:
            self.near.__exit__(*exc_info)

    def memory(self) -> float:
        """Bytes of the workers' memory."""
        return self._cluster.memory()

    def weights(self, sample_weight: Any, n_samples: int) -> Any:
        """What each sample counts for: a Dask array stays one, whose entries the scan looks at."""
        if not hasattr(sample_weight, "dask"):
            return check_weights(sample_weight, n_samples)
        refuse_other_shape(sample_weight.shape, n_samples)
        return sample_weight

    def scan(self, X: TiledMatrix, weights: Any) -> Scanned:
        """Look at X once. Raises ValueError for an entry, or a weight, that cannot be."""
        squares, totals, entries, missing, counts = self.workers.take_x(weights)
        if counts[0] == 0:
            raise no_weight()
        gaps = None
        if counts[2]:
            patterns = np.unique(np.concatenate(self.workers.gathered(steps.patterns)), axis=0)
            gaps = Gaps(None, None, patterns, missing == counts[0])
        held: Any = HeldWeights(X.shape[0], float(counts[1])) if weights.size else weights
        return Scanned(held, squares, totals, entries, gaps)

    def judge(self, terms: Terms, max_iter: int) -> HostJudge:
        """Who decides for a loop of so many iterations at most."""
        return HostJudge(terms)

    def objective(self, loss: str, problem: Problem, penalties: Penalties) -> DaskObjective:
        """That loss on X."""
        return DaskObjective(loss, problem, penalties, self)

    def stand_in_objective(self, Y: Rows, Bt: NDArray[Any], weighted_squares: float) -> Alternated:
        """What the loop alternates on in the place of X: Y B, of so many squares."""
        return DaskStandIn(Y, Bt, weighted_squares, self)

    def digest(self, X: TiledMatrix, weights: NDArray[np.float64]) -> str:
        """A digest of X and the weights, each piece's by its worker."""
        return digest_of_text(" ".join(self.workers.gathered(steps.digest)))

    def reach(self, folder: Folder, name: str) -> None:
        """Raise ValueError if a worker does not find a file of that name in the folder."""
        for worker, trouble in self._cluster.on_each(steps.finds, folder, name).items():
            if trouble is not None:
                raise ValueError(
                    f"checkpoint={folder.address!r} is not what the worker {worker} finds there ({trouble}); give a "
                    "folder that this process and all workers share, or an address that fsspec knows."
                )

    def keep(self, V: Rows, folder: Folder, stem: str) -> dict[str, str]:
        """Have workers write V, each piece's rows to a file; V is from then on what is read from there."""
        digests = self.workers.gathered(steps.keep, (V,), (folder, stem))
        files = {steps.file_of(stem, number): digest for number, digest in enumerate(digests)}
        self.workers.begin_anew(V, steps.take, folder, list(files.items()))
        return files

    def take(self, folder: Folder, files: dict[str, str], shape: tuple[int, int]) -> Rows:
        """A V that was kept."""
        return self.workers.taken(steps.take, (folder, list(files.items())), shape, self._X.dtype)

    def bring(self, V: Any) -> tuple[Backend, Any]:
        """V, of few rows, and who works on it here."""
        return self.near, self.host(V)

    def power_pass(self, X: TiledMatrix, basis: NDArray[Any], sample: RowSample) -> NDArray[np.float64]:
        """``basis XᵀX`` over a sample of the rows, for a basis (l, n_features)."""
        return self.workers.sums(steps.power_pass, (), (basis, sample))[0]

    def project(self, X: TiledMatrix, basis: NDArray[Any]) -> Rows:
        """``X basisᵀ``."""
        return self.workers.rows(steps.project, (), (basis,), len(basis), X.dtype)

    def component_shares(
        self, X: TiledMatrix, F: Rows, H: NDArray[Any], weights: NDArray[np.float64]
    ) -> dict[str, NDArray[np.float64]]:
        """How much of each block's squares every component explains, by block (k,)."""
        over = (F, self.place(weights, 1)) if weights.size else (F,)
        return shares_by_block(X, *self.workers.sums(steps.shares, over, (H.astype(np.float64),)))

    def place(self, F: Any, k: int) -> Rows:
        """An F from anywhere, on the workers: of zeros if it is None."""
        return self.workers.place(F, k)

    def room_for(self, V: Any) -> Any:
        """An array like V."""
        return Rows([], V.shape, V.dtype) if isinstance(V, Rows) else self.near.room_for(V)

    def living(self, V: Rows) -> tuple[int, float]:
        """How many rows of V are not zero, and the squares of them all."""
        n, squares = self.workers.sums(steps.living, (V,))
        return int(n[0]), float(squares[0])

    def take_living(self, V: Rows, ranks: NDArray[np.int64] | None) -> NDArray[Any]:
        """Copy some of the rows that are not zero, by their places among those alone; here, since they are few."""
        if ranks is None:
            return self.host(self.workers.rows(steps.take_living, (V,), (None,), V.shape[1], V.dtype))
        edges = np.cumsum([0, *self.workers.gathered(steps.living, (V,))])
        piece = np.searchsorted(edges, ranks, side="right") - 1
        order = np.argsort(piece, kind="stable")
        own = {int(p): ranks[piece == p] - edges[p] for p in np.unique(piece)}
        taken = self.host(self.workers.rows(steps.take_living, (V,), (own,), V.shape[1], V.dtype))
        found = np.empty_like(taken)
        found[order] = taken
        return found

    def scale(self, V: Any, by: float | NDArray[np.float64]) -> None:
        """Multiply V, or each of its columns, by a number."""
        self.workers.renew(V, steps.scale, by)

    def weigh(self, V: Rows, weights: Any, power: float) -> None:
        """Multiply each row of V by a power of its weight; by 0 where the weight is 0."""
        self.workers.renew(V, steps.weigh, power)

    def gram(self, V: Rows) -> NDArray[np.float64]:
        """``VᵀV``."""
        return self.workers.sums(steps.gram, (V,))[0]

    def signed_squares(self, V: Rows, W: NDArray[Any]) -> NDArray[np.float64]:
        """Squares of the entries of each column of ``V W`` that are above zero, and of those below (2, n_columns)."""
        return self.workers.sums(steps.signed_squares, (V,), (W,))[0]

    def rectified(self, V: Rows, W: NDArray[Any], fill: float) -> Rows:
        """``V W``, with ``fill`` in the place of what is not above zero."""
        return self.workers.rows(steps.rectified, (V,), (W, fill), W.shape[1], W.dtype)

    def lift(self, V: Rows, least: NDArray[np.float64]) -> None:
        """Raise what is below ``least`` (k,), a number for each column, to it."""
        self.workers.renew(V, steps.lift, least)

    def column_sums(self, V: Rows, weights: Any) -> NDArray[np.float64]:
        """Sum of each column, of rows with these weights (none: 1 each)."""
        return self.workers.sums(steps.column_sums, (V,), (bool(weights.size),))[0]

    def column_squares(self, V: Rows, weights: Any) -> NDArray[np.float64]:
        """Squares of each column, of rows with these weights (none: 1 each)."""
        return self.workers.sums(steps.column_sums, (V,), (bool(weights.size),))[1]

    def give(self, V: Any) -> Any:
        """A Dask array of V, whose rows stay on the workers, if X is one; else V in memory."""
        return self.workers.array_of(V) if isinstance(V, Rows) and self._X.is_dask else self.host(V)

    def host(self, V: Any) -> NDArray[Any]:
        """V in memory."""
        return self.workers.host(V) if isinstance(V, Rows) else V

    def show(self, V: Any) -> Any:
        """V for a callback, which cannot change it."""
        if isinstance(V, Rows) and self._X.is_dask:
            return self.workers.array_of(V, Made.shown)
        return self.near.show(self.host(V))
