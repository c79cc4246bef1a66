"""Units and errors of two networks on the same inputs, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from cnn_probe.activations.handover import to_host
from cnn_probe.measures.counting.exact import LEVEL
from cnn_probe.measures.counting.ratios import margin_of, ratio
from cnn_probe.measures.spectrum import rows_of
from cnn_probe.measures.table import Table
from coupled_nmf import Blocks, CoupledNMF


@dataclass(frozen=True)
class UnitsSideBySide:
    """How often the units of layers of the same name fire, in one network and in the other.

    A unit is a column of the layer's block: a neuron, or a channel where the layer is pooled; it fires where it is
    above 0 (of a shifted block: above its channel's least). Units of the same number are the same unit only where one
    network is a checkpoint of the other: of networks trained from different seeds, compare how many there are of each.

    Attributes
    ----------
    n : int
        Inputs. A unit that never fired fires for less than about 3 / n of such inputs, with 95% confidence.
    rates : dict of str to ndarray of shape (2, n_units)
        By block: part of the inputs for which each unit fires, in the first and in the second.
    ends : dict of str to ndarray of shape (2, n_units)
        Ends of the 95% interval of the difference of the two rates, over the inputs, which are the same: of pairs, by
        Agresti and Min (2005), which holds for few inputs and for rates near 0, too;
        none lies beyond -1 or 1.
    skipped : dict of str to str
        Blocks of layers that are not compared: why.
    """

    n: int
    rates: Mapping[str, NDArray[np.float64]]
    ends: Mapping[str, NDArray[np.float64]]
    skipped: Mapping[str, str]

    def dead(self, name: str) -> NDArray[np.int64]:
        """Units of a block that never fired: in the first alone, in the second alone, in both."""
        first, second = self.rates[name] == 0
        return np.array([np.sum(first & ~second), np.sum(~first & second), np.sum(first & second)])

    def table(self) -> Table:
        """A row a unit."""
        columns: dict[str, list[Any]] = {name: [] for name in ("block", "unit", "fires in a", "fires in b", "b - a")}
        columns |= {"low (95%)": [], "high (95%)": [], "dead in": []}
        for name, (first, second) in self.rates.items():
            for unit, (a, b) in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
                dead = "both" if a == b == 0 else "a" if a == 0 else "b" if b == 0 else ""
                row = (name, unit, a, b, b - a, *self.ends[name][:, unit], dead)
                for cells, cell in zip(columns.values(), row, strict=True):
                    cells.append(cell)
        return Table(columns)


def units_side_by_side(X_a: Blocks, X_b: Blocks, names: Sequence[str]) -> UnitsSideBySide:
    """Compare how often the units of two networks fire on the same inputs.

    Parameters
    ----------
    X_a, X_b : Blocks
        Activations of the same inputs.
    names : sequence of str
        Blocks of layers; those that only one has, or that differ in width, are skipped.

    Raises
    ------
    ValueError
        If the numbers of samples differ.
    """
    if len(X_a) != len(X_b):
        raise ValueError(f"X_a has {len(X_a)} samples and X_b has {len(X_b)}; give activations of the same inputs")
    n, skipped, rates, ends = len(X_a), {}, {}, {}
    for name in names:
        widths = [X[name].shape[1] if name in X.names else None for X in (X_a, X_b)]
        if None in widths:
            skipped[name] = f"only {'b' if widths[0] is None else 'a'} has it"
        elif widths[0] != widths[1]:
            skipped[name] = f"it has {widths[0]} units in a and {widths[1]} in b"
        else:
            rates[name], ends[name] = _rates(X_a, X_b, name)
    return UnitsSideBySide(n, rates, ends, skipped)


def _rates(X_a: Blocks, X_b: Blocks, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Firing rates of both, and the interval of their difference: half an input is added to each of the four kinds."""
    n, width = X_a[name].shape
    counts = np.zeros((4, width))  # fires in a, in b, in a alone, in b alone
    for (_, a), (_, b) in zip(rows_of(X_a, name).chunks(), rows_of(X_b, name).chunks(), strict=True):
        first, second = a > 0, b > 0
        counts += [np.sum(found, axis=0) for found in (first, second, first & ~second, ~first & second)]
    alone, other = (counts[2:] + 0.5) / (n + 2)
    margin = norm.isf(LEVEL / 2) * np.sqrt((alone + other - (alone - other) ** 2) / (n + 2))
    ends = np.clip([other - alone - margin, other - alone + margin], -1, 1)
    return counts[:2] / n, ends


@dataclass(frozen=True)
class ErrorsSideBySide:
    """Relative errors of the blocks of two factorizations of the same inputs.

    Attributes
    ----------
    names : tuple of str
        Blocks of the first, then those that only the second has.
    errors : ndarray of shape (2, n_blocks)
        ‖X_b − F H_b‖² / ‖X_b‖² in the first and in the second; NaN where there is no such block.
    margins : ndarray of shape (3, n_blocks)
        Halves of the intervals of about 95%, over the inputs: of the first, of the second, of their difference; less
        than 95% where few inputs hold most squares. NaN where the activations were not given.
    """

    names: tuple[str, ...]
    errors: NDArray[np.float64]
    margins: NDArray[np.float64]

    def table(self) -> Table:
        """A row a block."""
        first, second = self.errors
        named = {"block": self.names, "error in a": first, "± a": self.margins[0], "error in b": second}
        return Table(named | {"± b": self.margins[1], "b - a": second - first, "± (about 95%)": self.margins[2]})


Side = tuple[CoupledNMF, NDArray[Any], Blocks | None]


def errors_side_by_side(a: Side, b: Side) -> ErrorsSideBySide:
    """Compare the errors of two factorizations, each given by its model, F, and X or None.

    With X of both, each block's error is counted from it, and has an interval; without, it is the models' own.
    """
    own = [{name: float(error) for name, error in model.block_relative_error_.items()} for model, _, _ in (a, b)]
    names = tuple(dict.fromkeys([*own[0], *own[1]]))
    errors = np.array([[found.get(name, np.nan) for name in names] for found in own])
    margins = np.full((3, len(names)), np.nan)
    parts: list[dict[str, NDArray[np.float64]]] = [{}, {}]
    held: list[dict[str, NDArray[np.float64]]] = [{}, {}]
    for side, (model, F, X) in enumerate((a, b)):
        for column, name in enumerate(names):
            if X is not None and name in own[side]:
                left, squares = _by_sample(X, name, np.asarray(F, np.float64), model)
                errors[side, column], margins[side, column] = ratio(left, squares)
                parts[side][name] = (left - errors[side, column] * squares) / max(float(squares.sum()), 1e-300)
                held[side][name] = squares
    for column, name in enumerate(names):
        if name in parts[0] and name in parts[1]:
            difference = parts[1][name] - parts[0][name]
            margins[2, column] = max(margin_of(difference, squares[name]) for squares in held)
    return ErrorsSideBySide(names, errors, margins)


def _by_sample(
    X: Blocks, name: str, F: NDArray[np.float64], model: CoupledNMF
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Squares of what is left of each sample, and of the sample."""
    H = np.asarray(to_host(model.block_components_[name]), np.float64)
    left, squares = np.zeros(len(X)), np.zeros(len(X))
    for rows, part in rows_of(X, name).chunks():
        left[rows] = np.sum((part - F[rows] @ H) ** 2, axis=1)
        squares[rows] = np.sum(part**2, axis=1)
    return left, squares
