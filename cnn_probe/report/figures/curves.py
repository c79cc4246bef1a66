"""Curves over the rank, and spectra: a line a condition, with a band from the least seed to the largest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from cnn_probe.measures.diagnostics import RESOLVED, svd_floor
from cnn_probe.report.figures.styles import UNTRAINED, Style, Styles
from cnn_probe.report.lettering import add_legend, entitle
from cnn_probe.report.plots.grid import chosen, open_axes
from cnn_probe.studies.claims import layer_error, least_rmse, rmse
from cnn_probe.studies.record import NetworkRecord, Records
from cnn_probe.system.names import shown

Floats = NDArray[np.float64]
ACROSS = 3  # panels
FLOOR = "least of any factors (SVD)"


def error_curves(records: Records, ranks: Sequence[int], styles: Styles | None = None) -> Figure:
    """RMSE against the rank (the paper's figures 3 and 6), and each layer's scale-free error beside it.

    Dashed is the floor below which no factorization of that rank can be, also one with negative factors.
    """
    layers = chosen(next(iter(records.values()))[0].layers)
    names = ["RMSE, as in the paper", *(f"{shown(layer, 24)}, free of scale" for layer in layers)]
    units = ["RMSE (unit of pixels and activations)", *["relative error (part of ‖A‖²)"] * len(layers)]
    figure, panels = _panels(len(names))
    for ax, name, unit in zip(panels, names, units, strict=True):
        ax.set(xlabel="latent factors", ylabel=unit, xticks=list(ranks))
        entitle(ax, name, size=10)
    styles = styles or Styles.of([records])
    lines = []
    for runs in records.values():
        style = styles[runs]
        found, floor = ([[of(run, rank, layers) for rank in ranks] for run in runs] for of in (_errors, _floors))
        for i, ax in enumerate(panels):
            line = _band(ax, ranks, np.array(found)[:, :, i], style)
            ax.plot(ranks, np.array(floor)[:, :, i].mean(axis=0), ls=(0, (4, 3)), lw=0.9, color=style.colour)
        lines.append(line)
    for ax in panels:
        low, high = ax.dataLim.intervaly
        if 2 * low <= high:
            ax.set_ylim(bottom=0)
        else:  # lines that lie nearer to each other than to 0 would fall together
            ax.set_ylabel(f"{ax.get_ylabel()}\nthe axis begins above 0")
    add_legend(figure, [*lines, Line2D([], [], ls=(0, (4, 3)), lw=0.9, color=UNTRAINED.colour)], [*records, FLOOR])
    return figure


def _errors(run: NetworkRecord, rank: int, layers: Sequence[str]) -> list[float]:
    return [rmse(run, rank), *(layer_error(run, rank, layer) for layer in layers)]


def _floors(run: NetworkRecord, rank: int, layers: Sequence[str]) -> list[float]:
    """What no factorization can be below."""
    return [least_rmse(run, rank), *(svd_floor(np.array(run.singular_values[layer]), rank) for layer in layers)]


def spectrum(
    records: Records,
    layer: str,
    share: float = 1.0,
    *,
    styles: Styles | None = None,
    untrained: Sequence[NetworkRecord] = (),
) -> Figure:
    """Singular values of a layer on a logarithmic axis, raw (figures 4, 5, 7) and as parts of the first.

    ``untrained`` networks, if they are not a condition themselves, are drawn as a reference.
    """
    figure, (left, right) = _panels(2)
    styles = styles or Styles.of([records])
    known = {label: (runs, styles[runs]) for label, runs in records.items()}
    if untrained and UNTRAINED not in (style for _, style in known.values()):
        known["untrained, for reference"] = (list(untrained), UNTRAINED)
    lines = []
    for runs, style in known.values():
        values = np.array([run.singular_values[layer] for run in runs])
        first = np.maximum(values[:, :1], 1e-30)
        values = np.where(values > RESOLVED * first, values, np.nan)[:, : max(2, int(share * values.shape[1]))]
        number = np.arange(1, values.shape[1] + 1).tolist()
        lines.append(_band(left, number, values, style))
        _band(right, number, values / first, style)
    for ax, title, unit in (
        (left, f"singular values of {shown(layer)}", "singular value (unit of the activations)"),
        (right, "the same, over the first", "part of the first singular value"),
    ):
        ax.set(yscale="log", xlabel="number", ylabel=unit)
        entitle(ax, title, size=10)
    add_legend(figure, lines, list(known))
    return figure


def _panels(n: int) -> tuple[Figure, list[Axes]]:
    across = min(n, ACROSS)
    down = -(-n // across)
    figure = Figure(figsize=(3.4 * across + 2.2, 3.2 * down + 0.2), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.1)  # type: ignore[union-attr, call-arg]  # or a label touches its neighbour
    grid: list[Axes] = list(figure.subplots(down, across, squeeze=False).ravel())
    for ax in grid[n:]:
        ax.remove()
    for ax in grid[:n]:
        open_axes(ax)
    return figure, grid[:n]


def _band(ax: Axes, x: Sequence[float], runs: NDArray[Any], style: Style) -> Line2D:
    """Mean over the seeds, and the range that they give."""
    every = 1 if len(x) < 20 else (0.0, 0.12)  # of long curves, marks at equal distances
    look = {"color": style.colour, "ls": style.dash, "marker": style.marker, "ms": 4, "lw": 1.3}
    (line,) = ax.plot(x, runs.mean(axis=0), markevery=every, **look)  # type: ignore[arg-type]  # its stubs want one type
    if len(runs) > 1:
        ax.fill_between(x, runs.min(axis=0), runs.max(axis=0), color=style.colour, alpha=0.15, lw=0)
    return line
