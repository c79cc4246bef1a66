"""How a layer's output becomes the rows of its blocks: what was chosen for it, signs, then pooling."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cnn_probe.activations.pooling import Shape, pool, pooled_minima, pooled_shape
from cnn_probe.activations.signs import SIGN_RULES, Seen, Sign, as_float32, block_name


def by_layer(
    argument: str, value: Any, layers: Sequence[str], choices: Collection[str], default: str
) -> dict[str, str]:
    """Return what is chosen for each layer.

    Parameters
    ----------
    argument : str
        Its name, for messages.
    value : str or mapping of str to str
        One choice for all, or choices by layer. A key is a layer's name, or a glob; a name goes before globs, and of
        these the first that fits.
    layers : sequence of str
        Names of the layers.
    choices : collection of str
        What may be chosen.
    default : str
        For layers that the mapping leaves out.

    Raises
    ------
    TypeError
        If ``value`` is neither a string nor a mapping.
    ValueError
        If something else is chosen, or a key fits no layer.

    Examples
    --------
    >>> by_layer("pool", {"layer*": "mean"}, ["stem", "layer1"], ["whole", "mean"], "whole")
    {'stem': 'whole', 'layer1': 'mean'}
    """
    if isinstance(value, str):
        _refuse_unknown(argument, value, choices)
        return dict.fromkeys(layers, value)
    if not isinstance(value, Mapping):
        raise TypeError(f"{argument} is a {type(value).__name__}; it takes {_listed(choices)}, or a mapping by layer")
    for key, choice in value.items():
        _refuse_unknown(f"{argument}[{key!r}]", choice, choices)
        if not any(_fits(layer, key) for layer in layers):
            close = get_close_matches(str(key), layers) or list(layers)[:8]
            raise ValueError(
                f"{argument} names {key!r}, and no layer that is probed fits it; there are {', '.join(close)}"
                + (f" and {len(layers) - len(close)} more" if len(layers) > len(close) else "")
            )
    return {layer: _chosen(layer, value, default) for layer in layers}


def _chosen(layer: str, value: Mapping[str, str], default: str) -> str:
    if layer in value:
        return value[layer]
    return next((choice for key, choice in value.items() if fnmatchcase(layer, key)), default)


def _fits(layer: str, key: Any) -> bool:
    return isinstance(key, str) and (layer == key or fnmatchcase(layer, key))


def _refuse_unknown(argument: str, choice: Any, choices: Collection[str]) -> None:
    if not isinstance(choice, str) or choice not in choices:
        raise ValueError(f"{argument} must be {_listed(choices)}, got {choice!r}")


def _listed(choices: Collection[str]) -> str:
    *first, last = (f'"{choice}"' for choice in choices)
    return f"{', '.join(first)} or {last}" if first else last


class Units:
    """The blocks of one layer, and how a batch of its output becomes rows of them.

    Signs come first: of "split", the positive and the negative part are pooled separately.

    Parameters
    ----------
    layer : str
        Its name.
    shape : sequence of int
        Of its output for one sample.
    sign : {"error", "clip", "split", "shift"}, default="error"
        What becomes of negative activations.
    pool : {"whole", "mean", "max", "token"}, default="whole"
        What a feature is.
    channel_axis : int, default=1
        Of the output, whose axis 0 is the sample.

    Attributes
    ----------
    blocks : dict of str to int
        Features of each block.
    signs : dict of str to {"+", "-"}
        Which activations it holds.
    shape : tuple of int
        Of a sample of a block.
    seen : Seen
        What has been seen of the layer so far.

    Raises
    ------
    ValueError
        If there is no such axis.

    Examples
    --------
    >>> import torch
    >>> units = Units("gelu", (2, 1, 2), sign="split", pool="mean")
    >>> values, smallest = units.look(torch.tensor([[[[1.0, -3.0]], [[2.0, 4.0]]]]))
    >>> {name: rows.tolist() for name, rows in units.rows(values, smallest).items()}
    {'gelu': [[0.5, 3.0]], 'gelu (negative)': [[1.5, 0.0]]}
    """

    def __init__(
        self, layer: str, shape: Sequence[int], *, sign: str = "error", pool: str = "whole", channel_axis: int = 1
    ) -> None:
        self.layer, self._sample, self._pool, self._axis = layer, tuple(shape), pool, channel_axis
        self._rule, self.seen = SIGN_RULES[sign], Seen(layer, sign, channel_axis)
        self.shape: Shape = pooled_shape(shape, pool, channel_axis)
        self.signs: dict[str, Sign] = {block_name(layer, one): one for one in self._rule.signs}
        self.blocks = dict.fromkeys(self.signs, int(np.prod(self.shape, dtype=np.int64)))

    def look(self, output: Tensor) -> tuple[Tensor, float]:
        """Take a batch of the layer's output into account; return it in float32, and the least activation in it.

        All layers are to be looked at before `refusal` is asked about, which then names them all.

        Raises
        ------
        ValueError
            If the shape of a sample is another, or an activation is infinite or NaN.
        """
        if tuple(output.shape[1:]) != self._sample:
            raise ValueError(
                f"layer {self.layer!r} has shape {self._sample} for a sample of one batch and "
                f"{tuple(output.shape[1:])} for one of another; choose a layer whose shape does not depend on the batch"
            )
        values = as_float32(output)
        return values, self.seen.add(values)

    def rows(self, values: Tensor, smallest: float) -> dict[str, Tensor]:
        """Return what `look` gave as rows of each block, (n, n_features), where they are; perhaps views."""
        parts = self._rule.parts(values, smallest)
        return {name: pool(part, self._pool, self._axis) for name, part in zip(self.blocks, parts, strict=True)}

    def shifts(self) -> dict[str, NDArray[np.float32]]:
        """Return what is to be subtracted from each feature of a block once all data have been seen."""
        if not self._rule.shifts or self.seen.minima is None:
            return {}
        return dict.fromkeys(self.blocks, pooled_minima(self.seen.minima, self._sample, self._pool, self._axis))
