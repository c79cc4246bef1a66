"""How much memory may still be used."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

UNLIMITED = 2**60  # what version 1 of control groups says of no limit is about as much


def available_memory() -> int:
    """Return the bytes that this process may still take: the machine's, its control groups', or its own limit's.

    Where the machine does not say what is available, it is all that it has.
    """
    found = [machine_memory(), *(limit for limit in (group_memory(), address_space()) if limit is not None)]
    return max(0, min(found))


def machine_memory(root: Path = Path("/")) -> int:
    """Bytes that are available on the machine, or that it has."""
    with suppress(OSError, ValueError, StopIteration):
        lines = (root / "proc/meminfo").read_text().splitlines()
        return 1024 * int(next(line.split()[1] for line in lines if line.startswith("MemAvailable:")))
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return UNLIMITED


def group_memory(root: Path = Path("/")) -> int | None:
    """Bytes that the control groups of this process leave it, the strictest of them; None where none has a limit."""
    try:
        groups = [line.split(":", 2) for line in (root / "proc/self/cgroup").read_text().splitlines()]
    except OSError:
        return None
    left = []
    for _, controllers, name in groups:
        if controllers == "":
            left += _left(root / "sys/fs/cgroup", name, "memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            files = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            left += _left(root / "sys/fs/cgroup/memory", name, *files)
    return min(left, default=None)


def _left(mount: Path, name: str, limit: str, used: str, cached: str) -> list[int]:
    """What each group from the process's own up to the mount leaves; in a container the own may be out of sight."""
    group = mount / name.strip("/")
    found = []
    for folder in (group, *group.parents):
        with suppress(OSError, ValueError):  # the topmost has no limit, "max" is no number
            most = int((folder / limit).read_text())
            if most < UNLIMITED:
                statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
                # Pages of files that nobody uses are counted, and given up when memory is asked for.
                found.append(most - int((folder / used).read_text()) + int(statistics.get(cached, 0)))
        if folder == mount:
            break
    return found


def address_space(root: Path = Path("/")) -> int | None:
    """Bytes that `ulimit -v` leaves this process; None where it has no such limit."""
    try:
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        pages = int((root / "proc/self/statm").read_text().split()[0])
    except (ImportError, OSError, ValueError, AttributeError):
        return None
    return None if limit == resource.RLIM_INFINITY else limit - pages * os.sysconf("SC_PAGE_SIZE")
