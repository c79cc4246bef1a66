"""Layers as they hold their neurons: a field a channel, at the places where its neurons are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, LinearSegmentedColormap, ListedColormap, Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from cnn_probe.measures.diagnostics import FIRES
from cnn_probe.report.lettering import entitle, letter_all
from cnn_probe.report.plots.grid import OTHER, OURS, mosaic
from cnn_probe.system.names import shown, shown_all

Maps = Mapping[str, NDArray[Any]]  # by condition: (rows, channels, height, width), or (rows, n) without places
ACROSS = 2  # panels
WIDTH = 5.2  # of a panel, in inches
MOST_NUMBERS = 24  # channels that are numbered one by one


def feature_maps(layer: str, pattern: NDArray[Any]) -> Figure:
    """Each factor's neurons as the layer holds them: pattern (k, channels, h, w), or (k, n) of a layer without places.

    One row a factor, one field a channel; one colour scale for all.
    """
    figure = Figure(figsize=(9, 9 * _aspect(pattern) + 1.0), layout="constrained")
    ax = figure.subplots()
    image = _draw(ax, pattern, "magma", _root_scale([pattern]))
    _number_factors(ax, pattern)
    entitle(ax, layer, "weight; colours by its square root", size=10)
    figure.colorbar(image, ax=ax, shrink=0.6, pad=0.01)
    return figure


def neuron_maps(patterns: Maps, layer: str) -> Figure:
    """Each neuron's part in each factor, a panel a condition (the paper's figure 8); one colour scale for all."""
    figure, panels = _panels(patterns)
    scale = _root_scale(list(patterns.values()))
    for ax, condition, pattern in zip(panels, shown_all(patterns, width=40), patterns.values(), strict=True):
        image = _draw(ax, pattern, "magma", scale)
        _number_factors(ax, pattern)
        entitle(ax, f"{shown(layer, 24)}, trained {condition}", size=9)
    figure.colorbar(image, ax=panels, shrink=0.9, pad=0.01, label="weight")
    return figure


def firing_maps(rates: Maps, class_names: Sequence[str]) -> Figure:
    """Which neurons fire for which class, a panel a condition: the part of its images that activate each."""
    figure, panels = _panels(rates)
    for ax, condition, rate in zip(panels, shown_all(rates, width=40), rates.values(), strict=True):
        image = _draw(ax, rate, "magma", Normalize(0, 1))
        _name_classes(ax, rate, class_names)
        entitle(ax, f"trained {condition}", size=9)
    figure.colorbar(image, ax=panels, shrink=0.9, pad=0.01, label="part of the images")
    return figure


def firing_groups(rates: Maps, class_names: Sequence[str]) -> Figure:
    """The group of neurons that fire for each class (the paper's figure 2), and with how many classes each is shared.

    A neuron fires for a class if more than half of the class's images activate it. Beside each group stands how many
    neurons it has, and how many of them fire for no other class.
    """
    figure, panels = _panels(rates, beside=0.9)
    n = len(class_names)
    shared = LinearSegmentedColormap.from_list("shared", ["#A9D4F0", OURS, "#06243B"])(np.linspace(0, 1, max(n - 1, 1)))
    colours, scale = ListedColormap([OTHER, *shared][:n]), BoundaryNorm(np.arange(0.5, n + 1), n)
    for ax, condition, rate in zip(panels, shown_all(rates, width=40), rates.values(), strict=True):
        fires = rate > FIRES
        by_how_many = fires.sum(axis=0)
        _draw(ax, np.where(fires, by_how_many, np.nan), colours, scale, edges="#E4E4E4")
        _name_classes(ax, rate, class_names)
        for i, group in enumerate(fires):
            own = int((group & (by_how_many == 1)).sum())
            at = (1.01, 1 - (i + 0.5) / n)
            ax.text(*at, f"{int(group.sum())}, own {own}", transform=ax.transAxes, va="center", fontsize=7)
        entitle(ax, f"trained {condition}: {fires[0].size} neurons", size=9)
    bar = figure.colorbar(ScalarMappable(scale, colours), ax=panels, shrink=0.9, pad=0.01)
    bar.set_ticks(range(1, n + 1))
    bar.set_label("classes it fires for")
    return figure


def _placed(maps: NDArray[Any]) -> NDArray[Any]:
    """Rows of channels with places; what has none is one channel, one neuron high."""
    return maps if maps.ndim == 4 and maps.shape[2:] != (1, 1) else maps.reshape(len(maps), 1, 1, -1)


def _aspect(maps: NDArray[Any]) -> float:
    k, channels, height, width = _placed(maps).shape
    drawn = (k * (height + 1) - 1) / (channels * (width + 1) - 1)
    return min(max(drawn, 0.12 if height > 1 else 0.03 * k), 2.5)


def _panels(maps: Maps, beside: float = 0.0) -> tuple[Figure, list[Axes]]:
    """A panel a condition, side by side where there are several and few channels, as high as their maps are."""
    many = any(_placed(some).shape[1] > MOST_NUMBERS for some in maps.values())
    across, width = (1, 2 * WIDTH) if many else (min(len(maps), ACROSS), WIDTH)
    down = -(-len(maps) // across)
    height = max((width - 0.6 - beside) * max(map(_aspect, maps.values())) + 0.75, 1.7)
    figure = Figure(figsize=(width * across + 1.0, height * down + 0.3), layout="constrained")
    grid: list[Axes] = list(figure.subplots(down, across, squeeze=False).ravel())
    for ax in grid[len(maps) :]:
        ax.remove()
    return figure, grid[: len(maps)]


def _draw(ax: Axes, maps: NDArray[Any], colours: Any, scale: Normalize, edges: str = "white") -> AxesImage:
    """Maps (rows, channels, h, w) or (rows, n), with edges between the channels, which are numbered."""
    placed = _placed(maps)
    k, channels, height, width = placed.shape
    sheet = mosaic(placed.reshape(k * channels, height, width), channels)
    image = ax.imshow(
        sheet, cmap=colours, norm=scale, interpolation="nearest", aspect="equal" if height > 1 else "auto"
    )
    _draw_edges(ax, placed.shape, edges)
    step = -(-channels // MOST_NUMBERS)
    if channels > 1:
        middles = np.arange(channels) * (width + 1) + (width - 1) / 2
        ax.set_xticks(middles[::step], [str(i + 1) for i in range(0, channels, step)])
    ax.set_xlabel("channel" if channels > 1 else "neuron")
    ax.tick_params(labelsize=7, length=0)
    ax.spines[:].set_visible(False)
    return image


def _draw_edges(ax: Axes, shape: tuple[int, ...], colour: str) -> None:
    """Lines in the gaps that the mosaic leaves."""
    k, channels, height, width = shape
    for i in range(1, k):
        ax.axhline(i * (height + 1) - 1, color=colour, lw=0.8)
    for i in range(1, channels):
        ax.axvline(i * (width + 1) - 1, color=colour, lw=0.8)


def _rows(ax: Axes, maps: NDArray[Any], names: Sequence[str], **style: Any) -> None:
    k, _, height, _ = _placed(maps).shape
    ax.set_yticks(np.arange(k) * (height + 1) + (height - 1) / 2, names, **style)


def _number_factors(ax: Axes, maps: NDArray[Any]) -> None:
    _rows(ax, maps, [str(i + 1) for i in range(len(maps))])
    ax.set_ylabel("factor")


def _name_classes(ax: Axes, maps: NDArray[Any], class_names: Sequence[str]) -> None:
    names, style = letter_all(class_names)
    _rows(ax, maps, names, **style)
    ax.set_ylabel("class")


def _root_scale(patterns: Sequence[NDArray[Any]]) -> PowerNorm:
    """One scale for all, by the root, or one channel outshines the others; a few outliers are cut."""
    largest = max(float(np.quantile(pattern, 0.995)) for pattern in patterns)
    return PowerNorm(0.5, vmin=0, vmax=max(largest, 1e-12))
