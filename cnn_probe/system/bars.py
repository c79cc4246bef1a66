"""Progress on the terminal."""

from __future__ import annotations

import sys
from typing import Any, TextIO

from tqdm import tqdm

from cnn_probe.system.names import printable


class Bar:
    """One bar for what is at hand, whatever it is; nothing where standard error is no terminal, as in a log."""

    def __init__(self, position: int = 0) -> None:
        self._what = ""
        # Of how much there is nothing is known yet.
        self._bar = _bar(desc="starting", bar_format="{desc}", position=position, leave=False)

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show how much of ``what`` is done."""
        if what != self._what:
            self._what = what
            self._bar.bar_format = None
            self._bar.reset(total)
            self._bar.set_description_str(what)
        self._bar.total, self._bar.n = total, done
        self._bar.refresh()

    def close(self) -> None:
        """Take it off the terminal."""
        self._bar.close()


class Bars:
    """Two bars: all networks, and what the present one is at."""

    def __init__(self) -> None:
        self._networks = _bar(desc="networks", bar_format="{desc}", position=0)
        self._now = Bar(position=1)

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


def _bar(**options: Any) -> tqdm:
    """Return a bar on standard error, which shows nothing where that is no terminal, or closed."""
    return tqdm(**options, disable=True if sys.stderr is None else None)


def say(line: str, file: TextIO | None = None) -> None:
    """Write a line, to standard output unless told otherwise, above whatever bars there are.

    What the output cannot take, such as the bytes of a path that are no UTF-8, is written as escapes.
    """
    to = sys.stdout if file is None else file
    if to is None:
        return  # closed before the process began
    tqdm.write(printable(line, getattr(to, "encoding", None)), file=to)
