"""Image data sets as plain tensors: digits (offline), MNIST and its kin (torchvision), folders of images."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn.functional import interpolate
from torchvision.datasets import CIFAR10, MNIST, FashionMNIST

from cnn_probe.folders import TEST_FOLDERS, read_class_folders
from cnn_probe.names import shown, shown_all
from cnn_probe.ranges import is_whole

#: Seeds the split of data that come without one: the split is part of the data set, not of a run.
SPLIT_SEED = 0
LARGEST_SIDE = 4096  # pixels: all images are held in memory
_IDX_FILE = "raw/train-images-idx3-ubyte"
_Size = tuple[int, int] | None


@dataclass(frozen=True, eq=False, repr=False)
class ImageSet:
    """Images, with their labels where there are any.

    Parameters
    ----------
    images : float32 Tensor of shape (n_images, n_channels, height, width)
        Pixels in [0, 1], not normalised.
    labels : int64 Tensor of shape (n_images,) or None, default=None
        The class of each image, counted from 0; None for unlabelled images.

    Raises
    ------
    ValueError
        If a shape, a dtype or a value is not as above, or there is no image.
    TypeError
        If images or labels are anything but tensors.

    Examples
    --------
    >>> ImageSet(torch.zeros(3, 1, 28, 28), torch.tensor([0, 1, 1])).subset([0, 2])
    ImageSet(2 images of 1×28×28, labelled)
    """

    images: Tensor
    labels: Tensor | None = None

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        if not isinstance(images, Tensor):
            hint = "take .train or .test" if isinstance(images, ImageData) else "torch.as_tensor makes one of an array"
            raise TypeError(f"images must be a Tensor, got {type(images).__name__}; {hint}")
        if images.ndim != 4 or images.dtype != torch.float32 or not images.numel():
            raise ValueError(
                "images must be a float32 tensor (n_images, n_channels, height, width) with at least one image, "
                f"got {images.dtype} of shape {tuple(images.shape)}"
            )
        low, high = (float(end) for end in torch.aminmax(images))
        if math.isnan(low):
            raise ValueError("images must be finite and in [0, 1], got NaN; replace it")
        if not (low >= 0 and high <= 1):
            raise ValueError(f"images must be finite and in [0, 1], got {low:g} to {high:g}; {_way_back(low, high)}")
        if labels is not None and not isinstance(labels, Tensor):
            kind = type(labels).__name__
            raise TypeError(
                f"labels must be a Tensor, got {kind}; torch.as_tensor(labels, dtype=torch.int64) makes one"
            )
        if labels is not None and (labels.dtype != torch.int64 or labels.shape != images.shape[:1]):
            raise ValueError(
                f"labels must be an int64 tensor of shape ({len(images)},), one an image, "
                f"got {labels.dtype} of shape {tuple(labels.shape)}"
            )
        if labels is not None and labels.min() < 0:
            raise ValueError(f"labels must count classes from 0, got {labels.min()}; None means unlabelled")

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        shape = "×".join(map(str, self.images.shape[1:]))
        return f"ImageSet({len(self)} images of {shape}, {'un' * (self.labels is None)}labelled)"

    def subset(self, indices: Tensor | np.ndarray | list[int]) -> ImageSet:
        """Return the images (and labels) that ``indices`` (or a boolean mask) picks, in that order."""
        chosen = torch.as_tensor(indices)
        return ImageSet(self.images[chosen], None if self.labels is None else self.labels[chosen])

    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits that change with the shape, any pixel or any label."""
        digest = hashlib.sha256(repr(tuple(self.images.shape)).encode())
        for part in (self.images, self.labels):
            if part is not None:
                digest.update(np.ascontiguousarray(part.cpu().numpy()).data)
        return digest.hexdigest()[:16]


def _way_back(low: float, high: float) -> str:
    """What to do about pixels that reach from ``low`` to ``high``, by what they look like."""
    if -10 < low < 0 and high < 10:  # ImageNet's means and deviations give -2.1 to 2.6
        return (
            "they look normalised, as for ImageNet: give them as they were before, to a network that normalises, "
            "nn.Sequential(torchvision.transforms.Normalize(mean, std), network)"
        )
    return "divide them by 255" if low >= 0 and 1 < high <= 255 else "rescale the pixels"


