"""Pictures and maps small enough for a page: resized, in whole steps from 0 to 255, many in one file."""

from __future__ import annotations

import base64
import io
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 64  # pixels of a picture's longer side, at most
LATENT = 64  # the same of a latent image
QUALITY = 80  # of WebP; pictures that are grey and small are kept as they are
LARGEST_PLAIN = 32  # pixels up to which grey ones are that


def shrunk(maps: NDArray[Any], most: int) -> NDArray[np.float32]:
    """Maps (..., h, w) with no side above ``most``: each number is the mean of those that it stands for.

    Examples
    --------
    >>> shrunk(np.array([[[1.0, 3.0], [5.0, 7.0]]]), 1).tolist()
    [[[4.0]]]
    """
    found: NDArray[Any] = np.asarray(maps, dtype=np.float32)
    for axis in (-2, -1):
        size = found.shape[axis]
        if size > most:
            edges = np.linspace(0, size, most + 1).round().astype(int)
            sums = np.add.reduceat(found, edges[:-1], axis=axis)
            widths = np.diff(edges).astype(np.float32)
            found = sums / (widths[:, None] if axis == -2 else widths)
    return np.asarray(found, dtype=np.float32)


def in_steps(values: NDArray[Any], top: NDArray[Any] | float | None = None) -> NDArray[np.uint8]:
    """Values from 0 on as whole numbers up to 255: of ``top``, or of the largest.

    Examples
    --------
    >>> in_steps(np.array([0.0, 1.0, 2.0])).tolist()
    [0, 128, 255]
    """
    largest = np.maximum(np.asarray(values).max() if top is None else top, 1e-30)
    steps: NDArray[np.uint8] = np.rint(255 * np.clip(values / largest, 0, 1)).astype(np.uint8)
    return steps


def on_own_scales(maps: NDArray[Any], most: int) -> NDArray[np.uint8]:
    """Maps (n, ..., h, w) with no side above ``most``, in steps, each of the n over its own largest.

    Examples
    --------
    >>> on_own_scales(np.array([[[1.0, 2.0]], [[0.0, 8.0]]]), 2).tolist()
    [[[128, 255]], [[0, 255]]]
    """
    small = shrunk(maps, most)
    return in_steps(small, small.reshape(len(small), -1).max(axis=1).reshape(-1, *[1] * (small.ndim - 1)))


def as_tiles(pictures: NDArray[Any]) -> NDArray[np.uint8]:
    """Pictures (n, channels, h, w) in [0, 1] as (n, h, w, 1 or 3) in steps, no side above `SIDE`.

    Others than those of one or three channels are shown by the mean of their channels.
    """
    if pictures.shape[1] not in (1, 3):
        pictures = pictures.mean(axis=1, keepdims=True)
    return np.ascontiguousarray(np.moveaxis(in_steps(shrunk(pictures, SIDE), 1.0), 1, -1))


def smaller(tiles: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Tiles (n, h, w, c) again, no side above ``side``."""
    return np.moveaxis(np.rint(shrunk(np.moveaxis(tiles, -1, 1), side)).astype(np.uint8), 1, -1)


def sheet_of(tiles: NDArray[np.uint8]) -> dict[str, Any]:
    """Many tiles (n, h, w, c) in one picture, as a page has it: its address, how many beside each other, their size."""
    n, height, width, channels = tiles.shape
    columns = max(1, min(n, math.ceil(math.sqrt(n * height / width))))
    rows = -(-n // columns)
    sheet = np.zeros((rows * height, columns * width, channels), np.uint8)
    for i, tile in enumerate(tiles):
        top, left = i // columns * height, i % columns * width
        sheet[top : top + height, left : left + width] = tile
    image = Image.fromarray(sheet[:, :, 0] if channels == 1 else sheet)
    content = io.BytesIO()
    plain = channels == 1 and max(height, width) <= LARGEST_PLAIN
    fits = max(image.size) < 16383  # WebP's most
    if fits:
        image.save(content, "WEBP", lossless=plain, quality=100 if plain else QUALITY, method=4)
    else:
        image.save(content, "PNG")
    kind = "webp" if fits else "png"
    source = f"data:image/{kind};base64,{base64.b64encode(content.getvalue()).decode()}"
    return {"source": source, "columns": columns, "width": width, "height": height, "n": n}
