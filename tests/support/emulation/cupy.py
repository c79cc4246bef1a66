"""As much of CuPy as the backend uses, in the host's memory, and no more: what else it were to call fails here.

Arrays refuse what CuPy's refuse, above all to mix with NumPy's; new ones hold NaN; cuBLAS gets addresses and checks its
leading dimensions; kernels are compiled for the host. Streams and events keep no order: everything is done at once.
"""

from __future__ import annotations

import contextlib
import ctypes
from types import SimpleNamespace

import numpy as np

from coupled_nmf.backends.cuda.kernels import KERNELS
from emulation import compile_module

__version__ = "emulated"
FREE_BYTES = [2**40]  # of the device; tests make it small


class ndarray:
    """An array on the device."""

    def __init__(self, array):
        self._array = array

    def __array__(self, *args, **kwargs):
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    @property
    def __cuda_array_interface__(self):
        return self._array.__array_interface__

    shape = property(lambda self: self._array.shape)
    strides = property(lambda self: self._array.strides)
    dtype = property(lambda self: self._array.dtype)
    itemsize = property(lambda self: self._array.itemsize)
    size = property(lambda self: self._array.size)
    ndim = property(lambda self: self._array.ndim)
    nbytes = property(lambda self: self._array.nbytes)
    device = property(lambda self: SimpleNamespace(id=0))
    T = property(lambda self: ndarray(self._array.T))
    data = property(lambda self: SimpleNamespace(ptr=self._array.ctypes.data))

    def __len__(self):
        return len(self._array)

    def __getitem__(self, key):
        return ndarray(self._array[_index(key)])

    def __setitem__(self, key, value):
        self._array[_index(key)] = _own(value)

    def __imul__(self, other):
        self._array *= _own(other)
        return self

    def __matmul__(self, other):
        return ndarray(self._array @ _own(other))

    def reshape(self, *shape):
        found = self._array.reshape(*shape)
        assert np.shares_memory(found, self._array), "a copy, which CuPy would make without a word"
        return ndarray(found)

    def copy(self):
        return ndarray(self._array.copy())

    def get(self):
        return self._array.copy(order="C")

    def set(self, array, stream=None):
        if not self._array.flags.c_contiguous and not self._array.flags.f_contiguous:
            raise RuntimeError("Cannot set to non-contiguous array")
        if array.dtype != self.dtype or array.shape != self.shape:
            raise ValueError(f"{array.dtype}{array.shape} does not go into {self.dtype}{self.shape}")
        self._array[...] = array


def _own(value):
    """An array of the device's memory, or a number."""
    if isinstance(value, ndarray):
        return value._array
    if isinstance(value, np.ndarray) and value.ndim:
        raise TypeError("Unsupported type <class 'numpy.ndarray'>")
    return value


def _index(key):
    """An index of slices and numbers, or of an array on the device."""
    if isinstance(key, ndarray):
        return key._array
    for item in key if isinstance(key, tuple) else (key,):
        if not (item is None or item is Ellipsis or isinstance(item, (slice, int, np.integer))):
            raise IndexError(f"an index of {type(item)}")
    return key


def empty(shape, dtype=float):
    array = np.empty(shape, dtype)
    array.fill(np.nan if array.dtype.kind == "f" else 2**30 if array.dtype.itemsize >= 4 else 99)
    return ndarray(array)


def zeros(shape, dtype=float):
    return ndarray(np.zeros(shape, dtype))


def asarray(array):
    return array if isinstance(array, ndarray) else ndarray(np.array(array))


def from_dlpack(array):
    return ndarray(np.from_dlpack(array))


def ascontiguousarray(array, dtype=None):
    return ndarray(np.ascontiguousarray(array._array, dtype=dtype))


def take(array, indices, axis):
    return ndarray(np.take(array._array, indices._array, axis=axis))


def maximum(array, other, out):
    np.maximum(array._array, other._array, out=out._array)


def copyto(target, source, casting):
    np.copyto(target._array, source._array, casting=casting)


