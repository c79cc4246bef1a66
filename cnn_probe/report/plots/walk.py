"""How each pattern goes from the pixels through the layers to the outputs: one row a factor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cnn_probe.measures.patterns.channels import lift
from cnn_probe.report.lettering import entitle, letter_all
from cnn_probe.report.plots.grid import (
    OTHER,
    OURS,
    QUIET,
    WORTH,
    Bars,
    bare,
    mosaic,
    open_axes,
    own_scale,
    show,
    wrapped,
)

TILES, ACROSS = 20, 5  # channels of a layer that are drawn, and how many beside each other
ABOVE = 1.4  # times its mean share: a channel that is framed
BARS = 12  # outputs and classes that are drawn
HEIGHT, GAP = 1.25, 0.62  # inches


@dataclass(frozen=True, eq=False)
class LayerWalk:
    """How factors show in a block of a layer.

    Attributes
    ----------
    name : str
    maps : ndarray or None
        Of a layer that is whole: (k, n_channels, h, w), the components. Of one that is pooled: (k, 1, h, w), where the
        factor is in the first of its inputs. None of a layer without places.
    channels : ndarray of shape (k, n_channels)
        What part of the factor lies in each channel.
    shares : ndarray of shape (k,)
        What part of the block's squares each factor explains.
    """

    name: str
    maps: NDArray[Any] | None
    channels: NDArray[np.float64]
    shares: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Walk:
    """What is drawn of the factors.

    Attributes
    ----------
    latent : ndarray of shape (k, channels, height, width) or None
    tops : ndarray of shape (k, n, channels, height, width) or None
        Pictures of the inputs that use each most.
    layers : sequence of LayerWalk
    ends : sequence of Bars
        What each adds to the outputs; the classes of its inputs.
    notes : sequence of str
        What is written below each factor's first picture.
    said : str
        What is written above all: of which network and inputs this is, and how to read it.
    """

    latent: NDArray[Any] | None
    tops: NDArray[Any] | None
    layers: Sequence[LayerWalk]
    ends: Sequence[Bars]
    notes: Sequence[str]
    said: str = ""


def walk_figure(found: Walk) -> Figure:
    """Draw it: one row a factor; maps have one scale a layer (square root), bars one scale a column."""
    k = len(found.notes)
    first = ["latent image"] if found.latent is not None else []
    first += ["inputs with most of it"] if found.tops is not None else []
    widths = [HEIGHT] * len(first) + [HEIGHT * 1.35] * len(found.layers) + [HEIGHT * 1.7] * len(found.ends)
    side, head = 0.75, 1.15
    width = side + sum(widths) + 0.42 * len(widths)
    height = head + k * (HEIGHT + GAP)
    figure = Figure(figsize=(width, height))
    figure.text(
        0.1 / width, 1 - 0.1 / height, wrapped(found.said, width), fontsize=7, color=QUIET, va="top", parse_math=False
    )

    def axes(row: int, column: int) -> Axes:
        left = side + sum(widths[:column]) + 0.42 * column
        bottom = height - head - row * (HEIGHT + GAP) - HEIGHT
        return figure.add_axes((left / width, bottom / height, widths[column] / width, HEIGHT / height))

    for row in range(k):
        drawn = [axes(row, column) for column in range(len(widths))]
        _pictures(drawn[: len(first)], found, row)
        for ax, layer in zip(drawn[len(first) :], found.layers, strict=False):
            _layer(ax, layer, row)
        for ax, bars in zip(drawn[len(first) + len(found.layers) :], found.ends, strict=True):
            _bars(ax, bars, row, legend=row == 0)
        drawn[0].set_ylabel(f"factor {row + 1}", fontsize=9, fontweight="bold")
        _below(drawn[0], found.notes[row], (-12, -5), 6.5)
        if row == 0:
            titles = [*first, *(layer.name for layer in found.layers), *(bars.title for bars in found.ends)]
            for ax, title in zip(drawn, titles, strict=True):
                entitle(ax, letter_all([title], width=40)[0][0], size=8)
    return figure


def _below(ax: Axes, text: str, shift: tuple[float, float], size: float) -> None:
    """Write lines under a picture or bars, so many points from their corner."""
    ax.annotate(
        text,
        (0, 0),
        xycoords="axes fraction",
        xytext=shift,
        textcoords="offset points",
        fontsize=size,
        color=QUIET,
        va="top",
        parse_math=False,
    )


def _pictures(axes: Sequence[Axes], found: Walk, row: int) -> None:
    rest = list(axes)
    if found.latent is not None:
        ax = rest.pop(0)
        show(ax, own_scale(found.latent[row]))
    if found.tops is not None:
        show(rest.pop(0), _side_by_side(found.tops[row][:9]))


def _side_by_side(pictures: NDArray[Any]) -> NDArray[Any]:
    """Pictures (n, channels, h, w) as one, white between them."""
    sheets = [mosaic(pictures[:, channel], 3) for channel in range(pictures.shape[1])]
    return np.nan_to_num(np.stack(sheets), nan=1.0)


def _layer(ax: Axes, layer: LayerWalk, row: int) -> None:
    shares, above = layer.channels[row], lift(layer.channels)[row]
    if layer.maps is None:
        _channel_bars(ax, layer, row)
    else:
        tiles = np.sort(np.argsort(-layer.channels.max(axis=0), kind="stable")[:TILES])
        maps = layer.maps if layer.maps.shape[1] == 1 else layer.maps[:, tiles]
        largest = max(float(np.quantile(maps, 0.999)), 1e-30)
        sheet = mosaic(np.sqrt(maps[row] / largest), min(ACROSS, maps.shape[1]))
        ax.imshow(sheet, cmap="magma", vmin=0, vmax=1, interpolation="nearest")
        ax.set_anchor("N")
        bare(ax)
        ax.spines[:].set_visible(maps.shape[1] == 1)
        if maps.shape[1] > 1:
            _frames(ax, np.flatnonzero((above[tiles] >= ABOVE) & (shares[tiles] >= WORTH)), maps.shape[2:])
            if row == 0:
                _numbers(ax, tiles, maps.shape[2:])
    strongest = np.argsort(-shares, kind="stable")[:3]
    raised = np.argsort(-np.where(shares >= WORTH, above, 0), kind="stable")[:3]
    lines = [f"{layer.shares[row]:.1%} of its squares"]
    lines.append("most in " + ", ".join(f"{c} ({shares[c]:.0%})" for c in strongest if shares[c] > 0))
    beyond = [f"{c} (×{above[c]:.1f})" for c in raised if shares[c] >= WORTH and above[c] >= ABOVE][:2]
    lines.append("above their mean: " + (", ".join(beyond) or "none"))
    _below(ax, "\n".join(lines), (0, -4 if layer.maps is not None else -18), 5.8)


def _channel_bars(ax: Axes, layer: LayerWalk, row: int) -> None:
    """Of a layer without places: shares of its channels beside their mean."""
    order = np.sort(np.argsort(-layer.channels.max(axis=0), kind="stable")[:TILES])
    ax.bar(range(len(order)), layer.channels[row, order], color=OURS)
    ax.plot(range(len(order)), layer.channels.mean(axis=0)[order], "_", color="black", ms=5)
    ax.set_ylim(0, max(float(layer.channels.max()), 1e-12) * 1.05)
    ax.set_xticks(range(len(order)), order.tolist(), fontsize=5, rotation=90)
    ax.tick_params(axis="y", labelsize=5)
    open_axes(ax)


def _numbers(ax: Axes, tiles: NDArray[np.int64], size: tuple[int, ...]) -> None:
    """Say which channel each tile is."""
    height, width = size
    for i, channel in enumerate(tiles.tolist()):
        at = i % ACROSS * (width + 1) + (width - 1) / 2, i // ACROSS * (height + 1) - 0.5
        ax.annotate(str(channel), at, fontsize=4, ha="center", va="bottom", annotation_clip=False)


def _frames(ax: Axes, tiles: NDArray[np.int64], size: tuple[int, ...]) -> None:
    height, width = size
    for tile in tiles.tolist():
        top, left = tile // ACROSS * (height + 1), tile % ACROSS * (width + 1)
        xs = np.array([left, left + width, left + width, left, left]) - 0.5
        ys = np.array([top, top, top + height, top + height, top]) - 0.5
        ax.plot(xs, ys, color=OTHER, lw=1.5, clip_on=False)


def _bars(ax: Axes, bars: Bars, row: int, *, legend: bool) -> None:
    order = bars.largest(BARS)
    width = 0.8 / len(bars.groups)
    for i, (name, values) in enumerate(bars.groups.items()):
        own = values[row, order]
        plain = ("#444444", "#d9a441")[i % 2]
        colours = [OTHER if value >= 0 else OURS for value in own] if bars.signed else [plain] * len(own)
        ax.bar(np.arange(len(order)) + (i - (len(bars.groups) - 1) / 2) * width, own, width, color=colours, label=name)
    ax.set_ylim(bars.range)
    ax.axhline(0, color="black", lw=0.6)
    letters, style = letter_all([bars.names[i] for i in order.tolist()], width=9)
    turned = 90 if max(map(len, letters)) > 2 else 0
    ax.set_xticks(range(len(order)), letters, fontsize=6, rotation=turned, **style)
    ax.tick_params(axis="y", labelsize=6)
    if legend and len(bars.groups) > 1:
        ax.legend(fontsize=6, frameon=False)
    if legend and len(order) < len(bars.names):
        ax.annotate(
            f"{len(order)} of {len(bars.names)}", (1, 1), xycoords="axes fraction", fontsize=6, ha="right", va="top"
        )
    open_axes(ax)
