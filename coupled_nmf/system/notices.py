"""Warnings that point at the line of the user who called."""

from __future__ import annotations

import sys
import warnings

OWN = ("coupled_nmf", "sklearn")


def warn_caller(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the innermost line that is neither of this package nor of scikit-learn, whose wrappers lie between."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] in OWN:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
