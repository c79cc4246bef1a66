"""Compiled code of the CPU: what is done to a tile. Its C++ lies here; Python sees it as ``compiled``."""

from __future__ import annotations

import coupled_nmf.backends.cpu.kernels._compiled as compiled
from coupled_nmf.problem.solvers import NAMES, Rule

SMALLEST: dict[str, float] = dict(zip("fd", compiled.SMALLEST, strict=True))  # of a dtype: what is below becomes zero
LOWEST: dict[str, float] = dict(zip("fd", compiled.LOWEST, strict=True))  # what F H is at least, as a divisor
LARGE: float = compiled.LARGE  # what divides by zero is multiplied by
PANEL: int = compiled.PANEL  # rows that are worked on at once


def rule_of(rule: Rule) -> tuple[str, int, int]:
    """A rule as compiled code takes it: which solver's it is, its sweeps, and the components that stay."""
    return NAMES[type(rule)], *rule
