"""What recorded layers would take, said before the pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cnn_probe.activations.planning import Layer
from cnn_probe.activations.pooling import pooled_shape
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


def estimate(layers: Sequence[Layer], n: int) -> list[LayerBytes]:
    """Return what n samples of each layer take; give 1 where the number is not known.

    Examples
    --------
    >>> from cnn_probe.activations.passes.outputs import Output
    >>> layer = Layer(Output("a", "a"), (64, 56, 56), "mean")
    >>> [(one.n_bytes, one.whole, one.mean) for one in estimate([layer], 100)]
    [(25600, 80281600, 25600)]
    """
    found = []
    for layer in layers:
        n_bytes, whole, mean = (
            FLOAT32 * n * len(layer.blocks) * math.prod(pooled_shape(layer.shape, rule, layer.output.channel_axis))
            for rule in (layer.pool, "whole", "mean")
        )
        found.append(LayerBytes(layer.name, layer.shape, layer.pool, n_bytes, whole, mean))
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
