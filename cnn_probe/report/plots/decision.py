"""Single decisions, each split into what every factor adds to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cnn_probe.measures.causes.travel import TakenApart
from cnn_probe.report.lettering import entitle
from cnn_probe.report.plots.grid import OTHER, OURS, QUIET, bare, open_axes, own_scale, show
from cnn_probe.system.names import shown

MOST_BARS = 20


@dataclass(frozen=True, eq=False)
class Decision:
    """One decision, and what is shown beside it.

    Attributes
    ----------
    taken : TakenApart
    why : str
        For which it is shown.
    name, winner, other : str
        Of the input, of the predicted class, and of the one it is held against.
    label : str or None
        Of the class it is given.
    picture : ndarray of shape (channels, height, width) or None
    latent : ndarray of shape (k, channels, height, width) or None
    """

    taken: TakenApart
    why: str
    name: str
    winner: str
    other: str
    label: str | None
    picture: NDArray[Any] | None
    latent: NDArray[Any] | None


def decisions_figure(decisions: Sequence[Decision]) -> Figure:
    """Each input with the bars of its factors, the one that speaks most for it, and where in the layer: a row each."""
    figure = Figure(figsize=(11, 2.6 * len(decisions)), layout="constrained")
    grid = figure.subplots(len(decisions), 4, squeeze=False, width_ratios=[1, 3.8, 1, 1])
    for (left, middle, right, last), one in zip(grid, decisions, strict=True):
        _places(last, one.taken)
        given = [] if one.label is None else [f"given {shown(one.label, 16)}"]
        _picture(left, one.picture, [shown(one.name, 24), *given, f"taken for {shown(one.winner, 14)}"])
        _bars(middle, one)
        strongest = int(np.argmax(one.taken.factors))
        speaks = one.taken.factors[strongest] > 0
        latent = None if one.latent is None or not speaks else own_scale(one.latent[strongest])
        _picture(
            right, latent, [f"factor {strongest + 1},", "the most for it"] if speaks else ["no factor", "speaks for it"]
        )
    return figure


def _picture(ax: Axes, picture: NDArray[Any] | None, title: list[str]) -> None:
    if picture is None:
        bare(ax)
        ax.spines[:].set_visible(False)
    else:
        show(ax, picture)
    entitle(ax, *title, size=7)


def _places(ax: Axes, taken: TakenApart) -> None:
    """What all factors add at each place of the layer, where it has some, and the channels that add most."""
    channels = taken.by_channel.sum(axis=0)
    most = np.argsort(-np.abs(channels), kind="stable")[:2].tolist()
    said = ", ".join(f"{channel} ({channels[channel]:+.2g})" for channel in most)
    if taken.by_place is not None and taken.by_place.ndim == 3:
        total = taken.by_place.sum(axis=0)
        end = max(float(np.abs(total).max()), 1e-30)
        ax.imshow(total, cmap="RdBu_r", vmin=-end, vmax=end, interpolation="nearest")
        ax.set_xlabel(f"red: for it, up to {end:.2g}", fontsize=6)
    else:
        ax.spines[:].set_visible(False)
    bare(ax)
    entitle(ax, "through channels", said, size=7)


def _bars(ax: Axes, one: Decision) -> None:
    taken = one.taken
    order = np.arange(len(taken.factors))
    if len(order) > MOST_BARS:  # those that say most, in their order
        order = np.sort(np.argsort(-np.abs(taken.factors), kind="stable")[:MOST_BARS])
    parts = [*taken.factors[order].tolist()]
    names = [str(i + 1) for i in order]
    if len(order) < len(taken.factors):
        parts.append(float(taken.factors.sum() - taken.factors[order].sum()))
        names.append("other\nfactors")
    parts += [taken.rest, taken.bias]
    names += ["rest", "bias"]
    colours = [OURS if part < 0 else OTHER for part in parts]
    colours[-2:] = [QUIET, QUIET]
    ax.bar(range(len(parts)), parts, color=colours)
    for i, part in enumerate(parts):
        if abs(part) >= 0.05 * max(map(abs, parts)):
            ax.annotate(
                f"{part:+.2g}",
                (i, part),
                fontsize=6.5,
                ha="center",
                va="bottom" if part >= 0 else "top",
                xytext=(0, 1 if part >= 0 else -1),
                textcoords="offset points",
            )
    ax.axhline(0, color="black", lw=0.8)
    ax.margins(y=0.15)
    ax.set_xticks(range(len(parts)), names, fontsize=7)
    ax.set_xlabel("factor; rest: what of the layer no factor explains", fontsize=7)
    ax.set_ylabel("adds to the margin", fontsize=8)
    entitle(
        ax,
        f"{one.why}: output of {shown(one.winner, 20)} minus output of {shown(one.other, 20)} = {taken.margin:.3g}",
        size=9,
    )
    open_axes(ax)
