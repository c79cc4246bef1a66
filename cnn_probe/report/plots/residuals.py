"""What is not explained: how it is spread over the inputs, and the inputs of which most is left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cnn_probe.measures.residuals import Residuals
from cnn_probe.report.lettering import letter_all
from cnn_probe.report.plots.grid import OTHER, OURS, chosen, open_axes, show

MOST_BLOCKS = 24
WORST = 10


def residuals_figure(
    found: Residuals, worst: NDArray[np.int64], pictures: NDArray[Any] | None, names: Sequence[str]
) -> Figure:
    """Quantiles of what is left of the inputs, by block, over the pictures of which most is left.

    Parameters
    ----------
    found : Residuals
    worst : ndarray of int of shape (n,)
        Numbers of the inputs that are shown: of `Residuals.worst`.
    pictures : ndarray of shape (n, channels, height, width) or None
        They, in [0, 1].
    names : sequence of str
        What is written below each.
    """
    blocks = chosen(found.blocks, MOST_BLOCKS)
    height = 0.3 * len(blocks) + 1.3
    figure = Figure(figsize=(10, height + (0 if pictures is None else 1.75)), layout="constrained")
    if pictures is None:
        _spread(figure.subplots(), found, blocks)
        return figure
    upper, lower = np.asarray(figure.subfigures(2, 1, height_ratios=[height, 1.75])).tolist()
    _spread(upper.subplots(), found, blocks)
    letters, style = letter_all(names, width=14)
    for column, ax in enumerate(np.atleast_1d(lower.subplots(1, max(len(worst), 1)))):
        if column >= len(worst):
            ax.axis("off")
            continue
        show(ax, pictures[column])
        ax.set_xlabel(f"{letters[column]}\n{found.of_inputs[worst[column]]:.0%} left", fontsize=7, **style)
    lower.suptitle("The inputs of which most is left, over all blocks", fontsize=10)
    return figure


def _spread(ax: Axes, found: Residuals, blocks: Sequence[str]) -> None:
    columns = [(name, found.by_block[:, found.blocks.index(name)]) for name in blocks]
    columns.append(("all, as weighted", found.of_inputs))
    rows = np.arange(len(columns))
    levels = np.array([_quantiles(values) for _, values in columns])
    ax.hlines(rows, levels[:, 0], levels[:, 4], color=OURS, lw=1)
    ax.hlines(rows, levels[:, 1], levels[:, 3], color=OURS, lw=6, alpha=0.5, label="half of the inputs")
    ax.plot(levels[:, 2], rows, "o", color=OURS, ms=5, label="median (line: 5% to 95%)")
    largest = float(np.nan_to_num(levels[:, 4]).max())
    end = min(1.3 * largest, 1.0) if largest > 0 else 1.0
    far = levels[:, 5] > end  # of a block that is nearly zero in one input, all and more may be left
    ax.plot(levels[~far, 5], rows[~far], "x", color=OTHER, ms=5, label="the worst input")
    ax.plot(np.full(int(far.sum()), end), rows[far], ">", color=OTHER, ms=5, label="the worst input, off the scale")
    for row, (_, values) in enumerate(columns):
        if not np.isnan(levels[row, 5]):
            said = f"#{int(np.nanargmax(values))}" + (f": {levels[row, 5]:.2g}" if far[row] else "")
            at = min(levels[row, 5], end), row
            side, shift = ("right", -5) if far[row] else ("left", 5)
            ax.annotate(said, at, xytext=(shift, 0), textcoords="offset points", fontsize=6, ha=side, va="center")
    names, style = letter_all([name for name, _ in columns], width=30)
    ax.set_yticks(rows, names, fontsize=8, **style)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_xlim(0, 1.06 * end)
    ax.set_xlabel(f"part of an input's squares that is left; n = {len(found.of_inputs)} inputs")
    ax.set_title("What is not explained", fontsize=10, loc="left")
    ax.legend(fontsize=7, frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=4)
    ax.grid(axis="x", alpha=0.25)
    open_axes(ax)


def _quantiles(values: NDArray[np.float64]) -> NDArray[np.float64]:
    known = values[~np.isnan(values)]
    return np.quantile(known, [0.05, 0.25, 0.5, 0.75, 0.95, 1.0]) if len(known) else np.full(6, np.nan)
