"""How many units of each layer are dead, redundant and of one class, and how often they are active."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from cnn_probe.measures.units import LayerUnits, Units
from cnn_probe.report.lettering import entitle, letter_all
from cnn_probe.report.plots.grid import OTHER, THIRD, chosen, of_all, open_axes

MOST_BLOCKS = 30
LEVELS = 101
POOLED = {"mean": ", means", "max": ", maxima", "token": ", means over channels"}  # what was recorded of each
KINDS = (
    ("dead", "#333333", ""),
    ("redundant", OTHER, "////"),
    ("of one class", THIRD, "...."),
    ("others", "#cfe3f1", ""),
)


def units_figure(units: Mapping[str, LayerUnits], pools: Mapping[str, str] | None = None) -> Figure:
    """Each block's units by what they are, each once, and their rates of activity, sorted.

    Parameters
    ----------
    units : mapping of str to LayerUnits
        As of `Answers.units`; channels where there are some with places, else what a column is.
    pools : mapping of str to str, default=None
        How each block's layer was pooled; None where none was.
    """
    pools = pools or {}
    drawn = {name: units[name].channels or units[name].neurons for name in chosen(list(units), MOST_BLOCKS)}
    first = next(iter(drawn.values()))
    names = [f"{name} ({_said(own, pools.get(name, 'whole'))})" for name, own in drawn.items()]
    figure = Figure(figsize=(10, 0.36 * len(drawn) + 1.5), layout="constrained")
    parts, rates = figure.subplots(1, 2)
    _parts(parts, names, drawn.values())
    entitle(parts, "What the units are", f"n = {first.n_inputs} inputs{of_all(len(drawn), len(units))}", size=10)
    if any(pools.get(name) in ("mean", "max") for name in drawn):
        parts.set_xlabel(f"{parts.get_xlabel()}\nmeans, maxima: alike in how much, not in where")
    figure.legend(fontsize=10, frameon=False, ncols=4, loc="outside lower center")
    image = _rates(rates, drawn.values())
    dead = f"dead: active for less than {100 * first.bound:.2g}% of such inputs"
    entitle(rates, "How often each is active", dead, size=10)
    figure.colorbar(image, ax=rates, label="part of the inputs")
    return figure


def _said(own: Units, pool: str) -> str:
    """How many of what they are, and what is known of them."""
    compared = "" if own.compared else ", not compared"
    return f"{len(own.rate)} {own.kind}s{POOLED.get(pool, '')}{compared}"


def _parts(ax: Axes, names: Sequence[str], drawn: Collection[Units]) -> None:
    """A bar a block, cut by what its units are."""
    rows, left = np.arange(len(drawn)), np.zeros(len(drawn))
    counts = np.array([_counts(own) for own in drawn])
    for (kind, colour, hatch), count in zip(KINDS, counts.T, strict=True):
        width = count / counts.sum(axis=1)
        ax.barh(rows, width, left=left, color=colour, hatch=hatch, edgecolor="white", label=kind)
        for row, (number, part) in enumerate(zip(count, width, strict=True)):
            if kind != "others" and part > 0.05:
                box = {"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.9}
                ax.text(left[row] + part / 2, row, str(number), ha="center", va="center", fontsize=7, bbox=box)
        left += width
    letters, style = letter_all(names, width=44)
    ax.set_yticks(rows, letters, fontsize=8, **style)
    ax.set_ylim(len(drawn) - 0.5, -0.5)
    ax.set(xlim=(0, 1), xlabel="part of the units (counted once each, in this order)")
    open_axes(ax)


def _rates(ax: Axes, drawn: Collection[Units]) -> AxesImage:
    """A row a block: how often its units are active, falling."""
    sorted_rates = np.stack([np.quantile(own.rate, np.linspace(1, 0, LEVELS), method="inverted_cdf") for own in drawn])
    ax.set_yticks([])
    ax.set_xlabel("% of the units, the most active first")
    return ax.imshow(
        sorted_rates,
        aspect="auto",
        cmap="viridis",
        vmin=0,
        vmax=1,
        interpolation="nearest",
        extent=(0, 100, len(drawn) - 0.5, -0.5),
    )


def _counts(own: Units) -> list[int]:
    """Units that are dead; else redundant; else of one class; none of these."""
    dead = own.dead
    redundant = own.redundant & ~dead
    of_one = np.zeros_like(dead) if own.of_class is None else own.of_class.of_one & ~dead & ~redundant
    found = [int(which.sum()) for which in (dead, redundant, of_one)]
    return [*found, len(dead) - sum(found)]
