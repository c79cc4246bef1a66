"""What of a layer's output is a feature: every number of it, one a channel, or one a place."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Shape = tuple[int, ...]

WHOLE_UP_TO = (
    4096  # features of a sample that "auto" leaves whole: 16 KB in float32, so that 50,000 samples take 0.8 GB
)


def _whole(values: Tensor, channel: int) -> Tensor:
    return values


def _mean(values: Tensor, channel: int) -> Tensor:
    return values.mean(dim=_places(values.ndim, channel))


def _max(values: Tensor, channel: int) -> Tensor:
    return values.amax(dim=_places(values.ndim, channel))


def _token(values: Tensor, channel: int) -> Tensor:
    return values.mean(dim=channel)


#: Each takes float32 activations of three axes or more, and the axis of the channel.
_POOLS: dict[str, Callable[[Tensor, int], Tensor]] = {"whole": _whole, "mean": _mean, "max": _max, "token": _token}

POOLS = ("auto", *_POOLS)


def _places(ndim: int, channel: int) -> tuple[int, ...]:
    return tuple(axis for axis in range(1, ndim) if axis != channel)


def pool(values: Tensor, rule: str, channel_axis: int = 1) -> Tensor:
    """Return a batch of one layer's activations as rows.

    Parameters
    ----------
    values : float32 Tensor of shape (n, ...)
        With signs seen to: of "split", the positive and the negative part are pooled separately.
    rule : {"whole", "mean", "max", "token"}
        All numbers, flattened in C order, as in the paper; the mean or the maximum of each channel over all places;
        or, for each place or token, the mean over the channels. An output (n, n_features) has no places, and every
        rule leaves it as it is.
    channel_axis : int, default=1
        Of ``values``: 1 for (n, channels, height, width), -1 for (n, tokens, channels).

    Returns
    -------
    float32 Tensor of shape (n, n_features)
        Perhaps a view of ``values``.

    Raises
    ------
    ValueError
        If there is no such axis, or it is the sample's.

    Examples
    --------
    >>> import torch
    >>> pool(torch.ones(2, 3, 4, 5), "mean").shape, pool(torch.ones(2, 7, 3), "token", -1).shape
    (torch.Size([2, 3]), torch.Size([2, 7]))
    """
    if values.ndim < 3:
        return values.reshape(len(values), -1)
    return _POOLS[rule](values, _axis(values.ndim, channel_axis)).reshape(len(values), -1)


def pooled_shape(shape: Sequence[int], rule: str, channel_axis: int = 1) -> Shape:
    """Return the shape that a sample of a layer has once it is pooled; its block has as many features.

    Parameters
    ----------
    shape : sequence of int
        Of the layer's output for one sample.
    rule, channel_axis
        As of `pool`: the axis is counted with the sample's, so that 1 is the first of ``shape``.

    Examples
    --------
    >>> pooled_shape((64, 56, 56), "mean"), pooled_shape((197, 768), "token", -1), pooled_shape((10,), "max")
    ((64,), (197,), (10,))
    """
    shape = tuple(shape)
    if len(shape) < 2 or rule == "whole":
        return shape
    channel = _axis(len(shape) + 1, channel_axis) - 1
    return (*shape[:channel], *shape[channel + 1 :]) if rule == "token" else (shape[channel],)


def choose(shape: Sequence[int], rule: str = "auto") -> str:
    """Return what "auto" stands for: "whole" up to `WHOLE_UP_TO` features a sample, else "mean".

    An output without places is whole, however long; any other rule stays.

    Examples
    --------
    >>> choose((64, 8, 8)), choose((64, 56, 56)), choose((10000,)), choose((64, 8, 8), "max")
    ('whole', 'mean', 'whole', 'max')
    """
    if rule != "auto":
        return rule
    return "whole" if len(shape) < 2 or math.prod(shape) <= WHOLE_UP_TO else "mean"


def pooled_minima(minima: NDArray[Any], shape: Sequence[int], rule: str, channel_axis: int = 1) -> NDArray[np.float32]:
    """Return what "shift" subtracts from each feature of a pooled block: pooling and shifting can change places.

    Parameters
    ----------
    minima : float32 array of shape (n_channels,)
        The least activation of each channel, as `Seen.minima`.
    shape, rule, channel_axis
        As of `pooled_shape`.

    Returns
    -------
    float32 array of shape (n_features,)

    Examples
    --------
    >>> pooled_minima(np.float32([-1, -2]), (2, 1, 3), "whole")
    array([-1., -1., -1., -2., -2., -2.], dtype=float32)
    """
    minima, shape = np.asarray(minima, dtype=np.float32), tuple(shape)
    if len(shape) < 2 or rule in ("mean", "max"):
        return minima
    channel = _axis(len(shape) + 1, channel_axis) - 1
    if rule == "token":
        return np.full(math.prod(pooled_shape(shape, rule, channel_axis)), minima.mean(dtype=np.float64), np.float32)
    along = minima.reshape([-1 if axis == channel else 1 for axis in range(len(shape))])
    return np.broadcast_to(along, shape).reshape(-1).copy()


def _axis(ndim: int, channel_axis: int) -> int:
    """The channel's axis, counted from the first."""
    axis = channel_axis + ndim if channel_axis < 0 else channel_axis
    if not 1 <= axis < ndim:
        raise ValueError(
            f"the channel axis is {channel_axis}, and an output of {ndim} axes has 1 to {ndim - 1} or -1 "
            f"to {1 - ndim} besides the sample's; name one of them"
        )
    return axis
