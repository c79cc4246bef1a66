"""How a network is called: what is around it, where it lies, and in which numbers it computes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from cnn_probe.system.names import described

_CPU = torch.device("cpu")


def unwrapped(network: Any) -> nn.Module:
    """Return the network inside of what copies or compiles it: hooks reach that one.

    Raises
    ------
    TypeError
        If it is no module, or TorchScript, whose layers run where no hook reaches.

    Examples
    --------
    >>> unwrapped(nn.DataParallel(nn.ReLU()))
    ReLU()
    """
    if not isinstance(network, nn.Module):
        raise TypeError(f"network must be a torch.nn.Module, got {described(network)}")
    while True:
        inside = getattr(network, "_orig_mod", None)
        if isinstance(network, nn.DataParallel | nn.parallel.DistributedDataParallel):
            inside = network.module
        if not isinstance(inside, nn.Module):
            break
        network = inside
    if isinstance(network, torch.jit.ScriptModule):
        raise TypeError(
            "network is TorchScript, whose layers run where no hook reaches; give the module that it was made from, "
            "with the same weights"
        )
    return network


def device_of(network: nn.Module) -> torch.device:
    """Return the device of the network's parameters; the CPU if it has none."""
    return next((parameter.device for parameter in network.parameters()), _CPU)


def dtype_of(network: nn.Module) -> torch.dtype:
    """Return the dtype of the network's floating parameters; float32 if it has none.

    Examples
    --------
    >>> dtype_of(nn.Linear(2, 1).half())
    torch.float16
    """
    floating = (parameter.dtype for parameter in network.parameters() if parameter.is_floating_point())
    return next(floating, torch.float32)


def feed(network: nn.Module, inputs: Sequence[Any], keywords: Mapping[str, Any] | None = None) -> Any:
    """Call the network with what is moved to its device and, where it is floating, cast to its dtype."""
    device, dtype = device_of(network), dtype_of(network)
    given = [_moved(value, device, dtype) for value in inputs]
    named = {name: _moved(value, device, dtype) for name, value in (keywords or {}).items()}
    with _as_written(network):
        return network(*given, **named)


def _as_written(network: nn.Module) -> AbstractContextManager[Any]:
    """Have compiled parts of a network run as they are written, where PyTorch can (2.6): hooks are seen then.

    Of a network without such nothing is imported for it: the compiler takes seconds.
    """
    set_stance: Callable[..., Any] | None = getattr(torch.compiler, "set_stance", None)
    compiled = any("_orig_mod" in module._modules for module in network.modules())
    return nullcontext() if set_stance is None or not compiled else set_stance("force_eager")


def _moved(value: Any, device: torch.device, dtype: torch.dtype) -> Any:
    if isinstance(value, Tensor):
        return value.to(device, dtype) if value.is_floating_point() else value.to(device)
    if isinstance(value, Mapping):
        return {key: _moved(inner, device, dtype) for key, inner in value.items()}
    if isinstance(value, tuple | list) and not hasattr(value, "_fields"):
        return type(value)(_moved(inner, device, dtype) for inner in value)
    return value
