"""What is factored beside the layers: the pictures, or what else is made of the inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from cnn_probe.activations.signs import Sign
from cnn_probe.data.batches import Batch

Shape = tuple[int, ...]
#: The pictures, none, pictures of another size, or what a function makes of what the network is fed.
Inputs = bool | int | tuple[int, int] | Callable[[Any], Any]
LARGEST_SIDE = 4096


@dataclass(frozen=True)
class Block:
    """One block of X.

    Attributes
    ----------
    name : str
        What the estimator calls it.
    layer : str or None
        The layer whose activations it holds; None for what is made of the inputs, as a channel of the pictures.
    sign : {"+", "-"}
        Which of the layer's activations.
    """

    name: str
    layer: str | None = None
    sign: Sign = "+"


def channel_names(n_channels: int) -> list[str]:
    """Return the names of the pictures' channels, each a block, as in the paper.

    Examples
    --------
    >>> channel_names(3), channel_names(1)
    (['pixels0', 'pixels1', 'pixels2'], ['pixels'])
    """
    return ["pixels"] if n_channels == 1 else [f"pixels{channel}" for channel in range(n_channels)]


def blocks_of(n_channels: int, layers: Sequence[str]) -> tuple[Block, ...]:
    """Return one block a channel of the pictures, then one a layer: the paper's.

    Examples
    --------
    >>> blocks_of(1, ["relu1"])
    (Block(name='pixels', layer=None, sign='+'), Block(name='relu1', layer='relu1', sign='+'))
    """
    return (*map(Block, channel_names(n_channels)), *(Block(layer, layer) for layer in layers))


def refuse_other_pictures(found: Mapping[str, Shape], probed: Mapping[str, Shape], *, sizes: bool = False) -> None:
    """Raise ValueError if pictures have not the channels of those that were probed, or (``sizes``) not their size.

    Examples
    --------
    >>> refuse_other_pictures({"pixels0": (9, 9), "pixels1": (9, 9), "pixels2": (9, 9)}, {"pixels": (8, 8)})
    Traceback (most recent call last):
        ...
    ValueError: data has pictures of 3 channels of 9×9, and those that were probed have 1 of 8×8; give such
    """
    if found and probed and (found.keys() != probed.keys() or (sizes and found != probed)):
        made, own = (
            (len(shapes), "×".join(map(str, next(iter(shapes.values()))))) for shapes in (dict(found), dict(probed))
        )
        raise ValueError(
            f"data has pictures of {made[0]} channel{'s' * (made[0] > 1)} of {made[1]}, and those that were probed "
            f"have {own[0]} of {own[1]}; give such"
        )


def check_inputs(inputs: Any) -> None:
    """Raise TypeError or ValueError if ``inputs`` is not as `probe` takes it."""
    if isinstance(inputs, bool) or callable(inputs):
        return
    sides = inputs if isinstance(inputs, tuple | list) else (inputs, inputs)
    if len(sides) != 2 or not all(isinstance(side, int) and not isinstance(side, bool) for side in sides):
        raise TypeError(
            f"inputs must be True (the pictures), False (none), a size in pixels or a function, got {inputs!r}"
        )
    if not all(1 <= side <= LARGEST_SIDE for side in sides):
        raise ValueError(f"inputs must be a size from 1 to {LARGEST_SIDE} pixels, got {inputs!r}")


def input_blocks(inputs: Inputs, batch: Batch, why_no_pictures: str = "") -> dict[str, Tensor]:
    """Return what of a batch is factored beside the layers: float32, shape (n, ...), by the blocks' names.

    Raises
    ------
    ValueError
        If there are no pictures though they are asked for, or a function makes anything but numbers from 0 on, a row
        a sample.
    """
    if inputs is False:
        return {}
    if callable(inputs):
        return _made(inputs, batch)
    if batch.pictures is None:
        raise ValueError(
            f"there are no pictures to factor beside the layers: {why_no_pictures}; give pictures in [0, 1] and "
            "preprocess=, or inputs=False, or a function of what the network is fed"
        )
    pictures = batch.pictures
    if inputs is not True:
        size = (inputs, inputs) if isinstance(inputs, int) else tuple(inputs)
        pictures = interpolate(pictures, size, mode="bilinear", antialias=True).clamp_(0, 1)
    return {name: pictures[:, channel] for channel, name in enumerate(channel_names(pictures.shape[1]))}


def _made(inputs: Callable[[Any], Any], batch: Batch) -> dict[str, Tensor]:
    """What a function makes of what the network is fed: the one input, all of them, or those by name."""
    fed: Any = batch.inputs[0] if len(batch.inputs) == 1 and not batch.keywords else batch.inputs or batch.keywords
    made = inputs(fed)
    blocks = dict(made) if isinstance(made, Mapping) else {"inputs": made}
    found = {}
    for name, values in blocks.items():
        rows = torch.as_tensor(values).detach().to("cpu", torch.float32)
        if rows.ndim < 1 or len(rows) != batch.n or not rows.numel():
            raise ValueError(
                f"the function in inputs must make a row for each of {batch.n} samples; {name!r} has shape "
                f"{tuple(rows.shape)}"
            )
        low, high = (float(end) for end in torch.aminmax(rows))
        if not (low >= 0 and high < float("inf")):
            raise ValueError(
                f"the function in inputs must make finite numbers from 0 on; {name!r} is from {low:g} to {high:g}"
            )
        found[str(name)] = rows[:, None] if rows.ndim == 1 else rows
    return found
