"""One guard for the number of BLAS threads in this process."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from threadpoolctl import OpenBLASController, ThreadpoolController


def _take_control() -> None:
    """Let this thread set OpenBLAS's threads: threadpoolctl 3.8 ignores every thread but the first that did.

    The guard's count makes this safe: whoever comes first stores what was there, whoever leaves last puts it back.
    """
    clear = getattr(OpenBLASController, "clear_controlling_thread", None)
    if clear is not None:
        clear(force=True)


class BlasGuard:
    """Holds BLAS at one thread while anyone needs it so, and puts back what was there when the last one leaves.

    A many-threaded BLAS under a second thread pool is many times slower, and overlapping users must not leave
    BLAS at one thread for good: hence one count for the whole process.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0
        self._threads_outside = 1
        self._limiter: Any = None  # while BLAS is held; and after, if what was there could not be put back
        self._pools: Any = None
        self._modules = 0
        if hasattr(os, "register_at_fork"):
            # A child has none of the threads that hold BLAS here, and would wait for ever for a lock that one had.
            os.register_at_fork(
                before=self._lock.acquire, after_in_parent=self._lock.release, after_in_child=self._begin_anew
            )

    def _begin_anew(self) -> None:
        self._holders = 0
        self._put_back()
        self._lock.release()

    def _blas(self) -> Any:
        """The BLAS libraries that are loaded; looked for anew, which takes milliseconds, once modules have come."""
        if self._pools is None or self._modules != len(sys.modules):
            self._pools, self._modules = ThreadpoolController().select(user_api="blas"), len(sys.modules)
        return self._pools

    def _blas_threads(self) -> int:
        return max((pool["num_threads"] for pool in self._blas().info()), default=1)

    def _put_back(self) -> None:
        """Give BLAS the threads that it had; if that is interrupted, whoever comes next does it."""
        if self._limiter is not None:
            _take_control()
            self._limiter.restore_original_limits()
            _take_control()
            self._limiter = None

    @contextmanager
    def one_thread(self) -> Iterator[None]:
        """BLAS runs on one thread inside this context."""
        with self._lock:
            if self._holders == 0:
                self._put_back()
                self._threads_outside = self._blas_threads()
                _take_control()
                self._limiter = self._blas().limit(limits=1, user_api="blas")
            self._holders += 1
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                if self._holders == 0:
                    self._put_back()

    def n_threads(self, n_jobs: int | None) -> int:
        """Threads that ``n_jobs`` asks for; None means what BLAS may use outside the guard.

        So the limits that users already set (``OMP_NUM_THREADS``, ``threadpool_limits``, the workers of joblib)
        hold for this package as well.
        """
        if n_jobs is None:
            with self._lock:
                if self._holders == 0:
                    self._put_back()
                return self._threads_outside if self._holders else self._blas_threads()
        if n_jobs == 0:
            raise ValueError("n_jobs=0 has no meaning; give a positive number, -1 for all cores, or None.")
        return n_jobs if n_jobs > 0 else max(1, (os.cpu_count() or 1) + 1 + n_jobs)


BLAS = BlasGuard()