class RawModule:
    """The kernels of a source, compiled for the host."""

    def __init__(self, *, code, options, backend):
        assert backend == "nvrtc"
        path = next(path for path in KERNELS.glob("*.cu") if path.read_text(encoding="utf-8") == code)
        self._module = compile_module(path, options)

    def get_function(self, name):
        return self._module.get_function(name)


class _Event:
    def __init__(self, disable_timing=False):
        pass

    def record(self, stream):
        pass

    def synchronize(self):
        pass


class _Stream:
    def __init__(self, non_blocking=False):
        pass

    def wait_event(self, event):
        assert isinstance(event, _Event)

    def synchronize(self):
        pass


class _Device(contextlib.nullcontext):
    id = 0


class CUDARuntimeError(RuntimeError):
    """What CuPy raises without a driver."""


def _matrix(address, rows, columns, ld, dtype):
    """A matrix as cuBLAS takes it: column by column, ``ld`` entries from one to the next."""
    assert ld >= max(rows, 1), f"leading dimension {ld} of {rows} rows"
    item = np.dtype(dtype).itemsize
    memory = (ctypes.c_char * (((columns - 1) * ld + rows) * item)).from_address(int(address))
    return np.ndarray((rows, columns), dtype, memory, strides=(item, ld * item))


def _gemm(dtype):
    def gemm(handle, across_a, across_b, m, n, k, alpha, a, ld_a, b, ld_b, beta, c, ld_c):
        alpha, beta = (_matrix(place, 1, 1, 1, dtype)[0, 0] for place in (alpha, beta))
        left = _matrix(a, k, m, ld_a, dtype).T if across_a else _matrix(a, m, k, ld_a, dtype)
        right = _matrix(b, n, k, ld_b, dtype).T if across_b else _matrix(b, k, n, ld_b, dtype)
        out = _matrix(c, m, n, ld_c, dtype)
        out[...] = alpha * (left @ right) + (beta * out if beta else 0)  # what beta 0 meets may be NaN

    return gemm


def _round_to_tf32(array):
    bits = array.view(np.uint32) + np.uint32(0x1000)
    return (bits & np.uint32(0xFFFFE000)).view(np.float32)


def _gemm_ex(
    handle, across_a, across_b, m, n, k, alpha, a, kind_a, ld_a, b, kind_b, ld_b, beta, c, kind_c, ld_c, how, algo
):
    assert kind_a == kind_b == kind_c == 0
    assert how == cuda.cublas.CUBLAS_COMPUTE_32F_FAST_TF32
    f = np.float32
    left = _matrix(a, *((k, m) if across_a else (m, k)), ld_a, f)
    right = _matrix(b, *((n, k) if across_b else (k, n)), ld_b, f)
    rounded = [np.asfortranarray(_round_to_tf32(np.ascontiguousarray(matrix))) for matrix in (left, right)]
    places = [matrix.ctypes.data for matrix in rounded]
    _gemm(f)(handle, across_a, across_b, m, n, k, alpha, places[0], len(left), places[1], len(right), beta, c, ld_c)


cuda = SimpleNamespace(
    runtime=SimpleNamespace(
        getDeviceCount=lambda: 1, memGetInfo=lambda: (FREE_BYTES[0], 2**40), CUDARuntimeError=CUDARuntimeError
    ),
    cublas=SimpleNamespace(
        CUBLAS_POINTER_MODE_HOST=0,
        CUBLAS_COMPUTE_32F_FAST_TF32=77,
        CUBLAS_GEMM_DEFAULT=-1,
        setPointerMode=lambda handle, mode: None,
        sgemm=_gemm(np.float32),
        dgemm=_gemm(np.float64),
        gemmEx=_gemm_ex,
    ),
    get_cublas_handle=lambda: 0,
    get_current_stream=lambda: _Stream(),
    alloc_pinned_memory=bytearray,
    Device=_Device,
    Event=_Event,
    Stream=_Stream,
)


def get_default_memory_pool():
    return SimpleNamespace(free_bytes=lambda: 0)
