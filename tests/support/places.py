"""Where tests of the estimator run: here, on the emulated device, or on a GPU."""

from __future__ import annotations

import functools
import importlib
import shutil
import sys
from typing import Any

import pytest


def places() -> list[Any]:
    """Where the tests that run on every backend run: on a GPU, too, if there is one."""
    return ["cpu", "emulated", *([pytest.param("gpu", marks=pytest.mark.gpu)] if has_gpu() else [])]


def emulate(patch: pytest.MonkeyPatch) -> None:
    """Put a CuPy in place that works in the host's memory, by kernels compiled for the host."""
    if shutil.which("g++") is None:
        pytest.skip("g++, which compiles the kernels for the host, is not installed")
    patch.setitem(sys.modules, "cupy", importlib.import_module("emulation.cupy"))


@functools.cache
def has_gpu() -> bool:
    """Whether there is an NVIDIA GPU, and CuPy."""
    try:
        return bool(importlib.import_module("cupy").cuda.is_available())
    except ImportError:
        return False


def need_gpu() -> None:
    """Skip where there is none."""
    if not has_gpu():
        pytest.skip("there is no NVIDIA GPU, or no CuPy")
