"""What a card is, and what several say alike."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Card = dict[str, Any]


def card(question: str, number: str, answer: str, sure: str, cannot: str, show: str | None) -> Card:
    """One card; ``show`` is the address, on the page, of what it stands on."""
    return {"question": question, "number": number, "answer": answer, "sure": sure, "cannot": cannot, "show": show}


def commonest(labels: NDArray[np.int64]) -> float:
    """The part of the inputs that naming the commonest class always gets right.

    Examples
    --------
    >>> commonest(np.array([0, 0, 0, 1]))
    0.75
    """
    return float(np.bincount(labels).max() / len(labels))


def signed(value: float) -> str:
    """A number of points with its sign."""
    return f"{value:+.1f}".replace("-", "−")
