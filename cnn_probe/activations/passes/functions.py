"""Which modules and functions of PyTorch are activation functions: what stands between one layer and the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn
from torch.nn.modules import activation

#: Softmax and its kin share one out over a row, and attention holds layers of its own: they are none.
NO_ACTIVATIONS = (nn.Softmax, nn.Softmin, nn.Softmax2d, nn.LogSoftmax, nn.MultiheadAttention)
ACTIVATION_MODULES: tuple[type[nn.Module], ...] = tuple(
    kind
    for name in activation.__all__
    if issubclass(kind := getattr(activation, name), nn.Module) and kind not in NO_ACTIVATIONS
)

ACTIVATION_FUNCTIONS = frozenset(
    ["relu", "relu6", "leaky_relu", "prelu", "rrelu", "elu", "celu", "selu", "gelu", "silu", "mish", "hardswish",
     "hardsigmoid", "hardtanh", "sigmoid", "tanh", "softplus", "softsign", "logsigmoid", "hardshrink", "softshrink",
     "tanhshrink", "threshold", "glu"]
)  # fmt: skip
_CLAMPS = frozenset(["clamp", "clip", "clamp_min"])


def activation_name(function: Any, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> str | None:
    """Return the name of an activation function that is called; None of any other.

    ``clamp``, ``clip`` and ``clamp_min`` are ones where they cut at zero from below. In-place functions go by the name
    without the underscore.

    Examples
    --------
    >>> import torch
    >>> activation_name(torch.relu_, (), {}), activation_name(torch.clamp, (None, 0), {})
    ('relu', 'clamp')
    >>> activation_name(torch.clamp, (None, -1), {}) is None
    True
    """
    name: str = getattr(function, "__name__", "").removesuffix("_")
    if name in ACTIVATION_FUNCTIONS:
        return name
    if name not in _CLAMPS:
        return None
    least = arguments[1] if len(arguments) > 1 else keywords.get("min")
    return name if isinstance(least, int | float) and not isinstance(least, bool) and least == 0 else None
