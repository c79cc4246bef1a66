"""A network and images in, one coupled factorization out."""

from __future__ import annotations

import json
import math
import platform
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import sklearn
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor, nn

import coupled_nmf
from cnn_probe.activations import activation_shapes, default_layers, record_activations
from cnn_probe.datasets import ImageSet
from cnn_probe.handover import current, hand_over, has_room, record_tensors, settle_on_host, stays_on, to_host
from cnn_probe.networks import PaperNet, device_of, load_network, save_network
from cnn_probe.training import evaluate
from coupled_nmf import Blocks, CoupledNMF

FORMAT = "cnn_probe result 1"
Shape = tuple[int, ...]


def channel_blocks(images: Tensor) -> dict[str, Tensor]:
    """One block a channel, as in the paper: ``pixels`` for grey images, else ``pixels0``, ``pixels1``, ..."""
    channels = images.shape[1]
    names = ["pixels"] if channels == 1 else [f"pixels{channel}" for channel in range(channels)]
    return {name: images[:, i].reshape(len(images), -1) for i, name in enumerate(names)}


def record_blocks(
    network: nn.Module,
    images: Tensor,
    layers: Sequence[str],
    *,
    negative: Literal["error", "clip"] = "error",
    progress: Callable[[int, int], None] | None = None,
) -> Blocks:
    """Pixels and the layers' activations of the same images, as coupled blocks.

    Of a network on a GPU they are CuPy arrays, which have never been on the host, if CuPy is there and the GPU has room
    for them; else NumPy arrays.
    """
    device, pixels = device_of(network), channel_blocks(images)
    if stays_on(device) and has_room(device, _bytes_of_blocks(network, images, layers)):
        activations = record_tensors(network, images, layers, negative=negative, progress=progress)
        tensors = {name: rows.to(device).contiguous() for name, rows in pixels.items()} | activations
        return Blocks({name: hand_over(tensor) for name, tensor in tensors.items()})
    arrays = record_activations(network, images, layers, negative=negative, progress=progress)
    return Blocks({name: rows.cpu().numpy() for name, rows in pixels.items()} | arrays)


def _bytes_of_blocks(network: nn.Module, images: Tensor, layers: Sequence[str]) -> int:
    """Bytes of all blocks together, in float32."""
    return 4 * len(images) * sum(math.prod(shape) for shape in block_shapes(network, images, layers).values())


def provenance(seed: int | None, **more: Any) -> dict[str, Any]:
    """Return what a reader needs to repeat a run: seed, versions, threads, and what else is given."""
    versions = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
        "torch": str(torch.__version__),
        "coupled_nmf": coupled_nmf.__version__,
    }
    return {"seed": seed, "versions": versions, "torch_threads": torch.get_num_threads(), **more}


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
    predictions : ndarray of shape (n_images,)
        The class that the network gives each image.
    labels : ndarray of shape (n_images,) or None
        The true classes, where there are any. They take no part in the factorization.
    provenance : dict
        Seed, versions, parameters, fingerprint of the data.
    network : Module or None
        The network, for `transform`; None when it could not be loaded with the result.
    """

    model: CoupledNMF
    F: NDArray[Any]
    shapes: dict[str, Shape]
    layers: tuple[str, ...]
    predictions: NDArray[np.int64]
    labels: NDArray[np.int64] | None
    provenance: dict[str, Any]
    network: nn.Module | None

    @property
    def accuracy(self) -> float | None:
        """Part of the images that the network classifies rightly; None without labels."""
        return None if self.labels is None else float(np.mean(self.predictions == self.labels))

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
            If the result was loaded without its network.
        """
        if self.network is None:
            raise ValueError("this result has no network; load it with ProbeResult.load(path, network=your_network).")
        negative = self.provenance["parameters"]["negative"]
        pixels = (images if isinstance(images, ImageSet) else ImageSet(images)).images
        X = record_blocks(self.network, pixels, self.layers, negative=negative)
        with current(device_of(self.network)):
            F: NDArray[Any] = to_host(self.model.transform(X))
        return F

    def save(self, path: str | Path) -> None:
        """Write the result to a folder, without pickle. A `PaperNet` goes with it; another network stays yours."""
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        self.model.save(folder / "model.npz")
        arrays: dict[str, Any] = {"F": self.F, "predictions": self.predictions}
        if self.labels is not None:
            arrays["labels"] = self.labels
        np.savez(folder / "samples.npz", **arrays)
        (folder / "network.pt").unlink(missing_ok=True)  # another result's
        if isinstance(self.network, PaperNet):
            save_network(self.network, folder / "network.pt")
        header = {"format": FORMAT, "shapes": self.shapes, "layers": self.layers, "provenance": self.provenance}
        (folder / "result.json").write_text(json.dumps(header, indent=1))

    @classmethod
    def load(cls, path: str | Path, *, network: nn.Module | None = None) -> ProbeResult:
        """Read a result that `save` wrote; ``network`` stands in where none was saved.

        Raises
        ------
        ValueError
            If the folder does not hold a result.
        """
        folder = Path(path)
        if not (folder / "result.json").is_file():
            raise ValueError(f"{folder} holds no result.json; it is not a folder that ProbeResult.save wrote.")
        header = json.loads((folder / "result.json").read_text())
        if header.get("format") != FORMAT:
            raise ValueError(f"{folder} has format {header.get('format')!r}; this version reads {FORMAT!r}.")
        if network is None and (folder / "network.pt").is_file():
            network = load_network(folder / "network.pt")
        with np.load(folder / "samples.npz", allow_pickle=False) as samples:
            F, predictions = samples["F"], samples["predictions"]
            labels = samples.get("labels", None)
        shapes = {name: tuple(shape) for name, shape in header["shapes"].items()}
        model = CoupledNMF.load(folder / "model.npz")
        return cls(model, F, shapes, tuple(header["layers"]), predictions, labels, header["provenance"], network)


