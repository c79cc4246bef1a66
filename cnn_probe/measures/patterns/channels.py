"""Which channels of each layer a pattern is in, by its components."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_probe.activations.handover import to_host
from cnn_probe.probing.result import ProbeResult


def channel_maps(result: ProbeResult) -> dict[str, NDArray[Any]]:
    """Components of each layer's blocks by channel: (k, n_channels, *places), by block.

    Of a layer that is pooled per channel, or that has no places, (k, n_channels). One that is pooled per token has its
    tokens for channels.
    """
    found = {}
    for block in result.blocks:
        if block.layer is None:
            continue
        how = result.layer(block.layer)
        own = np.asarray(to_host(result.model.block_components_[block.name]))
        if how.keeps_places:
            own = np.moveaxis(own.reshape(len(own), *how.block_shape), how.output.channel_axis, 1)
        found[block.name] = own
    return found


def channel_shares(maps: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float64]]:
    """What part of each factor's squares in a block lies in each channel: (k, n_channels) by block, rows of sum 1 or 0.

    Examples
    --------
    >>> channel_shares({"relu": np.array([[[1.0, 1.0], [0.0, 1.0]]])})["relu"].round(2).tolist()
    [[0.67, 0.33]]
    """
    found = {}
    for name, own in maps.items():
        squares = np.sum(own.reshape(*own.shape[:2], -1).astype(np.float64) ** 2, axis=2)
        total = squares.sum(axis=1, keepdims=True)
        found[name] = np.divide(squares, total, out=np.zeros_like(squares), where=total > 0)
    return found


def lift(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """How many times its mean share over the factors each channel's share is: (k, n_channels), 1 where nothing is.

    Shares themselves are alike in every factor of a first layer, where few channels hold most.

    Examples
    --------
    >>> lift(np.array([[0.9, 0.1], [0.6, 0.4]])).round(2).tolist()
    [[1.2, 0.4], [0.8, 1.6]]
    """
    mean = shares.mean(axis=0)
    return np.divide(shares, mean, out=np.ones_like(shares), where=mean > 0)
