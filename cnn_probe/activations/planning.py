"""What is to be recorded of a network: its layers, and the blocks that each makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from cnn_probe.activations.passes.hooks import OutputHooks
from cnn_probe.activations.passes.outputs import Output
from cnn_probe.activations.passes.selection import Layers, select
from cnn_probe.activations.passes.tracing import trace
from cnn_probe.activations.pooling import POOLS, Shape, choose, pooled_shape
from cnn_probe.activations.signs import SIGN_RULES, Seen, Sign, as_float32, block_name, refusal
from cnn_probe.activations.units import Units, by_layer
from cnn_probe.networks.state import evaluating, with_end


@dataclass(frozen=True)
class Layer:
    """An output of a network that is recorded, and how.

    Attributes
    ----------
    output : Output
    shape : tuple of int
        Of one sample, as the network gives it.
    pool : {"whole", "mean", "max", "token"}
    negative : {"error", "clip", "split", "shift"}
    """

    output: Output
    shape: Shape
    pool: str = "whole"
    negative: str = "error"

    @property
    def name(self) -> str:
        """The output's."""
        return self.output.name

    @property
    def block_shape(self) -> Shape:
        """Shape of one sample in each of its blocks."""
        return pooled_shape(self.shape, self.pool, self.output.channel_axis)

    @property
    def keeps_places(self) -> bool:
        """Whether its blocks have each channel's places: it has some, and was left whole."""
        return self.pool == "whole" and len(self.shape) > 1

    @property
    def of_places(self) -> bool:
        """Whether each number of its blocks is of a place, over all channels: it was pooled per token."""
        return self.pool == "token" and len(self.shape) > 1

    @property
    def blocks(self) -> dict[str, Sign]:
        """Names of its blocks, and which activations each holds."""
        return {block_name(self.name, sign): sign for sign in SIGN_RULES[self.negative].signs}

    def units(self) -> Units:
        """What makes rows of its outputs, anew."""
        return Units(self.name, self.shape, sign=self.negative, pool=self.pool, channel_axis=self.output.channel_axis)


@dataclass(frozen=True)
class Plan:
    """Layers that are recorded, and what was meant and is left out: why."""

    layers: tuple[Layer, ...]
    skipped: dict[str, str]


Few = Sequence[tuple[Callable[[], Any], int]]  # passes of a few samples each


def plan_layers(
    network: nn.Module,
    few: Few,
    layers: Layers = None,
    *,
    pool: str | Mapping[str, str] = "auto",
    negative: str | Mapping[str, str] = "error",
) -> Plan:
    """Find out, by passes of a few samples, what is to be recorded.

    Parameters
    ----------
    network : Module
    few : sequence of (callable, int)
        As of `trace`.
    layers
        As of `select`.
    pool, negative : str or mapping of str to str
        One of `POOLS` and `SIGN_RULES`, or one by layer or glob, where those that are not named have the default.

    Raises
    ------
    ValueError
        Of `select`; if a choice is none; if layers that may not have negative activations have some.
    """
    selection = select(network, trace(network, few), layers)
    names = [one.output.name for one in selection.chosen]
    pools = by_layer("pool", pool, names, POOLS, "auto")
    rules = by_layer("negative", negative, names, SIGN_RULES, "error")
    planned = tuple(
        Layer(one.output, one.shape, choose(one.shape, pools[name]), rules[name])
        for name, one in zip(names, selection.chosen, strict=True)
    )
    if any(one.smallest < 0 and rules[one.output.name] == "error" for one in selection.chosen):
        _refuse_negative(network, few[0][0], planned)
    return Plan(planned, selection.skipped)


def _refuse_negative(network: nn.Module, call: Callable[[], Any], layers: Sequence[Layer]) -> None:
    """Raise the error that says of every layer what each choice would cost, as far as one pass shows it."""
    seen = {layer.name: Seen(layer.name, layer.negative, layer.output.channel_axis) for layer in layers}
    hooks = OutputHooks(
        network,
        [layer.output for layer in layers],
        keep=lambda output, value: seen[output.name].add(as_float32(value)),
    )

    def look() -> None:
        hooks.add()
        call()

    evaluating(lambda: with_end(look, hooks.remove), network)
    raise refusal(list(seen.values()))
