"""What has a row for each sample, on the workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass
class Rows:
    """An array of as many rows as X, held by pieces on the workers: futures of what `pieces.run` made, one a group.

    Attributes
    ----------
    futures : list of Future
        One a group of pieces; none yet, if it is room for something.
    shape, dtype
        Those of the array.
    columns : slice or None
        Which of the columns that the pieces have; None: all.
    """

    futures: list[Any]
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    columns: slice | None = None

    def __getitem__(self, key: tuple[slice, slice]) -> Rows:
        """All rows of the leading columns."""
        rows, columns = key
        if rows != slice(None) or columns.start or columns.step:
            raise NotImplementedError("rows on workers give all rows, and leading columns")
        width = min(columns.stop, self.shape[1])
        return Rows(self.futures, (self.shape[0], width), self.dtype, slice(0, width))


@dataclass(frozen=True)
class HeldWeights:
    """Weights of the samples, which the pieces hold: how many, and their sum."""

    size: int
    total: float

    def sum(self) -> float:
        """Sum of the weights."""
        return self.total
