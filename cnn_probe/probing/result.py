"""What a probe found: a fitted factorization, and where it comes from."""

from __future__ import annotations

import math
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from cnn_probe.activations.handover import current, to_host
from cnn_probe.data.images import ImageSet
from cnn_probe.networks.fingerprints import fingerprint
from cnn_probe.networks.paper_net import PaperNet, device_of, load_network, save_network
from cnn_probe.probing.blocks import Shape, record_blocks
from cnn_probe.system.parts import MANIFEST, checked_part, read_header, write_parts
from coupled_nmf import CoupledNMF

FORMAT = "cnn_probe result 2"
OLD_FORMAT = "cnn_probe result 1"  # parts without digests, under names of their own
MODEL, SAMPLES, NETWORK = PARTS = ("model.npz", "samples.npz", "network.pt")
# Parts that no result names any more, and what is left of a save that was killed.
STALE = r"(model|samples|network)-[0-9a-f]{12}\.(npz|pt)|\.((model|samples|network)-.*|result\.json.*)\.part"


@dataclass(frozen=True)
class ProbeResult:
    """A fitted factorization of inputs and layers, and where it comes from.

    Attributes
    ----------
    model : CoupledNMF
        Fitted; its blocks are the input channels and the layers.
    F : ndarray of shape (n_images, k)
        How much of each pattern is in each image.
    shapes : dict of str to tuple of int
        Shape of one sample of each block: (height, width) of a channel, (channels, height, width) of a layer.
    layers : tuple of str
        Names of the layers among the blocks.
    predictions : ndarray of shape (n_images,) or None
        The class that the network gives each image; None if its outputs give none.
    labels : ndarray of shape (n_images,) or None
        The true classes, where there are any. They take no part in the factorization.
    provenance : dict
        Seed, versions, parameters, fingerprints of the data and of the network.
    network : Module or None
        The network, for `transform`; None when it could not be loaded with the result.
    """

    model: CoupledNMF
    F: NDArray[Any]
    shapes: dict[str, Shape]
    layers: tuple[str, ...]
    predictions: NDArray[np.int64] | None
    labels: NDArray[np.int64] | None
    provenance: dict[str, Any]
    network: nn.Module | None

    @property
    def accuracy(self) -> float | None:
        """Part of the images that the network classifies rightly; None without labels, or without predictions."""
        if self.labels is None or self.predictions is None:
            return None
        return float(np.mean(self.predictions == self.labels))

    @property
    def latent_images(self) -> NDArray[Any]:
        """P as images: shape (k, channels, height, width)."""
        channels = [name for name in self.shapes if name not in self.layers]
        stacked = [self.model.block_components_[name].reshape(-1, *self.shapes[name]) for name in channels]
        return np.stack(stacked, axis=1)

    @property
    def neuron_patterns(self) -> dict[str, NDArray[Any]]:
        """O of each layer in the layer's own shape: (k, channels, height, width) after a convolution."""
        return {name: self.model.block_components_[name].reshape(-1, *self.shapes[name]) for name in self.layers}

    def __repr__(self) -> str:
        blocks = ", ".join(f"{name}: {'×'.join(map(str, shape))}" for name, shape in self.shapes.items())
        known = "" if self.accuracy is None else f", accuracy {self.accuracy:.1%}"
        return f"ProbeResult({len(self.F)} images, {self.F.shape[1]} components of {blocks}{known})"

    def transform(self, images: ImageSet | Tensor) -> NDArray[Any]:
        """F of images that the fit has not seen.

        Parameters
        ----------
        images : ImageSet or Tensor of shape (n, channels, height, width)
            In [0, 1], like the images of the fit.

        Returns
        -------
        F : ndarray of shape (n, k)

        Raises
        ------
        ValueError
            If the result was loaded without its network, or the network has changed since.
        """
        if self.network is None:
            raise ValueError("this result has no network; load it with ProbeResult.load(path, network=your_network).")
        _refuse_other(self.network, self.provenance)
        negative = self.provenance["parameters"]["negative"]
        image_set = images if isinstance(images, ImageSet) else ImageSet(images)
        X = record_blocks(self.network, image_set, self.layers, negative=negative)
        with current(device_of(self.network)):
            F: NDArray[Any] = to_host(self.model.transform(X))
        return F

    def save(self, path: str | Path) -> None:
        """Write the result to a folder, without pickle. A `PaperNet` goes with it; another network stays yours.

        A process that is killed while it saves leaves what was in the folder before, or the new result, whole.
        """
        header = {"format": FORMAT, "shapes": self.shapes, "layers": self.layers, "provenance": self.provenance}
        with tempfile.TemporaryDirectory() as beside:
            parts = self._write_parts(Path(beside))
        write_parts(Path(path), header, parts, stale=STALE + _old_names(Path(path)))

    def _write_parts(self, folder: Path) -> dict[str, bytes]:
        """Write model, samples and network to an empty folder; return what is in it."""
        self.model.save(folder / MODEL)
        arrays: dict[str, Any] = {"F": self.F, "predictions": self.predictions, "labels": self.labels}
        np.savez(folder / SAMPLES, **{name: array for name, array in arrays.items() if array is not None})
        if isinstance(self.network, PaperNet):
            if _is_probed(self.network, self.provenance):
                save_network(self.network, folder / NETWORK)
            else:
                warnings.warn(
                    "The network has changed since it was probed, and is not saved with the result; save first, "
                    "then train on.",
                    stacklevel=3,
                )
        return {file.name: file.read_bytes() for file in folder.iterdir()}

    @classmethod
    def load(cls, path: str | Path, *, network: nn.Module | None = None) -> ProbeResult:
        """Read a result that `save` wrote; ``network`` stands in where none was saved.

        Raises
        ------
        ValueError
            If the folder does not hold a result, a file of it is damaged, or ``network`` is not the one that was
            probed.
        """
        folder = Path(path)
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
        old = read_header(folder).get("format") == OLD_FORMAT
    except ValueError:
        return ""
    return r"|(model|samples)\.npz|network\.pt" if old else ""


