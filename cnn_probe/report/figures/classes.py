"""What goes with the classes: which share neurons, and which are recognized after which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cnn_probe.report.lettering import entitle, letter_all
from cnn_probe.studies.record import Records
from cnn_probe.system.names import shown_all

ACROSS = 3  # panels


def class_overlap(overlaps: Mapping[str, NDArray[Any]], class_names: Sequence[str]) -> Figure:
    """Overlap of the neurons that fire for each pair of classes, one panel a condition."""
    across = min(len(overlaps), ACROSS)
    down = -(-len(overlaps) // across)
    figure = Figure(figsize=(3.6 * across + 0.8, 3.6 * down + 0.2), layout="constrained")
    names, style = letter_all(class_names)
    turned = 90 if max(map(len, names)) > 2 else 0
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for ax in panels[len(overlaps) :]:
        ax.remove()
    for ax, condition, overlap in zip(panels, shown_all(overlaps), overlaps.values(), strict=False):
        image = ax.imshow(overlap, cmap="viridis", vmin=0, vmax=1)
        ax.set_xticks(range(len(names)), names, fontsize=7, rotation=turned, **style)
        ax.set_yticks(range(len(names)), names, fontsize=7, **style)
        ax.set(xlabel="class", ylabel="class")
        entitle(ax, condition, size=9)
    figure.colorbar(image, ax=figure.axes, shrink=0.8, label="shared, of the neurons that fire for either (Jaccard)")
    return figure


def recognized_classes(records: Records, class_names: Sequence[str]) -> Figure:
    """How much of each class is recognized, by its place in the order in which the network was trained on the classes.

    One row a condition whose networks were trained class after class; the mean over its networks.
    """
    ordered = {label: runs for label, runs in records.items() if all(run.class_order for run in runs)}
    n = max((len(runs[0].class_order) for runs in ordered.values()), default=1)
    figure = Figure(figsize=(0.62 * n + 3.2, 0.46 * len(ordered) + 1.2), layout="constrained")
    ax = figure.subplots()
    shares = np.full((len(ordered), n), np.nan)
    names, style = letter_all(class_names, width=7)
    for i, runs in enumerate(ordered.values()):
        for j, label in enumerate(runs[0].class_order):
            shares[i, j] = share = float(np.mean([run.class_accuracy.get(label, np.nan) for run in runs]))
            colour = "black" if share > 0.5 else "white"
            ax.text(j, i, f"{names[label]}\n{share:.0%}", ha="center", va="center", fontsize=8, color=colour, **style)
    image = ax.imshow(shares, cmap="cividis", vmin=0, vmax=1, aspect="auto")
    labels, style = letter_all(ordered, width=24)
    ax.set_yticks(range(len(labels)), labels, fontsize=8, **style)
    ax.set_xticks(range(n), ["first", *map(str, range(2, n)), "last"][:n] if n > 1 else ["first"], fontsize=8)
    ax.set_xlabel("place of the class in the order of training")
    figure.colorbar(image, ax=ax, label="recognized")
    return figure
