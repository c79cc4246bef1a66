"""The layers of a network by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn


def layer_names(network: nn.Module) -> list[str]:
    """Return the names of the modules that hold no others, in the order in which the network defines them.

    Examples
    --------
    >>> layer_names(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sequential(nn.ReLU(), nn.Flatten())))
    ['0', '1.0', '1.1']
    """
    return [name for name, module in network.named_modules() if name and not any(module.children())]


def default_layers(network: nn.Module) -> list[str]:
    """Return the names of all `nn.ReLU` modules: what the paper calls the activations of a layer.

    Raises
    ------
    ValueError
        If there is none.

    Examples
    --------
    >>> default_layers(nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1)))
    ['1']
    """
    names = [name for name in layer_names(network) if isinstance(network.get_submodule(name), nn.ReLU)]
    if not names:
        raise ValueError(
            "the network has no nn.ReLU module (functional ReLUs cannot be hooked); "
            f"name the layers to probe, out of {', '.join(layer_names(network))}"
        )
    return names


def listed(layers: Any) -> tuple[str, ...]:
    """Return layers as a tuple of names.

    Raises
    ------
    TypeError
        If they are anything but names of modules, one after the other: a single string, modules, types, a mapping.
    """
    wanted = 'layers must be a list of names of modules, as in ["relu1", "relu2"] (network.named_modules() lists them)'
    if isinstance(layers, str):
        raise TypeError(f"{wanted}; pass [{layers!r}]")
    if isinstance(layers, (Mapping, nn.Module, bytes)) or not isinstance(layers, Iterable):
        raise TypeError(f"{wanted}; got {_named(layers)}")
    names = tuple(layers)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"{wanted}; among them is {_named(name)}")
    return names


def _named(value: Any) -> str:
    return f"the type {value.__name__}" if isinstance(value, type) else f"a {type(value).__name__}"


def kind_of(tensor: Tensor) -> str:
    """Return what keeps a tensor from being a plain array of numbers; "" if nothing does.

    Examples
    --------
    >>> kind_of(torch.ones(2).to_sparse()), kind_of(torch.ones(2))
    ('sparse', '')
    """
    kinds = {
        "nested": tensor.is_nested,
        "sparse": tensor.layout not in (torch.strided, torch.jagged),
        "quantized": tensor.is_quantized,
        "meta": tensor.is_meta,
        "masked": type(tensor).__name__ == "MaskedTensor",
    }
    return next((kind for kind, holds in kinds.items() if holds), "")


def find_layers(network: nn.Module, layers: Sequence[str]) -> dict[str, nn.Module]:
    """Return the modules of these names; errors as of `ActivationRecorder`."""
    if isinstance(network, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
        raise TypeError(f"hooks do not reach the copies that a {type(network).__name__} makes; pass network.module")
    layers = listed(layers)
    if len(set(layers)) < len(layers):
        raise ValueError(f"layers names a layer twice: {list(layers)}; name each once")
    if not layers:
        raise ValueError(f"layers is empty; name some of {', '.join(layer_names(network))}")
    # A shared module has several names; every one of them may be asked for.
    modules = {name: module for name, module in network.named_modules(remove_duplicate=False) if name}
    for name in layers:
        if name not in modules:
            close = get_close_matches(name, modules)
            hint = f" (did you mean {' or '.join(map(repr, close))}?)" if close else ""
            raise ValueError(f"there is no layer {name!r}{hint}; there are {', '.join(layer_names(network))}")
    return {name: modules[name] for name in layers}
