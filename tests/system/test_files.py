"""What is written appears whole or not at all."""

import os
import stat
import sys
import threading
from pathlib import Path

import kills
import pytest

from coupled_nmf import atomic_open

ROOT = Path(__file__).parents[2]


def test_a_writer_that_is_killed_anywhere_leaves_the_old_file_or_the_new_one(tmp_path):
    code = f"""
import kills
from pathlib import Path
from coupled_nmf.system.files import atomic_open
path = Path({str(tmp_path)!r}) / "file"
path.write_bytes(b"old" * 10000)

def save():
    with atomic_open(path) as file:
        for _ in range(3):
            file.write(b"new" * 10000)

def check():
    found.add(path.read_bytes())

found = set()
print(kills.each(save, check), found == {{b"old" * 10000, b"new" * 30000}})
"""
    n_kills, both = kills.run(code).split()
    assert int(n_kills) >= 5, "a save opens, writes, flushes to the disk and renames"
    assert both == "True"


def test_an_error_in_the_middle_leaves_what_was_there_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail():
        with atomic_open(path) as file:
            file.write(b"new")
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="full"):
        fail()
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"old"


def test_threads_that_write_one_path_leave_the_file_of_one_of_them(tmp_path):
    path, contents = tmp_path / "file", [bytes([i]) * 100_000 for i in range(8)]

    def write(content):
        for _ in range(10):
            with atomic_open(path) as file:
                for start in range(0, len(content), 1000):
                    file.write(content[start : start + 1000])

    threads = [threading.Thread(target=write, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in contents
    assert len(list(tmp_path.iterdir())) == 1


def test_links_permissions_and_what_is_no_file_stay_what_they_are(tmp_path):
    path, link = tmp_path / "file", tmp_path / "link"
    path.write_bytes(b"old")
    path.chmod(0o640)
    link.symlink_to(path)
    with atomic_open(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    with atomic_open(os.devnull) as file:
        file.write(b"nothing")
    assert not os.path.isfile(os.devnull)


@pytest.mark.parametrize("letter", ["a", "é", "因", "🐈"])
def test_a_name_as_long_as_the_file_system_takes_is_written(tmp_path, letter):
    path = tmp_path / (letter * (244 // len(letter.encode())))
    with atomic_open(path) as file:
        file.write(b"all")
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == b"all"


@pytest.mark.skipif(os.name != "posix" or sys.platform == "darwin", reason="names that are no text are Linux's")
def test_a_name_that_is_no_text_is_written(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9")
    with atomic_open(path) as file:
        file.write(b"all")
    assert path.read_bytes() == b"all"


@pytest.mark.parametrize("folder", ["coupled_nmf", "cnn_probe", "benchmarks", "docs"])
def test_nothing_is_written_in_place(folder):
    """A page or a record that is cut short would pass for a whole one."""
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files, "the folder is where it was"
    found = [
        str(path.relative_to(ROOT))
        for path in files
        if ".write_text(" in path.read_text(encoding="utf-8") or ".write_bytes(" in path.read_text(encoding="utf-8")
    ]
    assert found == []
