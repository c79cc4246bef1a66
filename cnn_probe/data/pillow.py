"""Pillow's images as tensors, and what of them would be lost."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image


def tensor_of(value: Any) -> Any:
    """Return a Pillow image as a float32 tensor (channels, height, width) in [0, 1]; anything else as it is.

    Grey ones have one channel, all others three; transparency is dropped.
    """
    if not isinstance(value, Image.Image):
        return value
    pixels = np.array(value if value.mode == "L" else value.convert("RGB"))
    channels = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
    return torch.from_numpy(np.ascontiguousarray(channels)).to(torch.float32).div_(255)
