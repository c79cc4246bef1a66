"""Pictures of patterns: the inputs that use each most, where in them, and how a pattern shows in each layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cnn_probe.report.lettering import entitle

MOST_ROWS = 20  # factors that are drawn: the strongest
MOST_LAYERS = 8  # layers that are drawn beside each other
CELL = 0.95  # inches


def inputs_with_heat(pictures: NDArray[Any], heat: NDArray[Any] | None, top: NDArray[np.int64], layer: str) -> Figure:
    """Each factor's strongest inputs, one row a factor, with where it is in them.

    Parameters
    ----------
    pictures : ndarray of shape (k, n, channels, height, width)
        In [0, 1].
    heat : ndarray of shape (k, n, h, w) or None
        How much of the factor is at each place; one scale a factor.
    top : ndarray of shape (k, n)
        Numbers of the inputs.
    layer : str
        Whose places these are.
    """
    rows, n = min(len(pictures), MOST_ROWS), pictures.shape[1]
    figure = Figure(figsize=(CELL * n + 0.6, CELL * rows + 0.5), layout="constrained")
    grid = figure.subplots(rows, n, squeeze=False)
    for factor in range(rows):
        for column in range(n):
            ax = grid[factor, column]
            show(ax, pictures[factor, column])
            if heat is not None:
                largest = max(float(heat[factor].max()), 1e-30)
                height, width = pictures.shape[-2:]
                share = np.asarray(heat[factor, column] / largest)
                ax.imshow(
                    share,
                    cmap="magma",
                    alpha=0.15 + 0.55 * share,  # what is nowhere near a pattern stays to be seen
                    vmin=0,
                    vmax=1,
                    extent=(-0.5, width - 0.5, height - 0.5, -0.5),
                    interpolation="bilinear",
                )
            ax.set_xlabel(f"#{top[factor, column]}", fontsize=6, labelpad=1)
        grid[factor, 0].set_ylabel(f"factor {factor + 1}", fontsize=8)
    where = f"bright: where it is, by {layer}" if heat is not None else "the inputs of which it has the largest share"
    figure.suptitle(where, fontsize=9, parse_math=False)
    return figure


def walk(latent: NDArray[Any] | None, maps: Mapping[str, NDArray[Any]], shares: Mapping[str, NDArray[Any]]) -> Figure:
    """How each pattern shows in each layer: one row a factor, one column a layer, from the pictures on.

    Parameters
    ----------
    latent : ndarray of shape (k, channels, height, width) or None
        Latent images.
    maps : mapping of str to ndarray of shape (k, h, w)
        Of layers with places, first to last: where the factor is, on average over its strongest inputs.
    shares : mapping of str to ndarray of shape (k,)
        What part of each block's squares the factor explains; named as in ``maps``, and "pixels".
    """
    names = chosen(list(maps))
    columns = ([] if latent is None else ["pixels"]) + names
    k = min(len(next(iter(shares.values()))), MOST_ROWS)
    figure = Figure(figsize=((CELL + 0.35) * len(columns) + 0.6, (CELL + 0.2) * k + 0.5), layout="constrained")
    grid = figure.subplots(k, len(columns), squeeze=False)
    for factor in range(k):
        for ax, name in zip(grid[factor], columns, strict=True):
            if name == "pixels" and latent is not None:
                show(ax, latent[factor] / max(float(latent[factor].max()), 1e-30))
            else:
                largest = max(float(maps[name][:k].max()), 1e-30)
                ax.imshow(np.sqrt(maps[name][factor] / largest), cmap="magma", vmin=0, vmax=1)
            ax.set_xticks([])
            ax.set_yticks([])
            if name in shares:
                ax.set_xlabel(f"{shares[name][factor]:.0%} of it", fontsize=6, labelpad=1)
        grid[factor, 0].set_ylabel(f"factor {factor + 1}", fontsize=8)
    for ax, name in zip(grid[0], columns, strict=True):
        entitle(ax, name, size=7)
    return figure


def chosen(names: Sequence[str]) -> list[str]:
    """Of many layers, as many as can be drawn beside each other, from first to last.

    Examples
    --------
    >>> chosen([str(i) for i in range(15)])
    ['0', '2', '4', '6', '8', '10', '12', '14']
    """
    if len(names) <= MOST_LAYERS:
        return list(names)
    return [names[round(i)] for i in np.linspace(0, len(names) - 1, MOST_LAYERS)]


def show(ax: Any, image: NDArray[Any]) -> None:
    """Show a picture (channels, height, width) in [0, 1], without ticks."""
    picture = np.moveaxis(image, 0, -1)
    ax.imshow(picture[..., 0] if picture.shape[-1] != 3 else picture, cmap="gray", vmin=0, vmax=1)
    ax.set_xticks([])
    ax.set_yticks([])
