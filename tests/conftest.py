"""What several test files share; imports stay inside, so that tests of coupled_nmf alone need no torch."""

from __future__ import annotations

import gzip
import importlib
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from places import backend_of, make_ready

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cnn_probe.data.images import ImageData


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Networks with random weights are the same whichever tests ran before in this process.

    Of the processes of ``-n auto``, of which there are as many as cores, each has one of them: more threads of PyTorch
    would wait for one another, and burn time while they do. A test that needs several asks for them.
    """
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(0)
        if "PYTEST_XDIST_WORKER" in os.environ:
            torch.set_num_threads(1)


@pytest.fixture(scope="module", autouse=True)
def place(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where backend='auto' works: here, on the emulated device, on a GPU, or where another backend's tests run."""
    where = getattr(request, "param", "cpu")
    if where == "cpu":
        yield where
        return
    with pytest.MonkeyPatch.context() as patch:
        make_ready(where, patch)
        backends = importlib.import_module("coupled_nmf.backends.choice")
        opened = backends.open_backend

        def open_there(name: str, *arguments: object) -> object:
            return opened(backend_of(where) if name == "auto" else name, *arguments)

        patch.setattr("coupled_nmf.fit.session.open_backend", open_there)
        yield where


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Hear Ctrl-C, here and in the processes that tests begin, also where it is ignored, as behind ``nohup``."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


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
    from cnn_probe.data.datasets import load_dataset

    return load_dataset("digits")
