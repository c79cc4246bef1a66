"""A terminal's Ctrl-C goes to all processes of its group, so to workers on this machine: they are not to hear it."""

from __future__ import annotations

import os
import signal
from typing import Any

_BEFORE: list[Any] = []  # what a worker did at Ctrl-C, while it does nothing
_FITS: list[int] = []  # for whom it does nothing, as fits may lie within others


def group_here() -> int | None:
    """The number of this process's group; None where there are no groups."""
    return os.getpgrp() if hasattr(os, "getpgrp") else None


def is_near(address: str) -> bool:
    """Whether a worker is another process of this machine, which could be of this one's group."""
    return "://127." in address or "://[::1]" in address


def ignore(group: int) -> None:
    """On a worker of that group, in its main thread: do nothing at Ctrl-C."""
    if os.getpgrp() != group:
        return
    _FITS.append(group)
    if not _BEFORE:
        try:
            _BEFORE.append(signal.signal(signal.SIGINT, signal.SIG_IGN))
        except ValueError:  # a worker in a thread of a process, which has Ctrl-C for itself
            return


def hear() -> None:
    """Do what was done before, once no fit is left."""
    if _FITS:
        _FITS.pop()
    if _BEFORE and not _FITS:
        signal.signal(signal.SIGINT, _BEFORE.pop())