def _refuse_other(network: nn.Module, provenance: Mapping[str, Any]) -> None:
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


def _load(folder: Path, header: Mapping[str, Any], network: nn.Module | None) -> ProbeResult:
    if header.get("format") not in (FORMAT, OLD_FORMAT):
        raise ValueError(f"{folder} has format {header.get('format')!r}; this version reads {FORMAT!r}.")
    files = {name: _part(folder, header, name) for name in PARTS}
    for name in (MODEL, SAMPLES):
        if files[name] is None:
            raise ValueError(f"{folder / MANIFEST} names no {name}; the result has to be made anew.")
    shapes, layers, provenance = _read_facts(folder / MANIFEST, header)
    model = _read(files[MODEL], CoupledNMF.load)
    samples = _read(files[SAMPLES], _read_samples)
    if network is None and files[NETWORK] is not None:
        network = _read(files[NETWORK], load_network)
    if network is not None:
        _refuse_other(network, provenance)
    _refuse_mixture(folder, model, samples, shapes)
    return ProbeResult(
        model, samples["F"], shapes, layers, samples.get("predictions"), samples.get("labels"), provenance, network
    )


def _part(folder: Path, header: Mapping[str, Any], name: str) -> Path | None:
    if header["format"] == FORMAT:
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
        samples = {name: archive[name] for name in ("F", "predictions", "labels") if name in archive.files}
    if samples["F"].ndim != 2 or samples["F"].dtype.kind != "f":
        raise ValueError(f"F is {samples['F'].dtype} of shape {samples['F'].shape}")
    for name in samples.keys() - {"F"}:
        if samples[name].shape != samples["F"].shape[:1] or samples[name].dtype.kind not in "iu":
            raise ValueError(f"{name} is {samples[name].dtype} of shape {samples[name].shape}")
    return samples


def _read_facts(path: Path, header: Mapping[str, Any]) -> tuple[dict[str, Shape], tuple[str, ...], dict[str, Any]]:
    """Shapes, layers and provenance, checked to be what `save` writes."""
    try:
        shapes = {name: tuple(shape) for name, shape in header["shapes"].items()}
        layers, provenance = tuple(header["layers"]), header["provenance"]
        whole = all(_is_length(length) for shape in shapes.values() for length in shape)
        whole &= set(layers) < set(shapes) and provenance["parameters"]["negative"] in ("error", "clip")
    except (KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise ValueError(f"{path} is damaged (shapes, layers or provenance); the result has to be made anew.")
    return shapes, layers, provenance


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
