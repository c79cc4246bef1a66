"""Image data sets as plain tensors: digits (offline), MNIST and its kin (torchvision), folders of images."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn.functional import interpolate
from torchvision.datasets import CIFAR10, MNIST, FashionMNIST

from cnn_probe.data.class_folders import TEST_FOLDERS, read_class_folders
from cnn_probe.data.images import ImageData, ImageSet
from cnn_probe.system.names import shown
from cnn_probe.system.ranges import is_whole

#: Seeds the split of data that come without one: the split is part of the data set, not of a run.
SPLIT_SEED = 0
LARGEST_SIDE = 4096  # pixels: all images are held in memory
_IDX_FILE = "raw/train-images-idx3-ubyte"
_Size = tuple[int, int] | None


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

    Returns
    -------
    `ImageData`

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
        raise ValueError(f"data set {name!r} is read from a folder: pass it as root")
    try:
        folder = Path(root or "").expanduser()
    except RuntimeError as error:  # of a user that there is not
        raise ValueError(f"root {shown(str(root), None)} cannot be: {error}; name the folder in full") from error
    return DATASETS[name](folder, download, size)


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
            why = str(error).strip().splitlines() or [type(error).__name__]  # of several mirrors the last line says it
            raise ConnectionError(f"downloading {name} into {root} failed: {why[-1]}") from error
        raise FileNotFoundError(
            f"no {name} data: {root / file}, or a file that belongs beside it, is missing or damaged; "
            "pass download=True to fetch it"
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
