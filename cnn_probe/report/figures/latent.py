"""Latent images, with the classes that use them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cnn_probe.report.lettering import entitle
from cnn_probe.report.plots.grid import own_scale, show
from cnn_probe.system.names import shown_all


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
