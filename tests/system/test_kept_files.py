"""Files that a fit goes on from, read by several threads, as by the workers of a cluster in one process."""

import gc
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from coupled_nmf.system.folders import Folder
from coupled_nmf.system.kept_files import read_array, write_array


@pytest.fixture
def threads_that_meet():
    """Threads take turns as often as they can, also while garbage is collected, of which Python code hears."""

    def hear(phase, info):
        sum(range(50))

    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-6)
    gc.set_threshold(5)
    gc.callbacks.append(hear)
    with ThreadPoolExecutor(4) as threads:
        yield threads
    gc.callbacks.remove(hear)
    gc.set_threshold(*thresholds)
    sys.setswitchinterval(interval)


def test_threads_that_read_at_once_read_what_was_written(tmp_path, threads_that_meet):
    """Python 3.11.7 fails where two threads parse a header at once."""
    folder = Folder(str(tmp_path))
    X = np.random.default_rng(0).random((3, 2))
    digest = write_array(folder, "X.npy", X)
    found = threads_that_meet.map(lambda _: read_array(folder, "X.npy", digest), range(500))
    assert all(np.array_equal(one, X) for one in found)
