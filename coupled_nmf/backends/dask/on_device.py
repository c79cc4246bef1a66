"""A piece whose rows lie on a device: CUDA's kernels pass over them there, and what is found comes into memory.

What has a row for each sample is in memory between two passes, as on any worker; so are H, its points and all sums.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.backends.cpu.backend import NumpyBackend
from coupled_nmf.backends.cpu.losses import frobenius, kullback_leibler
from coupled_nmf.backends.cpu.losses.objective import HostBackend
from coupled_nmf.backends.cuda.device import Device, load_cupy
from coupled_nmf.backends.cuda.frobenius import DeviceFrobenius
from coupled_nmf.backends.cuda.kernels import CONTROL
from coupled_nmf.backends.cuda.kullback_leibler import DeviceKullbackLeibler
from coupled_nmf.backends.cuda.matrix import DeviceMatrix
from coupled_nmf.backends.cuda.scan import DeviceScan
from coupled_nmf.backends.cuda.stand_in import power_pass, project
from coupled_nmf.data.arrays import on_device
from coupled_nmf.data.tiled_matrix import TiledMatrix
from coupled_nmf.problem.contracts import Sums
from coupled_nmf.problem.draws import RowSample
from coupled_nmf.problem.penalties import Penalties
from coupled_nmf.problem.problem import Problem
from coupled_nmf.problem.solvers import Rule


@contextmanager
def _device_of(X: TiledMatrix) -> Iterator[None]:
    """Have the device that X is on be the current one; a worker may have several."""
    number = next(part.device.id for part in X.parts if on_device(part))
    with load_cupy().cuda.Device(number):
        yield


@contextmanager
def _opened(X: TiledMatrix, rank: int) -> Iterator[DeviceMatrix]:
    """X for one pass, where it is."""
    with _device_of(X), closing(DeviceMatrix(X, Device("full"), rank)) as matrix:
        yield matrix


class OnDevice:
    """What passes over rows of X that are on a device; as `NumpyBackend` takes and returns it.

    Parameters
    ----------
    backend : NumpyBackend
        By which the host does what is left to it.
    """

    def __init__(self, backend: NumpyBackend) -> None:
        self._backend = backend

    def look(self, X: TiledMatrix, weights: NDArray[np.float64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_], Sums]:
        """What rows lack, blocks and other entries, and the sums of `Scan`."""
        with _opened(X, 0) as matrix:
            scan = DeviceScan(matrix, matrix.device, weights)
            sums = scan.look()
            return scan.absent, scan.scattered, sums

    def power_pass(self, X: TiledMatrix, basis: NDArray[Any], sample: RowSample) -> NDArray[np.float64]:
        """``basis XᵀX`` over a sample of the rows."""
        with _opened(X, len(basis)) as matrix:
            return power_pass(matrix, matrix.device, basis, sample)

    def project(self, X: TiledMatrix, basis: NDArray[Any]) -> NDArray[Any]:
        """``X basisᵀ``."""
        with _opened(X, len(basis)) as matrix:
            found: NDArray[Any] = project(matrix, matrix.device, basis).get()
            return found

    def objective(self, loss: str, problem: Problem, penalties: Penalties) -> LossOnDevice:
        """That loss on X."""
        return LOSSES[loss](problem, penalties, self._backend)


@dataclass
class _Held:
    """F and what it is to become, or was before, on the device (one, where it moves in place); how far they go on."""

    F: Any
    other: Any
    control: Any


class LossOnDevice(ABC):
    """A loss on X, as `HostObjective` for all that moves F; what that needs on the device is kept between passes.

    It is made at the first pass that a thread makes, and anew in another thread: CuPy's handles belong to one, and end
    with it. In which order numbers are added is a matter of the device, so that its sums are those of the CPU within
    rounding, and the same bits each time.
    """

    def __init__(self, problem: Problem, penalties: Penalties, backend: HostBackend) -> None:
        self.problem, self.penalties, self.backend = problem, penalties, backend
        self._thread: threading.Thread | None = None
        self._there: Any = None
        self._held: _Held | None = None

    @contextmanager
    def _made(self, k: int) -> Iterator[Any]:
        """The loss of ``cuda``, for fits of that rank."""
        with _device_of(self.problem.X):
            if self._thread is not threading.current_thread():
                self._held = self._there = self._thread = None  # or both would have room at once
                matrix = DeviceMatrix(self.problem.X, Device("full"), k)
                self._there, self._thread = self._on(matrix), threading.current_thread()
            yield self._there

    @abstractmethod
    def _on(self, matrix: DeviceMatrix) -> Any:
        """The loss of ``cuda`` on it."""

    @abstractmethod
    def _arrays(self, there: Any, point: Any) -> tuple[NDArray[Any] | None, ...]:
        """A point of the CPU's as its ``unpacked`` takes it."""

    @abstractmethod
    def _fetched(self, there: Any, point: Any) -> Sums:
        """The sums of the last move of F, as the CPU's move returns them."""

    def _room(self, there: Any, k: int, *, in_place: bool) -> _Held:
        """Where F moves; programs that were prepared know of that alone."""
        held = self._held
        if held is None or held.F.shape[1] != k or (held.other is held.F) != in_place:
            F, _ = there.hold(None, np.zeros((k, self.problem.X.shape[1]), self.problem.X.dtype))
            other = F if in_place else there.device.factor(None, *F.shape, F.dtype)
            held = self._held = _Held(F, other, there.device.zeros((CONTROL["N_CONTROL"],), np.float64))
        return held

    def move_f(self, rule: Rule, point: Any, F: NDArray[Any], other: NDArray[Any], betas: tuple[float, float]) -> Sums:
        """Move F, see `Alternated`."""
        with self._made(len(point.R)) as there:
            held = self._room(there, len(point.R), in_place=other is F)
            control = np.zeros(CONTROL["N_CONTROL"])
            control[CONTROL["LAST_BETA"]], control[CONTROL["NEXT_BETA"]] = betas
            held.control.set(control)
            held.F.set(F)
            if other is not F:
                held.other.set(other)
            there.unpacked(self._arrays(there, point))
            there.move_f(rule, None, held.F, held.other, held.control)
            other[...] = held.other.get()
            return self._fetched(there, point)

    def sums_of(self, F: NDArray[Any], H: NDArray[Any]) -> Sums:
        """What H's move needs of an F that stays."""
        with self._made(len(H)) as there:
            self._held = None  # it has room of its own made
            found: Sums = there.sums_of(F, H)
            return found

    @abstractmethod
    def solved(self, H: NDArray[Any]) -> tuple[NDArray[Any], Sums]:
        """F for the given H from a cold start, and sums of what is left."""


