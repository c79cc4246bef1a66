"""A process that is killed at every call that changes a file, one after the other, to see what is left."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from processes import with_tests

HERE = Path(__file__).parent


def run(code: str) -> str:
    """Run code, which calls `each`, in a process whose calls are counted; return what it prints."""
    compiler = shutil.which("gcc") or shutil.which("g++")
    if compiler is None or sys.platform != "linux":
        pytest.skip("killing a process at a call needs Linux and gcc")
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "writes.so"
        command = [compiler, "-x", "c", "-shared", "-fPIC", "-O1", "-o", str(library), str(HERE / "writes.c"), "-ldl"]
        subprocess.run(command, check=True)
        environment = with_tests() | {"LD_PRELOAD": str(library)}
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def each(action: Callable[[], object], check: Callable[[], object]) -> int:
    """Fork and kill the child at the first, the second, ... call of ``action`` that changes a file; then ``check``.

    Return at how many calls it was killed; the last check follows an action that came to its end.
    """
    arm = ctypes.CDLL(None).kill_at
    n = 0
    while True:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                arm(n)
                action()
                status = 0
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, f"the action failed when not killed: {status}"
        check()
        if not os.WIFSIGNALED(status):
            return n
        n += 1
