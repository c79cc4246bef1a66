"""All factors at once, from the pixels to the outputs: rows are the same factor throughout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cnn_probe.measures.patterns.channels import lift
from cnn_probe.report.lettering import entitle, letter_all
from cnn_probe.report.plots.grid import MOST_ROWS, QUIET, WORTH, Bars, open_axes, own_scale, show, wrapped

MOST_COLUMNS, FEW = 60, 8  # channels of all layers together, and of each at least
MOST_ENDS = 20
DOUBLINGS = 3.0  # a channel that is 8 times its mean, or an eighth, has the darkest colour
COLUMN, ROW, GAP = 0.17, 0.36, 0.5  # inches
HEAD, BARS, FOOT = 0.75, 0.6, 1.15  # above the bars, they, and below the rows


def atlas(
    latent: NDArray[Any] | None,
    channels: Mapping[str, NDArray[np.float64]],
    ends: Sequence[Bars],
    said: str = "",
    most: int = MOST_ROWS,
) -> Figure:
    """Every factor: its latent image, its lift in each layer's channels, what it adds to the outputs, its classes.

    Parameters
    ----------
    latent : ndarray of shape (k, channels, height, width) or None
    channels : mapping of str to ndarray of shape (k, n_channels)
        What part of each factor lies in each channel, as of `channel_shares`, first layer to last.
    ends : sequence of Bars
        What comes after the layers.
    said : str, default=""
        What is written above all.
    most : int, default=20
        Factors that are drawn: the first.
    """
    k = min(len(next(iter(channels.values()))), most)
    names = list(channels)
    most = max(FEW, MOST_COLUMNS // len(names))
    picked = [_most(channels[name], most) for name in names]
    widths = [max(len(numbers), 6) * COLUMN for numbers in picked]
    widths += [max(min(len(one.names), MOST_ENDS), 6) * COLUMN for one in ends]
    sheet = _Sheet(k, 0.45 if latent is None else ROW + 0.55, widths)
    at = 0.1 / sheet.width, 1 - 0.08 / sheet.height
    sheet.figure.text(*at, wrapped(said, sheet.width), fontsize=7, color=QUIET, va="top", parse_math=False)
    if latent is not None:
        _pictures(sheet, latent[:k])
    for column, (name, numbers) in enumerate(zip(names, picked, strict=True)):
        _lifts(sheet, column, name, channels[name], numbers)
    for column, one in enumerate(ends, start=len(names)):
        _ends(sheet, column, one)
    return sheet.figure


class _Sheet:
    """A figure whose columns have their rows at the same heights, and room above and below them."""

    def __init__(self, k: int, left: float, widths: Sequence[float]) -> None:
        self.k, self.left, self.widths = k, left, widths
        self.width = left + sum(widths) + GAP * len(widths)
        self.height = HEAD + BARS + 0.12 + ROW * k + FOOT
        self.figure = Figure(figsize=(self.width, self.height))

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes by inches, from the upper left."""
        bottom = self.height - top - height
        return self.figure.add_axes((left / self.width, bottom / self.height, width / self.width, height / self.height))

    def column(self, number: int) -> tuple[Axes, Axes, Axes]:
        """Axes of a column: above its rows, its rows, and its scale below them."""
        left, width = self.left + sum(self.widths[:number]) + GAP * number, self.widths[number]
        rows = HEAD + BARS + 0.12
        below = rows + ROW * self.k
        return (
            self.axes(left, HEAD, width, BARS),
            self.axes(left, rows, width, ROW * self.k),
            self.axes(left, below + 0.72, width, 0.08),
        )


def _most(shares: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    """Of many channels those that hold most of any factor, in their order."""
    order = np.argsort(-shares.max(axis=0), kind="stable")[:most]
    return np.asarray(np.sort(order))


def _pictures(sheet: _Sheet, latent: NDArray[Any]) -> None:
    for i, image in enumerate(latent):
        ax = sheet.axes(0.25, HEAD + BARS + 0.12 + ROW * (i + 0.04), ROW, 0.92 * ROW)
        show(ax, own_scale(image))
        ax.set_ylabel(str(i + 1), fontsize=8, rotation=0, ha="right", va="center")


def _lifts(sheet: _Sheet, column: int, name: str, shares: NDArray[np.float64], picked: NDArray[np.int64]) -> None:
    above, rows, scale = sheet.column(column)
    above.bar(range(len(picked)), shares.mean(axis=0)[picked], color=QUIET)
    above.set_xlim(-0.5, len(picked) - 0.5)
    above.set_xticks([])
    above.tick_params(labelsize=6)
    open_axes(above)
    few = f"mean share of {len(picked)}" + ("" if len(picked) == shares.shape[1] else f" of {shares.shape[1]}")
    entitle(above, *letter_all([name], width=max(18, int(len(picked) * 1.4)))[0], f"{few} channels", size=7)
    with np.errstate(divide="ignore"):
        doublings = np.clip(np.log2(lift(shares)[: sheet.k, picked]), -DOUBLINGS, DOUBLINGS)
    little = np.maximum(shares[: sheet.k, picked], shares.mean(axis=0)[picked]) < WORTH
    doublings[little] = np.nan  # many times nothing is nothing
    rows.set_facecolor("#eeeeee")
    image = rows.imshow(
        doublings, cmap="PuOr_r", vmin=-DOUBLINGS, vmax=DOUBLINGS, aspect="auto", interpolation="nearest"
    )
    rows.set_xticks(range(len(picked)), picked.tolist(), fontsize=6, rotation=90)
    rows.set_yticks(range(sheet.k), [str(i + 1) for i in range(sheet.k)], fontsize=6)
    rows.set_xlabel("channel", fontsize=7)
    bar = sheet.figure.colorbar(image, cax=scale, orientation="horizontal", ticks=[-DOUBLINGS, 0, DOUBLINGS])
    bar.ax.set_xticklabels(["≤⅛", "1", "≥8 ×"], fontsize=6)
    bar.set_label(f"its share over the mean; grey: below {WORTH:.0%}", fontsize=6)


def _ends(sheet: _Sheet, column: int, one: Bars) -> None:
    above, rows, scale = sheet.column(column)
    above.set_axis_off()
    name, values = next(iter(one.groups.items()))
    order = one.largest(MOST_ENDS)
    of = [f"{len(order)} of {len(one.names)}"] if len(order) < len(one.names) else []
    entitle(above, *one.title.split(", "), *([name] if name else []), *of, size=7)
    values = values[: sheet.k, order]
    end = max(float(np.abs(values).max()), 1e-12)
    image = rows.imshow(
        values,
        cmap="RdBu_r" if one.signed else "Greys",
        vmin=-end if one.signed else 0,
        vmax=end,
        aspect="auto",
        interpolation="nearest",
    )
    letters, style = letter_all([one.names[i] for i in order.tolist()], width=9)
    rows.set_xticks(range(len(letters)), letters, fontsize=6, rotation=90, **style)
    rows.set_yticks([])
    bar = sheet.figure.colorbar(image, cax=scale, orientation="horizontal")
    bar.ax.tick_params(labelsize=6)
    bar.set_label(one.unit, fontsize=6)
