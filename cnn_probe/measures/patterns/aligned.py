"""How the factors of a result, and the units of its layers, align with concepts that inputs or their places have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from cnn_probe.activations.handover import to_host
from cnn_probe.activations.planning import Layer
from cnn_probe.measures.counting.rows import check_labels, slices_of
from cnn_probe.measures.counting.sums import LayerRows
from cnn_probe.measures.patterns.concepts import Alignment, Overlap, align, overlap
from cnn_probe.measures.table import Table
from cnn_probe.probing.result import ProbeResult
from coupled_nmf import Blocks

Found = TypeVar("Found", Alignment, Overlap)


@dataclass(frozen=True, eq=False)
class Aligned(Generic[Found]):
    """How factors, and units, go with concepts.

    Attributes
    ----------
    factors : Alignment or Overlap
        Of each factor with each concept.
    units : dict of str to Alignment or Overlap
        By block of a layer, of each unit: a channel where it has places, else a neuron.
    """

    factors: Found
    units: dict[str, Found]

    def table(self) -> Table:
        """Return one row for each concept and factor, and then for each concept and unit of each block."""
        tables = [("factors", self.factors.table()), *((name, found.table()) for name, found in self.units.items())]
        columns: dict[str, list[Any]] = {"of": [name for name, table in tables for _ in range(len(table))]}
        for column in tables[0][1].columns:
            columns[column] = [cell for _, table in tables for cell in table[column]]
        return Table(columns)


def align_all(
    result: ProbeResult, X: Blocks, concepts: Any, names: Sequence[str] | None = None, **how: Any
) -> Aligned[Alignment]:
    """See how the factors, and the units of each layer, tell inputs that have a concept from those that have not.

    A unit with places counts by its mean over them. Units are read in pieces, and what is held of them has a number an
    input and unit, of a layer at a time.

    Parameters
    ----------
    result : ProbeResult
    X : Blocks
        What was factored, as `record` gives it.
    concepts : mapping of str to array of bool of shape (n_inputs,), or array of bool of shape (n_inputs, m), or labels
        Labels are whole numbers or text of shape (n_inputs,): each that there is is a concept.
    names : sequence of str, default=None
        Of the concepts, by column or by label; None for their numbers, and for a mapping.
    **how
        ``n_permutations`` and ``seed`` of `align`.

    Raises
    ------
    ValueError
        As of `align`, or if names are given for a mapping.
    """
    members, named = _members(concepts, names, len(X))
    factors = align(result.F, members, named, **how)  # first: it is quick, and refuses what cannot be
    units = {
        block: align(_unit_means(X[block], result.layer(layer)), members, named, **how)
        for block, layer in _blocks(result)
    }
    return Aligned(factors, units)


def _members(concepts: Any, names: Sequence[str] | None, n: int) -> tuple[NDArray[Any], Sequence[str] | None]:
    if isinstance(concepts, Mapping):
        if names is not None:
            raise ValueError("names go with columns or labels; a mapping of concepts has its own")
        if not concepts or any(np.shape(values) != (n,) for values in concepts.values()):
            shapes = {name: np.shape(values) for name, values in concepts.items()}
            raise ValueError(f"concepts must be arrays of {n} booleans, one an input, got shapes {shapes}")
        return np.stack([np.asarray(values) for values in concepts.values()], axis=1), tuple(map(str, concepts))
    found = np.asarray(concepts)
    if found.ndim == 1 and found.dtype.kind in "iuU":
        codes, classes = check_labels(found, n, names)
        return codes[:, None] == np.arange(len(classes)), classes
    return found, names


def _blocks(result: ProbeResult) -> Iterable[tuple[str, str]]:
    return ((block.name, block.layer) for block in result.blocks if block.layer is not None)


def _unit_means(X: Any, how: Layer) -> NDArray[np.float64]:
    """Activations of a block's units, (n, n_units): of a channel the mean over its places."""
    whole = how.keeps_places
    rows = LayerRows(
        X, how.block_shape if whole else (X.shape[1],), how.output.channel_axis - 1 if whole else 0, whole=whole
    )
    return np.concatenate([rows.read(some).mean(axis=1) for some in rows.slices])


def overlap_all(
    result: ProbeResult, X: Blocks, data: Any, masks: Mapping[str, Any], layer: str | None = None, **how: Any
) -> Aligned[Overlap]:
    """See how well the places of each factor, and of each channel, in a layer cover the masks of concepts.

    Where a factor is, is what `ProbeResult.where` says. Channels are those of a layer that was left whole; of a pooled
    one the places of the channels were not recorded, and there are the factors alone.

    Parameters
    ----------
    result : ProbeResult
        With its network.
    X : Blocks
        What was factored, as `record` gives it.
    data
        The inputs, as `probe` took them.
    masks : mapping of str to array of bool of shape (n_inputs, height, width)
        By concept; of any size.
    layer : str, default=None
        One of ``result.layers``; None for the last with places in two directions.
    **how
        ``top``, ``n_resamples``, ``n_permutations`` and ``seed`` of `overlap`.

    Raises
    ------
    ValueError
        As of `overlap`; if the layer has no places in two directions; if there are no masks.
    """
    placed = [one.name for one in result.how if _has_maps(one)]
    if not placed or not masks or (layer is not None and not _has_maps(result.layer(layer))):
        raise ValueError(
            f"masks must be one or more, of a layer with places in two directions, of which there are {placed}; got "
            f"{len(masks)} and layer={layer!r}"
        )
    own = result.layer(placed[-1] if layer is None else layer)
    prepared = result.prepare(data)
    where = result.places_in(prepared.batches(), [own.name], network=prepared.network, F=lambda: result.F)[own.name]
    factors = overlap([where[:, factor] for factor in range(where.shape[1])], masks, **how)
    blocks = own.blocks if own.pool == "whole" else ()
    return Aligned(factors, {name: overlap(_channel_maps(X[name], own), masks, **how) for name in blocks})


def _has_maps(how: Layer) -> bool:
    return len(how.shape) == 3


def _channel_maps(X: Any, how: Layer) -> list[_ChannelMap]:
    return [_ChannelMap(X, how, channel) for channel in range(how.shape[how.output.channel_axis - 1])]


class _ChannelMap:
    """A channel's places, (n, height, width), read by slices out of the rows of a block."""

    def __init__(self, X: Any, how: Layer, channel: int) -> None:
        self._X, self._sizes, self._axis, self._channel = X, how.shape, how.output.channel_axis, channel
        places = [size for axis, size in enumerate(how.shape, start=1) if axis != self._axis]
        self.shape = (int(X.shape[0]), *places)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        start, stop, _ = rows.indices(len(self))
        pieces = [np.empty((0, *self.shape[1:]), dtype=self._X.dtype)]
        for some in slices_of(stop - start, int(np.prod(self._sizes))):  # rows that are shifted are made when read
            read = to_host(self._X[start + some.start : start + some.stop]).reshape(-1, *self._sizes)
            pieces.append(np.take(read, self._channel, axis=self._axis))
        return np.concatenate(pieces)
