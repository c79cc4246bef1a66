"""A pass that is killed, at whatever moment, goes on: all rows and facts are those of an unbroken one."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import kills
import numpy as np
import pytest
from processes import with_tests
from stored import ROWS, N, check_whole, open_store, record

EACH = """
import shutil, sys, tempfile, warnings
from pathlib import Path
import kills
sys.path.insert(0, {here!r})
from stored import N, check_whole, open_store, record
from cnn_probe.activations.store import disk
warnings.simplefilter("error")
disk.COMMIT_BYTES = {commit}
folder, found = Path(tempfile.mkdtemp()), set()

def work():
    with open_store(folder) as store:
        record(store, batch=8)
        store.finish()

def check():
    with open_store(folder) as store:
        found.add(store.rows_done)
        if not store.finished:
            record(store, batch=8)
            store.finish()
    check_whole(store)
    assert not list(store.path.glob(".*.part"))
    {begin}

n = kills.each(work, check)
print(n, sorted(found))
"""


@pytest.mark.parametrize("commit", [1, 10**9], ids=["often", "at the end"])
def test_killed_at_every_call_that_changes_a_file(commit):
    """Also in the middle of each write, and of the manifest's."""
    code = EACH.format(here=str(Path(__file__).parent), commit=commit, begin="shutil.rmtree(folder); folder.mkdir()")
    n, rows = kills.run(code).split(maxsplit=1)
    assert int(n) > 40
    assert rows.strip() == str([0, 8, 16, N] if commit == 1 else [0, N])


TWICE = """
import shutil, sys, tempfile, warnings
from pathlib import Path
import kills
sys.path.insert(0, {here!r})
from stored import N, check_whole, open_store, record
from cnn_probe.activations.store import disk
warnings.simplefilter("error")
disk.COMMIT_BYTES = 1
folder, found = Path(tempfile.mkdtemp()), []

def work():
    with open_store(folder) as store:
        if not store.finished:
            record(store, batch=8)
            store.finish()

def check():
    with open_store(folder) as store:
        found.append(store.rows_done)

kills.each(work, check)
with open_store(folder) as store:
    check_whole(store)
print(found == sorted(found), found[0], found[-1] == N)
"""


def test_killed_again_and_again_it_never_goes_back():
    """Each pass goes on where the one before was killed, a call later each time."""
    assert kills.run(TWICE.format(here=str(Path(__file__).parent))).split() == ["True", "0", "True"]


SLOW = """
import sys, time
from stored import N, open_store, record
from cnn_probe.activations.store import disk
disk.COMMIT_BYTES = 6000
with open_store(sys.argv[1]) as store:
    print("open", flush=True)
    while store.rows_done < N:
        record(store, stop=store.rows_done + 1)
        time.sleep(0.02)
    store.finish()
"""


def test_a_process_that_is_killed_at_several_moments(tmp_path):
    """By SIGKILL from outside; the lock that it held goes with it."""
    rng, done = random.Random(0), 0
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", SLOW, str(tmp_path)], env=with_tests(), stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout.readline() == "open\n"
            with pytest.raises(BlockingIOError, match="another run is writing"):
                open_store(tmp_path)
            time.sleep(rng.uniform(0.0, 0.05))
            writer.send_signal(signal.SIGKILL)
        with open_store(tmp_path) as store:
            assert done <= store.rows_done < N
            done = store.rows_done
            if done:
                np.testing.assert_array_equal(store.running["minima"], ROWS["relu1"][:done].min(axis=0))
    with open_store(tmp_path) as store:
        record(store)
        store.finish()
    check_whole(store)