def block_shapes(network: nn.Module, images: Tensor, layers: Sequence[str]) -> dict[str, Shape]:
    """Shape of one sample of each block that `record_blocks` gives."""
    channels: dict[str, Shape] = {name: tuple(images.shape[2:]) for name in channel_blocks(images[:1])}
    return {**channels, **activation_shapes(network, tuple(images.shape[1:]), layers)}


def probe(
    network: nn.Module,
    data: ImageSet | Tensor,
    *,
    layers: Sequence[str] | None = None,
    n_components: int = 10,
    solver: str = "hals",
    init: str = "auto",
    max_iter: int = 200,
    negative: Literal["error", "clip"] = "error",
    random_state: int | None = 0,
    progress: Callable[[int, int], None] | None = None,
) -> ProbeResult:
    """Factor images and the activations they cause together.

    Parameters
    ----------
    network : Module
        A trained network that takes images of shape (n, channels, height, width). If it is on a GPU and CuPy is there,
        the factorization runs there, too; the result is on the host.
    data : ImageSet or Tensor of shape (n, channels, height, width)
        Images in [0, 1]. Labels are not used; where there are any, they are kept beside the result.
    layers : sequence of str, default=None
        Names of the modules to record, as in ``network.named_modules()``; None means every ReLU.
    n_components, solver, init, max_iter, random_state
        As in `CoupledNMF`.
    negative : {'error', 'clip'}, default='error'
        What to do about a layer with negative activations.
    progress : callable, default=None
        ``progress(done, total)`` after each batch of images.

    Returns
    -------
    ProbeResult

    Raises
    ------
    ValueError
        If a layer is unknown or has negative activations, or a parameter is out of range.
    """
    images = data if isinstance(data, ImageSet) else ImageSet(data)
    if isinstance(layers, str):
        raise TypeError(f"layers must be a list of names; pass [{layers!r}]")
    chosen = tuple(default_layers(network) if layers is None else layers)
    model = CoupledNMF(n_components, solver=solver, init=init, max_iter=max_iter, random_state=random_state)
    shapes = block_shapes(network, images.images, chosen)
    X = record_blocks(network, images.images, chosen, negative=negative, progress=progress)
    device = device_of(network)
    with warnings.catch_warnings(), current(device):
        warnings.simplefilter("ignore", ConvergenceWarning)  # iterations and limit are in the provenance
        F = to_host(model.fit_transform(X))
        settle_on_host(model)
    parameters = {"solver": solver, "init": init, "max_iter": max_iter, "n_iter": model.n_iter_, "negative": negative}
    origin = provenance(random_state, data=images.fingerprint(), parameters=parameters, device=str(device))
    labels = None if images.labels is None else images.labels.cpu().numpy()
    predictions = evaluate(network, images).predictions
    return ProbeResult(model, F, shapes, chosen, predictions, labels, origin, network)