class FrobeniusOnDevice(LossOnDevice):
    """As `Frobenius`."""

    def _on(self, matrix: DeviceMatrix) -> DeviceFrobenius:
        return DeviceFrobenius(self.problem, self.penalties, matrix, matrix.device, self.backend)

    def _arrays(self, there: DeviceFrobenius, point: frobenius.Point) -> tuple[NDArray[Any] | None, ...]:
        grams = point.grams[None]
        if there.gaps is not None:  # those of the blocks that the rows of each pattern have
            grams = np.tensordot((~there.gaps.patterns).astype(point.grams.dtype), point.grams, 1)
        ridge = self.penalties.l2_F * np.eye(len(point.R))
        return point.H, point.R, (grams + ridge).astype(point.R.dtype)

    def _fetched(self, there: DeviceFrobenius, point: frobenius.Point) -> Sums:
        FtX, FtFs, extras = there.fetched()
        return FtX, FtFs[0] if self.problem.gaps is None else FtFs, extras

    def solved(self, H: NDArray[Any]) -> tuple[NDArray[Any], Sums]:
        """F for the given H from a cold start, and the squares of the residual of each block."""
        with self._made(len(H)) as there:
            found = there.solve(H)
            return np.ascontiguousarray(found.F.get()), (found.squares,)


class KullbackLeiblerOnDevice(LossOnDevice):
    """As `KullbackLeibler`."""

    def _on(self, matrix: DeviceMatrix) -> DeviceKullbackLeibler:
        return DeviceKullbackLeibler(self.problem, self.penalties, matrix, matrix.device, self.backend, None)

    def _arrays(self, there: DeviceKullbackLeibler, point: kullback_leibler.Point) -> tuple[NDArray[Any] | None, ...]:
        return point.H, point.R, None, there.block_shares @ point.sums

    def _fetched(self, there: DeviceKullbackLeibler, point: kullback_leibler.Point) -> Sums:
        return there.fetched(point.H)

    def solved(self, H: NDArray[Any]) -> tuple[NDArray[Any], Sums]:
        """F for the given H, found on the host, to which X is copied tile by tile."""
        return kullback_leibler.KullbackLeibler(self.problem, self.penalties, self.backend).solved(H)


LOSSES: dict[str, type[LossOnDevice]] = {
    "frobenius": FrobeniusOnDevice,
    "kullback-leibler": KullbackLeiblerOnDevice,
}
