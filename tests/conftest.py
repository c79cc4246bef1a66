"""Data that several test files share; imports stay inside, so that tests of coupled_nmf alone need no torch."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cnn_probe.datasets import ImageData

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
