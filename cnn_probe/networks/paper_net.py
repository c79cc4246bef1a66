"""The paper's network, built from a seed and saved to one file."""

from __future__ import annotations

import math
from copy import deepcopy
from numbers import Integral
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cnn_probe.system.ranges import LARGEST_SEED
from coupled_nmf import atomic_open

_KERNEL = 5
_POOL = 2
_SMALLEST_IMAGE = 16


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
    weight_names : tuple of str
        Names of the weights and biases, as in ``state_dict()``.
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
    weight_names = tuple(f"{layer}.{kind}" for layer in ("conv1", "conv2", "fc") for kind in ("weight", "bias"))

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
    """Return a `PaperNet` on the CPU whose weights depend on ``seed`` alone; no global generator takes part.

    They are the weights that ``PaperNet(...)`` has after ``torch.manual_seed(seed)``.

    Parameters
    ----------
    in_channels : int
        Channels of an image.
    image_size : int or (height, width)
        Pixels of an image, 16 or more each way.
    n_classes : int
        Outputs of the linear layer.
    seed : int
        From 0 to 2**64 - 1.

    Returns
    -------
    `PaperNet`

    Raises
    ------
    ValueError
        If the seed is not a whole number from 0 to 2**64 - 1, or a number does not suit `PaperNet`.

    Examples
    --------
    >>> first, again = (build_network(1, 28, 10, seed=0) for _ in range(2))
    >>> torch.equal(first.fc.weight, again.fc.weight)
    True
    """
    if isinstance(seed, bool) or not isinstance(seed, Integral) or not 0 <= seed <= LARGEST_SEED:
        raise ValueError(f"seed must be a whole number from 0 to {LARGEST_SEED}, got {seed!r}")
    generator = torch.Generator().manual_seed(int(seed))
    with torch.device("meta"):  # without weights yet: PyTorch would draw them from its one global generator
        network = PaperNet(in_channels, image_size, n_classes)
    network.to_empty(device="cpu")
    for layer in network.children():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            _draw_weights(layer, generator)
    return network


def rescaled(network: PaperNet, factor: float) -> PaperNet:
    """Return a copy whose first layer is multiplied by a factor above 0, and the next divided by it.

    It computes the same: maximum and ReLU of activations that are all multiplied are multiplied by as much. The
    activations of the first layer are ``factor`` times as large; a power of two leaves the outputs as they are, to the
    bit.
    """
    copy = deepcopy(network)
    with torch.no_grad():
        copy.conv1.weight.mul_(factor)
        assert copy.conv1.bias is not None
        copy.conv1.bias.mul_(factor)
        copy.conv2.weight.div_(factor)  # its bias is added to what has its old scale again
    return copy


def _draw_weights(layer: nn.Conv2d | nn.Linear, generator: torch.Generator) -> None:
    """Draw as PyTorch does when it makes such a layer; a test compares the bits."""
    nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=generator)
    assert layer.bias is not None
    bound = 1 / math.sqrt(layer.weight[0].numel())
    nn.init.uniform_(layer.bias, -bound, bound, generator=generator)


def save_network(network: PaperNet, path: str | Path) -> None:
    """Write weights and configuration to one file, making its folder where it is missing.

    Parameters
    ----------
    network : PaperNet
    path : str or Path
        Of the file, which is written whole or not at all.

    Raises
    ------
    TypeError
        If ``network`` is not a `PaperNet`.

    Examples
    --------
    >>> import tempfile
    >>> network = build_network(1, 28, 10, seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_network(network, f"{folder}/network.pt")
    ...     again = load_network(f"{folder}/network.pt")
    >>> torch.equal(again.fc.weight, network.fc.weight)
    True
    """
    if not isinstance(network, PaperNet):
        raise TypeError(f"network must be a PaperNet, got {type(network).__name__}; torch.save can save others")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with atomic_open(path) as file:
        torch.save({"config": network.config, "weights": network.state_dict()}, file)


def load_network(path: str | Path) -> PaperNet:
    """Return the network that `save_network` wrote, on the CPU; nothing in the file is executed.

    `save_network` has an example.

    Parameters
    ----------
    path : str or Path
        Of the file.

    Returns
    -------
    `PaperNet`

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not one of `save_network`.
    """
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        _refuse_other_sizes(saved["config"], saved["weights"])
        network = build_network(**saved["config"], seed=0)
        network.load_state_dict(saved["weights"])
    except OSError:
        raise
    except Exception as error:  # bytes of any other kind fail anywhere in the unpickler, and with any error
        raise ValueError(f"{path} does not hold a network written by save_network") from error
    return network


def _refuse_other_sizes(config: dict[str, Any], weights: dict[str, Tensor]) -> None:
    """Raise ValueError if the weights in a file are not those of its configuration, which may ask for any memory."""
    with torch.device("meta"):
        wanted = {name: weight.shape for name, weight in PaperNet(**config).state_dict().items()}
    # A tensor that is not contiguous can have any shape, of one number.
    found = {name: weight.shape for name, weight in weights.items() if weight.is_contiguous()}
    if found != wanted:
        raise ValueError(f"its weights are not those of PaperNet(**{config})")
