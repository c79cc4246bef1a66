"""Ctrl-C, heard where nothing is half done."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

AT_ONCE = 1.0  # seconds from one Ctrl-C to the next


class Interrupts:
    """While it is held open, Ctrl-C is noted and comes out at the next `check`, or at the end.

    One that comes a second or more later comes out at once: what is under way may take long to its next check. (Sooner,
    the two are one: a key that is pressed twice, or a signal that a terminal and a parent process send.)

    Python raises KeyboardInterrupt between any two steps, so also between taking something that belongs to the whole
    process (the number of BLAS threads) and the ``try`` that would give it back. Only the main thread hears signals; a
    handler that somebody else has set stays, and an interrupt then comes as it always does.
    """

    def __init__(self) -> None:
        self._holders = 0  # of the main thread, each within the one before
        self._thread = 0  # that thread's number, which it keeps in a child that it forks
        self._pending = self._deferred = False
        self._noted = 0.0
        self._heard = threading.local()

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            self._thread = threading.get_ident()
            if self._holders == 0 and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                self._pending = self._deferred = False
                signal.signal(signal.SIGINT, self._note)
            self._holders += 1
        return self

    def __exit__(self, *exc_info: object) -> None:
        if threading.current_thread() is not threading.main_thread() or self._holders == 0:
            return  # it may have become the main thread since, in a child that it forked
        self._holders -= 1
        if self._holders == 0 and signal.getsignal(signal.SIGINT) == self._note:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            if self.take():
                raise KeyboardInterrupt

    def _note(self, number: int, frame: FrameType | None) -> Any:
        now = time.monotonic()
        if self._pending and now - self._noted >= AT_ONCE:
            self._pending = False
            raise KeyboardInterrupt
        if not self._pending:
            self._pending, self._noted = True, now

    def check(self) -> None:
        """Raise KeyboardInterrupt if there was a Ctrl-C, unless it is to wait; that in the main thread alone."""
        if self._pending and not self._deferred and threading.current_thread() is threading.main_thread():
            self._pending = False
            raise KeyboardInterrupt
        heard = getattr(self._heard, "by", None)
        if heard is not None:
            heard()

    @contextmanager
    def heard_by(self, also: Callable[[], object]) -> Iterator[None]:
        """Have `check` call this too, in this thread: it raises where somebody else has given up what is done here."""
        self._heard.by = also
        try:
            yield
        finally:
            self._heard.by = None

    def defer(self, *, whether: bool) -> None:
        """Have `check` say nothing, for work without which all that was done would be lost; or have it speak again."""
        if threading.current_thread() is threading.main_thread():
            self._deferred = whether

    def take(self) -> bool:
        """Whether there was a Ctrl-C that has not come out; it is then dealt with."""
        if threading.current_thread() is not threading.main_thread():
            return False
        found, self._pending = self._pending, False
        return found

    def forget_other_threads(self) -> None:
        """In a child that another thread than the holder forked, let Ctrl-C do what it always does."""
        if self._thread == threading.get_ident():
            return
        self._holders = 0
        self._pending = self._deferred = False
        if signal.getsignal(signal.SIGINT) == self._note:
            signal.signal(signal.SIGINT, signal.default_int_handler)


INTERRUPTS = Interrupts()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=INTERRUPTS.forget_other_threads)
