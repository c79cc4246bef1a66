"""Pillow's images as tensors, and what of them would be lost."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from cnn_probe.system.names import shown

# Not all that Pillow can open, which is by content: an EPS would be run, whatever its name ends in.
_FORMATS = ("JPEG", "PNG", "PPM", "BMP", "TIFF", "WEBP", "GIF")
_WITH_PREVIEWS = ("MPO",)  # formats of one photo whose further frames are previews of it


def read_image(path: Path, prepare: Callable[[Image.Image], Image.Image]) -> NDArray[np.uint8]:
    """Return the pixels of what ``prepare`` makes of an image file.

    Raises
    ------
    ValueError
        If it cannot be read, or something of it would be dropped without a word.
    """
    where = shown(str(path), None)
    if not path.is_file():  # a pipe would be waited for
        raise ValueError(f"cannot read the image {where}: it is no file")
    try:
        with warnings.catch_warnings(), Image.open(path, formats=_FORMATS) as image:
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            fault = fault_of(image)
            pixels = image if fault else prepare(image)
    except Exception as error:  # Pillow's decoders fail with any error; a bomb is one, too
        raise ValueError(f"cannot read the image {where}: {shown(str(error), 300)}") from error
    if fault is not None:
        raise ValueError(f"{where} {fault}")
    return np.asarray(pixels)


def tensor_of(value: Any) -> Any:
    """Return a Pillow image as a float32 tensor (channels, height, width) in [0, 1]; anything else as it is.

    Grey ones have one channel, all others three; transparency is dropped.
    """
    if not isinstance(value, Image.Image):
        return value
    pixels = np.array(value if value.mode == "L" else value.convert("RGB"))
    channels = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
    return torch.from_numpy(np.ascontiguousarray(channels)).to(torch.float32).div_(255)


def fault_of(image: Image.Image) -> str | None:
    """Say what of an image Pillow would drop without a word."""
    frames = 1 if image.format in _WITH_PREVIEWS else getattr(image, "n_frames", 1)
    if frames > 1:
        return f"has {frames} pictures in it; save the one that is meant"
    if image.mode[0] in "IF":
        return f"has more than 8 bits a pixel (mode {image.mode}); save it with 8"
    return None
