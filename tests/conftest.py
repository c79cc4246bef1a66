"""What several test files share; imports stay inside, so that tests of coupled_nmf alone need no torch."""

from __future__ import annotations

import functools
import gzip
import importlib
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cnn_probe.datasets import ImageData

# What holds of the estimator holds on every backend: each test of these files runs once on each.
ON_EVERY_BACKEND = {
    "test_bad_input", "test_callbacks", "test_containers", "test_divergence", "test_estimator", "test_extreme_input",
    "test_gaps", "test_going_on", "test_known_components", "test_model_selection", "test_oracle", "test_penalties",
    "test_properties", "test_sklearn_nmf_counterparts", "test_sparse", "test_starts", "test_streaming",
}  # fmt: skip


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give the tests of the files that run on every backend each of the places in its turn."""
    if metafunc.module.__name__.split(".")[-1] in ON_EVERY_BACKEND:
        metafunc.parametrize("place", places(), indirect=True, scope="module")


def places() -> list[Any]:
    """Where the tests of these files run: on a GPU, too, if there is one."""
    return ["cpu", "emulated", *([pytest.param("gpu", marks=pytest.mark.gpu)] if has_gpu() else [])]


@pytest.fixture(scope="module", autouse=True)
def place(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where backend='auto' works: here, on the emulated device, or on a GPU."""
    where = getattr(request, "param", "cpu")
    if where == "cpu":
        yield where
        return
    with pytest.MonkeyPatch.context() as patch:
        if where == "emulated":
            emulate(patch)
        else:
            need_gpu()
        backends = importlib.import_module("coupled_nmf.backends")
        opened = backends.open_backend

        def open_there(name: str, *arguments: object) -> object:
            return opened("cupy" if name == "auto" else name, *arguments)

        patch.setattr("coupled_nmf.model.open_backend", open_there)
        yield where


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Hear Ctrl-C, here and in the processes that tests begin, also where it is ignored, as behind ``nohup``."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def unless_emulated(place: str) -> None:
    """Skip what would take minutes there, and shows nothing that other tests do not."""
    if place == "emulated":
        pytest.skip("takes minutes on the emulated device")


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


MNIST_ARCHIVES = Path(__file__).resolve().parents[2] / "shared" / "data" / "mnist"


@pytest.fixture(scope="session")
def mnist_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root from which load_dataset("mnist") reads, with the real MNIST in it."""
    archives = sorted(MNIST_ARCHIVES.glob("*-ubyte.gz"))
    if len(archives) != 4:
        pytest.skip("the four files of MNIST are not beside this checkout, in shared/data/mnist")
    root = tmp_path_factory.mktemp("mnist")
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for archive in archives:
        with gzip.open(archive) as packed, (raw / archive.stem).open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked)
    return root


@pytest.fixture(scope="session")
def digits() -> ImageData:
    """scikit-learn's digits at 28×28."""
    from cnn_probe.datasets import load_dataset

    return load_dataset("digits")
