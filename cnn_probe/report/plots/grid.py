"""What the pictures have in common: how many rows and layers there is room for, colours, pictures without ticks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

MOST_ROWS = 20  # factors that are drawn: the strongest
MOST_LAYERS = 8  # layers that are drawn beside each other
CELL = 0.95  # inches
# Told apart by those who see few colours (Okabe and Ito), and by marks besides.
OURS, OTHER, THIRD, QUIET = "#0072B2", "#D55E00", "#009E73", "#777777"


def chosen(names: Sequence[str], most: int = MOST_LAYERS) -> list[str]:
    """Of many layers, as many as can be drawn beside each other, from first to last.

    Examples
    --------
    >>> chosen([str(i) for i in range(15)])
    ['0', '2', '4', '6', '8', '10', '12', '14']
    """
    if len(names) <= most:
        return list(names)
    return [names[round(i)] for i in np.linspace(0, len(names) - 1, most)]


def of_all(drawn: int, there: int, what: str = "blocks") -> str:
    """Say it, where fewer are drawn than there are; an empty text otherwise.

    Examples
    --------
    >>> of_all(24, 49), of_all(3, 3)
    (', 24 of 49 blocks', '')
    """
    return "" if drawn == there else f", {drawn} of {there} {what}"


def show(ax: Axes, image: NDArray[Any]) -> None:
    """Show a picture (channels, height, width) in [0, 1]: three channels as colours, others by their mean."""
    ax.imshow(np.moveaxis(image, 0, -1) if len(image) == 3 else image.mean(axis=0), cmap="gray", vmin=0, vmax=1)
    bare(ax)


def own_scale(image: NDArray[Any]) -> NDArray[Any]:
    """A latent image over its largest value."""
    return np.asarray(image / max(float(image.max()), 1e-30))


def bare(ax: Axes) -> None:
    """Take the ticks away."""
    ax.set_xticks([])
    ax.set_yticks([])


def open_axes(ax: Axes) -> None:
    """Leave the frame's left and lower side."""
    ax.spines[["top", "right"]].set_visible(False)


def mosaic(tiles: NDArray[Any], columns: int) -> NDArray[Any]:
    """Tiles (n, height, width) side by side, NaN between and after them.

    Examples
    --------
    >>> mosaic(np.ones((3, 2, 2)), 2).shape
    (5, 5)
    """
    n, height, width = tiles.shape
    rows = -(-n // columns)
    sheet = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1), np.nan)
    for i, tile in enumerate(tiles):
        top, left = i // columns * (height + 1), i % columns * (width + 1)
        sheet[top : top + height, left : left + width] = tile
    return sheet
