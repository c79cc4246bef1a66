"""Images in folders, one folder a class."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torchvision.datasets.folder import IMG_EXTENSIONS

from cnn_probe.data.pillow import read_image
from cnn_probe.system.names import shown

TEST_FOLDERS = ("test", "val", "valid", "validation")  # beside "train"; the first that is there


def read_class_folders(
    folder: Path, size: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.int64], tuple[str, ...]]:
    """Read the images that lie directly in the folders in ``folder``; each is a class. Hidden ones are left out.

    Returns
    -------
    images : uint8 array of shape (n_images, height, width, 3)
    labels : int64 array of shape (n_images,)
    classes : tuple of str
        Names of the folders, sorted.

    Raises
    ------
    FileNotFoundError
        If there is no folder, or a class has no images.
    ValueError
        If there is one class only, a class has folders of its own, or an image cannot be read.
    """
    where = shown(str(folder), None)
    try:
        classes = folders_in(folder)
    except OSError as error:
        raise FileNotFoundError(f"{where} must hold a folder of images for each class: {error.strerror}") from error
    files = {name: images_in(folder / name) for name in classes}
    if not any(files.values()):
        among = f"; it holds {listed(classes)}" if classes else ""
        raise FileNotFoundError(
            f"{where} must hold a folder of images for each class, the images directly in it{among}"
        )
    if len(classes) < 2:
        raise ValueError(f"{where} must hold two class folders or more, found only {shown(classes[0])!r}")
    refuse_odd_classes(folder, files)
    labels = np.repeat(np.arange(len(classes)), [len(found) for found in files.values()])
    images = np.stack(
        [read_image(path, lambda image: _resized(image, size)) for found in files.values() for path in found]
    )
    return images, labels, tuple(classes)


def refuse_odd_classes(folder: Path, files: Mapping[str, list[Path]]) -> None:
    """Refuse classes without images, and classes that hold folders; ``files`` are the images by class."""
    where = shown(str(folder), None)
    empty = [name for name, found in files.items() if not found]
    if empty:
        raise FileNotFoundError(
            f"{where}: no images lie directly in {listed(empty)}; add some, or move the folder away"
        )
    for name in files:
        below = folders_in(folder / name)
        if below:
            raise ValueError(
                f"{where}: class folder {shown(name)} holds images and folders ({listed(below)}); put all images of "
                "a class directly into its folder"
            )


def _resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    return image.convert("RGB").resize(size[::-1], Image.Resampling.BILINEAR)


def folders_in(folder: Path) -> list[str]:
    """Return the names of the folders in a folder, sorted; hidden ones left out. It looks no deeper."""
    return sorted(name for name in os.listdir(folder) if name[0] != "." and os.path.isdir(folder / name))


def images_in(folder: Path) -> list[Path]:
    """Return the paths in a folder that end like an image's, sorted; hidden ones left out. It looks no deeper."""
    try:
        # macOS puts ._cat.png, which is no image, beside cat.png where a file system cannot hold what it knows of it.
        names = [name for name in sorted(os.listdir(folder)) if name[0] != "."]
        return [folder / name for name in names if name.lower().endswith(IMG_EXTENSIONS)]
    except OSError as error:
        raise ValueError(f"cannot read the folder {shown(str(folder), None)}: {error.strerror}") from error


def listed(names: list[str]) -> str:
    """Some of the names, for messages."""
    return ", ".join(map(shown, names[:5])) + " …" * (len(names) > 5)
