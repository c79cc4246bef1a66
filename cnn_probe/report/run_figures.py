"""The pictures of one probe."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cnn_probe.data.images import ImageData
from cnn_probe.measures.diagnostics import class_use
from cnn_probe.probing.result import ProbeResult
from cnn_probe.report.figures import latent_images
from cnn_probe.report.lettering import entitle
from cnn_probe.report.plots.grid import show
from cnn_probe.system.names import file_name, shown

EXAMPLES = 8  # images beside each factor
MOST_ROWS = 20  # factors with images beside them: the strongest


def draw_result(result: ProbeResult, data: ImageData) -> dict[str, bytes]:
    """Draw what was found in the test images of ``data``; PNG by file name, in the order of `captions`."""
    use = None if result.labels is None else class_use(result.F, result.labels, data.n_classes)
    drawings: dict[str, Callable[[], Figure]] = {
        "latent-images.png": lambda: latent_images(result.latent_images, use, data.class_names),
        "examples.png": lambda: example_images(result.latent_images, result.F, data.test.images.numpy()),
    }
    for layer, pattern in result.neuron_patterns.items():
        drawings[f"neurons-{file_name(layer)}.png"] = lambda layer=layer, pattern=pattern: feature_maps(layer, pattern)  # type: ignore[misc]
    return {name: png(draw()) for name, draw in drawings.items()}


def captions(layers: tuple[str, ...]) -> dict[str, str]:
    """What each picture of `draw_result` shows."""
    return {
        "latent-images.png": "Latent images: the pixels of each factor, strongest first, each on a scale of its own, "
        "with the classes that have most of its weight. The factorization saw no classes.",
        "examples.png": f"The factors' latent images ({MOST_ROWS} at most), each beside the test images of which it "
        "has the largest share.",
        **{
            f"neurons-{file_name(layer)}.png": f"Neurons of {shown(layer)} in each factor: one row a factor, one "
            "field a channel, at the places where its neurons are. Bright neurons are active in the "
            "images that use the factor."
            for layer in layers
        },
    }


def example_images(latent: NDArray[Any], F: NDArray[Any], images: NDArray[Any]) -> Figure:
    """Latent images (k, channels, h, w), each beside the images of which its share, by F (n, k), is largest."""
    strength = np.maximum(F.sum(axis=1, keepdims=True), 1e-30)
    share = F / strength
    rows = min(len(latent), MOST_ROWS)
    figure = Figure(figsize=(0.85 * (EXAMPLES + 1.4), 0.85 * rows + 0.3), layout="constrained")
    grid = figure.subplots(rows, EXAMPLES + 1, squeeze=False, width_ratios=[1.15, *[1] * EXAMPLES])
    for i, axes in enumerate(grid):
        top = np.argsort(-share[:, i], kind="stable")[:EXAMPLES]
        show(axes[0], latent[i] / max(float(latent[i].max()), 1e-30))
        axes[0].set_ylabel(f"factor {i + 1}", fontsize=8)
        for ax, n in zip(axes[1:], top, strict=False):
            show(ax, images[n])
        for ax in axes[1 + len(top) :]:
            ax.axis("off")
    return figure


def feature_maps(layer: str, pattern: NDArray[Any]) -> Figure:
    """Each factor's neurons as the layer holds them: pattern (k, channels, h, w), or (k, n) of a layer without places.

    One row a factor, one field a channel; one colour scale for all.
    """
    maps = pattern.reshape(len(pattern), 1, 1, -1) if pattern.ndim != 4 else pattern
    k, channels, height, width = maps.shape
    mosaic = np.full((k * (height + 1) - 1, channels * (width + 1) - 1), np.nan)
    for i in range(k):
        for channel in range(channels):
            top, left = i * (height + 1), channel * (width + 1)
            mosaic[top : top + height, left : left + width] = maps[i, channel]
    aspect = min(max(mosaic.shape[0] / mosaic.shape[1], 0.12 if height > 1 else 0.03 * k), 2.5)
    figure = Figure(figsize=(9, 8 * aspect + 1.0), layout="constrained")
    ax = figure.subplots()
    image = ax.imshow(
        mosaic,
        cmap="magma",
        norm=PowerNorm(0.5, vmin=0, vmax=max(float(np.quantile(maps, 0.995)), 1e-12)),  # or one channel outshines all
        interpolation="nearest",
        aspect="equal" if height > 1 else "auto",
    )
    ax.set_yticks(np.arange(k) * (height + 1) + (height - 1) / 2, [str(i + 1) for i in range(k)])
    if channels > 1:
        ax.set_xticks(np.arange(channels) * (width + 1) + (width - 1) / 2, [str(i + 1) for i in range(channels)])
    ax.set(xlabel="channel" if channels > 1 else "neuron", ylabel="factor")
    entitle(ax, layer, "weight; colours by its square root", size=10)
    ax.tick_params(labelsize=7, length=0)
    ax.spines[:].set_visible(False)
    figure.colorbar(image, ax=ax, shrink=0.6, pad=0.01)
    return figure


def png(figure: Figure) -> bytes:
    """A figure as a file."""
    content = BytesIO()
    figure.savefig(content, dpi=110, format="png")
    return content.getvalue()
