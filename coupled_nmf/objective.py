"""The objective and what is derived from it."""

from __future__ import annotations

import numpy as np

# J from sums is a difference of numbers of the size of ‖X‖²: what is below this part of it is rounding (measured).
NOISE = {"f": 2e-7, "d": 1e-14}


def root_mean_square(squares: float, entries: int) -> float:
    """√(squares / entries), 0 where there are none. The paper does not define its RMSE; this is the project's own."""
    return float(np.sqrt(squares / entries)) if entries > 0 else 0.0
