"""Progress on the terminal."""

from __future__ import annotations

from typing import TextIO

from tqdm import tqdm


class Bar:
    """One bar for what is at hand, whatever it is; nothing where standard error is no terminal, as in a log."""

    def __init__(self, position: int = 0) -> None:
        self._what = ""
        self._bar = tqdm(total=1, desc="starting", position=position, leave=False, disable=None)

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show how much of ``what`` is done."""
        if what != self._what:
            self._what = what
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
        self._networks = tqdm(total=1, desc="networks", position=0)
        self._now = Bar(position=1)

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show how many networks are done, or how much of what the present one is at."""
        if what != "network":
            self._now(what, done, total)
            return
        self._networks.total, self._networks.n = total, done
        self._networks.refresh()

    def close(self) -> None:
        """End both."""
        self._now.close()
        self._networks.close()


def say(line: str, file: TextIO | None = None) -> None:
    """Write a line, to standard output unless told otherwise, above whatever bars there are."""
    tqdm.write(line, file=file)
