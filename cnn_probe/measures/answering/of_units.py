"""What the units of a result's layers are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cnn_probe.activations.planning import Layer
from cnn_probe.measures.units import SAME, Kind, LayerUnits, measure_units
from cnn_probe.probing.result import ProbeResult
from coupled_nmf import Blocks

MOST_UNITS = 4096  # of a layer, of which all are compared with each other


def units_of(
    result: ProbeResult,
    X: Blocks,
    *,
    labels: NDArray[np.int64] | None,
    class_names: Sequence[str] | None,
    seed: int,
) -> dict[str, LayerUnits]:
    """By block of a layer: its units, as of `measure_units`, and which factor uses each most."""
    found = {}
    for block in result.blocks:
        if block.layer is None:
            continue
        how = result.layer(block.layer)
        found[block.name] = measure_units(
            X[block.name],
            how.block_shape if how.keeps_places else None,
            channel_axis=how.output.channel_axis - 1 if how.keeps_places else 0,
            labels=labels,
            classes=class_names,
            H=result.model.block_components_[block.name],
            same=SAME if X[block.name].shape[1] <= MOST_UNITS else None,
            seed=seed,
            kind=_kind_of(how),
        )
    return found


def _kind_of(how: Layer) -> Kind:
    """What a column of a layer's block is."""
    if how.pool == "whole" or len(how.shape) < 2:
        return "neuron"
    return "place" if how.of_places else "channel"
