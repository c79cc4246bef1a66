"""Kernels of the package, compiled for the host and launched with arrays that show what is written beside them."""

from __future__ import annotations

import ctypes
import functools
import mmap
from types import SimpleNamespace

import numpy as np
from emulation import compile_module

from coupled_nmf.backends.cuda.kernels import CONTROL, KERNELS, WITH_WIDTH, options, width_for

DTYPES = (np.float32, np.float64)
# Of the largest: sums of k products in another order, passed on over a few sweeps.
TOLERANCE = {np.float32: 3e-6, np.float64: 1e-12}
NULL = np.uintp(0)
LIBC = ctypes.CDLL(None)


@functools.cache
def kernel(name, dtype, k=1, file=None):
    """A kernel as the package would compile it for a dtype and a rank."""
    file = f"{file or name}.cu"
    return compile_module(KERNELS / file, options(dtype, width_for(k) if file in WITH_WIDTH else None)).get_function(
        name
    )


class Guarded:
    """An array behind bytes of ones, which are NaNs, and in front of a page that nobody may touch.

    What is read in front of it spoils a result, what is written there shows; what is touched behind ends the process,
    as it would end a device's.
    """

    GUARD = 256

    def __init__(self, array):
        array = np.asarray(array)
        size = -(-(self.GUARD + array.nbytes) // mmap.PAGESIZE) * mmap.PAGESIZE
        pages = np.frombuffer(mmap.mmap(-1, size + mmap.PAGESIZE), np.uint8)
        LIBC.mprotect(ctypes.c_void_p(pages.ctypes.data + size), ctypes.c_size_t(mmap.PAGESIZE), 0)
        self._front = pages[: size - array.nbytes]
        self._front[...] = 255
        self.array = pages[size - array.nbytes : size].view(array.dtype).reshape(array.shape)
        self.array[...] = array
        self.data = SimpleNamespace(ptr=self.array.ctypes.data)

    def check(self):
        assert np.all(self._front == 255), "something was written in front of an array"


def launch(function, grid, block, *arguments):
    """Launch with arrays copied between guards; return the arrays as they are then, None for others."""
    guarded = [
        Guarded(argument) if isinstance(argument, np.ndarray) and argument.ndim else None for argument in arguments
    ]
    place = {id(argument): own for argument, own in zip(arguments, guarded, strict=True) if own is not None}
    passed = [
        NULL if argument is None else place.get(id(argument), argument) for argument in arguments
    ]  # one array given twice is one buffer
    function((grid,) if isinstance(grid, int) else grid, (block,), passed)
    for own in place.values():
        own.check()
    return [place[id(argument)].array if id(argument) in place else None for argument in arguments]


def control_of(**values):
    control = np.zeros(CONTROL["N_CONTROL"])
    for name, value in values.items():
        control[CONTROL[name]] = value
    return control


def assert_close(found, expected, dtype, what):
    """Alike to rounding, measured by the largest; NaN where NaN is expected."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected), err_msg=what)
    scale = max(np.abs(expected[np.isfinite(expected)]).max(initial=0.0), 1e-300)
    np.testing.assert_allclose(found / scale, expected / scale, rtol=0, atol=TOLERANCE[dtype], err_msg=what)


def beside(V, room):
    """The same with ``room`` more columns, of -1."""
    return np.concatenate([V, np.full((len(V), room), -1, V.dtype)], axis=1)
