"""Which outputs there are in a forward pass: found by running it on a few samples."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from cnn_probe.activations.passes.functions import ACTIVATION_MODULES
from cnn_probe.activations.passes.hooks import Call, PassHooks
from cnn_probe.activations.passes.oddities import oddity
from cnn_probe.activations.passes.outputs import Output, Step, leaves, written
from cnn_probe.networks.state import evaluating, with_end

CHANNELS_SECOND = (
    nn.modules.conv._ConvNd, nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.modules.pooling._MaxPoolNd,
    nn.modules.pooling._AvgPoolNd, nn.modules.pooling._AdaptiveAvgPoolNd, nn.modules.pooling._AdaptiveMaxPoolNd,
    nn.LocalResponseNorm,
)  # fmt: skip
CHANNELS_LAST = (nn.Linear, nn.Bilinear, nn.LayerNorm, nn.Embedding, nn.MultiheadAttention, nn.RNNBase)


@dataclass(frozen=True)
class Traced:
    """An output that a pass was found to make.

    Attributes
    ----------
    output : Output
        By what it is reached.
    kind : type or None
        Of the module that returns it; None if a function does.
    shape : tuple of int
        Of one sample.
    fault : str
        Why it cannot be recorded; empty if it can.
    is_activation : bool
        Whether an activation function, or a module that is one, returns it.
    smallest : float
        Of its values in the few samples.
    """

    output: Output
    kind: type[nn.Module] | None
    shape: tuple[int, ...]
    fault: str
    is_activation: bool
    smallest: float


@dataclass(frozen=True)
class _Seen:
    """What one pass put out at one place."""

    shape: tuple[int, ...] | None
    fault: str
    channel_axis: int = 1
    smallest: float = 0.0


_Place = tuple[Call, tuple[Step, ...]]


def trace(network: nn.Module, passes: Sequence[tuple[Callable[[], Any], int]]) -> list[Traced]:
    """Run a network, in evaluation mode, and return all outputs of modules and activation functions, in order.

    Parameters
    ----------
    network : Module
    passes : sequence of (callable, int)
        Each runs a forward pass of so many samples. Two of different numbers tell which axis counts the samples.
    """
    kinds = {name: type(module) for name, module in network.named_modules()}
    first, *others = [_Pass(kinds).run(network, call) for call, _ in passes]
    names: dict[Call, str] = {}
    traced = []
    for place, seen in first.items():
        call, path = place
        if call not in names:
            names[call] = _free_name(call, names.values())
        kind = kinds[call.module] if call.function is None else None
        axis, fault = _sample_axis([seen, *(other.get(place) for other in others)], [n for _, n in passes])
        output = Output(names[call] + written(path), call.module, call.function, call.use, path, axis)
        shape = seen.shape or ()
        traced.append(
            Traced(
                replace(output, channel_axis=_moved(seen.channel_axis, axis)),
                kind,
                shape[:axis] + shape[axis + 1 :],
                fault,
                kind is None or issubclass(kind, ACTIVATION_MODULES),
                seen.smallest,
            )
        )
    return traced


class _Pass:
    """What one pass puts out, in order; of each tensor it is remembered on which axis its channels are."""

    def __init__(self, kinds: Mapping[str, type[nn.Module]]) -> None:
        self._kinds = kinds
        self._seen: dict[_Place, _Seen] = {}
        self._channels: dict[int, tuple[weakref.ref[Tensor], int]] = {}

    def run(self, network: nn.Module, call: Callable[[], Any]) -> dict[_Place, _Seen]:
        hooks = PassHooks(network, self._hear, functions=True)

        def add_and_call() -> None:
            hooks.add()
            call()

        evaluating(lambda: with_end(add_and_call, hooks.remove), network)
        return self._seen

    def _hear(self, call: Call, arguments: Sequence[Any], returned: Any) -> None:
        for path, value in leaves(returned):
            fault = "" if isinstance(value, Tensor) else f"it returns a {type(value).__name__}, not a tensor"
            fault = fault or oddity(value)
            if fault:
                shape = tuple(value.shape) if isinstance(value, Tensor) and not value.is_nested else None
                self._seen[call, path] = _Seen(shape, fault)
                continue
            axis = self._axis_of(call, arguments, value)
            self._channels[id(value)] = weakref.ref(value), axis
            self._seen[call, path] = _Seen(tuple(value.shape), "", axis, float(value.to(torch.float32).amin()))

    def _axis_of(self, call: Call, arguments: Sequence[Any], value: Tensor) -> int:
        """Where the channels of an output are: by the kind of its module, or where they were in what that was given."""
        kind = self._kinds[call.module] if call.function is None else nn.Module
        if issubclass(kind, CHANNELS_SECOND):
            return 1
        if issubclass(kind, CHANNELS_LAST):
            return value.ndim - 1
        for argument in arguments:
            of, axis = self._channels.get(id(argument), (None, 0))
            given = None if of is None else of()
            if given is not None and given is argument:
                found = _same_axis(given, axis, value)
                if found is not None:
                    return found
        return 2 if value.ndim == 3 else 1


def _same_axis(given: Tensor, axis: int, value: Tensor) -> int | None:
    """Where the axis of what was given is in what is returned: where it was, or where alone its length is found."""
    if given.shape == value.shape:
        return axis
    alike = [other for other in range(1, value.ndim) if value.shape[other] == given.shape[axis]]
    return alike[0] if len(alike) == 1 else axis if axis in alike else None


def _free_name(call: Call, taken: Collection[str]) -> str:
    """As torchvision names nodes: a call later than the first of its name gets the next number that is free."""
    base = ".".join(part for part in (call.module, call.function) if part) or "output"
    name, number = base, call.use
    while number or name in taken:
        name = f"{base}_{max(number, 1)}"
        if name not in taken:
            break
        number = max(number, 1) + 1
    return name


def _sample_axis(looks: Sequence[_Seen | None], counts: Sequence[int]) -> tuple[int, str]:
    """The axis that counts the samples, and why there is none."""
    shapes = []
    for look, n in zip(looks, counts, strict=True):
        if look is None:
            return 0, "not every pass runs it"
        if look.fault or look.shape is None:
            return 0, look.fault
        shapes.append((look.shape, n))
    first, n = shapes[0]
    said = " and ".join(f"{shape} for {n} sample{'s' * (n > 1)}" for shape, n in shapes)
    if any(len(shape) != len(first) for shape, _ in shapes):
        return 0, f"its shape depends on the batch ({said})"
    candidates = [axis for axis in range(len(first)) if all(shape[axis] == n for shape, n in shapes)]
    if not candidates:
        return 0, f"no axis of it counts the samples ({said})"
    axis = candidates[0]
    if len({shape[:axis] + shape[axis + 1 :] for shape, _ in shapes}) > 1:
        return 0, f"its shape depends on the batch ({said})"
    return axis, ""


def _moved(channel_axis: int, sample_axis: int) -> int:
    """Where the channels are once the samples are the first axis."""
    return channel_axis + 1 if channel_axis < sample_axis else max(channel_axis, 1)
