"""Whether a value that someone gave is a number of a kind; True and False are none."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any


def is_number(value: Any) -> bool:
    """Whether it is a real number."""
    return isinstance(value, Real) and not isinstance(value, bool)


def is_whole(value: Any, least: int = 1, most: float = math.inf) -> bool:
    """Whether it is an int, not below ``least`` and not above ``most``."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def are_whole(values: Any, least: int = 1, most: float = math.inf) -> bool:
    """Whether it is a tuple of one such int or more, no two alike."""
    whole = isinstance(values, tuple) and all(is_whole(value, least, most) for value in values)
    return whole and 0 < len(values) == len(set(values))
