"""X, and what one look at it found: what is missing, and the sums that every fit needs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.data.blocks import balanced_weights
from coupled_nmf.data.tiled_matrix import TiledMatrix

# Between the first two the squares of X lie, with weights and without, their mean and their sum, so that the products
# of a fit neither under- nor overflow; the mean of new data is no less than the third, or F would be lost.
SAFE = {"f": (1e-33, 1e35, 1e-30), "d": (1e-280, 1e280, 1e-280)}


@dataclass(frozen=True)
class Gaps:
    """What is missing.

    Attributes
    ----------
    absent : array of bool of shape (n_samples, n_blocks)
        Which sample lacks which block as a whole; where and as the backend holds what has a row for each sample.
    scattered : array of bool of shape (n_samples,)
        Which samples have gaps inside a block; likewise.
    patterns : ndarray of bool of shape (n_patterns, n_blocks)
        What a sample lacks whose weight counts, each once.
    unseen : ndarray of bool of shape (n_features,)
        Which columns no sample has whose weight counts.
    """

    absent: Any
    scattered: Any
    patterns: NDArray[np.bool_]
    unseen: NDArray[np.bool_]


@dataclass(frozen=True)
class Scanned:
    """What one look at X finds.

    Attributes
    ----------
    weights, squares, totals, entries, gaps
        As in `Problem`.
    """

    weights: Any
    squares: NDArray[np.float64]
    totals: NDArray[np.float64]
    entries: NDArray[np.float64]
    gaps: Gaps | None


@dataclass(frozen=True)
class Problem:
    """What is to be fitted: X, its weights, and what one look at it found.

    Attributes
    ----------
    X : TiledMatrix
        The data.
    alpha : ndarray of shape (n_blocks,)
        Weight of each block.
    weights : array of shape (n_samples,) or (0,)
        Weight of each sample, where and as the backend holds it; empty if all are 1.
    squares, totals, entries : ndarray of shape (n_blocks,)
        Squares of each block's observed entries, their sum, and their number, each times its sample's weight.
    gaps : Gaps or None
        What is missing, if anything is.
    """

    X: TiledMatrix
    alpha: NDArray[np.float64]
    weights: Any
    squares: NDArray[np.float64]
    totals: NDArray[np.float64]
    entries: NDArray[np.float64]
    gaps: Gaps | None

    @property
    def mean(self) -> float:
        """Mean of the observed entries."""
        entries = float(self.entries.sum())
        return float(self.totals.sum()) / entries if entries > 0 else 0.0

    @property
    def n_samples(self) -> float:
        """Sum of the samples' weights."""
        return float(self.weights.sum()) if self.weights.size else float(self.X.shape[0])

    def clear_unseen(self, H: NDArray[Any], fixed: int = 0) -> None:
        """Make the columns of H zero that no sample has, in place, but for the first ``fixed`` rows.

        The loop then leaves them so, but for rounding where a fixed row is not zero there.
        """
        if self.gaps is not None:
            H[fixed:, self.gaps.unseen] = 0

    @cached_property
    def column_weights(self) -> NDArray[np.float64]:
        """α of each column."""
        return np.repeat(self.alpha, self.X.layout.sizes)

    @property
    def weighted_squares(self) -> float:
        """Σ_b α_b ‖X_b‖²."""
        return float(self.alpha @ self.squares)

    def refuse_nothing(self) -> None:
        """Raise ValueError if nothing is observed."""
        if not np.any(self.entries[self.alpha > 0] > 0):
            raise ValueError(
                "X has no observed entry with a weight: every one is NaN, or its sample or block has weight 0; "
                "a fit needs one or more."
            )


def patterns_of(absent: NDArray[np.bool_], weights: NDArray[np.float64]) -> NDArray[np.bool_]:
    """What samples lack whose weight counts (n_patterns, n_blocks), each once."""
    counted = absent[weights > 0] if weights.size else absent
    return np.unique(counted, axis=0)


def gaps_of(
    absent: NDArray[np.bool_], scattered: NDArray[np.bool_], missing: NDArray[np.float64], weights: NDArray[np.float64]
) -> Gaps | None:
    """What is missing, if anything is; ``missing`` (n_features,) are gaps in samples whose weight counts."""
    if not (absent.any() or scattered.any()):
        return None
    n_counted = np.count_nonzero(weights) if weights.size else len(absent)
    return Gaps(absent, scattered, patterns_of(absent, weights), missing == n_counted)


def examine(
    X: TiledMatrix,
    scanned: Scanned,
    *,
    block_weights: Any = None,
    by_totals: bool = False,
    learns: bool = True,
) -> Problem:
    """What one look at X found, made into a problem.

    Parameters
    ----------
    X : TiledMatrix
        The data.
    scanned : Scanned
        What a backend's look at it found.
    block_weights : mapping, sequence, 'balanced' or None
        α of each block, as the estimator takes it.
    by_totals : bool
        Whether 'balanced' goes by the blocks' sums, with which the loss grows, and not by their squares.
    learns : bool
        Whether H is to move: then X may not be so small that products of its squares drown.

    Raises
    ------
    ValueError
        If X or its weights are too large or too small for its dtype.
    """
    squares, totals, entries = scanned.squares, scanned.totals, scanned.entries
    sizes = totals if by_totals else squares
    alpha = balanced_weights(sizes) if isinstance(block_weights, str) else X.layout.weights(block_weights)
    if totals.any():
        means, alive = totals / np.maximum(entries, 1e-300), totals > 0
        if isinstance(block_weights, str) and means[alive].min() ** 2 < SAFE[X.dtype.char][0]:
            raise ValueError(
                f"block_weights='balanced' gives block weights up to {alpha.max():.2g}, since a block has mean "
                f"{means[alive].min():.2g}: too small for {X.dtype}; scale it up."
            )
        _refuse_scale(X.dtype, float(totals.sum()), squares, float(entries.sum()), alpha, learns=learns)
    return Problem(X, alpha, scanned.weights, squares, totals, entries, scanned.gaps)


def _refuse_scale(
    dtype: np.dtype[Any],
    total: float,
    squares: NDArray[np.float64],
    n: float,
    alpha: NDArray[np.float64],
    *,
    learns: bool,
) -> None:
    """Say that X, or its weights, are too large or too small for its dtype."""
    least, most, least_mean = SAFE[dtype.char]
    square, largest = float(squares.sum()), float(alpha.max())
    with np.errstate(over="ignore"):
        weighted = float(alpha @ squares) if np.any(squares[alpha > 0]) else square
    small = total / n < least_mean or (learns and min(square, weighted, square / n, weighted / n) < least)
    large = max(square, square / n) * max(largest, 1.0) > most
    if small or large:
        size, way = ("small", "up") if small else ("large", "down")
        longer = ", or pass it as float64" if dtype == np.float32 else ""
        raise ValueError(
            f"X is too {size} for {dtype}: {n:.2g} entries, times their sample weights, of mean "
            f"{total / n:.2g}, and block weights up to {largest:.2g}; scale X {way}{longer}."
        )
