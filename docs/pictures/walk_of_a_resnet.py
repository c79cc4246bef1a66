"""Draw the picture that the README and the site begin with: ``python docs/pictures/walk_of_a_resnet.py``.

It runs the example ``plot_your_own_resnet.py``, which trains and probes the network, and draws what that found.
"""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from coupled_nmf import atomic_open

HERE = Path(__file__).parent
EXAMPLE = HERE.parent / "examples" / "networks" / "plot_your_own_resnet.py"
LAYER = "relu"  # the first
ROWS, FONT = 4, 9.5
TITLES = ("latent\nimage", "inputs with\nmost of it", "where in the\nfirst layer", "what it adds\nto the outputs",
          "untrained:\nlatent image", "where in the\nfirst layer", "what that adds\nto the outputs")  # fmt: skip
WIDTHS = (1, 1, 1, 1.5, 1, 1, 1.5)
OURS, OTHER = "#d55e00", "#0072b2"


def mosaic(pictures: NDArray[Any]) -> NDArray[Any]:
    """Four pictures as one, white between them."""
    framed = np.pad(pictures, ((0, 0), (0, 1), (0, 1)), constant_values=1.0)
    return np.block([[framed[0], framed[1]], [framed[2], framed[3]]])[:-1, :-1]


def bars(ax: Axes, added: NDArray[Any], limits: tuple[float, float], *, last: bool) -> None:
    """What a pattern adds to each output; the outputs are named in the last row alone."""
    ax.bar(range(len(added)), added, color=[OURS if value > 0 else OTHER for value in added])
    ax.axhline(0, color="0.4", linewidth=0.8)
    ax.set_ylim(limits)
    ax.set_xticks(range(len(added)), [str(digit) for digit in range(len(added))] if last else [])
    ax.tick_params(length=0)
    ax.spines[["top", "right", "bottom"]].set_visible(False)


def centred(added: NDArray[Any]) -> NDArray[Any]:
    """Less the mean over the outputs, which decides nothing."""
    return added - added.mean(axis=1, keepdims=True)


def where(answers: Any, pictures: Any) -> NDArray[Any]:
    """Where the layer has each pattern, in the picture that has most of it."""
    places = answers.result.places(pictures[answers.patterns.top[:ROWS, 0]], [LAYER])[LAYER]
    return places[range(ROWS), range(ROWS)]


def main() -> None:
    """Run the example and draw."""
    mpl.use("agg")
    example = runpy.run_path(str(EXAMPLE))
    answers, beside, pictures = example["answers"], example["beside"], example["pictures"][example["test"]]
    added, untrained = centred(answers.added), centred(beside.added)
    limits = 1.1 * min(added.min(), untrained.min()), 1.1 * max(added.max(), untrained.max())
    plt.rcParams["font.size"] = FONT
    figure, axes = plt.subplots(ROWS, len(WIDTHS), figsize=(9.6, 5.2), width_ratios=WIDTHS, layout="constrained")
    for one, amounts, columns in ((answers, added, [0, 2, 3]), (beside, untrained, [4, 5, 6])):
        maps = where(one, pictures)
        for factor, (latent, places, outputs) in enumerate(axes[:, columns]):
            latent.imshow(one.result.latent_images[factor, 0], cmap="gray")
            places.imshow(maps[factor], cmap="magma")  # from its least to its most
            bars(outputs, amounts[factor], limits, last=factor == ROWS - 1)
    for factor, row in enumerate(axes):
        row[1].imshow(mosaic(pictures[answers.patterns.top[factor, :4], 0].numpy()), cmap="gray")
        row[0].set_ylabel(f"pattern {factor + 1}")
        for ax in row[[0, 1, 2, 4, 5]]:
            ax.set(xticks=[], yticks=[])
    for ax, title in zip(axes[0], TITLES, strict=True):
        ax.set_title(title, fontsize=FONT)
    with atomic_open(HERE / "walk-of-a-resnet.png") as file:
        figure.savefig(file, format="png", dpi=165)


if __name__ == "__main__":
    main()
