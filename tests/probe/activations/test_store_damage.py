"""Stores that are damaged, and disks that are full: said, and what can be kept is kept."""

import errno
import json
import shutil
import subprocess
import sys
from collections import namedtuple

import numpy as np
import pytest
from processes import with_tests
from stored import BESIDE, BLOCKS, FACTS, ROWS, N, check_whole, open_store, record

from cnn_probe.activations.store import bytes_needed, room
from cnn_probe.activations.store.manifest import MANIFEST


def damage(path, how):
    manifest = path / MANIFEST
    (array,) = path.glob("000-*.npy")
    text = manifest.read_text()
    if how == "manifest cut":
        manifest.write_text(text[: len(text) // 2])
    elif how == "manifest changed":
        manifest.write_text(
            text.replace('"rows_done": 12', '"rows_done": 11').replace('"finished": true', '"finished": false')
        )
    elif how == "manifest of another":
        manifest.write_text(json.dumps([1]))
    elif how == "file short":
        with array.open("r+b") as file:
            file.truncate(array.stat().st_size - 1)
    elif how == "file gone":
        array.unlink()
    elif how == "header":
        array.write_bytes(b"\0" * array.stat().st_size)


HOWS = ["manifest cut", "manifest changed", "manifest of another", "file short", "file gone", "header"]


@pytest.mark.parametrize(
    ("how", "stop"), [(how, stop) for how in HOWS for stop in (12, N) if (how, stop) != ("header", 12)]
)
def test_what_is_damaged_is_said_and_made_anew(tmp_path, how, stop):
    with open_store(tmp_path) as store:
        record(store, stop=stop)
        if stop == N:
            store.finish()
    damage(store.path, how)
    with pytest.warns(UserWarning, match="is damaged: .*made anew") as said:
        again = open_store(tmp_path)
    assert len(said) == 1
    assert "stored.py" in said[0].filename, "the line that opened it"
    with again:
        assert again.rows_done == 0
        record(again)
        again.finish()
    check_whole(again)


def test_a_store_under_the_name_of_another_is_not_taken(tmp_path):
    with open_store(tmp_path) as store:
        record(store)
        store.finish()
    with open_store(tmp_path, FACTS | {"network": "another"}) as other:
        pass
    shutil.rmtree(other.path)
    store.path.rename(other.path)
    with pytest.warns(UserWarning, match="store.json is of another store"):
        again = open_store(tmp_path, FACTS | {"network": "another"})
    with again:
        assert again.rows_done == 0


def test_who_reads_a_store_keeps_it_while_it_is_made_anew(tmp_path):
    with open_store(tmp_path) as store:
        record(store)
        store.finish()
    array = store.arrays()["relu1"]
    damage(store.path, "manifest cut")
    with pytest.warns(UserWarning, match="damaged"), open_store(tmp_path):
        np.testing.assert_array_equal(array, ROWS["relu1"])


def test_a_disk_too_small_is_said_before_the_pass(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    need = bytes_needed(BLOCKS, N, BESIDE)
    monkeypatch.setattr(room.shutil, "disk_usage", lambda path: usage(10**6, 0, need - 1))
    with pytest.raises(OSError, match=f"rows need {need:,} bytes, and {need - 1:,} are free on the disk") as caught:
        open_store(tmp_path)
    assert caught.value.errno == errno.ENOSPC
    assert not list(tmp_path.glob("*/store.json"))
    monkeypatch.setattr(room.shutil, "disk_usage", lambda path: usage(10**6, 0, need))
    open_store(tmp_path).close()


def test_what_is_there_needs_no_room(tmp_path, monkeypatch):
    with open_store(tmp_path) as store:
        record(store, stop=20)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(room.shutil, "disk_usage", lambda path: usage(10**6, 0, bytes_needed(BLOCKS, 3, BESIDE)))
    with open_store(tmp_path) as again:
        assert again.rows_done == 20


FILL = """
import errno, resource, signal, sys
from cnn_probe.activations.store import room
from stored import open_store, record
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
room.FULL = (errno.EFBIG,)
resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000))
with open_store(sys.argv[1]) as store:
    record(store)
"""


def test_a_disk_that_fills_up_keeps_what_was_committed(tmp_path):
    """A limit on the size of files stands in for the disk: outputs take 800 bytes a row, four rows a batch."""
    done = subprocess.run(
        [sys.executable, "-c", FILL, str(tmp_path)], env=with_tests(), capture_output=True, text=True, check=False
    )
    assert "is full; 8 rows are kept, and the next pass with the same store begins behind them" in done.stderr
    (outputs,) = tmp_path.glob("*/003-outputs.npy")
    assert outputs.stat().st_size == 128 + 8 * 800, "what was written in part has given its room back"
    with open_store(tmp_path) as again:
        assert again.rows_done == 8
        record(again)
        again.finish()
    check_whole(again)
