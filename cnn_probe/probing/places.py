"""Where a pattern is in an input, of layers that were pooled: each place's channels solved for the components."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from cnn_probe.activations.passes.hooks import OutputHooks
from cnn_probe.activations.planning import Layer
from cnn_probe.activations.signs import SIGN_RULES, as_float32
from cnn_probe.data.batches import Batch
from cnn_probe.networks.calling import feed
from cnn_probe.networks.state import evaluating, with_end
from coupled_nmf import Blocks, CoupledNMF


def places_of(
    network: nn.Module,
    batches: Iterable[Batch],
    layers: Sequence[Layer],
    model: CoupledNMF,
    minima: Mapping[str, NDArray[np.float32]],
) -> dict[str, NDArray[np.float32]]:
    """Run a network over batches and return how much of each component there is at each place of some layers.

    Parameters
    ----------
    network : Module
    batches : iterable of Batch
    layers : sequence of Layer
    model, minima
        As of `amounts_at_places`.

    Returns
    -------
    dict of str to float32 ndarray of shape (n, k, *places)
    """
    found: dict[str, list[NDArray[np.float32]]] = {layer.name: [] for layer in layers}
    of = {layer.name: layer for layer in layers}
    hooks = OutputHooks(
        network,
        [layer.output for layer in layers],
        keep=lambda output, value: found[output.name].append(amounts_at_places(model, of[output.name], value, minima)),
    )

    def run() -> None:
        hooks.add()
        for batch in batches:
            feed(network, batch.inputs, batch.keywords)

    evaluating(lambda: with_end(run, hooks.remove), network)
    return {name: np.concatenate(parts) for name, parts in found.items()}


def amounts_at_places(
    model: CoupledNMF, layer: Layer, values: Tensor, minima: Mapping[str, NDArray[np.float32]]
) -> NDArray[np.float32]:
    """How much of each component there is at each place of a layer that was pooled per channel.

    Parameters
    ----------
    model : CoupledNMF
        Fitted, with the layer's blocks.
    layer : Layer
    values : Tensor of shape (n, ...)
        The layer's outputs.
    minima : dict of str to ndarray of shape (n_channels,)
        What is subtracted from its block, if it is shifted.

    Returns
    -------
    float32 ndarray of shape (n, k, *places)
    """
    values = as_float32(values)
    parts = SIGN_RULES[layer.negative].parts(values, float(values.amin()))
    places = values.movedim(layer.output.channel_axis, -1).shape[1:-1]
    blocks: dict[str, NDArray[np.float32]] = {}
    for name, part in zip(layer.blocks, parts, strict=True):
        rows = part.movedim(layer.output.channel_axis, -1).reshape(-1, part.shape[layer.output.channel_axis])
        blocks[name] = rows.cpu().numpy()
        if name in minima:
            blocks[name] = np.maximum(blocks[name] - minima[name], 0)
    F = np.asarray(model.transform(Blocks(blocks)), dtype=np.float32)
    return np.moveaxis(F.reshape(len(values), *places, -1), -1, 1)
