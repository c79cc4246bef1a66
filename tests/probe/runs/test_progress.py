"""How far a command is: bars on a terminal, lines in a log, nothing where it is to be quiet."""

import io
import re
import sys

import pytest

from cnn_probe import cli
from cnn_probe.data import datasets
from cnn_probe.studies import STUDIES
from cnn_probe.studies.record import in_words
from cnn_probe.studies.study import Given
from cnn_probe.system import bars

STUDY = ["study", "examples", "--ranks", "2", "--seeds", "0", "--max-iter", "5", "--epochs", "1"]
MADE = re.compile(r"^network (\d) of 4: trained on (.+), seed 0, accuracy \d+\.\d%, \d+ s$", re.MULTILINE)


@pytest.fixture(autouse=True)
def few(few_digits, monkeypatch, undrawn, unrendered):
    monkeypatch.setattr(datasets, "load_dataset", lambda *arguments, **options: few_digits)


def test_a_log_has_a_line_for_each_network_that_a_study_makes_and_none_for_those_it_takes(tmp_path, capsys):
    asked = [*STUDY, "--out", str(tmp_path)]
    assert cli.main(asked) == 0
    said = capsys.readouterr().err
    assert MADE.findall(said) == [
        ("1", "class 0"),
        ("2", "all, as many examples as of class 0"),
        ("3", "classes 0–4"),
        ("4", "all, as many examples as of classes 0–4"),
    ]
    assert "{0}" not in said, "of what has learned little neither"
    assert "networks trained on all, as many examples as of class 0 have learned little" in said
    next(iter((tmp_path / "networks").glob("*.json"))).unlink()
    assert cli.main([*asked, "--resume"]) == 0
    assert len(MADE.findall(capsys.readouterr().err)) == 1


@pytest.mark.parametrize("command", [STUDY, ["run", "--epochs", "1", "--max-iter", "5", "--ranks", "2"]])
def test_who_is_to_be_quiet_says_no_more_than_warnings(command, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bars, "EVERY", 0.0)
    assert cli.main([*command, "--quiet", "--out", str(tmp_path / "log")]) == 0
    said = capsys.readouterr().err
    assert all(line.startswith("cnn-probe: ") for line in said.splitlines()), said


def test_a_terminal_has_bars_and_no_such_lines(tmp_path, monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(bars, "EVERY", 0.0)
    assert cli.main([*STUDY, "--out", str(tmp_path / "one")]) == 0
    said = terminal.getvalue()
    assert "4/4" in said
    assert MADE.findall(said) == []
    assert "training: 1 of" not in said
    terminal.truncate(0)
    assert cli.main([*STUDY, "--quiet", "--out", str(tmp_path / "two")]) == 0
    assert "4/4" not in terminal.getvalue()


def test_what_takes_long_is_said_in_a_log_now_and_then(tmp_path, monkeypatch, capsys):
    asked = ["run", "--epochs", "1", "--max-iter", "5", "--ranks", "2"]
    assert cli.main([*asked, "--out", str(tmp_path / "short")]) == 0
    assert "of 5" not in capsys.readouterr().err, "it took no half minute"
    monkeypatch.setattr(bars, "EVERY", 0.0)
    assert cli.main([*asked, "--out", str(tmp_path / "long")]) == 0
    said = capsys.readouterr().err
    for line in ("seed 0: training: 1 of ", "seed 0: recording: 50 of 50\n", "seed 0, rank 2: fitting: 5 of 5\n"):
        assert f"\n{line}" in f"\n{said}"


def test_a_line_that_is_said_puts_off_the_next(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(bars.time, "monotonic", lambda: now[0])
    both = bars.Bars()
    for now[0], line in ((29.0, None), (30.0, None), (31.0, "a network"), (60.0, None), (61.0, None)):
        both.note(line) if line else both("training", int(now[0]), 99)
    assert capsys.readouterr().err == "training: 30 of 99\na network\ntraining: 61 of 99\n"


def test_what_is_said_is_in_a_log_at_once():
    file = io.TextIOWrapper(io.BufferedWriter(io.BytesIO()))
    raw = file.buffer.raw
    bars.say("seed 0: accuracy 90%", file=file)
    assert raw.getvalue() == b"seed 0: accuracy 90%\n"


def test_every_condition_has_words():
    given = Given((100,) * 10, 500, 1)
    every = [one.label for study in STUDIES.values() for one in study.conditions(given)]
    assert not [label for label in map(in_words, every) if "{" in label or "…" in label]
