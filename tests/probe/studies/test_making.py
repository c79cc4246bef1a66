"""Networks made by several processes at once: the same to the bit, resumed, and ended with the process that asked."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

from cnn_probe import cli
from cnn_probe.runs.study_run import Teller
from cnn_probe.studies import STUDIES, Settings, making
from cnn_probe.studies.records import read_arrays
from cnn_probe.studies.runner import run_studies

SETTINGS = Settings(ranks=(3,), seeds=(0, 1), max_iter=5)
CHOSEN = [STUDIES[name] for name in ("untrained", "scaling")]


@pytest.fixture(scope="module")
def data(few_digits):
    return few_digits


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield
    torch.set_num_threads(before)


def without_seconds(value):
    """Records without durations, and without the digests that have them in."""
    if isinstance(value, dict):
        return {name: without_seconds(one) for name, one in value.items() if name not in ("seconds", "digest", "page")}
    return [without_seconds(one) for one in value] if isinstance(value, list) else value


def test_two_processes_make_what_one_makes_and_what_is_there_is_taken(data, tmp_path, one_thread, monkeypatch):
    heard, shown = [], []
    how = {"notice": heard.append, "tell_more": Teller(False, lambda *given: None)}
    alone = run_studies(CHOSEN, data, SETTINGS, tmp_path / "alone", **how)
    progress = lambda what, done, total: shown.append((what, done, total))  # noqa: E731
    made = []
    twice = run_studies(CHOSEN, data, SETTINGS, tmp_path / "two", jobs=2, progress=progress, made=made.append, **how)
    assert [line.split(":")[0] for line in made] == [f"network {number} of 8" for number in range(1, 9)]
    assert sum(": untrained, seed" in line for line in made) == 2
    assert sum(": trained on all, first layer × 8, seed" in line for line in made) == 2
    assert without_seconds(twice["studies"]) == without_seconds(alone["studies"])
    files = sorted(path.name for path in (tmp_path / "alone" / "networks").glob("*.npz"))
    assert files == sorted(path.name for path in (tmp_path / "two" / "networks").glob("*.npz"))
    for name in files:
        one, other = (read_arrays(tmp_path / folder / "networks" / name) for folder in ("alone", "two"))
        assert all(np.array_equal(one[key], other[key]) for key in one), "to the bit"
    assert max(done for what, done, _ in shown if what == "network") == len(files) == 8
    pages = [len(list((tmp_path / folder / "networks").glob("*.page"))) for folder in ("alone", "two")]
    assert pages == [4, 4], "told by the processes, too"
    monkeypatch.setattr(making, "measure_network", lambda *given: pytest.fail("all is there"))
    (damaged,) = (tmp_path / "two" / "networks" / name for name in files[:1])
    damaged.write_bytes(b"")
    again = run_studies(CHOSEN, data, SETTINGS, tmp_path / "two", jobs=2, resume=True, **how)
    assert without_seconds(again["studies"]) == without_seconds(alone["studies"])
    assert len(heard) == 1, "a process says what it found"
    assert "is damaged" in heard[0]


def test_what_is_killed_goes_on_from_what_was_finished(tmp_path, one_thread, capsys):
    """Both processes are at work when all are killed; what they had finished is not made again."""
    out = tmp_path / "killed"
    asked = ["study", "scaling", "--data", "digits", "--ranks", "3", "--seeds", "0,1", "--max-iter", "5"]
    asked += ["--epochs", "1"]
    command = [sys.executable, "-m", "cnn_probe.cli", *asked, "--jobs", "2", "--out", str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as asking:
        while not (finished := sorted((out / "networks").glob("*.json"))) and asking.poll() is None:
            time.sleep(0.02)
        asking.kill()
        asking.communicate(timeout=60)  # until no process of it is left
    finished = {path: path.read_bytes() for path in sorted((out / "networks").glob("*.json"))}
    assert 1 <= len(finished) < 6, "killed in the middle"
    assert not (out / "index.html").exists()
    assert cli.main([*asked, "--jobs", "2", "--resume", "--out", str(out)]) == 0
    assert len(list((out / "networks").glob("*.json"))) == 6
    for path, content in finished.items():
        assert json.loads(path.read_bytes())["seconds"] == json.loads(content)["seconds"], "not measured again"
    assert cli.main([*asked, "--out", str(tmp_path / "alone")]) == 0
    both = [json.loads((folder / "results.json").read_bytes())["studies"] for folder in (out, tmp_path / "alone")]
    assert without_seconds(both[0]) == without_seconds(both[1])
    assert (out / "index.html").exists()


def test_processes_end_with_the_one_that_asked(tmp_path):
    """Killed, it cannot tell them; they would wait for ever, and hold their memory."""
    code = """
import os, pickle, time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from cnn_probe.studies import making

if __name__ == "__main__":
    how = {"initializer": making._begin, "initargs": (pickle.dumps(0),)}
    pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"), **how)
    print(pool.submit(os.getpid).result(), flush=True)
    time.sleep(1000)
"""
    script = tmp_path / "asks.py"
    script.write_text(code)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as asking:
        worker = int(asking.stdout.readline())
        asking.kill()
        try:
            asking.communicate(timeout=60)  # until nobody holds its output any more
        except subprocess.TimeoutExpired:
            os.kill(worker, signal.SIGKILL)
            pytest.fail("it goes on waiting")
