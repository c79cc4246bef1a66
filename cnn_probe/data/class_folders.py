"""Images in folders, one folder a class."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torchvision.datasets.folder import IMG_EXTENSIONS

from cnn_probe.system.names import shown

TEST_FOLDERS = ("test", "val", "valid", "validation")  # beside "train"; the first that is there
# Not all that Pillow can open, which is by content: an EPS would be run, whatever its name ends in.
_FORMATS = ("JPEG", "PNG", "PPM", "BMP", "TIFF", "WEBP", "GIF")
_WITH_PREVIEWS = ("MPO",)  # formats of one photo whose further frames are previews of it


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
        classes = _folders_in(folder)
    except OSError as error:
        raise FileNotFoundError(f"{where} must hold a folder of images for each class: {error.strerror}") from error
    files = {name: _images_in(folder / name) for name in classes}
    empty = [name for name in classes if not files[name]]
    if len(empty) == len(classes):
        among = f"; it holds {_listed(classes)}" if classes else ""
        raise FileNotFoundError(
            f"{where} must hold a folder of images for each class, the images directly in it{among}"
        )
    if len(classes) < 2:
        raise ValueError(f"{where} must hold two class folders or more, found only {shown(classes[0])!r}")
    if empty:
        raise FileNotFoundError(
            f"{where}: no images lie directly in {_listed(empty)}; add some, or move the folder away"
        )
    for name in classes:
        below = _folders_in(folder / name)
        if below:
            raise ValueError(
                f"{where}: class folder {shown(name)} holds images and folders ({_listed(below)}); put all images of "
                "a class directly into its folder"
            )
    labels = np.repeat(np.arange(len(classes)), [len(found) for found in files.values()])
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        images = np.stack([_read_image(path, size) for found in files.values() for path in found])
    return images, labels, tuple(classes)


def _folders_in(folder: Path) -> list[str]:
    """Return the names of the folders in a folder, sorted; hidden ones left out. It looks no deeper."""
    return sorted(name for name in os.listdir(folder) if name[0] != "." and os.path.isdir(folder / name))


def _images_in(folder: Path) -> list[Path]:
    """Return the paths in a folder that end like an image's, sorted; hidden ones left out. It looks no deeper."""
    try:
        # macOS puts ._cat.png, which is no image, beside cat.png where a file system cannot hold what it knows of it.
        names = [name for name in sorted(os.listdir(folder)) if name[0] != "."]
        return [folder / name for name in names if name.lower().endswith(IMG_EXTENSIONS)]
    except OSError as error:
        raise ValueError(f"cannot read the folder {shown(str(folder), None)}: {error.strerror}") from error


def _listed(names: list[str]) -> str:
    return ", ".join(map(shown, names[:5])) + " …" * (len(names) > 5)


def _read_image(path: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    where = shown(str(path), None)
    if not path.is_file():  # a pipe would be waited for
        raise ValueError(f"cannot read the image {where}: it is no file")
    try:
        with Image.open(path, formats=_FORMATS) as image:
            fault = _fault_of(image)
            pixels = image if fault else image.convert("RGB").resize(size[::-1], Image.Resampling.BILINEAR)
    except Exception as error:  # Pillow's decoders fail with any error; a bomb is one, too
        raise ValueError(f"cannot read the image {where}: {shown(str(error), 300)}") from error
    if fault is not None:
        raise ValueError(f"{where} {fault}")
    return np.asarray(pixels)


def _fault_of(image: Image.Image) -> str | None:
    """Say what of an image Pillow would drop without a word."""
    frames = 1 if image.format in _WITH_PREVIEWS else getattr(image, "n_frames", 1)
    if frames > 1:
        return f"has {frames} pictures in it; save the one that is meant"
    if image.mode[0] in "IF":
        return f"has more than 8 bits a pixel (mode {image.mode}); save it with 8"
    return None
