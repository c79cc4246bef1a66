"""What recorded layers would take, said before the pass."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cnn_probe.activations.pooling import pooled_shape
from cnn_probe.activations.signs import SIGN_RULES
from cnn_probe.system.memory import available_memory

SHARE = 0.5  # of the memory that is available: the network's batches, and the fit beside X, need room as well
SHOWN = 10  # layers that an error names; the rest are counted
FLOAT32 = 4


@dataclass(frozen=True)
class LayerBytes:
    """What one layer takes.

    Attributes
    ----------
    layer : str
    shape : tuple of int
        Of its output for one sample.
    pool : str
        How it is to be pooled.
    n_bytes : int
        What it then takes, both signs counted where they are split.
    whole, mean : int
        What it would take whole, and with one number a channel.
    """

    layer: str
    shape: tuple[int, ...]
    pool: str
    n_bytes: int
    whole: int
    mean: int


def estimate(
    shapes: Mapping[str, Sequence[int]],
    n: int,
    pools: Mapping[str, str],
    signs: Mapping[str, str] | None = None,
    channel_axes: Mapping[str, int] | None = None,
) -> list[LayerBytes]:
    """Return what n samples of each layer take.

    Parameters
    ----------
    shapes : mapping of str to sequence of int
        The output of each layer for one sample.
    n : int
        Number of samples; 1 where it is not known.
    pools : mapping of str to {"whole", "mean", "max", "token"}
        How each is to be pooled; "auto" is to be chosen before.
    signs, channel_axes : mapping by layer, default=None
        Rules for signs ("error"), axes of channels (1); of those that are left out, the defaults.

    Examples
    --------
    >>> [(one.n_bytes, one.whole, one.mean) for one in estimate({"a": (64, 56, 56)}, 100, {"a": "mean"})]
    [(25600, 80281600, 25600)]
    """
    signs, axes = signs or {}, channel_axes or {}
    found = []
    for layer, shape in shapes.items():
        axis, blocks = axes.get(layer, 1), len(SIGN_RULES[signs.get(layer, "error")].signs)
        n_bytes, whole, mean = (
            FLOAT32 * n * blocks * math.prod(pooled_shape(shape, rule, axis))
            for rule in (pools[layer], "whole", "mean")
        )
        found.append(LayerBytes(layer, tuple(shape), pools[layer], n_bytes, whole, mean))
    return found


def memory_for_rows() -> int:
    """Return the bytes that rows may take in the host's memory: half of what is available."""
    return int(SHARE * available_memory())


def does_not_fit(layers: Sequence[LayerBytes], room: int) -> str:
    """Return what to say when layers do not fit into so many bytes: the largest first, and what can be done."""
    largest = sorted(layers, key=lambda one: one.n_bytes, reverse=True)
    lines = [
        f"  {one.layer!r} {'×'.join(map(str, one.shape)) or 'one number'}, {one.pool}: {size(one.n_bytes)}"
        + (f'; "mean" would make it {size(one.mean)}' if one.mean < one.n_bytes else "")
        for one in largest[:SHOWN]
    ]
    rest = largest[SHOWN:]
    if rest:
        lines.append(f"  and {len(rest)} more: {size(sum(one.n_bytes for one in rest))}")
    total = sum(one.n_bytes for one in layers)
    return (
        f"the activations take {size(total)}, and {size(room)} of memory are free for them:\n"
        + "\n".join(lines)
        + '\npool layers (pool="mean", or by layer), leave some out, or keep them on disk (store="a folder")'
    )


def size(n_bytes: int) -> str:
    """Return bytes as people read them.

    Examples
    --------
    >>> size(999), size(70_400_000), size(80_281_600_000)
    ('999 B', '70.4 MB', '80.3 GB')
    """
    value, unit = float(n_bytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{value:.3g} {unit}"
