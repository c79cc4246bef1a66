"""Whether a network is random in evaluation mode: the same inputs, fed twice, have other activations."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cnn_probe.activations.recorder import record
from cnn_probe.activations.store import Memory
from cnn_probe.probing.recording import Prepared

ROUNDED = 0.02  # of a layer's norm: what numbers of half precision may differ by from pass to pass


def random_layer(prepared: Prepared) -> str | None:
    """Return the first layer whose activations for the first samples are others when these are fed once more."""
    first, second = _rows(prepared), _rows(prepared)
    for layer in prepared.layers:
        for name in layer.blocks:
            if np.linalg.norm(first[name] - second[name]) > ROUNDED * np.linalg.norm(first[name]):
                return layer.name
    return None


def _rows(prepared: Prepared) -> dict[str, NDArray[np.float32]]:
    """What the layers' blocks hold of the first samples."""
    blocks = {name: math.prod(layer.block_shape) for layer in prepared.layers for name in layer.blocks}
    none = {name: np.zeros(size, np.float32) for name, size in blocks.items()}
    with Memory(blocks, n=prepared.first.n) as kept:
        record(prepared.network, lambda start: [prepared.first], prepared.layers, kept, shifts=none)
        arrays = kept.arrays()
    return {name: np.asarray(arrays[name][:]) for name in blocks}
