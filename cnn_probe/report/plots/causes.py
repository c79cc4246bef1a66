"""What taking a factor out does to each class, beside directions that are none of the network's."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cnn_probe.measures.causes.ablation import Ablation
from cnn_probe.report.lettering import entitle, letter_all
from cnn_probe.report.plots.grid import OTHER, OURS, QUIET, open_axes
from cnn_probe.system.names import shown

MOST_CLASSES = 24


def causes_figure(found: Ablation) -> Figure:
    """Change of each class's probability, and the class that is hit most beside other directions."""
    k = len(found.factors)
    classes = _most_changed(found)
    figure = Figure(figsize=(4.2 + max(0.32 * len(classes), 2.2) + 4.2, 0.32 * k + 2.0), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[max(0.32 * len(classes), 2.2), 4.2])
    _change(figure, left, found, classes)
    _beside(right, found)
    figure.legend(*right.get_legend_handles_labels(), fontsize=7, frameon=False, loc="outside lower right", ncols=3)
    return figure


def _most_changed(found: Ablation) -> NDArray[np.int64]:
    """Of many classes those that change most, of which there are inputs; in their order."""
    present = np.flatnonzero(found.n_inputs > 0)
    size = np.abs(np.nan_to_num(found.change[:, present])).max(axis=0)
    return np.asarray(np.sort(present[np.argsort(-size, kind="stable")[:MOST_CLASSES]]))


def _change(figure: Figure, ax: Axes, found: Ablation, classes: NDArray[np.int64]) -> None:
    points = 100 * found.change[:, classes]
    end = max(float(np.nanmax(np.abs(points))), 1e-9)
    image = ax.imshow(points, cmap="RdBu", vmin=-end, vmax=end, aspect="auto", interpolation="nearest")
    names, style = letter_all([found.classes[one] for one in classes], width=14)
    counts = [f"{name} ({found.n_inputs[one]})" for name, one in zip(names, classes, strict=True)]
    ax.set_xticks(range(len(classes)), counts, fontsize=7, rotation=90, **style)
    ax.set_yticks(range(len(found.factors)), [f"factor {one + 1}" for one in found.factors], fontsize=8)
    at = {one: column for column, one in enumerate(classes.tolist())}
    for row, hit in enumerate(found.hit.tolist()):
        if hit in at:
            figures = points[row, at[hit]]
            colour = "white" if abs(figures) > 0.6 * end else "black"
            ax.text(
                at[hit],
                row,
                f"{figures:.0f}" if abs(figures) >= 1 else f"{figures:.1f}",
                ha="center",
                va="center",
                fontsize=6.5,
                color=colour,
            )
    few = "" if len(classes) == int(np.sum(found.n_inputs > 0)) else f", the {len(classes)} that change most"
    ax.set_title(f"Taken out of {shown(found.layer, 24)}", fontsize=9, loc="left", parse_math=False)
    ax.set_xlabel(f"class (inputs){few}", fontsize=8)
    figure.colorbar(image, ax=ax, location="left", shrink=0.8, pad=0.02, label="points of its probability")


def _beside(ax: Axes, found: Ablation) -> None:
    rows = np.arange(len(found.factors))
    hit = found.hit
    change, low, high = (100 * values[rows, hit] for values in (found.change, found.low, found.high))
    _dots(ax, found.shuffled[..., found.counted], -0.22, QUIET, "shuffled neurons")
    _dots(ax, found.alike[..., found.counted], 0.16, OTHER, "drawn like the layer's activations")
    ax.plot(
        100 * found.principal[:, found.counted].min(axis=1),
        rows + 0.32,
        "D",
        mfc="none",
        color=OTHER,
        ms=5,
        label="principal direction",
    )
    ax.errorbar(
        change,
        rows,
        xerr=[change - low, high - change],
        fmt="o",
        color=OURS,
        ms=5,
        capsize=2,
        label="factor (95% interval, of all classes together)",
    )
    for row in range(len(rows)):
        sure = bool(found.causes[row])
        said = f"{found.said[row]}\n({_chances(found, row)}{found.specificity[row, 0]:.0%} of its loss here, "
        said += f"{found.specificity[row, 1]:.0%} of the principal's)"
        ax.text(
            1.02,
            row,
            said,
            transform=ax.get_yaxis_transform(),
            fontsize=7,
            va="center",
            color="black" if sure else QUIET,
        )
    ax.axvline(0, color="black", lw=0.8)
    ax.set_yticks(rows, [])
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_xlabel("points taken from the class that is hit most", fontsize=8)
    entitle(ax, "Beside directions of the same norm", size=9)
    open_axes(ax)


def _chances(found: Ablation, row: int) -> str:
    if not found.tested:
        return ""
    return f"p {_told(found, row)}; beside directions like the layer p {_told(found, row, alike=True)}; "


def _told(found: Ablation, row: int, *, alike: bool = False) -> str:
    """A chance; "≤" the least that so many directions can give, where none of them took as much."""
    value, least = (found.p_alike if alike else found.p_value)[row], 1 / (1 + found.shuffled.shape[1])
    return f"{'≤' if value <= 1.001 * least else '='} {value:.2g}"


def _dots(ax: Axes, changes: NDArray[np.float64], off: float, colour: str, label: str) -> None:
    """What each direction of a kind takes from the class that it hits most, beside the row of its factor."""
    for i, column in enumerate(100 * changes.min(axis=2).T):
        at = np.arange(len(column)) + off
        ax.plot(column, at, ".", color=colour, ms=4, alpha=0.6, label=label if i == 0 else None)
