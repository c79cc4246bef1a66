"""Processes that tests begin, and what belongs to the whole of one."""

import os
import signal
from pathlib import Path

from threadpoolctl import threadpool_info


def with_tests():
    """The environment of a process that imports what lies beside this file, and the packages."""
    here = Path(__file__).parent
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(here), str(here.parents[1])])}


def blas_threads():
    """Of each library of BLAS that is loaded."""
    return sorted(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")


def forked(what):
    """How a child ends that does something: 0 if that is true, 1 if not, 2 if it fails, below 0 if it hangs."""
    child = os.fork()
    if child == 0:
        status = 2
        try:
            signal.alarm(60)
            status = 0 if what() else 1
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
