"""Axes that all displays draw on, and what two of them draw: dots and a line over ranks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

MOST_TICKS = 12  # ranks that are each named below the axis
#: Properties of a text that holds a name: its letters as they are, dollars and underscores too.
NAME = {"parse_math": False, "usetex": False}


def pyplot(caller: str) -> Any:
    """matplotlib.pyplot, or an ImportError that says what to install."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(f"{caller} needs matplotlib: pip install matplotlib") from error
    return plt


def one_axes(ax: Any, caller: str) -> Any:
    """``ax``, or the axes of a new figure; without the frame's upper and right line."""
    plt = pyplot(caller)
    if ax is None:
        _, ax = plt.subplots(layout="constrained")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def add_legend(ax: Any, lines: Sequence[Any], names: Iterable[str]) -> None:
    """Name lines in a legend, and whatever else the axes hold that has a label."""
    handles, labels = ax.get_legend_handles_labels()
    others = [pair for pair in zip(handles, labels, strict=True) if pair[0] not in lines]
    drawn = [*(handle for handle, _ in others), *lines]
    # Matplotlib leaves labels out that begin with an underscore: they are set when the legend is there.
    legend = ax.legend(drawn, [str(number) for number in range(len(drawn))], frameon=False)
    texts = legend.get_texts()
    for text, (_, label) in zip(texts, others, strict=False):
        text.set_text(label)
    for text, name in zip(texts[len(others) :], names, strict=True):
        text.set(text=name, **NAME)


def dots_and_line(
    ax: Any,
    ranks: NDArray[Any],
    dots: Sequence[NDArray[Any]],
    line: ArrayLike,
    names: tuple[str, str],
    line_kw: dict[str, Any] | None,
) -> tuple[Any, Any]:
    """Draw ``dots[i]``, any number of them, and ``line[i]`` at ``ranks[i]``; ranks in rising order."""
    order = np.argsort(ranks)
    x, sizes = ranks[order], [len(dots[i]) for i in order]
    points = ax.scatter(
        np.repeat(x, sizes), np.concatenate([dots[i] for i in order]), s=16, color="0.3", label=names[0], zorder=2.5
    )
    style = {"color": "C0", "label": names[1], **(line_kw or {})}
    (curve,) = ax.plot(x, np.asarray(line)[order], **style)
    ax.set_xlabel("rank (number of components)")
    if len(x) <= MOST_TICKS:
        ax.set_xticks(x)
    else:
        ax.xaxis.get_major_locator().set_params(integer=True)
    return points, curve
