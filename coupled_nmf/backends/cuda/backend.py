"""An NVIDIA GPU: X and the factors in its memory, or X streamed to it; see `cuda`."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.backends.cpu.backend import NumpyBackend, powers
from coupled_nmf.backends.cuda.control import DeviceJudge
from coupled_nmf.backends.cuda.device import Device, Program, leading
from coupled_nmf.backends.cuda.frobenius import DeviceFrobenius
from coupled_nmf.backends.cuda.kullback_leibler import DeviceKullbackLeibler
from coupled_nmf.backends.cuda.matrix import MOST_ROWS, DeviceMatrix
from coupled_nmf.backends.cuda.moves import GramSums, slices_of
from coupled_nmf.backends.cuda.scan import DeviceScan, look_at
from coupled_nmf.backends.cuda.stand_in import DeviceStandIn, power_pass, project
from coupled_nmf.data.arrays import on_device
from coupled_nmf.data.digests import digest_of_data
from coupled_nmf.data.tiled_matrix import TiledMatrix
from coupled_nmf.problem.contracts import Backend
from coupled_nmf.problem.control import Terms
from coupled_nmf.problem.draws import RowSample
from coupled_nmf.problem.penalties import Penalties
from coupled_nmf.problem.problem import Problem, Scanned
from coupled_nmf.problem.sample_weights import check_weights
from coupled_nmf.system.folders import Folder
from coupled_nmf.system.kept_files import read_array, write_array
from coupled_nmf.system.memory import memory


class CupyBackend:
    """As `NumpyBackend`, on the current CUDA device and CuPy's current stream.

    Parameters
    ----------
    X : TiledMatrix
        What is fitted: copied to the device if it is not there and fits, else streamed to it in every sweep.
    rank : int
        Of the fit, for which there has to be room beside X.
    precision : {'full', 'tf32'}
        Of the products with X in float32.
    n_jobs : int or None
        Threads of what is left to the host.
    """

    def __init__(self, X: TiledMatrix, rank: int, precision: str = "full", n_jobs: int | None = None) -> None:
        self._X, self._rank, self._gives, self.n_jobs = X, rank, X.on_device, n_jobs
        self.device = Device(precision)

    def __enter__(self) -> Self:
        self.matrix = DeviceMatrix(self._X, self.device, self._rank)
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.matrix.close()
        del self.matrix

    def memory(self) -> float:
        """Bytes of this machine's memory."""
        return memory()

    def weights(self, sample_weight: Any, n_samples: int) -> NDArray[np.float64]:
        """What each sample counts for; empty for 1 each."""
        return check_weights(sample_weight, n_samples)

    def scan(self, X: TiledMatrix, weights: NDArray[np.float64]) -> Scanned:
        """Look at X once. Raises ValueError for an entry that cannot be."""
        return DeviceScan(self.matrix, self.device, weights).run()

    def judge(self, terms: Terms, max_iter: int) -> DeviceJudge:
        """Who decides for a loop of so many iterations at most."""
        return DeviceJudge(terms, max_iter, self.device)

    def objective(self, loss: str, problem: Problem, penalties: Penalties) -> DeviceFrobenius | DeviceKullbackLeibler:
        """That loss on X."""
        if loss == "frobenius":
            return DeviceFrobenius(problem, penalties, self.matrix, self.device, self)
        if loss == "kullback-leibler":
            return DeviceKullbackLeibler(problem, penalties, self.matrix, self.device, self, self.n_jobs)
        raise ValueError(f"the GPU has no loss {loss!r}; use backend='numpy'.")

    def stand_in_objective(self, Y: Any, Bt: NDArray[Any], weighted_squares: float) -> DeviceStandIn:
        """What the loop alternates on in the place of X: Y B, of so many squares."""
        return DeviceStandIn(Y, Bt, weighted_squares, self, self.device)

    def power_pass(self, X: TiledMatrix, basis: NDArray[Any], sample: RowSample) -> NDArray[np.float64]:
        """``basis XᵀX`` over a sample of the rows, for a basis (l, n_features)."""
        return power_pass(self.matrix, self.device, basis, sample)

    def project(self, X: TiledMatrix, basis: NDArray[Any]) -> Any:
        """``X basisᵀ``, on the device."""
        return project(self.matrix, self.device, basis)

    def component_shares(
        self, X: TiledMatrix, F: Any, H: NDArray[Any], weights: NDArray[np.float64]
    ) -> dict[str, NDArray[np.float64]]:
        """How much of each block's squares every component explains; on the host, to which X is copied tile by tile."""
        with NumpyBackend(self.n_jobs) as host:
            return host.component_shares(X, self.host(F), H, weights)

    def digest(self, X: TiledMatrix, weights: NDArray[np.float64]) -> str:
        """A digest of X and the weights, on which the bits of a fit depend; one pass."""
        return digest_of_data(X, weights)

    def reach(self, folder: Folder, name: str) -> None:
        """Do nothing: files are written by this process."""

    def keep(self, V: Any, folder: Folder, stem: str) -> dict[str, str]:
        """Write V to a file; return its digest by its name."""
        name = f"{stem}.npy"
        return {name: write_array(folder, name, self.host(V))}

    def take(self, folder: Folder, files: dict[str, str], shape: tuple[int, int]) -> NDArray[Any]:
        """A V that was kept, in memory."""
        ((name, digest),) = files.items()
        return read_array(folder, name, digest, shape)

    def bring(self, V: Any) -> tuple[Backend, Any]:
        """V, and this backend, which works on it where it is."""
        return self, V

    def place(self, F: Any, k: int) -> Any:
        """F as it is."""
        return F

    def room_for(self, V: Any) -> Any:
        """An array like V."""
        across = leading(V)[1]
        return self.device.empty(V.T.shape, V.dtype).T if across else self.device.empty(V.shape, V.dtype)

    def living(self, V: Any) -> tuple[int, float]:
        """How many rows of V are not zero, and the squares of them all."""
        squares = self._row_squares(V)
        return int(np.count_nonzero(squares)), float(squares.sum())

    def take_living(self, V: Any, ranks: NDArray[np.int64] | None) -> Any:
        """Copy some of the rows that are not zero, by their places among those alone; None: all of them."""
        alive = np.flatnonzero(self._row_squares(V))
        return self.device.take(V, alive if ranks is None else alive[ranks])

    def _row_squares(self, V: Any) -> NDArray[np.float64]:
        bounds = np.array([0, V.shape[1]])
        return look_at(self.device, [(V, slice(0, V.shape[1]))], bounds)[:, 0, 0]

    def scale(self, V: Any, by: float | NDArray[np.float64]) -> None:
        """Multiply V, or each of its columns, by a number, in place."""
        V *= V.dtype.type(by) if np.ndim(by) == 0 else self.device.put(np.asarray(by), V.dtype)

    def weigh(self, V: Any, weights: NDArray[np.float64], power: float) -> None:
        """Multiply each row of V by a power of its weight, in place; by 0 where the weight is 0."""
        V *= self.device.put(powers(weights, power), V.dtype)[:, None]

    def gram(self, V: Any) -> NDArray[np.float64]:
        """``VᵀV``."""
        program, out = Program(), self.device.empty((V.shape[1], V.shape[1]), V.dtype)
        self.device.multiply(program, out, V.T, V)
        program.run()
        found: NDArray[np.float64] = out.get().astype(np.float64)
        return found

    def signed_squares(self, V: Any, W: NDArray[Any]) -> NDArray[np.float64]:
        """Squares of the entries of each column of ``V W`` above zero, and below (2, n_columns); made in memory."""
        with NumpyBackend(self.n_jobs) as host:
            return host.signed_squares(self.host(V), W)

    def rectified(self, V: Any, W: NDArray[Any], fill: float) -> Any:
        """``V W``, with ``fill`` in the place of what is not above zero; made in memory."""
        with NumpyBackend(self.n_jobs) as host:
            return host.rectified(self.host(V), W, fill)

    def lift(self, V: Any, least: NDArray[np.float64]) -> None:
        """Raise what is below ``least`` (k,), a number for each column, to it, in place."""
        self.device.cupy.maximum(V, self.device.put(least, V.dtype), out=V)

    def column_sums(self, V: Any, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum of each column, of rows with these weights (none: 1 each); made in memory."""
        with NumpyBackend(self.n_jobs) as host:
            return host.column_sums(self.host(V), weights)

    def column_squares(self, V: Any, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Squares of each column, of rows with these weights (none: 1 each)."""
        n, k = V.shape
        slices = slices_of(n, MOST_ROWS)
        sums, program = GramSums(self.device, min(n, MOST_ROWS), k, V.dtype), Program()
        there, total = self.device.put(weights) if weights.size else None, self.device.empty((k, k), np.float64)
        for index, rows in enumerate(slices):
            sums.add(program, V[rows].T, None if there is None else there[rows], begins=index == 0)
        sums.reduce(program, total=total)
        program.run()
        found: NDArray[np.float64] = total.get().diagonal()
        return found

    def host(self, V: Any) -> NDArray[Any]:
        """V in memory, row by row."""
        return np.ascontiguousarray(V.get()) if on_device(V) else V

    def give(self, V: Any) -> Any:
        """V, from here or from memory, where the user wants it: where X is; row by row."""
        if not self._gives:
            return self.host(V)
        return self.device.cupy.ascontiguousarray(V) if on_device(V) else self.device.put(V)

    def show(self, V: Any) -> Any:
        """A copy for a callback, where X is."""
        if self._gives:
            return V.copy()
        found = self.host(V)
        found.flags.writeable = False  # or a callback might take it for the loop's own
        return found
