"""Test files here import from each other; and a folder with networks of the user's own."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

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


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The folder in which a command is typed, with a module ``own_networks`` in it."""
    (tmp_path / "own_networks.py").write_text(NETWORKS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "own_networks", raising=False)
    yield tmp_path
    sys.modules.pop("own_networks", None)
