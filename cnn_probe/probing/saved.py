"""A result on disk: its parts, written whole, and read back or refused."""

from __future__ import annotations

import math
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from cnn_probe.activations.passes.outputs import Output
from cnn_probe.activations.planning import Layer
from cnn_probe.activations.pooling import POOLS
from cnn_probe.activations.signs import SIGN_RULES
from cnn_probe.networks.fingerprints import fingerprint
from cnn_probe.networks.paper_net import PaperNet, load_network, save_network
from cnn_probe.probing.blocks import Inputs, Shape, check_inputs
from cnn_probe.system.parts import MANIFEST, checked_part, read_header, write_parts
from coupled_nmf import CoupledNMF

FORMAT = "cnn_probe result 3"
OLD_FORMAT, OLDEST_FORMAT = "cnn_probe result 2", "cnn_probe result 1"  # the oldest has no digests of its parts
MODEL, SAMPLES, NETWORK = PARTS = ("model.npz", "samples.npz", "network.pt")
MINIMA = "minima of "
# Of each array of the samples, the number of axes and the kinds of its numbers.
SHAPES = {"F": (2, "f"), "predictions": (1, "iu"), "labels": (1, "iu"), "scores": (2, "f")}
# Parts that no result names any more, and what is left of a save that was killed.
STALE = r"(model|samples|network)-[0-9a-f]{12}\.(npz|pt)|\.((model|samples|network)-.*|result\.json.*)\.part"


def write_result(
    path: Path,
    facts: Mapping[str, Any],
    model: CoupledNMF,
    samples: Mapping[str, NDArray[Any] | None],
    minima: Mapping[str, NDArray[Any]],
    network: nn.Module | None,
) -> None:
    """Write what `read_result` reads: whole, or not at all."""
    header = {"format": FORMAT, **facts}
    arrays: dict[str, Any] = {**samples, **{MINIMA + name: values for name, values in minima.items()}}
    with tempfile.TemporaryDirectory() as beside:
        folder = Path(beside)
        model.save(folder / MODEL)
        np.savez(folder / SAMPLES, **{name: array for name, array in arrays.items() if array is not None})
        if isinstance(network, PaperNet):
            if _is_probed(network, facts["provenance"]):
                save_network(network, folder / NETWORK)
            else:
                warnings.warn(
                    "The network has changed since it was probed, and is not saved with the result; save first, "
                    "then train on.",
                    stacklevel=3,
                )
        parts = {file.name: file.read_bytes() for file in folder.iterdir()}
    write_parts(path, header, parts, stale=STALE + _old_names(path))


def read_result(folder: Path, network: nn.Module | None) -> dict[str, Any]:
    """Read what `write_result` wrote, by the names of `ProbeResult`'s fields; errors as of `ProbeResult.load`."""
    header = read_header(folder)
    try:
        return _load(folder, header, network)
    except ValueError:
        now = read_header(folder)
        if now == header:
            raise
        return _load(folder, now, network)  # another process has saved meanwhile


def _old_names(folder: Path) -> str:
    """What `STALE` has to match as well where the folder holds a result of the old format."""
    try:
        old = read_header(folder).get("format") == OLDEST_FORMAT
    except ValueError:
        return ""
    return r"|(model|samples)\.npz|network\.pt" if old else ""


def refuse_other(network: nn.Module, provenance: Mapping[str, Any]) -> None:
    """Raise ValueError if it is not the network that was probed, as far as the result knows."""
    probed = provenance.get("network")
    if not _is_probed(network, provenance):
        raise ValueError(
            "network is not the one that was probed: its fingerprint is "
            f"{fingerprint(network, like=str(probed))}, that of the probed one {probed}; give the same class with the "
            "same layers and weights, as they were then."
        )


def _is_probed(network: nn.Module, provenance: Mapping[str, Any]) -> bool:
    """Whether it is the network that was probed; True if the result does not know."""
    probed = provenance.get("network")
    return probed is None or probed == fingerprint(network, like=str(probed))


def _load(folder: Path, header: Mapping[str, Any], network: nn.Module | None) -> dict[str, Any]:
    if header.get("format") not in (FORMAT, OLD_FORMAT, OLDEST_FORMAT):
        raise ValueError(f"{folder} has format {header.get('format')!r}; this version reads {FORMAT!r}.")
    files = {name: _part(folder, header, name) for name in PARTS}
    for name in (MODEL, SAMPLES):
        if files[name] is None:
            raise ValueError(f"{folder / MANIFEST} names no {name}; the result has to be made anew.")
    facts = _read_facts(folder / MANIFEST, header)
    model = _read(files[MODEL], CoupledNMF.load)
    samples = _read(files[SAMPLES], _read_samples)
    if network is None and files[NETWORK] is not None:
        network = _read(files[NETWORK], load_network)
    if network is not None:
        refuse_other(network, facts["provenance"])
    _refuse_mixture(folder, model, samples, facts["shapes"])
    minima = {name.removeprefix(MINIMA): samples.pop(name) for name in list(samples) if name.startswith(MINIMA)}
    missing = dict.fromkeys(("predictions", "labels", "scores"))
    return {"model": model, "network": network, "minima": minima, **missing, **samples, **facts}