@dataclass(frozen=True, eq=False)
class ImageData:
    """A data set: images to train on, images to test on, and the names of the classes.

    Parameters
    ----------
    name : str
    train, test : ImageSet
        Of one image size and one number of channels.
    class_names : tuple of str
        ``class_names[label]`` is the class that a label stands for.

    Raises
    ------
    ValueError
        If the two sets differ in image shape, or a label has no name.
    """

    name: str
    train: ImageSet
    test: ImageSet
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        shapes = [tuple(part.images.shape[1:]) for part in (self.train, self.test)]
        if shapes[0] != shapes[1]:
            raise ValueError(f"train images are {shapes[0]} but test images {shapes[1]}; resize one of them")
        for labels in (self.train.labels, self.test.labels):
            if labels is not None and labels.max() >= self.n_classes:
                raise ValueError(f"class_names has {self.n_classes} names, but there is a label {labels.max()}")

    @property
    def in_channels(self) -> int:
        """Channels of an image."""
        return self.train.images.shape[1]

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of an image, in pixels."""
        return self.train.images.shape[2], self.train.images.shape[3]

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits that change with any pixel or label of either set."""
        return hashlib.sha256((self.train.fingerprint() + self.test.fingerprint()).encode()).hexdigest()[:16]

    def class_indices(self, names: Iterable[str | int]) -> tuple[int, ...]:
        """Return the labels of the named classes, in the order given; an int is taken for a label.

        Raises
        ------
        ValueError
            If a class is unknown; the message lists those there are.
        """
        labels: dict[str | int, int] = {name: label for label, name in enumerate(self.class_names)}
        labels |= {label: label for label in range(self.n_classes)}
        wanted = list(names)
        unknown = ", ".join(repr(name) for name in wanted if name not in labels)
        if unknown:
            raise ValueError(
                f"{self.name} has no class {unknown}; its classes are {', '.join(shown_all(self.class_names))}"
            )
        return tuple(labels[name] for name in wanted)


def load_dataset(
    name: str,
    root: str | Path | None = None,
    *,
    download: bool = False,
    image_size: int | tuple[int, int] | None = None,
) -> ImageData:
    """Load a data set into memory.

    Parameters
    ----------
    name : {"digits", "mnist", "fashion-mnist", "cifar10", "folder"}
        "digits" comes with scikit-learn: 8×8 pixels enlarged to 28×28, a stratified split of 1,347 to 450. "folder"
        reads ``root/train`` and ``root/test`` (or ``val``, ``valid``, ``validation``), with one folder for each
        class and the images directly in it; where these are missing, the folders in ``root`` are the classes and a
        stratified fifth of the images is held out. If every image is grey (red, green and blue equal everywhere)
        there is one channel, otherwise there are three. Transparency is dropped.
    root : path, default=None
        Where the data lie, as torchvision lays them out. "digits" needs none.
    download : bool, default=False
        Let torchvision fetch what is missing; without effect on "digits" and "folder".
    image_size : int or (height, width), default=None
        Resize to this many pixels (bilinear). None leaves the images alone, and is 28 for "digits" and "folder".

    Raises
    ------
    ValueError
        If the name is unknown, ``root`` is needed and None, or an image cannot be used.
    FileNotFoundError
        If the data are not under ``root``.
    ConnectionError
        If a download fails.

    Examples
    --------
    >>> data = load_dataset("digits")
    >>> data.train, data.image_size, data.class_indices(["9", 0])
    (ImageSet(1347 images of 1×28×28, labelled), (28, 28), (9, 0))
    """
    if name not in DATASETS:
        raise ValueError(f"unknown data set {name!r}; there are {', '.join(DATASETS)}")
    size = (image_size, image_size) if isinstance(image_size, int) else image_size
    sides = size if isinstance(size, tuple | list) else ()
    if size is not None and not (len(sides) == 2 and all(is_whole(side, 1, LARGEST_SIDE) for side in sides)):
        raise ValueError(f"image_size must be at least 1 pixel and at most {LARGEST_SIDE}, got {image_size!r}")
    if root is None and name != "digits":
        raise ValueError(f"data set {name!r} is read from a folder: pass it as root (--data-root)")
    return DATASETS[name](Path(root or "").expanduser(), download, size)


