"""The command line's arguments, and what is imported for them."""

import io
import os
import shlex
import subprocess
import sys

import pytest

import cnn_probe
import coupled_nmf
from cnn_probe import arguments, cli
from cnn_probe.data.datasets import DATASETS
from cnn_probe.system import bars

HEAVY = {"torch", "matplotlib", "scipy", "sklearn", "numpy", "coupled_nmf"}


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


@pytest.mark.parametrize("command", arguments.COMMANDS)
def test_a_command_says_what_it_does_and_shows_it_by_an_example_that_can_be_typed(command, capsys):
    assert cli.main([command, "--help"]) == 0
    said = capsys.readouterr().out
    in_short, more, example = arguments.COMMANDS[command]
    assert in_short[1:] in said
    assert more in said
    assert f"\nexample: {example}\n" in said, "in one line, to be copied"
    typed = arguments.build_parser().parse_args(shlex.split(example)[1:])
    assert typed.command == command


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "folder"], "--data folder is read from a folder: name it by --data-root"),
        (["--data", "mnist", "--data-root", "~nosuchuser/x"], "--data-root ~nosuchuser/x cannot be: "),
    ],
)
def test_where_the_data_are_is_looked_at_before_anything_slow_is_imported(arguments, message, tmp_path):
    asked = ["run", *arguments, "--out", str(tmp_path / "a" / "b")]
    said, _ = loaded_by(f"from cnn_probe.cli import main; assert main({asked!r}) == 2")
    assert said.startswith(f"cnn-probe: {message}")
    assert said.count("\n") == 1
    assert said.endswith("\n"), f"imported: {said}"
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("command", [["run"], ["study", "order"]])
def test_what_is_refused_leaves_no_folder_and_says_the_option(command, tmp_path, capsys):
    nowhere = ["--data", "mnist", "--data-root", str(tmp_path / "nowhere")]
    for refused, message in ((nowhere, "pass --download to fetch it"), (["--ranks", "9999"], "9999 is more than")):
        assert cli.main([*command, *refused, "--out", str(tmp_path / "a" / "b")]) == 2
        assert message in capsys.readouterr().err
        assert list(tmp_path.iterdir()) == []
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert cli.main([*command, "--ranks", "9999", "--out", str(tmp_path / "a" / "b")]) == 2
    assert (tmp_path / "a" / "b").is_dir(), "it was there before"


def test_without_standard_error_there_are_no_bars_and_no_errors(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(sys, "stderr", None)
    both = bars.Bars()
    both("network", 0, 2)
    both("training", 1, 2)
    both.close()
    assert cli.main(["run", "--data", "folder", "--out", str(tmp_path)]) == 2
    cli._show_warning("it has learned little", UserWarning, "", 0)
    assert capsys.readouterr().out == ""


def test_bars_tell_no_number_that_is_not_known(monkeypatch):
    said = io.StringIO()
    said.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", said)
    both = bars.Bars()
    assert "0/1" not in said.getvalue()
    both("network", 0, 4)
    both.close()
    assert "0/4" in said.getvalue()


def test_names_that_the_parser_knows_are_those_that_there_are():
    assert tuple(DATASETS) == arguments.DATA_SETS


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


@pytest.mark.skipif(sys.platform != "linux", reason="file systems of other kinds take no such names")
def test_a_folder_whose_name_is_no_utf_8_does_not_end_a_run(tmp_path, photos):
    out = os.fsencode(tmp_path) + b"/caf\xe9 \xe2\x82\xac"
    arguments = ["run", "--data", "folder", "--data-root", str(photos), "--epochs", "1", "--max-iter", "2"]
    arguments += ["--ranks", "3", "--out", out]
    code = "import sys; from cnn_probe.cli import main; sys.exit(main())"
    first, again = (
        (["ascii"], "seed 0, rank 3: RMSE "),
        (["utf-8", "--resume"], "all that was asked for is finished in "),
    )
    for (encoding, *more), said in (first, again):
        environment = {**os.environ, "PYTHONIOENCODING": f"{encoding}:strict"}
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments, *more], env=environment, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
        lines = done.stdout.decode(encoding)
        assert said in lines
        assert lines.splitlines()[-1].startswith(f"page: {tmp_path}/caf\\xe9 "), lines
    assert os.path.exists(out + b"/index.html")


def test_what_is_said_can_be_written_wherever_it_goes(capsys):
    for encoding in ("ascii", "utf-8", "latin-1", None):
        file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")
        bars.say("caf\udce9 \x1b[31m\u20ac\ntwo", file=file)
        file.flush()
        lines = file.buffer.getvalue().decode(encoding or "utf-8")
        assert lines.startswith("caf\\xe9 \\x1b[31m")
        assert lines.endswith("\ntwo\n")
    assert cli.main(["run", "--data-root", "caf\udce9", "--data", "mnist"]) == 2
    assert cli.main(["run", "caf\udce9"]) == 2
    said = capsys.readouterr().err
    assert said.count("caf\\xe9") == 2
    assert said.count("\n") == 2
