"""Pictures and activations of the same images as coupled blocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from cnn_probe.activations.handover import hand_over, has_room, record_tensors, stays_on
from cnn_probe.activations.recorder import Hear, activation_shapes, record_activations
from cnn_probe.data.images import ImageSet, Pictures
from cnn_probe.networks.paper_net import device_of
from coupled_nmf import Blocks

Shape = tuple[int, ...]
Sign = Literal["+", "-"]  # which activations of a layer: those above zero, or those below


@dataclass(frozen=True)
class Block:
    """One block of X.

    Attributes
    ----------
    name : str
        What the estimator calls it.
    layer : str or None
        The layer whose activations it holds; None for a channel of the pictures.
    sign : {"+", "-"}
        Which of the layer's activations.
    """

    name: str
    layer: str | None = None
    sign: Sign = "+"


def blocks_of(n_channels: int, layers: Sequence[str]) -> tuple[Block, ...]:
    """Return one block a channel, as in the paper, then one a layer.

    Examples
    --------
    >>> [block.name for block in blocks_of(3, ["relu1"])], blocks_of(1, [])
    (['pixels0', 'pixels1', 'pixels2', 'relu1'], (Block(name='pixels', layer=None, sign='+'),))
    """
    channels = ["pixels"] if n_channels == 1 else [f"pixels{channel}" for channel in range(n_channels)]
    return (*map(Block, channels), *(Block(layer, layer) for layer in layers))


def channel_rows(pictures: Pictures) -> dict[str, Tensor]:
    """Return the blocks of the channels, by name: one row a picture."""
    blocks = blocks_of(pictures.shape[1], [])
    return {block.name: pictures[:, i].reshape(len(pictures), -1) for i, block in enumerate(blocks)}


def block_shapes(network: nn.Module, images: ImageSet, layers: Sequence[str]) -> dict[str, Shape]:
    """Shape of one sample of each block that `record_blocks` gives."""
    of_layers = activation_shapes(network, tuple(images.inputs.shape[1:]), layers)
    picture: Shape = tuple(images.pictures.shape[2:])
    blocks = blocks_of(images.pictures.shape[1], layers)
    return {block.name: picture if block.layer is None else of_layers[block.layer] for block in blocks}


def record_blocks(
    network: nn.Module,
    images: ImageSet,
    layers: Sequence[str],
    *,
    negative: Literal["error", "clip"] = "error",
    hear: Hear | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Blocks:
    """The pictures' channels, and the layers' activations when fed the inputs, as coupled blocks.

    Of a network on a GPU they are CuPy arrays, which have never been on the host, if CuPy is there and the GPU has room
    for them; else NumPy arrays.
    """
    device, pixels, inputs = device_of(network), channel_rows(images.pictures), images.inputs
    if stays_on(device) and has_room(device, _bytes_of_blocks(network, images, layers)):
        activations = record_tensors(network, inputs, layers, negative=negative, hear=hear, progress=progress)
        tensors = {name: rows.to(device).contiguous() for name, rows in pixels.items()} | activations
        return Blocks({name: hand_over(tensor) for name, tensor in tensors.items()})
    arrays = record_activations(network, inputs, layers, negative=negative, hear=hear, progress=progress)
    return Blocks({name: rows.cpu().numpy() for name, rows in pixels.items()} | arrays)


def _bytes_of_blocks(network: nn.Module, images: ImageSet, layers: Sequence[str]) -> int:
    """Bytes of all blocks together, in float32."""
    return 4 * len(images) * sum(math.prod(shape) for shape in block_shapes(network, images, layers).values())
