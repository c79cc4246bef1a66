"""The command line's arguments, and what is imported for them."""

import subprocess
import sys

import pytest

import cnn_probe
import coupled_nmf
from cnn_probe import cli
from cnn_probe.datasets import DATASETS
from cnn_probe.studies import STUDIES

HEAVY = {"torch", "numba", "matplotlib", "scipy", "sklearn", "numpy", "coupled_nmf"}


def loaded_by(code):
    """What of `HEAVY` a fresh interpreter has imported when the code ends, and what it wrote."""
    ending = f"\nimport sys; sys.stderr.write(' '.join({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code + ending], capture_output=True, text=True, check=True)
    return done.stderr, done.stdout


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["run", "--help"], ["study", "order", "--help"]])
def test_what_needs_no_network_imports_nothing_slow(arguments):
    loaded, said = loaded_by(f"from cnn_probe.cli import main; assert main({arguments!r}) == 0")
    assert loaded == ""
    assert "cnn-probe" in said


def test_the_version_is_that_of_the_package():
    said = loaded_by("from cnn_probe.cli import main; main(['--version'])")[1]
    assert said == f"cnn-probe {coupled_nmf.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--ranks", "1000000000"], "a rank is 1 or more, and at most 10000, not 1000000000"),
        (["run", "--ranks", "0"], "a rank is 1 or more"),
        (["run", "--ranks", "5,5"], "'5,5' has a repeated number"),
        (["run", "--ranks", ""], "'' is not a list of whole numbers"),
        (["run", "--ranks", "9" * 5000], "is not a list of whole numbers"),
        (["study", "all", "--seeds", "18446744073709551616"], "a seed is 0 or more, and at most 4294967295"),
        (["study", "all", "--seeds", "0,-1"], "a seed is 0 or more"),
        (["run", "--epochs", "0"], "an epoch count is 1 or more"),
        (["run", "--epochs", "1.5"], "'1.5' is not a whole number"),
        (["run", "--max-iter", "0"], "an iteration limit is 1 or more"),
        (["run", "--data", "mnits"], "mnits"),
        (["study", "ordre"], "ordre"),
        ([], "command"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line_before_anything_is_loaded(arguments, message, capsys, monkeypatch):
    monkeypatch.setattr(cli, "_run", None)
    monkeypatch.setattr(cli, "_study", None)
    assert cli.main(arguments) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_a_wrong_argument_imports_nothing_slow():
    assert loaded_by("from cnn_probe.cli import main; assert main(['run', '--ranks', '0']) == 2")[0].endswith("is)\n")


def test_names_that_the_parser_knows_are_those_that_there_are():
    assert tuple(DATASETS) == cli.DATA_SETS
    assert tuple(STUDIES) == cli.STUDY_NAMES


def test_an_interrupt_while_modules_load_is_no_traceback():
    code = """
import sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting())
from cnn_probe.cli import main
import tempfile
assert main(["run", "--out", tempfile.mkdtemp()]) == 130
"""
    said, _ = loaded_by(code)
    assert said.startswith("cnn-probe: interrupted")
    assert "Traceback" not in said


def test_everything_public_is_there_when_it_is_asked_for():
    assert callable(cnn_probe.probe)
    assert set(cnn_probe.__all__) <= set(dir(cnn_probe))
    for name in cnn_probe.__all__:
        assert getattr(cnn_probe, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'prob'"):
        cnn_probe.prob  # noqa: B018
    loaded, said = loaded_by("import cnn_probe; print(len(dir(cnn_probe)))")
    assert loaded == ""
    assert int(said) > len(cnn_probe.__all__)
