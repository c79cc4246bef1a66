"""Networks by name, with their weights."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cnn_probe.system.names import shown

HUBS = ("torchvision", "timm")
STATES = ("state_dict", "model_state_dict", "model")  # keys under which training scripts put the weights
MOST_KEYS = 5  # that a message names


@dataclass(frozen=True)
class Model:
    """A network, and how pictures in [0, 1] are made what it is fed; None if they are fed as they are."""

    network: nn.Module
    preprocess: Callable[[Tensor], Tensor] | None


class Normalised:
    """Pictures in [0, 1], less a mean and divided by a standard deviation of each channel.

    Examples
    --------
    >>> Normalised((0.5,), (0.25,))(torch.ones(1, 1, 1, 1)).item()
    2.0
    """

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        self.mean, self.std = tuple(map(float, mean)), tuple(map(float, std))

    def __call__(self, pictures: Tensor) -> Tensor:
        """Return the pictures, normalised."""
        mean, std = (torch.tensor(values)[:, None, None] for values in (self.mean, self.std))
        return (pictures - mean) / std

    def __repr__(self) -> str:
        return f"Normalised({self.mean}, {self.std})"


def load_model(name: str, weights: str | Path | None = None, *, random: bool = False, seed: int = 0) -> Model:
    """Build a network and give it its weights.

    Parameters
    ----------
    name : str
        ``torchvision:resnet18``, ``timm:NAME`` (if timm is installed), or ``package.module:factory``, a function of no
        arguments, or a class, of a module that can be imported from here.
    weights : path, default=None
        A file of `torch.save` that holds the network's state, by itself or under a usual key; nothing in it is
        executed. What a factory returns may have its weights already.
    random : bool, default=False
        Random weights are meant.
    seed : int, default=0
        Of weights that are drawn, which are the same whenever they are asked for.

    Raises
    ------
    ValueError
        If there is no such network, no weights are named though ``random`` is not meant, or they are another network's.
    FileNotFoundError
        If there is no such file.
    ImportError
        If timm, or the module, is missing.
    """
    home, _, of = name.partition(":")
    if not of:
        raise ValueError(f"model {name!r} must be torchvision:NAME, timm:NAME or package.module:factory")
    if home in HUBS and weights is None and not random:
        raise ValueError(
            f"model {name!r} has no weights: pass weights=, a file of them, or random=True to mean random ones"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _HOMES.get(home, _of_factory)(home, of)
    if weights is not None:
        _load_state(model.network, Path(weights).expanduser())
    return model


def _of_torchvision(home: str, name: str) -> Model:
    from torchvision import models

    try:
        builder = models.get_model_builder(name)
        recommended = models.get_model_weights(name).DEFAULT.transforms()
    except ValueError as error:
        raise ValueError(f"torchvision has no model {name!r}: {error}") from error
    network = builder(weights=None, **({"weights_backbone": None} if "weights_backbone" in _keywords(builder) else {}))
    mean, std = getattr(recommended, "mean", None), getattr(recommended, "std", None)
    return Model(network, None if mean is None or std is None else Normalised(tuple(mean), tuple(std)))


def _of_timm(home: str, name: str) -> Model:
    try:
        timm = importlib.import_module("timm")
    except ImportError as error:
        raise ImportError(f"model 'timm:{name}' needs timm: pip install timm") from error
    try:
        network = timm.create_model(name, pretrained=False)
    except RuntimeError as error:
        raise ValueError(f"timm has no model {name!r}: {error}") from error
    found = getattr(network, "pretrained_cfg", None) or {}
    return Model(network, Normalised(found["mean"], found["std"]) if found.get("mean") and found.get("std") else None)


def _of_factory(home: str, name: str) -> Model:
    seed = torch.initial_seed()
    factory = _named(home, name)
    torch.manual_seed(seed)  # again: the module may have drawn while it was imported, which it is once
    network = factory() if callable(factory) and not isinstance(factory, nn.Module) else factory
    if not isinstance(network, nn.Module):
        raise ValueError(f"{home}:{name} gives a {type(network).__name__}, not a torch.nn.Module")
    return Model(network, None)


def load_function(name: str) -> Callable[[Tensor], Any]:
    """Return ``package.module:function``, of a module that can be imported from here.

    Raises
    ------
    ValueError, ImportError
        If there is none.
    """
    home, _, of = name.partition(":")
    function = _named(home, of)
    if not callable(function):
        raise ValueError(f"{name} is a {type(function).__name__}, not a function")
    return function


def _named(home: str, name: str) -> Any:
    sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(home)
    except (ImportError, ValueError) as error:
        raise ImportError(f"{home}:{name}: {error}; give a module that can be imported from here") from error
    finally:
        sys.path.remove(str(Path.cwd()))
    if not hasattr(module, name):
        raise ValueError(f"module {home!r} has no {name!r}")
    return getattr(module, name)


_HOMES: dict[str, Callable[[str, str], Model]] = {"torchvision": _of_torchvision, "timm": _of_timm}


def _keywords(function: Any) -> set[str]:
    return set(inspect.signature(function).parameters)


def _load_state(network: nn.Module, path: Path) -> None:
    where = shown(str(path), None)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {where} with weights")
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except PermissionError:
        raise
    except Exception as error:  # bytes of any other kind fail anywhere in the unpickler, and with any error
        raise ValueError(
            f"{where} holds a whole model, or is no file of weights, or not all of one; nothing in it was run. Where "
            "the network is made, save its weights alone: torch.save(model.state_dict(), PATH)"
        ) from error
    state = next(
        (saved[key] for key in STATES if isinstance(saved, Mapping) and isinstance(saved.get(key), Mapping)), saved
    )
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"{where} does not hold a network's state, tensors by name")
    plain = {str(key).removeprefix("module.").removeprefix("_orig_mod."): value for key, value in state.items()}
    own = network.state_dict()
    missing, more = sorted(own.keys() - plain.keys()), sorted(plain.keys() - own.keys())
    odd = [key for key in own.keys() & plain.keys() if own[key].shape != plain[key].shape]
    for what, keys in (("lacks", missing), ("has beside it", more), ("has in another shape", sorted(odd))):
        if keys:
            rest = f" and {len(keys) - MOST_KEYS} more" if len(keys) > MOST_KEYS else ""
            raise ValueError(
                f"{where} is of another network: it {what} {', '.join(keys[:MOST_KEYS])}{rest}; one of "
                "your own, with other classes say, is given as package.module:factory, a function that makes it"
            )
    network.load_state_dict(plain)
