"""Progress: bars on a terminal, and in a log a line now and then."""

from __future__ import annotations

import sys
import time
from typing import Any, TextIO

from tqdm import tqdm

from cnn_probe.system.names import printable

EVERY = 30.0  # seconds that pass in a log from one line to the next that says how far it is


class Bar:
    """One bar for what is at hand, whatever it is; where standard error is no terminal, as in a log, lines instead.

    Parameters
    ----------
    position : int, default=0
        Of the bar, from the top.
    quiet : bool, default=False
        Show neither.
    """

    def __init__(self, position: int = 0, *, quiet: bool = False) -> None:
        self._what, self._said = "", time.monotonic()
        # Of how much there is nothing is known yet.
        self._bar = _bar(quiet, desc="starting", bar_format="{desc}", position=position, leave=False)
        self._in_lines = self._bar.disable and not quiet and sys.stderr is not None

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show how much of ``what`` is done; in a log only if nothing was said for a while."""
        if self._bar.disable:
            if time.monotonic() >= self._said + EVERY:
                self.note(f"{what}: {done} of {total}")
            return
        if what != self._what:
            self._what = what
            self._bar.bar_format = None
            self._bar.reset(total)
            self._bar.set_description_str(what)
        self._bar.total, self._bar.n = total, done
        self._bar.refresh()

    def note(self, line: str) -> None:
        """Say in a log, in a line, what is done; on a terminal the bars show it."""
        if self._in_lines:
            self._said = time.monotonic()
            say(line, sys.stderr)

    def close(self) -> None:
        """Take it off the terminal."""
        self._bar.close()


class Bars:
    """Two bars: all networks, and what the present one is at; ``quiet`` and in a log as `Bar`."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._networks = _bar(quiet, desc="networks", bar_format="{desc}", position=0)
        self._now = Bar(position=1, quiet=quiet)
        self.note = self._now.note

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show how many networks are done, or how much of what the present one is at."""
        if what != "network":
            self._now(what, done, total)
            return
        self._networks.bar_format = None
        self._networks.total, self._networks.n = total, done
        self._networks.refresh()

    def close(self) -> None:
        """End both."""
        self._now.close()
        self._networks.close()


def _bar(quiet: bool, **options: Any) -> tqdm:
    """Return a bar on standard error, which shows nothing where that is no terminal, or closed, or is to be quiet."""
    return tqdm(**options, disable=True if quiet or sys.stderr is None else None)


def say(line: str, file: TextIO | None = None) -> None:
    """Write a line, to standard output unless told otherwise, above whatever bars there are.

    What the output cannot take, such as the bytes of a path that are no UTF-8, is written as escapes.
    """
    to = sys.stdout if file is None else file
    if to is None:
        return  # closed before the process began
    tqdm.write(printable(line, getattr(to, "encoding", None)), file=to)
    to.flush()  # or a log would have it hours later
