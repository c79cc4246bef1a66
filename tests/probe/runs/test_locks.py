"""Two writers in one folder: the second is refused, or waits."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from cnn_probe.system.locks import only_one

HOLD = """
import sys, time
from cnn_probe.system.locks import only_one
with only_one(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def hold(folder):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_second_process_is_refused_until_the_first_is_gone_even_killed(tmp_path):
    with hold(tmp_path) as holder:
        with (
            pytest.raises(BlockingIOError, match=r"another run is writing to .*choose another folder"),
            only_one(tmp_path),
        ):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with only_one(tmp_path):
            assert os.listdir(tmp_path) == [".cnn-probe.lock"]


def test_an_error_inside_frees_the_folder(tmp_path):
    with pytest.raises(KeyboardInterrupt), only_one(tmp_path):
        raise KeyboardInterrupt
    with only_one(tmp_path):
        pass


def test_who_waits_comes_after(tmp_path):
    order = []

    def wait():
        with only_one(tmp_path, wait=True):
            order.append("second")

    with only_one(tmp_path):
        thread = threading.Thread(target=wait)
        thread.start()
        thread.join(0.2)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
