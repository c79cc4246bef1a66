"""What workers need to record a part, as it goes to them: pickled here, each thing by itself, and loaded there."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from cnn_probe.data.batches import Source
from cnn_probe.data.by_place import is_held, refuse_unplaced, sent_whole
from cnn_probe.networks.calling import device_of
from cnn_probe.probing.blocks import Inputs
from cnn_probe.probing.predictions import Predict
from cnn_probe.system.workers import here

ASKED = "record_on='workers'"
INSTEAD = {
    "network": "leave out what it holds that lives in this process alone (open files, locks, handles of a GPU)",
    "data": "give a tensor, a memory map, or a Dataset that opens files when a sample is read",
    "preprocess": "give a function that holds nothing that lives in this process alone (open files, locks)",
    "inputs": "give a function that holds nothing that lives in this process alone (open files, locks)",
    "predict": "give a function that holds nothing that lives in this process alone (open files, locks)",
}


@dataclass(frozen=True)
class Sent:
    """Arguments of `probe`, pickled by name; ``data`` is None where each part's samples are sent with the part."""

    pickled: dict[str, bytes]

    def load(self) -> dict[str, Any]:
        """What was pickled, on a worker; RuntimeError names an argument that cannot be loaded there."""
        return {name: _loaded(name, content) for name, content in self.pickled.items()}


def send(network: nn.Module, source: Source, inputs: Inputs, predict: Predict | None) -> Sent:
    """Pickle what workers need.

    Raises
    ------
    TypeError
        If the samples of the data cannot be read from a place on, or an argument cannot be pickled; it is named.
    ValueError
        If the network is on a GPU.
    """
    device = device_of(network)
    if device.type != "cpu":
        raise ValueError(
            f"network is on {device}, and {ASKED} records on the processors of workers alone: give network.cpu(), or "
            "leave out record_on= to record here"
        )
    refuse_unplaced(source.data)
    data = None if is_held(source.data) else sent_whole(source.data)
    arguments = {
        "network": network, "data": data, "preprocess": source.preprocess, "inputs": inputs, "predict": predict,
    }  # fmt: skip
    return Sent(_pickled(arguments))


def _pickled(arguments: Mapping[str, Any]) -> dict[str, bytes]:
    pickler, found = importlib.import_module("cloudpickle"), {}  # which Dask has, and takes functions as they are
    for name, value in arguments.items():
        try:
            found[name] = pickler.dumps(value)
        except Exception as error:  # of the user's own classes, too
            raise TypeError(
                f"{name} is a {type(value).__qualname__} that cannot be sent to workers, as {ASKED} asks for "
                f"({type(error).__name__}: {error}); {INSTEAD[name]}, or leave out record_on="
            ) from error
    return found


def _loaded(name: str, content: bytes) -> Any:
    try:
        return importlib.import_module("cloudpickle").loads(content)
    except Exception as error:
        raise RuntimeError(
            f"{name} cannot be loaded by the worker {here()[0]} ({type(error).__name__}: {error}); have the modules "
            "that it is made of, and the files that it opens, where that worker finds them"
        ) from error
