"""Patterns beside what is known of the inputs: those that use each most, and concepts that these have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cnn_probe.measures.patterns.aligned import Aligned
from cnn_probe.measures.patterns.concepts import Alignment, Overlap
from cnn_probe.report.lettering import letter_all
from cnn_probe.report.plots.grid import CELL, MOST_ROWS, chosen, show
from cnn_probe.system.names import shown


def inputs_with_heat(
    pictures: NDArray[Any], heat: NDArray[Any] | None, names: Sequence[Sequence[str]], layer: str
) -> Figure:
    """Each factor's strongest inputs, one row a factor, with where it is in them.

    Parameters
    ----------
    pictures : ndarray of shape (k, n, channels, height, width)
        In [0, 1].
    heat : ndarray of shape (k, n, h, w) or None
        How much of the factor is at each place; one scale a factor.
    names : sequence of sequence of str
        Of the inputs.
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
            (text,), style = letter_all([names[factor][column]], width=13)
            ax.set_xlabel(text, fontsize=6, labelpad=1, **style)
        grid[factor, 0].set_ylabel(f"factor {factor + 1}", fontsize=8)
    where = (
        f"bright: where {shown(layer)} has it ({heat.shape[2]}×{heat.shape[3]} places, enlarged)"
        if heat is not None
        else "the inputs of which it has the largest share"
    )
    figure.suptitle(where, fontsize=9, parse_math=False)
    return figure


def concepts_figure(found: Aligned[Any]) -> Figure:
    """How well each factor, and the best unit of each block, goes with each concept, beside what chance reaches.

    Parameters
    ----------
    found : Aligned
        Of `Answers.concepts` (areas under the curve) or `Answers.masks` (overlaps).
    """
    blocks = chosen(list(found.units), MOST_ROWS)
    concepts = found.factors.concepts
    rows = [
        (f"factor {i + 1}", values, above)
        for i, (values, above) in enumerate(zip(*_measured(found.factors), strict=True))
    ]
    for name in blocks:
        values, above = _measured(found.units[name])
        best = np.nan_to_num(values, nan=-1.0).argmax(axis=0)
        at = np.arange(len(concepts))
        rows.append((f"best unit of {name}", values[best, at], above[best, at]))
    figure = Figure(figsize=(3.2 + 0.5 * len(concepts), 1.8 + 0.28 * len(rows)), layout="constrained")
    ax = figure.subplots()
    shares = np.array([values for _, values, _ in rows])
    image = ax.imshow(shares, cmap="viridis", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    for row, (_, values, above) in enumerate(rows):
        for column in np.flatnonzero(~np.isnan(values)).tolist():
            said = f"{values[column]:.2f}" + ("*" if above[column] else "")
            ax.text(
                column, row, said, ha="center", va="center", fontsize=6.5, color="w" if values[column] < 0.6 else "k"
            )
    letters, style = letter_all([name for name, _, _ in rows], width=34)
    ax.set_yticks(range(len(rows)), letters, fontsize=7, **style)
    letters, style = letter_all(concepts, width=14)
    ax.set_xticks(range(len(concepts)), letters, fontsize=7, rotation=90, **style)
    unit = "area under the curve" if isinstance(found.factors, Alignment) else "intersection over union"
    figure.colorbar(image, ax=ax, label=f"{unit}; * above chance, of all beside it")
    return figure


def _measured(found: Alignment | Overlap) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """What was measured, (n, n_concepts), and whether it is above what chance reaches."""
    return found.auc if isinstance(found, Alignment) else found.iou, found.above_chance
