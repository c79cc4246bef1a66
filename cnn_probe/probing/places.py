"""Where a pattern is in an input: each place of a layer taken apart into the components."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from cnn_probe.activations.handover import to_host
from cnn_probe.activations.passes.hooks import OutputHooks
from cnn_probe.activations.passes.outputs import Output
from cnn_probe.activations.planning import Layer
from cnn_probe.activations.signs import SIGN_RULES, as_float32
from cnn_probe.data.batches import Batch
from cnn_probe.networks.calling import feed
from cnn_probe.networks.state import evaluating, with_end
from coupled_nmf import Blocks, CoupledNMF

AT_A_TIME = 2**22  # numbers of a layer that are taken apart at a time
LEAST = 1e-150  # what a factorization makes less of than this, it makes nothing of


def places_of(
    network: nn.Module,
    batches: Iterable[Batch],
    layers: Sequence[Layer],
    model: CoupledNMF,
    minima: Mapping[str, NDArray[np.float32]],
    F: NDArray[Any] | None = None,
) -> dict[str, NDArray[np.float32]]:
    """Run a network over batches and return how much of each component there is at each place of some layers.

    Of a layer that was pooled per channel that is `amounts_at_places`, of others `parts_at_places`.

    Parameters
    ----------
    network : Module
    batches : iterable of Batch
    layers : sequence of Layer
    model, minima
        As of `amounts_at_places`.
    F : ndarray of shape (n, k), default=None
        Of the samples in the batches; not needed where all layers were pooled per channel.

    Returns
    -------
    dict of str to float32 ndarray of shape (n, k, *places)
    """
    found: dict[str, list[NDArray[np.float32]]] = {layer.name: [] for layer in layers}
    of = {layer.name: layer for layer in layers}

    def keep(output: Output, values: Tensor) -> None:
        layer, parts = of[output.name], found[output.name]
        if pools_channels(layer):
            parts.append(amounts_at_places(model, layer, values, minima))
        elif F is not None:
            start = sum(map(len, parts))
            parts.append(parts_at_places(model, layer, values, minima, F[start : start + len(values)]))

    hooks = OutputHooks(network, [layer.output for layer in layers], keep=keep)

    def run() -> None:
        hooks.add()
        for batch in batches:
            feed(network, batch.inputs, batch.keywords)

    evaluating(lambda: with_end(run, hooks.remove), network)
    return {name: np.concatenate(parts) for name, parts in found.items()}


def pools_channels(layer: Layer) -> bool:
    """Whether a layer has places, and its blocks a number a channel."""
    return layer.pool in ("mean", "max") and len(layer.shape) > 1


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


def parts_at_places(
    model: CoupledNMF, layer: Layer, values: Tensor, minima: Mapping[str, NDArray[np.float32]], F: NDArray[Any]
) -> NDArray[np.float32]:
    """What part of a layer's activations each component is at each place, summed over channels and blocks.

    An activation is divided among the components as the factorization has it there: component p is
    F_ip H_p / (F_i H) of it, and none of it where F_i H is 0.

    Parameters
    ----------
    model, layer, values, minima
        As of `amounts_at_places`; ``minima`` of shape (n_features,). The layer was not pooled per channel.
    F : ndarray of shape (n, k)
        Of these samples.

    Returns
    -------
    float32 ndarray of shape (n, k, *places)
    """
    values = as_float32(values)
    found: NDArray[Any] | None = None
    for name, part in layer.units().rows(values, float(values.amin())).items():
        rows = part.cpu().numpy()
        rows = np.maximum(rows - minima[name] if name in minima else rows, 0)
        H = np.asarray(to_host(model.block_components_[name]), dtype=np.float64)
        own = np.concatenate([_divided(layer, rows[some], F[some], H) for some in _pieces(rows)])
        found = own if found is None else found + own
    return np.asarray(found, dtype=np.float32)


def _pieces(rows: NDArray[Any]) -> Iterator[slice]:
    step = max(1, AT_A_TIME // max(1, rows.shape[1]))
    return (slice(start, start + step) for start in range(0, len(rows), step))


def _divided(layer: Layer, rows: NDArray[Any], F: NDArray[Any], H: NDArray[np.float64]) -> NDArray[np.float64]:
    made = F.astype(np.float64) @ H
    times = _by_channel(layer, np.divide(rows, made, out=np.zeros_like(made), where=made > LEAST))
    own, places = _by_channel(layer, H), times.shape[2:]
    at_places = [part.reshape(*part.shape[:2], -1).transpose(2, 0, 1) for part in (times, own)]
    summed = at_places[0] @ at_places[1].transpose(0, 2, 1)  # (places, n, k), over the channels
    return (F * summed).transpose(1, 2, 0).reshape(len(rows), len(H), *places)


def _by_channel(layer: Layer, rows: NDArray[Any]) -> NDArray[Any]:
    """Rows of a block as (n, n_channels, *places); a block of tokens has one channel, one of neurons no places."""
    if layer.keeps_places:
        return np.moveaxis(rows.reshape(len(rows), *layer.block_shape), layer.output.channel_axis, 1)
    return rows.reshape(len(rows), 1, *layer.block_shape) if len(layer.shape) > 1 else rows
