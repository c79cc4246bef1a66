"""Whether a value is a number of a kind, True and False being none; and what to do about pixels out of range."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

LARGEST_SEED = 2**64 - 1  # that PyTorch takes


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


def way_back(low: float, high: float) -> str:
    """Say what to do about pixels that reach from ``low`` to ``high``, by what they look like."""
    if -10 < low < 0 and high < 10:  # ImageNet's means and deviations give -2.1 to 2.6
        return (
            "they look normalised, as for ImageNet: give them as they were before, to a network that normalises, "
            "nn.Sequential(torchvision.transforms.Normalize(mean, std), network)"
        )
    return "divide them by 255" if low >= 0 and 1 < high <= 255 else "rescale the pixels"
