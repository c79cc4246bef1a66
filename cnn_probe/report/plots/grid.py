"""What the pictures have in common: how many rows and layers there is room for, colours, pictures without ticks."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

MOST_ROWS = 20  # factors that are drawn: the strongest
MOST_LAYERS = 8  # layers that are drawn beside each other
CELL = 0.95  # inches
WORTH = 0.02  # share from which on a channel is named
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


def wrapped(text: str, width: float) -> str:
    """Lines of text that are broken where a figure of so many inches ends."""
    return "\n".join("\n".join(textwrap.wrap(line, max(int(17 * width), 20))) for line in text.split("\n"))


@dataclass(frozen=True, eq=False)
class Bars:
    """Bars beside each factor: one group a name.

    Attributes
    ----------
    title, unit : str
    names : sequence of str
    groups : dict of str to ndarray of shape (k, n)
        Bars of one name stand beside each other.
    signed : bool
        Whether they go both ways from 0.
    limits : tuple of float, default=None
        Of the axis; None for those of these bars.
    """

    title: str
    unit: str
    names: Sequence[str]
    groups: dict[str, NDArray[np.float64]]
    signed: bool
    limits: tuple[float, float] | None = None

    @property
    def range(self) -> tuple[float, float]:
        """Limits of the axis."""
        every = np.stack(list(self.groups.values()))
        own = 1.05 * min(float(every.min()), 0.0), 1.05 * max(float(every.max()), 1e-12)
        return own if self.limits is None else self.limits

    def largest(self, most: int) -> NDArray[np.int64]:
        """Of many columns those with the largest values of any factor, the same for all, in their order."""
        size = np.abs(np.stack(list(self.groups.values()))).max(axis=(0, 1))
        return np.asarray(np.sort(np.argsort(-size, kind="stable")[:most]))
