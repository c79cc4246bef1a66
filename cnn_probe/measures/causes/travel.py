"""How a pattern goes on from a layer to the outputs, where a linear head follows the layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cnn_probe.activations.passes.hooks import OutputHooks, PassHooks
from cnn_probe.activations.planning import Layer
from cnn_probe.activations.signs import restore
from cnn_probe.measures.table import Table
from cnn_probe.networks.calling import feed
from cnn_probe.networks.state import evaluating, with_end
from cnn_probe.probing.result import ProbeResult

FEW = 32  # inputs that tell whether there is a head
CLOSE = 1e-4  # relative: within it, what the head is fed is what the layer put out


@dataclass(frozen=True)
class LinearHead:
    """A linear map from a layer to the outputs of the network.

    Attributes
    ----------
    layer : str
        Whose activations it takes, flattened, or the mean of each channel.
    module : str
        Path of the linear module.
    weights : float64 ndarray of shape (n_outputs, n_features)
        By the features of the layer's block.
    bias : float64 ndarray of shape (n_outputs,)
    """

    layer: str
    module: str
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]


@dataclass(frozen=True)
class TakenApart:
    """One decision, split into what each factor adds to it.

    Attributes
    ----------
    winner, other : int
        Classes: the difference of their outputs is taken apart.
    margin : float
        It, recomputed by the head from the layer's blocks: what the network has, but for rounding, and for what was
        clipped off a layer that is clipped.
    factors : ndarray of shape (k,)
        What each factor adds.
    rest : float
        What of the activations no factor explains adds.
    bias : float
        Of the head, and of what was subtracted from a layer that is shifted, which no factor has.
        ``factors.sum() + rest + bias`` is ``margin``.
    by_channel : ndarray of shape (k, n_channels)
        The parts of ``factors`` that go through each channel of the layer, or each feature of one without places; each
        row adds up to the factor's.
    by_place : ndarray of shape (k, places...) or None
        The parts at each place, all channels together; None of a layer that is pooled, or has no places.
    """

    winner: int
    other: int
    margin: float
    factors: NDArray[np.float64]
    rest: float
    bias: float
    by_channel: NDArray[np.float64]
    by_place: NDArray[np.float64] | None = None

    def table(self) -> Table:
        """Return one row a part of the margin: each factor, what none explains, and the bias; they add up to it."""
        k = len(self.factors)
        parts = [*(f"factor {i}" for i in range(k)), "rest", "bias"]
        return Table({"part": parts, "factor": [*range(k), None, None], "adds": [*self.factors, self.rest, self.bias]})


def head_of(result: ProbeResult, data: Any, layer: str | None = None, *, n: int | None = None) -> LinearHead | None:
    """Find the linear head that makes the network's outputs of a layer; None if there is none.

    It is looked for by running a few inputs from all over the data: the outputs have to be those of an `nn.Linear`,
    whose input is the layer's output, flattened or averaged over its places. A dropout between them is none in
    evaluation mode. Inputs that are all alike, plain ones say, prove little: `Answers.head` checks it by all of them.

    Parameters
    ----------
    result : ProbeResult
        With its network.
    data
        As `probe` takes it: some inputs.
    layer : str, default=None
        One of ``result.layers``; None for the last.
    n : int, default=None
        How many inputs there are, if only reading would tell.
    """
    how = result.layer(result.layers[-1] if layer is None else layer)
    prepared = result.prepare(data)
    network, n_inputs = prepared.network, prepared.source.n or n
    few = prepared.first
    if n_inputs:
        few = prepared.source.picked(np.unique(np.linspace(0, n_inputs - 1, FEW).round().astype(int)).tolist())
    linear = {name: module for name, module in network.named_modules() if isinstance(module, nn.Linear)}
    seen: dict[str, tuple[Tensor, Tensor]] = {}
    held: list[Tensor] = []

    def hear(call: Any, arguments: Any, returned: Any) -> None:
        seen[call.module] = arguments[0].detach().clone(), returned.detach().clone()

    heads = PassHooks(network, hear, modules=set(linear))
    outputs = OutputHooks(network, [how.output], keep=lambda _output, value: held.append(value.detach().clone()))

    def run() -> Any:
        heads.add()
        outputs.add()
        return feed(network, few.inputs, few.keywords)

    def remove() -> None:
        heads.remove()
        outputs.remove()

    returned = evaluating(lambda: with_end(run, remove), network)
    for name, (given, made) in seen.items():
        if isinstance(returned, Tensor) and made.shape == returned.shape and torch.equal(made, returned):
            weights = _by_features(how, held[0], given, linear[name])
            if weights is not None:
                bias = linear[name].bias
                shift = np.zeros(len(weights)) if bias is None else _numbers(bias)
                return LinearHead(how.name, name, weights, shift)
    return None


def _by_features(how: Layer, values: Tensor, given: Tensor, linear: nn.Linear) -> NDArray[np.float64] | None:
    """The head's weights by the features of the layer's block; None if it is not fed the layer."""
    weights = _numbers(linear.weight)
    flat = values.reshape(len(values), -1)
    if _close(flat, given):
        if how.pool == "whole" or len(how.shape) < 2:
            return weights
        return None  # of pooled activations the head's outputs do not follow
    if values.ndim < 3:
        return None
    places = [axis for axis in range(1, values.ndim) if axis != how.output.channel_axis]
    if not _close(values.mean(dim=places), given):
        return None
    if how.pool == "mean":
        return weights
    if how.pool != "whole":
        return None
    spread = np.ones(how.shape) / np.prod([how.shape[axis - 1] for axis in places])
    along = [-1 if axis + 1 == how.output.channel_axis else 1 for axis in range(len(how.shape))]
    return np.stack([(spread * row.reshape(along)).reshape(-1) for row in weights])


def _close(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape:
        return False
    return float((one - other).abs().max()) <= CLOSE * max(float(other.abs().max()), 1e-30)


def _numbers(values: Tensor) -> NDArray[np.float64]:
    return values.detach().cpu().double().numpy()


def logits_of_factors(result: ProbeResult, head: LinearHead) -> NDArray[np.float64]:
    """What one of each factor adds to each output, through the head: shape (k, n_outputs).

    Multiply by F for what it adds in an input. It is exact of the reconstruction, and says nothing of what the layer
    holds beside it.
    """
    return directions_of_layer(result, head.layer) @ head.weights.T


def take_apart(
    result: ProbeResult,
    head: LinearHead,
    activations: NDArray[Any],
    number: int,
    *,
    other: int | None = None,
    minima: NDArray[Any] | None = None,
    outputs: NDArray[Any] | None = None,
) -> TakenApart:
    """Split one decision into what each factor, what is left of the layer, and the bias add to it.

    Parameters
    ----------
    result : ProbeResult
    head : LinearHead
        Of `head_of`.
    activations : ndarray of shape (n_features,)
        The layer's activations of the input, pooled as its block is; with both signs where it is split, and with the
        minima where it is shifted.
    number : int
        Of the input, in ``result.F``.
    other : int, default=None
        The class that the predicted one is held against; None for the second.
    minima : ndarray of shape (n_features,), default=None
        What was subtracted from the layer's block, if it is shifted: what it adds is the same for all inputs, and goes
        to the bias.
    outputs : ndarray of shape (n_outputs,), default=None
        The network's own for this input. None: as the head makes them of ``activations``, which is something else of a
        layer that was clipped.
    """
    how = result.layer(head.layer)
    if outputs is None:
        outputs = head.weights @ np.asarray(activations, dtype=np.float64) + head.bias
    outputs = np.asarray(outputs, dtype=np.float64)
    order = np.argsort(-outputs, kind="stable")
    winner, second = int(order[0]), int(order[1] if other is None else other)
    difference = head.weights[winner] - head.weights[second]
    directions, amounts = directions_of_layer(result, head.layer), result.F[number].astype(np.float64)
    factors = amounts * (directions @ difference)
    bias = float(head.bias[winner] - head.bias[second])
    if minima is not None:
        bias += float(difference @ np.asarray(minima, dtype=np.float64))
    margin = float(outputs[winner] - outputs[second])
    by_channel, by_place = _where(how, amounts[:, None] * directions * difference)
    rest = margin - bias - float(factors.sum())
    return TakenApart(winner, second, margin, factors, rest, bias, by_channel, by_place)


def _where(how: Layer, parts: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Sums of parts (k, n_features) by channel and, of a layer that has its places, by place."""
    if not how.keeps_places:
        return parts, None
    shaped, channel = parts.reshape(len(parts), *how.shape), how.output.channel_axis
    places = tuple(axis for axis in range(1, shaped.ndim) if axis != channel)
    return shaped.sum(axis=places), shaped.sum(axis=channel)


def minima_of_layer(result: ProbeResult, layer: str) -> NDArray[np.float64] | None:
    """What was subtracted from a layer's block, (n_features,); None if it is not shifted."""
    found = [result.minima[name] for name in result.layer(layer).blocks if name in result.minima]
    return found[0].astype(np.float64) if found else None


def directions_of_layer(result: ProbeResult, layer: str) -> NDArray[np.float64]:
    """The layer's components with their signs, (k, n_features)."""
    how, own = result.layer(layer), result.model.block_components_
    return np.asarray(restore({sign: own[name].astype(np.float64) for name, sign in how.blocks.items()}))
