"""Examples of the docs, run as a user runs them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run_example(example, picture, *, before=()):
    """Run it where warnings are errors, and return what it says; the folders are the first to be imported from."""
    path = os.pathsep.join(map(str, [*before, ROOT]))
    environment = os.environ | {"MPLBACKEND": "Agg", "PYTHONPATH": path, "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, example, picture],
        env=environment,
        cwd=picture.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_and_draw(example, tmp_path):
    """Run it, and see that it draws one figure; one that says that it lacks something is skipped."""
    picture = tmp_path / "figure.png"
    said = run_example(example, picture)
    if said.startswith("skipped: "):
        pytest.skip(said.removeprefix("skipped: ").strip())
    assert picture.stat().st_size > 10_000
    assert list(tmp_path.iterdir()) == [picture], "an example writes nothing but the figure that it is asked for"
