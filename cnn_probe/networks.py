"""The paper's network, built from a seed and saved to one file, and the state that any network runs in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

_KERNEL = 5
_POOL = 2
_SMALLEST_IMAGE = 16
_CPU = torch.device("cpu")


class PaperNet(nn.Module):
    """Two convolutions of 10 and 20 channels, each max-pooled and then rectified, and one linear layer.

    The paper takes the outputs of the two ReLUs for the activations of the two layers. Weights start as PyTorch
    initialises them; `build_network` does so from a seed.

    Parameters
    ----------
    in_channels : int, default=1
        Channels of an image.
    image_size : int or (height, width), default=28
        Pixels of an image, 16 or more each way.
    n_classes : int, default=10
        Outputs of the linear layer.

    Attributes
    ----------
    paper_layers : tuple of str
        The layers that the paper factorizes: ``("relu1", "relu2")``.
    config : dict
        Arguments that build a network of the same shape: ``PaperNet(**network.config)``.

    Raises
    ------
    ValueError
        If the image is too small for two convolutions, or a number is not positive; from ``forward``, if the
        images have another shape than the network was built for.

    Examples
    --------
    >>> network = PaperNet(image_size=(28, 32))
    >>> network(torch.zeros(6, 1, 28, 32)).shape
    torch.Size([6, 10])
    """

    paper_layers = ("relu1", "relu2")

    def __init__(self, in_channels: int = 1, image_size: int | tuple[int, int] = 28, n_classes: int = 10) -> None:
        super().__init__()
        height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
        if min(height, width) < _SMALLEST_IMAGE:
            raise ValueError(
                f"image_size must be at least {_SMALLEST_IMAGE}×{_SMALLEST_IMAGE} for two 5×5 convolutions with "
                f"pooling, got {height}×{width}; enlarge the images"
            )
        if in_channels < 1 or n_classes < 1:
            raise ValueError(f"in_channels and n_classes must be 1 or more, got {in_channels} and {n_classes}")
        self.config: dict[str, Any] = {
            "in_channels": in_channels,
            "image_size": (height, width),
            "n_classes": n_classes,
        }
        self.conv1 = nn.Conv2d(in_channels, 10, _KERNEL)
        self.pool1 = nn.MaxPool2d(_POOL)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(10, 20, _KERNEL)
        self.pool2 = nn.MaxPool2d(_POOL)
        self.relu2 = nn.ReLU()
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(20 * _pooled_twice(height) * _pooled_twice(width), n_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits, of shape (n_images, n_classes)."""
        expected = (self.config["in_channels"], *self.config["image_size"])
        if images.shape[1:] != expected:
            raise ValueError(f"this network takes images of shape {expected}, got {tuple(images.shape[1:])}")
        hidden = self.relu1(self.pool1(self.conv1(images)))
        hidden = self.relu2(self.pool2(self.conv2(hidden)))
        return self.fc(self.flatten(hidden))


def _pooled_twice(length: int) -> int:
    for _ in range(2):
        length = (length - _KERNEL + 1) // _POOL
    return length


def build_network(in_channels: int, image_size: int | tuple[int, int], n_classes: int, seed: int) -> PaperNet:
    """Return a `PaperNet` on the CPU whose weights depend on ``seed`` alone; no global generator moves.

    Examples
    --------
    >>> first, again = (build_network(1, 28, 10, seed=0) for _ in range(2))
    >>> torch.equal(first.fc.weight, again.fc.weight)
    True
    """
    with seeded(seed):
        return PaperNet(in_channels, image_size, n_classes)


def save_network(network: PaperNet, path: str | Path) -> None:
    """Write weights and configuration to one file, making its folder where it is missing.

    Raises
    ------
    TypeError
        If ``network`` is not a `PaperNet`.
    """
    if not isinstance(network, PaperNet):
        raise TypeError(f"network must be a PaperNet, got {type(network).__name__}; torch.save can save others")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    torch.save({"config": network.config, "weights": network.state_dict()}, path)


def load_network(path: str | Path) -> PaperNet:
    """Return the network that `save_network` wrote, on the CPU; nothing in the file is executed.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not one of `save_network`.
    """
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        network = build_network(**saved["config"], seed=0)
        network.load_state_dict(saved["weights"])
    except OSError:
        raise
    except Exception as error:  # bytes of any other kind fail anywhere in the unpickler, and with any error
        raise ValueError(f"{path} does not hold a network written by save_network") from error
    return network


@contextmanager
def seeded(seed: int, device: torch.device = _CPU) -> Iterator[None]:
    """Seed PyTorch's generators of the CPU and of ``device``, and afterwards put them back as they were."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        # Not torch.manual_seed: that reseeds every GPU, also those that fork_rng does not put back.
        torch.default_generator.manual_seed(seed)
        for gpu in devices:
            torch.cuda.default_generators[gpu.index].manual_seed(seed)
        yield


@contextmanager
def deterministic(device: torch.device, threads: int) -> Iterator[None]:
    """Let PyTorch use deterministic algorithms alone and so many CPU threads, and afterwards what it used before."""
    if device.type == "cuda":
        # cuBLAS needs it to be deterministic, and PyTorch reads it only at the process's first cuBLAS call.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    threads_before = torch.get_num_threads()
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(threads_before)
        torch.use_deterministic_algorithms(before, warn_only=warn_only)


@contextmanager
def training_mode(network: nn.Module, training: bool) -> Iterator[None]:
    """Put the whole network into training or evaluation mode, and afterwards each module back as it was."""
    before = {module: module.training for module in network.modules()}
    network.train(training)
    try:
        yield
    finally:
        for module, mode in before.items():
            module.training = mode


def device_of(network: nn.Module) -> torch.device:
    """Return the device of the network's parameters; the CPU if it has none."""
    return next((parameter.device for parameter in network.parameters()), _CPU)
