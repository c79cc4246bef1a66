"""How quiet the machine was while something was measured."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any


class Quiet:
    """The load before, and what other processes took of the cores since (Linux; None elsewhere)."""

    def __init__(self) -> None:
        self._load, self._began, self._own, self._all = os.getloadavg()[0], time.perf_counter(), own(), busy()

    def figures(self) -> dict[str, Any]:
        """The load of the last minute before it began and at its end, its own threads included, and the others'."""
        others = None
        if self._all is not None:
            seconds = time.perf_counter() - self._began
            others = max(0.0, (busy() - self._all - (own() - self._own)) / seconds)
        return {"load_before": self._load, "load_after": os.getloadavg()[0], "cores_of_others": others}


def own() -> float:
    """CPU seconds of this process and of its children that ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def busy() -> float | None:
    """CPU seconds of all processes: user, nice, system, and both kinds of interrupts."""
    try:
        ticks = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    except OSError:
        return None
    return sum(int(ticks[i]) for i in (0, 1, 2, 5, 6)) / os.sysconf("SC_CLK_TCK")
