"""Pillow's images as tensors, and what of them would be lost."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from cnn_probe.system.names import shown

# Not all that Pillow can open, which is by content: an EPS would be run, whatever its name ends in.
_FORMATS = ("JPEG", "PNG", "PPM", "BMP", "TIFF", "WEBP", "GIF")
_WITH_PREVIEWS = ("MPO",)  # formats of one photo whose further frames are previews of it
_GREY = ("1", "L", "LA", "La")


def read_image(
    path: Path,
    prepare: Callable[[Image.Image], Image.Image],
    faults: Sequence[Callable[[Image.Image], str | None]] = (),
) -> NDArray[np.uint8]:
    """Return the pixels of what ``prepare`` makes of an image file; ``faults`` say what is refused besides.

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
            fault = next((said for said_of in (fault_of, *faults) if (said := said_of(image))), None)
            pixels = image if fault else prepare(image)
    except Exception as error:  # Pillow's decoders fail with any error; a bomb is one, too
        raise ValueError(f"cannot read the image {where}: {shown(str(error), 300)}") from error
    if fault is not None:
        raise ValueError(f"{where} {fault}")
    return np.asarray(pixels)


def tensor_of(value: Any) -> Any:
    """Return a Pillow image as a float32 tensor (channels, height, width) in [0, 1]; anything else as it is.

    Grey ones have one channel, all others three; transparency is dropped.

    Raises
    ------
    ValueError
        If it has more than 8 bits a pixel.
    """
    if not isinstance(value, Image.Image):
        return value
    fault = _depth_of(value)
    if fault is not None:
        raise ValueError(f"a Pillow image of the dataset {fault}")
    return scaled(np.asarray(value.convert("L" if value.mode in _GREY else "RGB")))


def scaled(pixels: NDArray[np.uint8]) -> Tensor:
    """Return pixels (height, width[, channels]) as a float32 tensor (channels, height, width) in [0, 1]."""
    channels = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
    return torch.from_numpy(np.array(channels, order="C")).to(torch.float32).div_(255)  # Pillow's cannot be written to


def fault_of(image: Image.Image) -> str | None:
    """Say what of an image Pillow would drop without a word."""
    frames = 1 if image.format in _WITH_PREVIEWS else getattr(image, "n_frames", 1)
    if frames > 1:
        return f"has {frames} pictures in it; save the one that is meant"
    return _depth_of(image)


def cut_colours_of(image: Image.Image) -> str | None:
    """Say whether Pillow cuts an image's colours, of 16 bits, to 8; before it is loaded, which forgets it."""
    for codec, *_, arguments in getattr(image, "tile", ()):
        values = arguments if isinstance(arguments, tuple) else (arguments,)
        deep = any(isinstance(value, str) and ";16" in value for value in values)
        if deep or (codec == "ppm" and any(isinstance(value, int) and value > 255 for value in values)):
            return "has 16 bits a colour, of which Pillow reads 8; save it with 8"
    return None


def _depth_of(image: Image.Image) -> str | None:
    if image.mode[0] in "IF":
        return f"has more than 8 bits a pixel (mode {image.mode}); save it with 8"
    return None
