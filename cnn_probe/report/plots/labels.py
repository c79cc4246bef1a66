"""Labels that look wrong: what is given, what is likelier, and what the others of the pattern have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cnn_probe.measures.labels.errors import LabelErrors
from cnn_probe.report.lettering import entitle, letter_all
from cnn_probe.report.plots.grid import QUIET, bare, show

SHOWN = 8  # suspects of each source
SOURCES = {
    "factors": "by the factors",
    "network": "by the network",
    "pixels": "by the pixels",
}


def labels_figure(found: Mapping[str, LabelErrors], pictures: Callable[[list[int]], NDArray[Any] | None]) -> Figure:
    """For each source the inputs whose labels it holds for the least likely, one row a source.

    Parameters
    ----------
    found : mapping of str to LabelErrors
        As of `Answers.label_errors`.
    pictures : callable
        ``pictures(numbers)``: these inputs, (n, channels, height, width) in [0, 1], or None.
    """
    doubted = {source: _doubted(errors) for source, errors in found.items()}
    shown_sources = [source for source, order in doubted.items() if order]
    figure = Figure(figsize=(1.35 * SHOWN + 0.8, 2.4 * max(len(shown_sources), 0.3) + 0.6), layout="constrained")
    grid = figure.subplots(max(len(shown_sources), 1), SHOWN, squeeze=False)
    for ax in grid.flat if not shown_sources else ():
        ax.axis("off")
    for axes, source in zip(grid, shown_sources, strict=False):
        errors, order = found[source], doubted[source]
        drawn = pictures(order)
        for column, ax in enumerate(axes):
            if column >= len(order):
                ax.axis("off")
                continue
            _suspect(ax, errors, order[column], None if drawn is None else drawn[column])
        sample = "out of sample" if errors.out_of_sample else "may have seen them"
        axes[0].set_ylabel(
            f"{SOURCES.get(source, source)}\n({sample})\n{int(errors.suspect.sum())} suspect", fontsize=8
        )
    said = "Labels that look wrong: another class is likelier, the least likely first. * suspect by confident learning"
    none = [SOURCES.get(source, source) for source, order in doubted.items() if not order]
    said += f"\nNone is doubted {', nor '.join(none)}." if none else ""
    figure.suptitle(said, fontsize=10, parse_math=False)
    return figure


def _doubted(errors: LabelErrors) -> list[int]:
    """Inputs of which another class is likelier than that of the label, the least likely labels first."""
    other = np.flatnonzero(errors.suggested != errors.labels)
    return other[np.argsort(errors.self_confidence[other], kind="stable")][:SHOWN].tolist()


def _suspect(ax: Axes, errors: LabelErrors, number: int, picture: NDArray[Any] | None) -> None:
    classes = errors.classes
    given, likelier = classes[errors.labels[number]], classes[errors.suggested[number]]
    star = " *" if errors.suspect[number] else ""
    (given, likelier), _ = letter_all([given, likelier], width=11)
    entitle(ax, f"#{number}{star}", f"given {given}", f"rather {likelier}?", size=7)
    if picture is None:
        bare(ax)
    else:
        show(ax, picture)
    said = f"p(given) = {errors.self_confidence[number]:.2g}"
    why = errors.pattern
    if why is not None and why.majority[number] >= 0:
        (most,), style = letter_all([classes[why.majority[number]]], width=12)
        said += f"\nfactor {why.factor[number] + 1}: {why.share[number]:.0%} of\n{why.n_others[number]} others {most}"
        ax.set_xlabel(said, fontsize=6.5, color=QUIET, **style)
    else:
        ax.set_xlabel(said, fontsize=6.5, color=QUIET)
