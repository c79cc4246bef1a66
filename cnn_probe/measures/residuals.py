"""What is not explained: what the factors leave of each input, over all blocks and in each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, t

from cnn_probe.measures.counting.exact import LEVEL
from cnn_probe.measures.counting.rows import check_amounts, slices_of
from cnn_probe.measures.table import Table
from coupled_nmf import Blocks

Floats = NDArray[np.float64]
KNOWN = 0.37  # what a quartile knows of a normal distribution's spread, of what all numbers together do


@dataclass(frozen=True, eq=False)
class Residuals:
    """What is left of each input: squares of what is not explained, over squares of what is there.

    Only entries that are observed count. NaN where there is nothing to explain: a block that an input lacks, or of
    which it has zeros alone.

    Attributes
    ----------
    blocks : tuple of str
    of_inputs : ndarray of shape (n_inputs,)
        Over all blocks.
    by_block : ndarray of shape (n_inputs, n_blocks)
    quantile : ndarray of shape (n_inputs,)
        Part of the inputs of which no more is left, over all blocks; 1 of the worst.
    quantile_by_block : ndarray of shape (n_inputs, n_blocks)
        The same in each block, among the inputs that have something there.
    left, there : ndarray of shape (n_inputs, n_blocks)
        The squares.
    weights : ndarray of shape (n_blocks,)
        Of the blocks, in ``of_inputs``.
    """

    blocks: tuple[str, ...]
    of_inputs: Floats
    by_block: Floats
    quantile: Floats
    quantile_by_block: Floats
    left: Floats
    there: Floats
    weights: Floats

    def worst(self, n: int = 10, block: str | None = None) -> NDArray[np.int64]:
        """Return the inputs of which most is left, the worst first: over all blocks, or in one.

        Raises
        ------
        ValueError
            If there is no such block.
        """
        if block is not None and block not in self.blocks:
            raise ValueError(f"there is no block {block!r}; there are {', '.join(self.blocks)}")
        values = self.of_inputs if block is None else self.by_block[:, self.blocks.index(block)]
        order = np.argsort(-values, kind="stable")  # NaN comes last
        return order[: min(n, int(np.sum(~np.isnan(values))))]

    def table(self) -> Table:
        """Return one row an input."""
        by_block = zip(self.blocks, self.by_block.T, self.quantile_by_block.T, strict=True)
        columns = [{f"residual_of_{name}": of, f"quantile_of_{name}": at} for name, of, at in by_block]
        return Table(
            {"input": range(len(self.of_inputs)), "residual": self.of_inputs, "quantile": self.quantile}
            | {name: values for some in columns for name, values in some.items()}
        )

    def of_blocks(self) -> Table:
        """Return one row a block, and one for all: what is left of its squares, and how that is spread over the inputs.

        The standard error is that of a ratio of two sums over the inputs, as if these were drawn at random.
        """
        weighted = [self.left @ self.weights, self.there @ self.weights]
        parts = [*zip(self.left.T, self.there.T, self.by_block.T, strict=True), (*weighted, self.of_inputs)]
        rows = [_spread(left, there, values) for left, there, values in parts]
        names = ("residual", "standard_error", "median", "quantile_95", "worst", "worst_input")
        return Table(
            {"block": [*self.blocks, "all"]} | {name: [row[i] for row in rows] for i, name in enumerate(names)}
        )


def _spread(left: Floats, there: Floats, values: Floats) -> tuple[float | int | None, ...]:
    known = values[~np.isnan(values)]
    if not len(known):
        return (None,) * 6
    total = there.sum()
    ratio = left.sum() / total
    error = np.sqrt(np.sum((left - ratio * there) ** 2)) / total
    median, high = np.quantile(known, [0.5, 0.95])
    return float(ratio), float(error), float(median), float(high), float(known.max()), int(np.nanargmax(values))


def measure_residuals(
    X: Any, F: ArrayLike, H: Mapping[str, ArrayLike], *, block_weights: Mapping[str, float] | None = None
) -> Residuals:
    """Find what the factors leave of each input and block.

    Parameters
    ----------
    X : Blocks or mapping of str to array-like of shape (n_inputs, n_features)
        Read by slices of rows. NaN is not observed.
    F : array-like of shape (n_inputs, k)
    H : mapping of str to array-like of shape (k, n_features)
        Components of each block (`coupled_nmf.CoupledNMF.block_components_`).
    block_weights : mapping of str to float, default=None
        How much each block's squares count in an input's residual; None for 1 each. Give those of the fit, or a large
        layer is nearly all that counts.

    Raises
    ------
    ValueError
        If the shapes or the names of the blocks do not fit, or a number is infinite.

    Examples
    --------
    >>> found = measure_residuals({"a": np.array([[3.0, 4.0], [0.0, 2.0]])}, [[1.0], [2.0]], {"a": [[0.0, 1.0]]})
    >>> found.of_inputs, found.worst(1)
    (array([0.72, 0.  ]), array([0]))
    """
    amounts = check_amounts(F)
    components = {name: np.asarray(block, dtype=np.float64) for name, block in H.items()}
    if block_weights is not None and set(block_weights) != set(components):
        raise ValueError(f"block_weights must have one of {', '.join(components)} each, got {dict(block_weights)}")
    weights = np.array([1.0 if block_weights is None else float(block_weights[name]) for name in components])
    read = _reader(X, amounts, components)
    left, there = np.zeros((2, len(amounts), len(components)))
    for rows in slices_of(len(amounts), sum(block.shape[1] for block in components.values())):
        for number, (name, values) in enumerate(read(rows).items()):
            if np.isinf(values).any():
                raise ValueError(f"X[{name!r}] has infinite numbers in rows {rows.start} to {rows.stop - 1}")
            rest = values - amounts[rows] @ components[name]
            left[rows, number] = np.nansum(rest**2, axis=1)
            there[rows, number] = np.nansum(values**2, axis=1)
    of_inputs = _ratio(left @ weights, there @ weights)
    by_block = _ratio(left, there)
    places = np.stack([_quantiles(values) for values in by_block.T], axis=1)
    return Residuals(tuple(components), of_inputs, by_block, _quantiles(of_inputs), places, left, there, weights)


def _reader(X: Any, F: Floats, H: Mapping[str, Floats]) -> Callable[[slice], dict[str, Floats]]:
    """What reads rows of each block, in the order of H."""
    names = X.names if isinstance(X, Blocks) else tuple(X)
    if set(names) != set(H):
        raise ValueError(f"X has the blocks {', '.join(names)}, and H has {', '.join(H)}; give the same")
    shapes = {name: (len(X), X.layout.sizes[i]) for i, name in enumerate(names)} if isinstance(X, Blocks) else {}
    for name, block in H.items():
        shape = tuple(shapes[name] if shapes else X[name].shape)
        if block.shape != (F.shape[1], shape[1]) or shape[0] != len(F):
            raise ValueError(f"X[{name!r}] has shape {shape}, which F {F.shape} and H {block.shape} do not make")

    def read(rows: slice) -> dict[str, Floats]:
        if isinstance(X, Blocks):
            array = X[rows].to_array()
            return {name: np.asarray(array[:, X.layout.slices[name]], dtype=np.float64) for name in H}
        return {name: np.asarray(X[name][rows], dtype=np.float64) for name in H}

    return read


def _ratio(left: Floats, there: Floats) -> Floats:
    return np.divide(left, there, out=np.full_like(there, np.nan), where=there > 0)


def _quantiles(values: Floats) -> Floats:
    """The part of the values that are no larger than each; NaN stays so."""
    known = np.sort(values[~np.isnan(values)])
    below = np.searchsorted(known, values, side="right") / max(len(known), 1)
    return np.where(np.isnan(values), np.nan, below)


def fence(values: Floats) -> float:
    """Return the level above which a number stands out of all, upwards; infinite where it cannot be said.

    Were the logarithms normally distributed, the largest of all would be above it in about 5% of cases, however many
    there are. The spread is that of the upper half, by its quartile, which outliers do not move; Student's t allows for
    how little the quartile of few numbers knows of it. It is unknown where the median is 0 or the quartile no larger.
    Where numbers are spread widely it may lie above all that there can be.

    Examples
    --------
    >>> found = fence(np.linspace(0.1, 0.2, 21))
    >>> 0.2 < found < 0.4
    True
    """
    median, high = np.quantile(values, [0.5, 0.75])
    if not 0 < median < high:
        return float("inf")
    deviations = t.isf(LEVEL / len(values), max(KNOWN * len(values), 1)) / norm.ppf(0.75)
    level = np.log(median) + deviations * (np.log(high) - np.log(median))
    return float(np.exp(min(level, np.log(np.finfo(np.float64).max))))
