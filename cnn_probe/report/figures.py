"""Records in, matplotlib figures out. No figure knows where its numbers come from, or what names will look like."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cnn_probe.report.lettering import add_legend, entitle, letter_all
from cnn_probe.report.plots.grid import own_scale, show
from cnn_probe.studies.claims import relative_error, rmse
from cnn_probe.studies.record import NetworkRecord, Records
from cnn_probe.system.names import shown, shown_all

COLOURS = ("#8c2d04", "#d9772b", "#4a90b8")  # from the worst trained to the best
EVERYTHING = "#08306b"  # of networks that were trained on everything, in all figures of a page


def _axes(figure: Figure, n: int) -> list[Axes]:
    axes = figure.subplots(1, n, squeeze=False)[0]
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
    return list(axes)


def _band(ax: Axes, x: Sequence[float], runs: NDArray[Any], colour: str) -> None:
    """Mean over the seeds, and the range that they give."""
    mean = runs.mean(axis=0)
    ax.plot(x, mean, marker="o" if len(x) < 20 else None, ms=4, color=colour)
    if len(runs) > 1:
        ax.fill_between(x, runs.min(axis=0), runs.max(axis=0), color=colour, alpha=0.15, lw=0)


def _colours(records: Records) -> list[str]:
    others = itertools.cycle(COLOURS)
    return [EVERYTHING if all(run.saw_everything for run in runs) else next(others) for runs in records.values()]


def error_curves(records: Records, ranks: Sequence[int]) -> Figure:
    """RMSE against the rank (the paper's figures 3 and 6), and the layers' scale-free error beside it."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    measures: tuple[tuple[str, str, Callable[[NetworkRecord, int], float]], ...] = (
        ("error of images and layers, as in the paper", "RMSE", rmse),
        ("error of the layers, free of scale", "relative error, mean over layers", relative_error),
    )
    for ax, (title, unit, measure) in zip(_axes(figure, 2), measures, strict=True):
        for colour, runs in zip(_colours(records), records.values(), strict=True):
            _band(ax, ranks, np.array([[measure(run, rank) for rank in ranks] for run in runs]), colour)
        ax.set(xlabel="latent factors", ylabel=unit, xticks=list(ranks))
        entitle(ax, title, size=10)
        ax.set_ylim(bottom=0)
    add_legend(figure.axes[0], records)
    return figure


