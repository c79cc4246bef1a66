"""How much memory there is."""

from __future__ import annotations

import os


def memory() -> float:
    """Bytes of this machine's memory; infinite where it does not say."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return float("inf")
