"""Few digits, and a folder with networks of the user's own."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from cnn_probe.data.datasets import load_dataset

NETWORKS = """
from torch import nn

def make():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5))

def deep():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.GELU(), nn.AdaptiveAvgPool2d(1),
                         nn.Flatten(), nn.Linear(6, 3))

def flat():
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 256, 8), nn.ReLU(), nn.Linear(8, 3))

def halve(pictures):
    return pictures / 2

def wrong():
    return 5

number = 3
ready = make()
"""


@pytest.fixture(scope="session")
def few_digits():
    """130 digits to train on, 50 to test."""
    full = load_dataset("digits")
    return replace(full, train=full.train.subset(list(range(130))), test=full.test.subset(list(range(50))))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The folder in which a command is typed, with a module ``own_networks`` in it."""
    (tmp_path / "own_networks.py").write_text(NETWORKS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "own_networks", raising=False)
    yield tmp_path
    sys.modules.pop("own_networks", None)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Two classes of pictures, a bright and a dark one."""
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for name, level in (("one", 200), ("two", 20)):
        (folder / name).mkdir()
        for number in range(8):
            pixels = rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)
            pixels[:, :12] = level
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture
def fitted(monkeypatch):
    """Ranks that were fitted, of whichever network."""
    from cnn_probe.runs import probe_run

    ranks, real = [], probe_run.factor
    monkeypatch.setattr(
        probe_run, "factor", lambda recorded, of, **how: ranks.append(of.n_components) or real(recorded, of, **how)
    )
    return ranks


@pytest.fixture
def recordings(monkeypatch):
    """How often a network was recorded for a probe."""
    from cnn_probe.runs import probe_plan

    found, real = [], probe_plan.record
    monkeypatch.setattr(probe_plan, "record", lambda *given, **how: found.append(1) or real(*given, **how))
    return found


@pytest.fixture
def undrawn(monkeypatch):
    """Pictures that are there at once."""
    from cnn_probe.runs import saying

    monkeypatch.setattr(saying, "draw", lambda asked, **how: {})
    monkeypatch.setattr(saying, "pictures_of", lambda figures: {"inputs.png": b"of these inputs"})


@pytest.fixture
def unrendered(monkeypatch):
    """Figures of studies are made, but their files, whose setting takes longest, are there at once."""
    from cnn_probe.report import study_figures

    monkeypatch.setattr(study_figures, "file_of", lambda figure, kind: kind.encode())


@pytest.fixture
def command(photos):
    """A command that probes ``own_networks:deep`` over them in seconds, as a function of more arguments."""
    asked = ["--model", "own_networks:deep", "--data", str(photos), "--image-size", "16", "--inputs", "8"]
    return lambda *more: ["probe", *asked, "--negative", "split", "--max-iter", "30", "--out", "out", *more]