def spectrum(records: Records, layer: str, share: float = 1.0) -> Figure:
    """Singular values of a layer on a logarithmic axis, raw (figures 4, 5, 7) and as parts of the first."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = _axes(figure, 2)
    for colour, runs in zip(_colours(records), records.values(), strict=True):
        values = np.array([run.singular_values[layer] for run in runs])
        values = values[:, : max(2, int(share * values.shape[1]))]
        number = np.arange(1, values.shape[1] + 1)
        for ax, curve in ((left, values), (right, values / np.maximum(values[:, :1], 1e-30))):
            # What is below the resolution of the gram matrix they come from is not drawn.
            _band(ax, number.tolist(), np.where(values > 1e-4 * values[:, :1], curve, np.nan), colour)
    for ax, title, unit in (
        (left, f"singular values of {shown(layer)}", "singular value"),
        (right, "the same, over the first", "part of the first singular value"),
    ):
        ax.set(yscale="log", xlabel="number", ylabel=unit)
        entitle(ax, title, size=10)
    add_legend(left, records)
    return figure


def latent_images(images: NDArray[Any], use: NDArray[Any] | None, class_names: Sequence[str]) -> Figure:
    """Latent images with the classes that use them most (the paper's figure 2); images (k, channels, h, w)."""
    k = len(images)
    columns = min(5, k)
    names = shown_all(class_names, width=14)
    rows = -(-k // columns)
    figure = Figure(figsize=(1.7 * columns, 2.0 * rows), layout="constrained")
    figure.get_layout_engine().set(h_pad=0.08)  # type: ignore[union-attr, call-arg]  # letters reach above their line
    for i, ax in enumerate(figure.subplots(rows, columns, squeeze=False).ravel()):
        ax.axis("off")
        if i >= k:
            continue
        show(ax, own_scale(images[i]))
        lines = [f"factor {i + 1}"]
        if use is not None:
            top = [c for c in np.argsort(-use[i])[:3] if use[i][c] > 1.2 / len(class_names)]
            users = [f"{names[c]}: {use[i][c]:.0%}" for c in top]
            together = ", ".join(users)
            lines += ([together] if len(together) < 26 else users) if users else []
        entitle(ax, *lines, size=8)
    return figure


def neuron_heatmaps(patterns: Mapping[str, Mapping[str, NDArray[Any]]]) -> Figure:
    """Each neuron's part in each factor, one row a condition, one column a layer (the paper's figure 8).

    ``patterns[condition][layer]`` has shape (k, n_neurons). A layer shares one colour scale over the conditions.
    """
    conditions, layers = list(patterns), list(next(iter(patterns.values())))
    trained, named = shown_all(conditions, width=24), shown_all(layers, width=24)
    figure = Figure(figsize=(9, 2.1 * len(conditions) + 0.4), layout="constrained")
    grid = figure.subplots(len(conditions), len(layers), squeeze=False)
    for j, layer in enumerate(layers):
        top = max(float(np.quantile(patterns[c][layer], 0.995)) for c in conditions)
        for i, condition in enumerate(conditions):
            ax = grid[i][j]
            image = ax.imshow(
                patterns[condition][layer],
                aspect="auto",
                cmap="magma",
                vmin=0,
                vmax=max(top, 1e-12),
                interpolation="nearest",  # or neighbouring factors blend
            )
            entitle(ax, f"{named[j]}, trained {trained[i]}", size=9)
            ax.set_xlabel("neuron" if i == len(conditions) - 1 else "")
            ax.set_ylabel("factor")
            ax.set_yticks(range(len(patterns[condition][layer])), range(1, len(patterns[condition][layer]) + 1))
            ax.tick_params(labelsize=7)
        figure.colorbar(image, ax=[grid[i][j] for i in range(len(conditions))], shrink=0.8)
    return figure


def class_overlap(overlaps: Mapping[str, NDArray[Any]], class_names: Sequence[str]) -> Figure:
    """Overlap of the neurons that fire for each pair of classes, one panel a condition."""
    figure = Figure(figsize=(4.4 * len(overlaps), 3.9), layout="constrained")
    names, style = letter_all(class_names)
    turned = 90 if max(map(len, names)) > 2 else 0
    panels = figure.subplots(1, len(overlaps), squeeze=False)[0]
    for ax, condition, overlap in zip(panels, shown_all(overlaps), overlaps.values(), strict=True):
        image = ax.imshow(overlap, cmap="viridis", vmin=0, vmax=1)
        ax.set_xticks(range(len(names)), names, fontsize=7, rotation=turned, **style)
        ax.set_yticks(range(len(names)), names, fontsize=7, **style)
        entitle(ax, condition, size=9)
    figure.colorbar(image, ax=figure.axes, shrink=0.8, label="Jaccard overlap")
    return figure


def firing_map(rates: Mapping[str, NDArray[Any]], class_names: Sequence[str]) -> Figure:
    """Which neurons fire for which class, one panel a condition; rates (n_classes, n_neurons).

    Neurons stand in the layer's order, so the positions of a channel are neighbours.
    """
    figure = Figure(figsize=(9, 2.0 * len(rates) + 0.5), layout="constrained")
    grid = figure.subplots(len(rates), 1, squeeze=False)[:, 0]
    names, style = letter_all(class_names)
    for ax, condition, values in zip(grid, shown_all(rates), rates.values(), strict=True):
        image = ax.imshow(values, aspect="auto", cmap="magma", vmin=0, vmax=1, interpolation="nearest")
        ax.set_yticks(range(len(names)), names, fontsize=7, **style)
        entitle(ax, f"trained {condition}", size=9)
        ax.set_ylabel("class")
    grid[-1].set_xlabel("neuron")
    figure.colorbar(image, ax=figure.axes, shrink=0.8, label="images that activate it")
    return figure
