"""Two networks on the same inputs: which factors are matched, and how their errors and dead units differ."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cnn_probe.measures.comparing.comparison import Comparison, Spread
from cnn_probe.report.lettering import entitle, letter_all
from cnn_probe.report.plots.grid import OTHER, OURS, QUIET, THIRD, chosen, open_axes

MOST_BLOCKS = 24
VERDICTS = {"matched": "#000000", "changed": THIRD, "lost": OTHER, "new": OTHER, "unmatched": QUIET}


def comparison_figure(found: Comparison, names: tuple[str, str] = ("a", "b")) -> Figure:
    """Similarity of the factors, beside the spread over starts, and the errors and dead units of the blocks.

    Parameters
    ----------
    found : Comparison
    names : tuple of str, default=("a", "b")
        What the two networks are called.
    """
    table = found.table()
    blocks = chosen(found.errors.names, MOST_BLOCKS)
    height = max(0.28 * len(table), 0.3 * len(blocks), 2.2) + 1.6
    (first, second), _ = letter_all(names, width=24)
    figure = Figure(figsize=(15, height), layout="constrained")
    matrix, pairs, errors = figure.subplots(1, 3, width_ratios=[1, 1.25, 1])
    _matrix(figure, matrix, found, first, second)
    _pairs(pairs, found, first, second)
    _errors(errors, found, blocks, first, second)
    named = [one for ax in (pairs, errors) for one in zip(*ax.get_legend_handles_labels(), strict=True)]
    legend = figure.legend(*zip(*named, strict=True), fontsize=7, frameon=False, loc="outside lower right", ncols=4)
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


def _matrix(figure: Figure, ax: Axes, found: Comparison, first: str, second: str) -> None:
    similarity = found.matching.similarity
    assigned = found.matching.assigned
    order = [int(b) for b in assigned if b >= 0]
    order += [b for b in range(similarity.shape[1]) if b not in order]
    image = ax.imshow(similarity[:, order], cmap="Greys", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    for a, b in found.matching.pairs:
        ax.plot(order.index(b), a, "s", mfc="none", color=OURS, ms=9, mew=1.5)
    ax.set_xticks(range(len(order)), [str(b + 1) for b in order], fontsize=7)
    ax.set_yticks(range(len(similarity)), [str(a + 1) for a in range(len(similarity))], fontsize=7)
    ax.set_xlabel(f"factors of {second}, in the order of their matches", fontsize=8, parse_math=False)
    ax.set_ylabel(f"factors of {first}", fontsize=8, parse_math=False)
    entitle(ax, "Similarity (cosine of F); framed: matched", size=10)
    figure.colorbar(image, ax=ax, shrink=0.8, pad=0.02)


def _pairs(ax: Axes, found: Comparison, first: str, second: str) -> None:
    table = found.table()
    for row, (a, b, verdict) in enumerate(zip(table["a"], table["b"], table["verdict"], strict=True)):
        side, factor = (found.b, b) if a is None else (found.a, a)
        _spread(ax, row, side, int(str(factor)), labelled=row == 0)
        colour = VERDICTS[str(verdict)]
        ax.text(1.02, row, str(verdict), fontsize=8, va="center", color=colour, clip_on=False)
    ends = ["–" if end is None else int(str(end)) + 1 for end in (*table["a"], *table["b"])]
    labels = [f"{a} ↔ {b}" for a, b in zip(ends[: len(table)], ends[len(table) :], strict=True)]
    ax.set_yticks(range(len(labels)), labels, fontsize=7)
    ax.set(xlim=(0, 1.01), ylim=(len(labels) - 0.5, -0.5))
    ax.set_xlabel("similarity with the match; bar: from here on it is the same factor", fontsize=8)
    ax.set_ylabel(f"factor of {first} ↔ of {second}", fontsize=8, parse_math=False)
    known = len(found.a.own) and len(found.b.own)
    said = "Beside the spread over starts: inside it nothing is concluded"
    entitle(ax, said if known else "Without other starts of both, nothing is lost or new", size=10)
    open_axes(ax)


def _spread(ax: Axes, row: int, side: Spread, factor: int, *, labelled: bool) -> None:
    own, across = side.own[:, factor], side.across[:, factor]
    for values, mark, colour, shift, label in (
        (own, "o", OURS, -0.15, "other starts of its own network"),
        (across, "^", OTHER, 0.15, "fits of the other network"),
    ):
        if len(values):
            ax.plot(values, np.full(len(values), row + shift), mark, color=colour, ms=4, alpha=0.7, ls="")
        if labelled and len(values):
            ax.plot([], [], mark, color=colour, ms=4, ls="", label=label)
    ax.vlines(side.threshold[factor], row - 0.35, row + 0.35, color="black", lw=1)


def _errors(ax: Axes, found: Comparison, blocks: list[str], first: str, second: str) -> None:
    rows = np.arange(len(blocks))
    columns = [found.errors.names.index(name) for name in blocks]
    for side, (mark, colour, label, shift) in enumerate((("o", OURS, first, -0.12), ("^", OTHER, second, 0.12))):
        margin: NDArray[np.float64] = np.nan_to_num(found.errors.margins[side, columns])
        ax.errorbar(
            found.errors.errors[side, columns],
            rows + shift,
            xerr=margin,
            fmt=mark,
            color=colour,
            ms=5,
            capsize=2,
            label=label,
        )
    letters, style = letter_all(blocks, width=22)
    ax.set_yticks(rows, letters, fontsize=7, **style)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_xlim(left=0)
    if found.units is not None:
        for row, name in enumerate(blocks):
            if name in found.units.rates:
                a, b, both = found.units.dead(name).tolist()
                said = f"{a + both} | {b + both} of {found.units.rates[name].shape[1]}"
                ax.text(1.02, row, said, transform=ax.get_yaxis_transform(), fontsize=7, va="center")
    ax.set_xlabel("relative error of the block (interval of about 95%)", fontsize=8)
    entitle(ax, "Errors; units that never fire", size=10)
    ax.grid(axis="x", alpha=0.25)
    open_axes(ax)
