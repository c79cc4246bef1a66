"""Units of a layer: dead, redundant, of one class; and the factor that uses each most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta

from cnn_probe.measures.counting.exact import LEVEL
from cnn_probe.measures.counting.groups import alike
from cnn_probe.measures.counting.preference import Preference, preferences
from cnn_probe.measures.counting.rows import check_labels
from cnn_probe.measures.counting.sums import LayerRows, Sums
from cnn_probe.measures.table import Table

Floats = NDArray[np.float64]
Kind = Literal["neuron", "channel", "place"]
FEW = 5  # inputs that a unit is active for, below which it is not compared: units of one input are all alike
SAME = 0.99  # of units that are the same: all but 1 - 0.99² of how each varies is the other, scaled


@dataclass(frozen=True, eq=False)
class ClassOfUnits:
    """Which class each unit prefers.

    Attributes
    ----------
    classes : tuple of str
    preference : Preference
        Of each unit: the class in which it is furthest above what the class's size would give, in standard deviations
        over permuted labels; the part of its activation that lies there; and how likely a preference is by chance.
    least : float
        The part of what could lie in a class beyond its size (`Preference.beyond_size`) from which on a unit is of one
        class.
    least_p : float
        The smallest p-value that so many permutations can give.
    """

    classes: tuple[str, ...]
    preference: Preference
    least: float
    least_p: float

    @property
    def of_one(self) -> NDArray[np.bool_]:
        """Whether each unit is of one class: hardly active for others, and that not by chance."""
        return (self.preference.beyond_size >= self.least) & (self.preference.p_value < LEVEL)


@dataclass(frozen=True, eq=False)
class Units:
    """The neurons or the channels of a layer; its places, if it was pooled over its channels.

    Attributes
    ----------
    kind : {"neuron", "channel", "place"}
    shape : tuple of int
        Of one input's activations.
    channel_axis : int
    n_inputs : int
    rate : ndarray of shape (n_units,)
        Part of the inputs for which the unit is above zero; of a channel at any of its places.
    rate_high : ndarray of shape (n_units,)
        Exact one-sided 95% upper bound of the rate (Clopper and Pearson), of each unit by itself.
    energy_share : ndarray of shape (n_units,)
        Part of the layer's squares.
    group : ndarray of int of shape (n_units,)
        Number of the group of units that are all active alike; -1 of those that are in none, as are all that are active
        for fewer than 5 inputs: few inputs do not tell units apart.
    of_class : ClassOfUnits or None
        None without labels.
    factor : ndarray of int of shape (n_units,) or None
        The factor that uses it most; -1 where none does. None without H.
    compared : bool
        Whether units were compared with each other. If not, ``group`` and `redundant` say nothing.
    """

    kind: Kind
    shape: tuple[int, ...]
    channel_axis: int
    n_inputs: int
    rate: Floats
    rate_high: Floats
    energy_share: Floats
    group: NDArray[np.int64]
    of_class: ClassOfUnits | None = None
    factor: NDArray[np.int64] | None = None
    compared: bool = True

    @property
    def dead(self) -> NDArray[np.bool_]:
        """Whether each unit is active for none of the inputs."""
        return self.rate == 0

    @property
    def bound(self) -> float:
        """The rate that a dead unit may have yet, with 95% confidence: about 3 / n_inputs."""
        return float(1 - LEVEL ** (1 / self.n_inputs))

    @property
    def redundant(self) -> NDArray[np.bool_]:
        """Whether each unit is in a group; of none it is known where units were not ``compared``."""
        return self.group >= 0

    def table(self) -> Table:
        """Return one row a unit; "redundant" is None where units were not compared."""
        channel, place = self._places()
        columns: dict[str, Any] = {
            self.kind: range(len(self.rate)),
            **({"channel": channel, "place": place} if self.kind == "neuron" else {}),
            "rate": self.rate,
            "rate_high": self.rate_high,
            "dead": self.dead,
            "energy_share": self.energy_share,
            "redundant": self.redundant if self.compared else [None] * len(self.rate),
            "group": [None if group < 0 else group for group in self.group.tolist()],
        }
        if self.of_class is not None:
            known, own = self.of_class, self.of_class.preference
            columns["class"] = [None if label < 0 else known.classes[label] for label in own.favourite]
            of_live = {"class_share": own.share, "class_size": own.size, "class_p": own.p_value}
            for name, values in of_live.items():
                columns[name] = [None if dead else value for dead, value in zip(self.dead, values, strict=True)]
            columns["of_one_class"] = known.of_one
        if self.factor is not None:
            columns["factor"] = [None if factor < 0 else factor for factor in self.factor.tolist()]
        return Table(columns)

    def _places(self) -> tuple[NDArray[np.int64], list[str | None]]:
        """The channel of each neuron, and its place as text: "3,5" of a map."""
        where = np.indices(self.shape).reshape(len(self.shape), -1)
        others = np.delete(where, self.channel_axis, axis=0).T.tolist()
        return where[self.channel_axis], [",".join(map(str, place)) or None for place in others]


@dataclass(frozen=True, eq=False)
class LayerUnits:
    """The units of a layer.

    Attributes
    ----------
    neurons : Units
        One a column of the block: of a pooled layer channels, or places, as their ``kind`` says.
    channels : Units or None
        None if a channel is a column.
    """

    neurons: Units
    channels: Units | None

    def table(self) -> Table:
        """Return one row a column of the block; ``channels.table()`` has one a channel."""
        return self.neurons.table()


def measure_units(
    X: Any,
    shape: Sequence[int] | None = None,
    *,
    channel_axis: int = 0,
    labels: ArrayLike | None = None,
    classes: Sequence[str] | None = None,
    H: ArrayLike | None = None,
    same: float | None = SAME,
    own_class: float = 0.9,
    n_permutations: int = 200,
    seed: int = 0,
    kind: Kind = "neuron",
) -> LayerUnits:
    """Find which units of a layer are dead, redundant, or of one class.

    Rows are read in pieces: once, again for each part of the units' gram matrix of 4096 × 4096 entries (one for a layer
    of up to 4096 units that are not dead), and again for the permutations of the labels.

    Parameters
    ----------
    X : array-like of shape (n_inputs, d)
        A layer's activations, from 0 on; read by slices of rows.
    shape : sequence of int, default=None
        Of one input's activations, (channels, height, width) of a convolution; None for (d,).
    channel_axis : int, default=0
        Which axis of ``shape`` the channels are.
    labels : array-like of shape (n_inputs,), default=None
        A class for each input.
    classes : sequence of str, default=None
        Names of the classes, by number; None for the labels themselves.
    H : array-like of shape (k, d), default=None
        Components of the layer.
    same : float or None, default=0.99
        Two units are the same if what is left of either, once the other is scaled to it, is at most 1 - ``same``² of
        its variation over the inputs, of a channel at each place: cosine and correlation are then ``same`` or more.
        One that does not vary, or is active for fewer than 5 inputs, is the same as none. None compares none: of
        hundreds of thousands that takes long.
    own_class : float, default=0.9
        Of the part of a unit's activation that could lie in one class beyond the class's size, the part from which on
        it is of that class: it is then a tenth as active, or less, for inputs of other classes as it is for all. Nine
        tenths of the activation would be no sign of a class that has nine tenths of the inputs.
    n_permutations : int, default=200
        Of the labels; of fewer than 20 no preference is above chance.
    seed : int, default=0
    kind : {"neuron", "channel", "place"}, default="neuron"
        What a column is: of a layer that was pooled a channel or a place.

    Raises
    ------
    ValueError
        If X has numbers that are negative or not finite, or anything else does not fit it.

    Examples
    --------
    >>> units = measure_units(np.array([[0.0, 1, 2, 1], [0, 3, 6, 0]] * 3)).neurons
    >>> units.dead.tolist(), units.group.tolist(), round(units.bound, 3)
    ([True, False, False, False], [-1, 0, 0, -1], 0.393)
    """
    n, d, sizes, axis = _checked(X, shape, channel_axis, same, own_class)
    codes, names = (np.zeros(n, dtype=np.int64), ("",)) if labels is None else check_labels(labels, n, classes)
    components = None if H is None else np.asarray(H, dtype=np.float64)
    if components is not None and (components.ndim != 2 or components.shape[1] != d):
        raise ValueError(f"H must have shape (k, {d}), a column a neuron, got {components.shape}")

    def measured(whole: bool) -> Units:
        rows = LayerRows(X, sizes, axis, whole=whole)
        sums = Sums(rows, codes, len(names))
        of_class = None if labels is None else _class_of(rows, sums, codes, names, own_class, n_permutations, seed)
        return Units(
            "channel" if whole or (d == sizes[axis] and len(sizes) > 1) else kind,
            sizes,
            axis,
            n,
            sums.active / n,
            np.where(sums.active < n, beta.ppf(1 - LEVEL, sums.active + 1, np.maximum(n - sums.active, 1)), 1.0),
            sums.energy / (sums.energy.sum() or 1.0),
            _groups(rows, sums, same),
            of_class,
            None if components is None else _most_used_by(rows, components),
            same is not None,
        )

    return LayerUnits(measured(False), measured(True) if d > sizes[axis] else None)


def _checked(
    X: Any, shape: Sequence[int] | None, channel_axis: int, same: float | None, own_class: float
) -> tuple[int, int, tuple[int, ...], int]:
    if len(X.shape) != 2 or 0 in X.shape:
        raise ValueError(f"X must have a row an input and a column a unit, got shape {tuple(X.shape)}")
    n, d = map(int, X.shape)
    sizes = (d,) if shape is None else tuple(shape)
    if not sizes or int(np.prod(sizes)) != d or not -len(sizes) <= channel_axis < len(sizes):
        raise ValueError(
            f"shape must be that of {d} neurons and channel_axis one of its axes, got {sizes} and {channel_axis}"
        )
    if not (same is None or 0 < same <= 1) or not 0 < own_class <= 1:
        raise ValueError(f"same and own_class must be above 0 and at most 1, got {same} and {own_class}")
    return n, d, sizes, channel_axis % len(sizes)


def _groups(rows: LayerRows, sums: Sums, same: float | None) -> NDArray[np.int64]:
    found, live = np.full(rows.n_units, -1), sums.active >= FEW
    if same is not None and live.any():
        energy = sums.energy[live]
        found[live] = alike(
            lambda some: rows.read(some)[..., live].reshape(-1, len(energy)),
            rows.slices,
            np.sqrt(energy),
            same,
            sums.variation[live] / energy,
        )
    return found


def _class_of(
    rows: LayerRows,
    sums: Sums,
    codes: NDArray[np.int64],
    classes: tuple[str, ...],
    own_class: float,
    n_permutations: int,
    seed: int,
) -> ClassOfUnits:
    found = preferences(rows, sums, codes, n_permutations, seed)
    return ClassOfUnits(classes, found, own_class, 1 / (1 + n_permutations))


def _most_used_by(rows: LayerRows, H: Floats) -> NDArray[np.int64]:
    """The factor with most of the squares at each unit; -1 where all are zero."""
    energy = np.sum(rows.folded(H) ** 2, axis=1)
    return np.where(energy.any(axis=0), energy.argmax(axis=0), -1)