def _part(folder: Path, header: Mapping[str, Any], name: str) -> Path | None:
    if header["format"] != OLDEST_FORMAT:
        return checked_part(folder, header, name)
    path = folder / name
    return path if path.is_file() or name != NETWORK else None


def _read(path: Path | None, read: Callable[[Any], Any]) -> Any:
    try:
        return read(path)
    except Exception as error:  # damaged bytes fail anywhere in zip and NumPy, and with any error
        raise ValueError(f"{path} is damaged ({error}); the result has to be made anew.") from error


def _read_samples(path: Path) -> dict[str, NDArray[Any]]:
    with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
        # Nothing is unpacked that is larger than the file, or is not a result's: `save` compresses nothing.
        if sum(part.file_size for part in archive.zip.infolist()) > path.stat().st_size:
            raise ValueError("it would be larger, unpacked, than what was saved")
        own = [name for name in archive.files if name in SHAPES or name.startswith(MINIMA)]
        samples = {name: archive[name] for name in own}
    n = len(samples["F"])
    for name, array in samples.items():
        ndim, kinds = SHAPES.get(name, (1, "f"))
        if array.ndim != ndim or array.dtype.kind not in kinds or (name in SHAPES and len(array) != n):
            raise ValueError(f"{name} is {array.dtype} of shape {array.shape}")
    return samples


def _read_facts(path: Path, header: Mapping[str, Any]) -> dict[str, Any]:
    """Shapes, layers, provenance and what else the manifest holds, checked to be what `write_result` writes."""
    try:
        shapes = {name: tuple(shape) for name, shape in header["shapes"].items()}
        provenance, inputs = header["provenance"], _read_inputs(header.get("inputs", True))
        if header["format"] == FORMAT:
            how = tuple(_read_layer(layer) for layer in header["layers"])
        else:
            how = tuple(_old_layer(name, shapes, provenance) for name in header["layers"])
        skipped = {str(name): str(why) for name, why in header.get("skipped", {}).items()}
        of_layers = {name: layer.block_shape for layer in how for name in layer.blocks}
        whole = all(_is_length(length) for shape in shapes.values() for length in shape)
        whole &= of_layers.items() <= shapes.items() and isinstance(provenance["parameters"], dict)
    except (KeyError, TypeError, AttributeError, ValueError):
        whole = False
    if not whole:
        raise ValueError(f"{path} is damaged (shapes, layers or provenance); the result has to be made anew.")
    return {"shapes": shapes, "how": how, "provenance": provenance, "skipped": skipped, "inputs": inputs}


def _read_layer(saved: Mapping[str, Any]) -> Layer:
    """A layer as JSON holds it; raises one of the errors that `_read_facts` hears if it is none."""
    own = saved["output"]
    numbers = [own["use"], own["sample_axis"], own["channel_axis"], *saved["shape"]]
    texts = [own["name"], own["module"]]
    known = saved["pool"] in POOLS and saved["negative"] in SIGN_RULES
    if not known or not all(type(one) is int for one in numbers) or not all(type(one) is str for one in texts):
        raise ValueError(saved)
    return Layer(Output(**{**own, "path": tuple(own["path"])}), tuple(saved["shape"]), saved["pool"], saved["negative"])


def _old_layer(name: Any, shapes: Mapping[str, Shape], provenance: Mapping[str, Any]) -> Layer:
    """A layer of a result that was saved when layers were modules, whole, refused or clipped."""
    negative = provenance["parameters"]["negative"]
    if not isinstance(name, str) or negative not in ("error", "clip"):
        raise ValueError(name)
    return Layer(Output(name, name), shapes[name], "whole", negative)


def _read_inputs(saved: Any) -> Inputs:
    if saved is None:  # a function, which is given anew where it is needed
        return False
    inputs: Inputs = tuple(saved) if isinstance(saved, list) else saved
    check_inputs(inputs)
    return inputs


def _is_length(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _refuse_mixture(folder: Path, model: CoupledNMF, samples: Mapping[str, Any], shapes: Mapping[str, Shape]) -> None:
    """Raise ValueError if model, samples and shapes cannot be of one result."""
    expected = {name: math.prod(shape) for name, shape in shapes.items()}
    found = dict(zip(model.layout_.names, model.layout_.sizes, strict=True))
    if list(found.items()) != list(expected.items()):
        raise ValueError(f"{folder} mixes two results: the model has blocks {found}, {MANIFEST} says {expected}.")
    k, columns = model.components_.shape
    if k != samples["F"].shape[1] or columns != sum(expected.values()):
        raise ValueError(
            f"{folder} mixes two results: components of shape {model.components_.shape} and F of shape "
            f"{samples['F'].shape} do not go with blocks of {sum(expected.values())} columns."
        )