def _load_digits(root: Path, download: bool, size: _Size) -> ImageData:
    digits = load_digits()
    images = _resize(torch.from_numpy(digits.images[:, None].astype(np.float32) / 16), size or (28, 28))
    names = tuple(str(name) for name in digits.target_names)
    return _split("digits", ImageSet(images, torch.from_numpy(digits.target.astype(np.int64))), names, 0.25)


def _load_torchvision(name: str, source: Any, file: str, root: Path, download: bool, size: _Size) -> ImageData:
    try:
        parts = [source(root, train=is_train, download=download) for is_train in (True, False)]
    except (RuntimeError, OSError, ValueError, AssertionError) as error:
        if download:
            raise ConnectionError(f"downloading {name} into {root} failed: {error}") from error
        raise FileNotFoundError(
            f"no {name} data: {root / file}, or a file that belongs beside it, is missing or damaged; "
            "pass download=True (--download) to fetch it"
        ) from error
    train, test = (ImageSet(_resize(_pixels(part.data), size), torch.as_tensor(part.targets)) for part in parts)
    # torchvision names MNIST's classes "0 - zero" and so on: nobody would type that.
    return ImageData(name, train, test, tuple(label.split(" - ")[0] for label in parts[0].classes))


def _load_folder(root: Path, download: bool, size: _Size) -> ImageData:
    test_root = next((root / part for part in TEST_FOLDERS if (root / part).is_dir()), None)
    if test_root is None or not (root / "train").is_dir():
        images, labels, classes = read_class_folders(root, size or (28, 28))
        return _split("folder", ImageSet(_pixels(images), torch.from_numpy(labels)), classes, 0.2)
    images, labels, classes = read_class_folders(root / "train", size or (28, 28))
    test_images, test_labels, test_classes = read_class_folders(test_root, size or (28, 28))
    if classes != test_classes:
        odd = ", ".join(shown(name) for name in sorted(set(classes) ^ set(test_classes)))
        where = f"{shown(str(root / 'train'), None)} and {shown(str(test_root), None)}"
        raise ValueError(f"{where} must hold the same classes; only one has {odd}")
    train, test = _pixels(np.concatenate([images, test_images])).split([len(labels), len(test_labels)])
    sets = ImageSet(train, torch.from_numpy(labels)), ImageSet(test, torch.from_numpy(test_labels))
    return ImageData("folder", *sets, classes)


def _pixels(values: Any) -> Tensor:
    """Scale uint8 images (n, height, width[, channels]) to [0, 1], channels second; grey ones keep one channel."""
    images = torch.as_tensor(values)
    images = images.unsqueeze(1) if images.ndim == 3 else images.permute(0, 3, 1, 2)
    if torch.equal(images, images[:, :1].expand_as(images)):
        images = images[:, :1]
    return images.to(torch.float32, memory_format=torch.contiguous_format).div_(255)


def _resize(images: Tensor, size: _Size) -> Tensor:
    if size is None or images.shape[2:] == size:
        return images
    return interpolate(images, size, mode="bilinear", antialias=True).clamp_(0, 1)


def _split(name: str, images: ImageSet, class_names: tuple[str, ...], test_share: float) -> ImageData:
    """Hold out ``test_share`` of each class, at least one image."""
    generator = np.random.default_rng(SPLIT_SEED)
    held_out = np.zeros(len(images), dtype=bool)
    for label, class_name in enumerate(class_names):
        members = generator.permutation(np.flatnonzero(images.labels == label))
        if len(members) < 2:
            raise ValueError(f"class {class_name!r} has one image, so none can be held out; add more")
        held_out[members[: max(1, round(test_share * len(members)))]] = True
    return ImageData(name, images.subset(~held_out), images.subset(held_out), class_names)


#: What `load_dataset` knows; a data set more costs one line here.
DATASETS: dict[str, Callable[[Path, bool, _Size], ImageData]] = {
    "digits": _load_digits,
    "mnist": partial(_load_torchvision, "mnist", MNIST, f"MNIST/{_IDX_FILE}"),
    "fashion-mnist": partial(_load_torchvision, "fashion-mnist", FashionMNIST, f"FashionMNIST/{_IDX_FILE}"),
    "cifar10": partial(_load_torchvision, "cifar10", CIFAR10, "cifar-10-batches-py/data_batch_1"),
    "folder": _load_folder,
}
