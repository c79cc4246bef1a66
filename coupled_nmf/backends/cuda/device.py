"""The GPU as this package uses it: arrays, compiled kernels, products, and programs of them."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.backends.cuda.kernels import KERNELS, options, width_for
from coupled_nmf.data.arrays import on_device
from coupled_nmf.problem.draws import made

NULL = np.uintp(0)  # a pointer to nothing
THREADS = 64  # of a block of the kernels that move or solve one row a thread
MISSING = (
    "backend='cupy' needs CuPy, which cannot be imported ({}): pip install \"cupy-cuda13x[ctk]\", for a driver of CUDA "
    "13, or \"cupy-cuda12x[ctk]\"; or use backend='numpy'."
)


def load_cupy() -> Any:
    """CuPy, with a device to run on.

    Raises
    ------
    ImportError
        If CuPy is not installed, or cannot be imported.
    RuntimeError
        If there is no device, or no driver for it.
    """
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        raise ImportError(MISSING.format(error)) from error
    try:
        found, reason = cupy.cuda.runtime.getDeviceCount(), "no device"
    except cupy.cuda.runtime.CUDARuntimeError as error:
        found, reason = 0, str(error)
    if not found:
        raise RuntimeError(
            f"backend='cupy' needs an NVIDIA GPU and its driver; CuPy {cupy.__version__} finds none ({reason}). "
            "If there is one, its driver may be too old for this CuPy: cupy-cuda12x serves older ones. Or use "
            "backend='numpy'."
        )
    return cupy


@cache
def _module(cupy: Any, file: str, dtype: str, width: int | None) -> Any:
    """The kernels of a file, compiled once for each dtype; CuPy loads them on each device, and keeps them on disk."""
    code = (KERNELS / file).read_text(encoding="utf-8")
    return cupy.RawModule(code=code, options=options(np.dtype(dtype), width), backend="nvrtc")


def leading(array: Any) -> tuple[int, bool]:
    """Entries from a row of a matrix to the next, and False; or from a column to the next, and True."""
    rows, columns = array.shape
    down, along = (stride // array.itemsize for stride in array.strides)
    if along == 1 or columns == 1:
        return down if rows > 1 else columns, False
    if down == 1 or rows == 1:
        return along, True
    raise ValueError(f"a matrix with strides {array.strides} is contiguous along neither axis")


class Program:
    """Launches that are prepared once and run many times: pointers and sizes stay the same over the iterations."""

    def __init__(self) -> None:
        self._steps: list[tuple[Any, tuple[Any, ...]]] = []
        self._kept: list[Any] = []

    def add(self, call: Any, *arguments: Any, keep: tuple[Any, ...] = ()) -> None:
        """Call that, in its turn; arrays of which the arguments hold addresses alone are to be kept."""
        self._steps.append((call, arguments))
        self._kept += keep

    def run(self) -> None:
        """Hand all of it to the device; nothing is waited for."""
        for call, arguments in self._steps:
            call(*arguments)


class Device:
    """The current CUDA device.

    Parameters
    ----------
    precision : {'full', 'tf32'}
        Of the products with X in float32.
    """

    def __init__(self, precision: str) -> None:
        self.cupy, self._fast = load_cupy(), precision == "tf32"
        self._cublas = self.cupy.cuda.cublas
        self._handle = self.cupy.cuda.get_cublas_handle()
        self._cublas.setPointerMode(self._handle, self._cublas.CUBLAS_POINTER_MODE_HOST)
        self._scalars = {char: np.array([0, 1], dtype=char) for char in "fd"}

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """A new array on the device."""
        return self.cupy.empty(shape, dtype=dtype)

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """A new array of zeros on the device."""
        return self.cupy.zeros(shape, dtype=dtype)

    def put(self, array: NDArray[Any], dtype: Any = None) -> Any:
        """A copy on the device of an array in memory, row by row."""
        return self.cupy.asarray(np.ascontiguousarray(array, dtype=dtype))

    def factor(self, V: Any, rows: int, width: int, dtype: Any) -> Any:
        """V (rows, width), from here or from memory, held column by column as kernels take it.

        Zeros for None; made first, if it is yet to be drawn.
        """
        if V is None:
            return self.zeros((width, rows), dtype).T
        V = made(V, rows)
        if isinstance(V, np.ndarray):
            return self.put(V.T, dtype).T
        return V if leading(V)[1] else self.cupy.ascontiguousarray(V.T).T

    def take(self, V: Any, rows: NDArray[np.int64]) -> Any:
        """A copy of some rows."""
        return self.cupy.take(V, self.put(rows), axis=0)

    def kernel(self, file: str, name: str, dtype: Any, k: int | None = None) -> Any:
        """A compiled kernel; ``k`` is the rank, for files whose kernels know a bound of it."""
        width = None if k is None else width_for(k)
        return _module(self.cupy, file, np.dtype(dtype).char, width).get_function(name)

    def multiply(self, program: Program, out: Any, a: Any, b: Any, *, add: bool = False, of_x: bool = False) -> None:
        """``out = a b``, or ``out += a b``; ``of_x``: in the precision that was asked for products with X."""
        (step, across), (step_a, across_a), (step_b, across_b) = leading(out), leading(a), leading(b)
        if across:
            self.multiply(program, out.T, b.T, a.T, add=add, of_x=of_x)
            return
        # cuBLAS takes matrices column by column: for it, these are transposed, and so is their product.
        sizes = (out.shape[1], out.shape[0], a.shape[1])
        zero_one, size = self._scalars[out.dtype.char], out.itemsize
        one, beta = zero_one.ctypes.data + size, zero_one.ctypes.data + size * add
        head = (self._handle, int(across_b), int(across_a), *sizes, one)
        if of_x and self._fast and out.dtype.char == "f":
            kind, how = 0, (self._cublas.CUBLAS_COMPUTE_32F_FAST_TF32, self._cublas.CUBLAS_GEMM_DEFAULT)  # CUDA_R_32F
            typed = b.data.ptr, kind, step_b, a.data.ptr, kind, step_a, beta, out.data.ptr, kind, step
            program.add(self._cublas.gemmEx, *head, *typed, *how, keep=(out, a, b))
        else:
            gemm = self._cublas.sgemm if out.dtype.char == "f" else self._cublas.dgemm
            matrices = b.data.ptr, step_b, a.data.ptr, step_a, beta, out.data.ptr, step
            program.add(gemm, *head, *matrices, keep=(out, a, b))

    def refuse_other(self, array: Any) -> None:
        """Raise ValueError for an array on another device than the current one."""
        here = self.cupy.cuda.Device().id
        if on_device(array) and array.device.id != here:
            raise ValueError(
                f"X is on device {array.device.id}, and {here} is the current one: fit inside "
                f"'with cupy.cuda.Device({array.device.id}):'."
            )

    def free_bytes(self) -> int:
        """Memory that is free on the device, in CuPy's pool or outside it."""
        pool = self.cupy.get_default_memory_pool()
        return int(self.cupy.cuda.runtime.memGetInfo()[0]) + int(pool.free_bytes())
