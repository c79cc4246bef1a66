"""The fuzzers, for some seconds each, from a seed that stays; `make fuzz` runs them for as long as one likes."""

import shutil

import pytest
from fuzz.runner import TESTS, run


@pytest.mark.parametrize("what", ["models", "sparse", "sources"])
def test_no_attack_of_some_seconds_finds_anything(what):
    report = run(what, seconds=5, seed=0, n_cases=2000)
    assert report.n_cases >= 20, "a fuzzer that tries nothing finds nothing"
    assert not report.findings, str(report)


@pytest.mark.parametrize(("code", "found"), [("os.abort()", "status -6"), ("1 / 0", "ZeroDivisionError"), ("7", "7")])
def test_a_crash_an_error_and_a_verdict_are_findings_of_their_seeds(code, found, monkeypatch, tmp_path):
    (tmp_path / "fuzz").mkdir()
    for name in ("__init__", "victim"):
        shutil.copy(TESTS / "fuzz" / f"{name}.py", tmp_path / "fuzz")
    broken = f"import os\n\ndef prepare(folder):\n    return lambda seed: str({code}) if seed == 12 else None\n"
    (tmp_path / "fuzz" / "broken.py").write_text(broken)
    monkeypatch.setattr("fuzz.runner.TESTS", tmp_path)
    report = run("broken", seconds=60, seed=10, n_cases=5)
    assert report.n_cases == 5
    assert list(report.findings) == [12]
    assert found in report.findings[12]
