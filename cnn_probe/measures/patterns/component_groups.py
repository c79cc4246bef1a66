"""Units that factors use alike, by their components alone: where the activations are not at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn_probe.measures.counting.groups import alike
from cnn_probe.measures.counting.rows import check_amounts
from cnn_probe.measures.counting.sums import LayerRows
from cnn_probe.measures.table import Table

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ComponentGroups:
    """Which units factors use alike.

    Attributes
    ----------
    group : ndarray of int of shape (n_units,)
        Number of the group of units that are used alike; -1 of those that are like no other, or that no factor uses.
    used : ndarray of bool of shape (n_units,)
        Whether a factor uses the unit.
    grouped : float
        Part of the used units that are in a group.
    by_chance : float
        Mean of that part if each component's weights are shuffled over the used units. It is large for few factors,
        which can use units in few ways: no more than it says nothing of the units.
    """

    group: NDArray[np.int64]
    used: NDArray[np.bool_]
    grouped: float
    by_chance: float

    def table(self) -> Table:
        """Return one row a unit."""
        groups = [None if group < 0 else group for group in self.group.tolist()]
        return Table({"unit": range(len(self.group)), "used": self.used, "redundant": self.group >= 0, "group": groups})


def component_groups(
    H: ArrayLike,
    shape: Sequence[int] | None = None,
    *,
    channel_axis: int = 0,
    F: ArrayLike | None = None,
    same: float = 0.99,
    n_permutations: int = 20,
    seed: int = 0,
) -> ComponentGroups:
    """Find units that factors use alike: all columns of H in a group have a cosine of ``same`` or more with each other.

    What factors leave of the activations is not compared; `measure_units` compares all.

    Parameters
    ----------
    H : array-like of shape (k, d)
        Components of the layer.
    shape : sequence of int, default=None
        Of one input's activations, to compare channels, over factors and places; None to compare neurons.
    channel_axis : int, default=0
    F : array-like of shape (n_inputs, k), default=None
        If given, the columns of F H are compared, as `measure_units` does activations; else the factors count alike.
    same : float, default=0.99
    n_permutations : int, default=20
    seed : int, default=0

    Raises
    ------
    ValueError
        If anything does not fit H.

    Examples
    --------
    >>> component_groups([[1.0, 2, 0, 0], [1, 2, 3, 0]]).group.tolist()
    [0, 0, -1, -1]
    """
    weights = check_amounts(H, "H")
    k, d = weights.shape
    sizes = (d,) if shape is None else tuple(shape)
    if not sizes or int(np.prod(sizes)) != d or not -len(sizes) <= channel_axis < len(sizes):
        raise ValueError(f"shape must be that of {d} neurons and channel_axis one of its axes, got {sizes}")
    if not 0 < same <= 1 or n_permutations < 1:
        raise ValueError(f"same must be above 0 and at most 1, n_permutations 1 or more, got {same}, {n_permutations}")
    amounts = None if F is None else check_amounts(F)
    root = np.eye(k) if amounts is None else _root(amounts, k)
    spread = None if amounts is None else _root(amounts - amounts.mean(axis=0), k)
    folded = LayerRows(weights, sizes, channel_axis % len(sizes), whole=shape is not None).folded(weights)
    used = np.asarray(folded.max(axis=(0, 1)) > 0)
    live = folded[..., used]
    group = np.full(len(used), -1)
    group[used] = _groups(root, spread, live, same)
    generator = np.random.default_rng(seed)
    by_chance = [_grouped(_groups(root, spread, generator.permuted(live, axis=2), same)) for _ in range(n_permutations)]
    return ComponentGroups(group, used, _grouped(group[used]), float(np.mean(by_chance)))


def _root(F: Floats, k: int) -> Floats:
    """A matrix of k columns with the inner products of those of F."""
    if F.shape[1] != k:
        raise ValueError(f"F must have a column for each of {k} components, got shape {F.shape}")
    return np.asarray(np.linalg.qr(F, mode="r"))


def _groups(root: Floats, spread: Floats | None, weights: Floats, same: float) -> NDArray[np.int64]:
    """Groups of units, by weights of shape (k, n_places, n_units); ``spread`` is of F without its means."""
    rows = _rows(root, weights)
    lengths = np.sqrt(np.sum(rows**2, axis=0))
    found = np.full(len(lengths), -1)
    seen = lengths > 0  # F may lack a factor
    if seen.any():
        varying = None if spread is None else np.sum(_rows(spread, weights)[:, seen] ** 2, axis=0) / lengths[seen] ** 2
        found[seen] = alike(lambda some: rows[some][:, seen], [slice(None)], lengths[seen], same, varying)
    return found


def _rows(root: Floats, weights: Floats) -> Floats:
    """Columns of units with the inner products of their activations."""
    return np.tensordot(root, weights, axes=1).reshape(len(root) * weights.shape[1], -1)


def _grouped(group: NDArray[np.int64]) -> float:
    return float(np.mean(group >= 0)) if len(group) else 0.0
