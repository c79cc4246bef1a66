"""Pixels and activations of the same images as coupled blocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

from torch import Tensor, nn

from cnn_probe.activations import Hear, activation_shapes, record_activations
from cnn_probe.handover import hand_over, has_room, record_tensors, stays_on
from cnn_probe.networks import device_of
from coupled_nmf import Blocks

Shape = tuple[int, ...]


def channel_blocks(images: Tensor) -> dict[str, Tensor]:
    """One block a channel, as in the paper: ``pixels`` for grey images, else ``pixels0``, ``pixels1``, ..."""
    channels = images.shape[1]
    names = ["pixels"] if channels == 1 else [f"pixels{channel}" for channel in range(channels)]
    return {name: images[:, i].reshape(len(images), -1) for i, name in enumerate(names)}


def block_shapes(network: nn.Module, images: Tensor, layers: Sequence[str]) -> dict[str, Shape]:
    """Shape of one sample of each block that `record_blocks` gives."""
    channels: dict[str, Shape] = {name: tuple(images.shape[2:]) for name in channel_blocks(images[:1])}
    return {**channels, **activation_shapes(network, tuple(images.shape[1:]), layers)}


def record_blocks(
    network: nn.Module,
    images: Tensor,
    layers: Sequence[str],
    *,
    negative: Literal["error", "clip"] = "error",
    hear: Hear | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Blocks:
    """Pixels and the layers' activations of the same images, as coupled blocks.

    Of a network on a GPU they are CuPy arrays, which have never been on the host, if CuPy is there and the GPU has room
    for them; else NumPy arrays.
    """
    device, pixels = device_of(network), channel_blocks(images)
    if stays_on(device) and has_room(device, _bytes_of_blocks(network, images, layers)):
        activations = record_tensors(network, images, layers, negative=negative, hear=hear, progress=progress)
        tensors = {name: rows.to(device).contiguous() for name, rows in pixels.items()} | activations
        return Blocks({name: hand_over(tensor) for name, tensor in tensors.items()})
    arrays = record_activations(network, images, layers, negative=negative, hear=hear, progress=progress)
    return Blocks({name: rows.cpu().numpy() for name, rows in pixels.items()} | arrays)


def _bytes_of_blocks(network: nn.Module, images: Tensor, layers: Sequence[str]) -> int:
    """Bytes of all blocks together, in float32."""
    return 4 * len(images) * sum(math.prod(shape) for shape in block_shapes(network, images, layers).values())
