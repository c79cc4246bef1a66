"""The inputs that use each pattern most, with where it is in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cnn_probe.report.lettering import letter_all
from cnn_probe.report.plots.grid import CELL, MOST_ROWS, show
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
