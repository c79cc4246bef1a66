"""How much of a network is used, and what coupling costs."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnn_probe.measures.use import BlockUse, NetworkUse
from cnn_probe.report.lettering import entitle, letter_all
from cnn_probe.report.plots.grid import OTHER, OURS, QUIET, THIRD, chosen, of_all, open_axes

ALL_ROWS = 24  # blocks whose errors are drawn below each other


def network_use_figure(use: NetworkUse) -> Figure:
    """Errors of each block beside plainer ways, and spectra as parts of their first value."""
    named = {block.name: block for block in use.blocks}
    blocks = [*(named[name] for name in chosen(list(named), ALL_ROWS)), use.together]
    figure = Figure(figsize=(10, max(3.4, 0.34 * len(blocks) + 1.7)), layout="constrained")
    errors, spectra = figure.subplots(1, 2, width_ratios=[1.25, 1])
    _errors(errors, use, blocks)
    figure.legend(*errors.get_legend_handles_labels(), fontsize=7, frameon=False, loc="outside lower left", ncols=5)
    _spectra(spectra, use, [named[name] for name in chosen(list(named))])
    return figure


def _errors(ax: Axes, use: NetworkUse, blocks: list[BlockUse]) -> None:
    rows = np.arange(len(blocks))
    separate = [block.separate for block in blocks]
    low, high = [float(one.min()) for one in separate], [float(one.max()) for one in separate]
    ax.hlines(rows, low, high, color=THIRD, lw=2)
    ax.plot([one.mean() for one in separate], rows, "s", color=THIRD, ms=5, label="NMF of the block alone")
    ax.plot([block.svd_floor for block in blocks], rows, "|", color="black", ms=11, mew=2, label="least of any (SVD)")
    ax.plot([block.k_means for block in blocks], rows, "x", color=QUIET, ms=6, label="k-means")
    if use.untrained is not None:
        others = {block.name: block.relative_error for block in (*use.untrained.blocks, use.untrained.together)}
        found = [others.get(block.name, np.nan) for block in blocks]
        ax.plot(found, rows, "o", mfc="none", color=OTHER, ms=7, label="coupled, untrained network")
    ax.errorbar(
        [block.relative_error for block in blocks],
        rows,
        xerr=[block.error_margin for block in blocks],
        fmt="o",
        color=OURS,
        ms=6,
        capsize=2,
        label="coupled (interval of about 95%)",
    )
    names, style = letter_all([*(block.name for block in blocks[:-1]), "all, as weighted"], width=26)
    ax.set_yticks(rows, names, fontsize=8, **style)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_xlim(left=0)
    ax.set_xlabel(f"relative error: part of the squares that is left at rank {use.rank}; n = {use.n}")
    entitle(ax, "What is left, and what coupling costs" + of_all(len(blocks) - 1, len(use.blocks)), size=10)
    ax.grid(axis="x", alpha=0.25)
    open_axes(ax)


def _spectra(ax: Axes, use: NetworkUse, blocks: list[BlockUse]) -> None:
    untrained = {} if use.untrained is None else {block.name: block for block in use.untrained.blocks}
    names, style = letter_all([block.name for block in blocks], width=20)
    shades = np.linspace(0.15, 0.9, len(blocks))
    for shade, block, name in zip(shades, blocks, names, strict=True):
        colour = _shade(float(shade))
        for spectrum, line in ((block.spectrum, "-"), (getattr(untrained.get(block.name), "spectrum", None), ":")):
            if spectrum is None or not len(spectrum.values):
                continue
            part = spectrum.values / max(float(spectrum.values[0]), 1e-30)
            known = part > max(1e-4, spectrum.error)  # what is below is rounding of float32
            label = f"{name}: effective rank {spectrum.effective_rank:.0f}" if line == "-" else None
            ax.plot(np.arange(1, len(part) + 1)[known], part[known], line, color=colour, lw=1.5, label=label)
    ax.annotate(f" rank {use.rank}", (use.rank, 1), fontsize=7, color=QUIET, va="bottom")
    drawn = any(np.size(np.asarray(line.get_xdata())) for line in ax.get_lines())  # not of blocks that are zero
    scale = "log" if drawn else "linear"
    ax.axvline(use.rank, color=QUIET, lw=0.8, ls="--")
    ax.set(xscale=scale, yscale=scale, xlabel="number", ylabel="part of the first value")
    entitle(ax, "Singular values" + (" (dotted: untrained)" if untrained else ""), size=10)
    legend = ax.legend(fontsize=7, frameon=False, loc="lower left")
    for text in legend.get_texts():
        text.update(style)
    open_axes(ax)


def _shade(share: float) -> tuple[float, float, float]:
    """From light to dark blue: the first layers to the last."""
    light, dark = np.array([0.62, 0.79, 0.88]), np.array([0.03, 0.19, 0.42])
    red, green, blue = (light + share * (dark - light)).tolist()
    return red, green, blue
