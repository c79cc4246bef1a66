"""Where tests of the estimator run: here, on the emulated device, or on a GPU."""

from __future__ import annotations

import functools
import importlib
import shutil
import sys
from typing import Any

import pytest

# Where the tests of a backend run; of one that is not named here, in one place of its own name, which needs nothing.
PLACES_OF = {"numpy": ("cpu",), "cupy": ("emulated", "gpu")}


def places() -> list[Any]:
    """Where the tests that run on every backend run: on a GPU, too, if there is one."""
    found = [place for name in _backends() for place in PLACES_OF.get(name, (name,)) if place != "gpu" or has_gpu()]
    return [pytest.param(place, marks=pytest.mark.gpu) if place == "gpu" else place for place in found]


def backend_of(place: str) -> str:
    """The name of the backend whose tests run there."""
    return next(name for name in _backends() if place in PLACES_OF.get(name, (name,)))


def _backends() -> list[str]:
    return list(importlib.import_module("coupled_nmf.backends.choice").BACKENDS)


def make_ready(place: str, patch: pytest.MonkeyPatch) -> None:
    """Put what a place needs where it is looked for; skip what cannot run there."""
    if place == "emulated":
        emulate(patch)
    elif place == "gpu":
        need_gpu()


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
