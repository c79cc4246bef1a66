"""Activations larger than the memory that they may have: streamed to disk, factored there, resumed after a kill."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from torch import nn

from cnn_probe import probe
from cnn_probe.probing import recording

SCRIPT = """
    import os, signal, sys, threading, time
    import numpy as np, torch
    from torch import nn
    from torch.utils.data import Dataset
    from cnn_probe import probe
    from cnn_probe.activations.store import disk
    from cnn_probe.probing import recording

    N, LIMIT = 100_000, 40 * 2**20
    disk.COMMIT_BYTES = 2**22
    recording.memory_for_rows = lambda: LIMIT

    class Many(Dataset):
        def __len__(self):
            return N
        def __getitem__(self, number):
            return torch.rand(32, generator=torch.Generator().manual_seed(number))

    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(32, 256), nn.ReLU(), nn.Linear(256, 3))
    passed = [0]
    network.register_forward_pre_hook(lambda module, inputs: passed.__setitem__(0, passed[0] + len(inputs[0])))

    def anonymous():
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) * 1024

    def kill(what, done, total):
        if what == "recording" and len(sys.argv) > 2 and done > N // 2:
            os.kill(os.getpid(), signal.SIGKILL)

    def run(data, **how):
        return probe(network, data, inputs=False, n_components=4, max_iter=8, tol=0, **how)

    run(Many()[0][None].repeat(2000, 1) * torch.rand(2000, 1))  # what is loaded and compiled at first is not counted
    if len(sys.argv) == 2:
        try:
            run(Many())
        except ValueError as error:
            print("refused:", str(error).splitlines()[0])
    passed[0], least, most = 0, anonymous(), [0]

    def watch():
        while True:
            most[0] = max(most[0], anonymous() - least)
            time.sleep(0.01)

    threading.Thread(target=watch, daemon=True).start()
    import warnings
    warnings.simplefilter("ignore")
    result = run(Many(), store=sys.argv[1], progress=kill)
    print("passed:", passed[0])
    print("memory:", most[0])
    print("digest:", np.float64(result.F).sum().hex(), np.float64(result.model.components_).sum().hex())
"""


def run(*arguments):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    said = dict(line.split(": ", 1) for line in done.stdout.splitlines() if ": " in line)
    return done, said


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_what_does_not_fit_is_streamed_to_disk_factored_there_and_gone_on_with_after_a_kill(tmp_path):
    whole, said = run(tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    assert said["refused"].startswith("the activations take 102 MB, and 41.9 MB of memory are free for them")
    layer = 100_000 * 256 * 4
    assert int(said["memory"]) < 0.6 * layer, "the layer was held in memory"
    assert 100_000 < int(said["passed"]) < 100_020
    killed, _ = run(tmp_path / "cut", "kill")
    assert killed.returncode == -9
    again, resumed = run(tmp_path / "cut")
    assert again.returncode == 0, again.stderr
    assert 40_000 < int(resumed["passed"]) < 60_000, "what was recorded before the kill was recorded again"
    assert resumed["digest"] == said["digest"]
    finished, at_once = run(tmp_path / "cut")
    assert finished.returncode == 0
    assert int(at_once["passed"]) < 20
    assert at_once["digest"] == said["digest"]


@pytest.fixture
def images():
    return torch.rand(30, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(1, 3, 3), nn.GELU(), nn.Flatten(), nn.Linear(108, 2))


@pytest.mark.parametrize("negative", ["clip", "split", "shift"])
def test_rows_from_the_store_are_those_from_memory(images, tmp_path, negative):
    expected = probe(network(), images, n_components=2, negative=negative)
    for _ in range(2):  # made, then found
        found = probe(network(), images, n_components=2, negative=negative, store=tmp_path)
        np.testing.assert_array_equal(found.F, expected.F)
        np.testing.assert_array_equal(found.predictions, expected.predictions)
        np.testing.assert_allclose(found.transform(images), expected.transform(images), rtol=1e-6)
    assert len(list(tmp_path.glob("*/store.json"))) == 1


def test_a_store_is_never_stale(images, tmp_path, monkeypatch):
    recorded = []
    own = recording.record_layers

    def counted(*arguments, **options):
        recorded.append(1)
        return own(*arguments, **options)

    monkeypatch.setattr(recording, "record_layers", counted)
    changed = network()
    changed[0].weight.data[0] += 1e-3
    changes = [
        lambda: probe(network(), images, n_components=2, negative="clip", store=tmp_path),
        lambda: probe(changed, images, n_components=2, negative="clip", store=tmp_path),
        lambda: probe(network(), images * 0.5, n_components=2, negative="clip", store=tmp_path),
        lambda: probe(network(), images, n_components=2, negative="split", store=tmp_path),
        lambda: probe(network(), images, n_components=2, negative="clip", pool="mean", store=tmp_path),
        lambda: probe(network(), images, n_components=2, negative="clip", store=tmp_path, inputs=4),
        lambda: probe(network(), images, n_components=2, negative="clip", store=tmp_path, preprocess=lambda x: x - 0.1),
        lambda: probe(network(), images, n_components=2, negative="clip", store=tmp_path, preprocess=lambda x: x - 0.2),
    ]
    for number, change in enumerate(changes, start=1):
        change()
        assert len(recorded) == number, "an earlier recording was taken for another"
    for change in changes:
        change()
    assert len(recorded) == len(changes), "what was there was recorded again"
