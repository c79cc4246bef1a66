"""Which factors come out again from other starts and from halves of the inputs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from cnn_probe.measures.comparing.stability import FactorStability
from cnn_probe.report.lettering import entitle
from cnn_probe.report.plots.grid import OTHER, OURS, QUIET, open_axes

MARKS: Mapping[str, tuple[str, str, float, str]] = {
    "starts": ("o", OURS, -0.14, "another start"),
    "halves": ("^", OTHER, 0.14, "half of the inputs"),
}


def stability_figure(found: FactorStability) -> Figure:
    """Similarity of each factor with its match in every other fit, beside the threshold, with the verdict."""
    k = len(found.verdicts)
    figure = Figure(figsize=(9, 0.3 * k + 1.5), layout="constrained")
    ax = figure.subplots()
    rows = np.arange(k)
    for kind, (mark, colour, shift, label) in MARKS.items():
        values, threshold = getattr(found, kind), getattr(found, f"threshold_{kind}")
        if not len(values):
            continue
        ax.vlines(threshold, rows + shift - 0.12, rows + shift + 0.12, color=colour, lw=2)
        for i, fit in enumerate(values):
            ax.plot(fit, rows + shift, mark, color=colour, ms=4, alpha=0.6, label=label if i == 0 else None, ls="")
    for row, verdict in enumerate(found.verdicts):
        sure = bool(found.holds[row])
        ax.text(
            1.02,
            row,
            f"{verdict} ({found.counts[row]})",
            fontsize=7,
            va="center",
            color="black" if sure else QUIET,
            clip_on=False,
        )
    ax.set_yticks(rows, [f"factor {row + 1}" for row in rows], fontsize=8)
    ax.set(xlim=(max(0.0, ax.get_xlim()[0] - 0.1), 1.01), ylim=(k - 0.5, -0.5))
    ax.set_xlabel("similarity with its match (cosine of F); bars: from here on it is the same factor", fontsize=8)
    entitle(ax, "Which factors come out again", size=10)
    figure.legend(fontsize=7, frameon=False, loc="outside lower left", ncols=2)
    ax.grid(axis="x", alpha=0.25)
    open_axes(ax)
    return figure
