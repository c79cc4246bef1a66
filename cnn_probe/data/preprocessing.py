"""What the network is fed, made out of pictures by a function that may want them in one way or another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

Preprocess = Callable[[Tensor], Any]


class Preprocessing:
    """A function of pictures, called with a batch of them; if it takes none, with one at a time.

    The first batch decides: functions that fail on a batch are given each picture as a tensor (channels, height,
    width), and if they fail on that, too, as a Pillow image of 8 bits, which is what older transforms are made for.

    Parameters
    ----------
    function : callable

    Examples
    --------
    >>> Preprocessing(lambda pictures: pictures - 0.5)(torch.ones(2, 1, 1, 1), "samples 0 on")[0].flatten().tolist()
    [0.5, 0.5]
    """

    def __init__(self, function: Preprocess) -> None:
        self.function = function
        self._way: Callable[[Preprocess, Tensor], Any] | None = None

    def __call__(self, pictures: Tensor, where: str) -> tuple[Tensor, ...]:
        """Return what the network is fed for some pictures, which stay as they are.

        Raises
        ------
        ValueError
            If the function fails, or makes anything but tensors with a row for each picture.
        """
        said = []
        for name, way in WAYS.items():
            if self._way not in (None, way):
                continue
            try:
                with torch.no_grad():
                    made = way(self.function, pictures.clone())
            except MemoryError:
                raise
            except Exception as error:  # the function is the user's
                said.append((f"{name}: {type(error).__name__}: {error}", error))
                continue
            fed = _checked(made, len(pictures))
            self._way = way
            return fed
        shape = tuple(pictures.shape)
        raise ValueError(
            f"preprocess fails for the pictures of {where}, shape {shape} in [0, 1]. Given "
            + "; given ".join(text for text, _ in said)
        ) from said[0][1]


def _given_each(function: Preprocess, pictures: Tensor) -> Any:
    return _stacked([function(picture) for picture in pictures])


def _given_images(function: Any, pictures: Tensor) -> Any:
    if pictures.shape[1] not in (1, 3):
        raise TypeError(f"an image has 1 or 3 channels, not {pictures.shape[1]}")
    pixels = pictures.mul(255).round_().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return _stacked([function(Image.fromarray(np.squeeze(one, -1) if one.shape[-1] == 1 else one)) for one in pixels])


WAYS: dict[str, Callable[[Any, Tensor], Any]] = {
    "all of them": lambda function, pictures: function(pictures),
    "one": _given_each,
    "a Pillow image of one": _given_images,
}


def _stacked(made: list[Any]) -> Any:
    if isinstance(made[0], tuple | list):
        return tuple(torch.stack(list(parts)) for parts in zip(*made, strict=True))
    return torch.stack(made)


def _checked(made: Any, n: int) -> tuple[Tensor, ...]:
    fed = tuple(made) if isinstance(made, tuple | list) else (made,)
    wrong = [value for value in fed if not (isinstance(value, Tensor) and value.ndim and len(value) == n)]
    if wrong or not fed:
        kinds = [f"shape {tuple(one.shape)}" if isinstance(one, Tensor) else f"a {type(one).__name__}" for one in wrong]
        raise ValueError(
            f"preprocess must make a tensor, or a tuple of tensors, with a row for each of {n} pictures, "
            f"got {', '.join(kinds) or 'nothing'}"
        )
    return fed
