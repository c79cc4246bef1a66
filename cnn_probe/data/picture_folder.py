"""A folder of pictures, read one by one: any number of them, with classes or without."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.datasets.folder import IMG_EXTENSIONS

from cnn_probe.data.class_folders import folders_in, images_in, listed, refuse_odd_classes
from cnn_probe.data.pillow import cut_colours_of, read_image, scaled
from cnn_probe.system.names import shown
from cnn_probe.system.ranges import is_whole

LARGEST_SIDE = 4096  # pixels


class PictureFolder(Dataset[Tensor | tuple[Tensor, int]]):
    """Pictures in a folder, or in one folder for each class, in [0, 1]; each is read when it is asked for.

    Parameters
    ----------
    folder : path
        Holds pictures, which then have no labels; or folders of pictures, which are the classes. Hidden files are left
        out. Pictures are turned as their EXIF data say; transparency is dropped.
    size : int or (height, width), default=224
        Each is made so small, or large, that it just covers this many pixels, its shorter side being as long as that
        if both are alike, and its middle is cut out.
    channels : {1, 3}, default=3
        Grey, or red, green and blue, which grey pictures have, too.

    Attributes
    ----------
    files : tuple of Path
    names : tuple of str
        Their paths in the folder.
    labels : tuple of int or None
        The class of each, counted from 0.
    class_names : tuple of str
        Names of the folders, sorted; empty without classes.

    Raises
    ------
    FileNotFoundError
        If there is no such folder, or no picture in it or in one of the classes.
    ValueError
        If it holds pictures and folders of pictures, or folders in the classes, or a parameter cannot be. When a
        picture is read: if it cannot be, holds several pictures, or has more than 8 bits a colour; the file is named.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.new("RGB", (60, 40)).save(f"{folder}/sea.png")
    ...     pictures = PictureFolder(folder, 32)
    ...     pictures, pictures.names, tuple(pictures[0].shape)
    (PictureFolder(1 pictures, 3×32×32), ('sea.png',), (3, 32, 32))
    """

    def __init__(self, folder: str | Path, size: int | tuple[int, int] = 224, *, channels: int = 3) -> None:
        sides = tuple(size) if isinstance(size, tuple | list) else (size, size)
        if len(sides) != 2 or not all(is_whole(side, 1, LARGEST_SIDE) for side in sides):
            raise ValueError(f"size must be 1 to {LARGEST_SIDE} pixels, or a height and a width, got {size!r}")
        self.size = (sides[0], sides[1])
        if channels not in (1, 3):
            raise ValueError(f"channels must be 1 (grey) or 3, got {channels!r}")
        self.channels = channels
        try:
            self.folder = Path(folder).expanduser()
        except RuntimeError as error:  # of a user that there is not
            raise ValueError(f"folder {shown(str(folder), None)} cannot be: {error}; name it in full") from error
        self.files, self.labels, self.class_names = _files_of(self.folder)
        self.names = tuple(file.relative_to(self.folder).as_posix() for file in self.files)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Tensor | tuple[Tensor, int]:
        """Return a picture (channels, height, width), with its label if there are classes."""
        picture = scaled(read_image(self.files[index], self._prepared, [cut_colours_of]))
        return picture if self.labels is None else (picture, self.labels[index])

    def __repr__(self) -> str:
        height, width = self.size
        classes = f" of {len(self.class_names)} classes" if self.class_names else ""
        return f"PictureFolder({len(self)} pictures{classes}, {self.channels}×{height}×{width})"

    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits that change with a name, a byte of a file, a class, or the size."""
        digest = hashlib.sha256(
            repr((self.names, self.size, self.channels, self.class_names)).encode("utf-8", "replace")
        )
        for path in self.files:
            if not path.is_file():  # a pipe would be waited for
                raise ValueError(f"cannot read the image {shown(str(path), None)}: it is no file")
            with open(path, "rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()[:16]

    def _prepared(self, image: Image.Image) -> Image.Image:
        turned = ImageOps.exif_transpose(image).convert("L" if self.channels == 1 else "RGB")
        return ImageOps.fit(turned, (self.size[1], self.size[0]), Image.Resampling.BILINEAR)


def _files_of(folder: Path) -> tuple[tuple[Path, ...], tuple[int, ...] | None, tuple[str, ...]]:
    """Files, labels, and names of classes."""
    where = shown(str(folder), None)
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"{where} is no folder; name one that holds pictures, or a folder of them a class")
    own = images_in(folder)
    classes = {name: images_in(folder / name) for name in folders_in(folder)}
    filled = {name: files for name, files in classes.items() if files}
    if own and filled:
        raise ValueError(
            f"{where} holds pictures, and folders of pictures ({listed(list(filled))}): give one that holds either"
        )
    if own:
        return tuple(own), None, ()
    if not filled:
        among = f"; it holds the folders {listed(list(classes))}, without any" if classes else ""
        raise FileNotFoundError(f"no pictures ({', '.join(IMG_EXTENSIONS)}) lie in {where}{among}")
    refuse_odd_classes(folder, classes)
    labels = np.repeat(np.arange(len(classes)), [len(files) for files in classes.values()]).tolist()
    return tuple(file for files in classes.values() for file in files), tuple(labels), tuple(classes)
