"""Which figures a study has, and the arrays that they are drawn from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from cnn_probe import figures
from cnn_probe.names import file_name, shown
from cnn_probe.networks import PaperNet
from cnn_probe.studies.records import Arrays, read_arrays
from coupled_nmf import atomic_open

Results = dict[str, Any]
FIRST, LAST = PaperNet.paper_layers


def draw_figures(results: Results, class_names: Sequence[str], out: Path) -> dict[str, list[tuple[str, str]]]:
    """Draw every study's figures into ``out/figures``, and remove what was there of studies but is not drawn now.

    Returns
    -------
    dict of str to list of (file, caption)
        Per study; files are relative to ``out``.
    """
    (out / "figures").mkdir(parents=True, exist_ok=True)
    drawn: dict[str, list[tuple[str, str]]] = {}
    for name, study in results["studies"].items():
        drawn[name] = []
        for stem, caption, figure in FIGURES[name](study["records"], results, class_names, out):
            file = f"figures/{file_name(name)}-{stem}.png"
            with atomic_open(out / file) as picture:
                figure.savefig(picture, dpi=110, format="png")
            drawn[name].append((file, caption))
    named = {out / file for pairs in drawn.values() for file, _ in pairs}
    for name in {*FIGURES, *drawn}:
        for left in set((out / "figures").glob(f"{file_name(name)}-*.png")) - named:
            left.unlink()
    return drawn


Figures = Iterator[tuple[str, str, Figure]]


def _fraction(records: Any, results: Results, class_names: Sequence[str], out: Path) -> Figures:
    ranks = results["provenance"]["settings"]["ranks"]
    yield (
        "rmse",
        "RMSE against the rank, by fraction of the data (paper, figure 3).",
        figures.error_curves(records, ranks),
    )
    yield "spectrum-first", "Singular values of the first layer (figure 4).", figures.spectrum(records, FIRST)
    yield "spectrum-last", "Singular values of the second layer (figure 5).", figures.spectrum(records, LAST)


def _classes(records: Any, results: Results, class_names: Sequence[str], out: Path) -> Figures:
    ranks = results["provenance"]["settings"]["ranks"]
    yield "rmse", "RMSE against the rank, by the classes trained on (figure 6).", figures.error_curves(records, ranks)
    yield (
        "spectrum-last",
        "Top quarter of the second layer's singular values (figure 7).",
        figures.spectrum(records, LAST, share=0.25),
    )


def _order(records: Any, results: Results, class_names: Sequence[str], out: Path) -> Figures:
    ranks = results["provenance"]["settings"]["ranks"]
    yield "rmse", "RMSE against the rank, class by class and shuffled.", figures.error_curves(records, ranks)
    arrays = {label: _arrays(out, runs[0]["key"]) for label, runs in records.items()}
    for label, found in arrays.items():
        channels = [name for name in found if name.startswith("components_pixels")]
        images = np.stack([found[name] for name in channels], axis=1)
        yield (
            f"latent-{file_name(label)}",
            f"Latent images, trained {shown(label)}, and the classes that use them (figure 2).",
            figures.latent_images(images, found.get("class_use"), class_names),
        )
    patterns = {
        label: {
            layer: found[f"components_{layer}"].reshape(len(found[f"components_{layer}"]), -1)
            for layer in (FIRST, LAST)
        }
        for label, found in arrays.items()
    }
    yield (
        "neurons",
        f"Each neuron's part in each factor at rank {ranks[0]} (figure 8).",
        figures.neuron_heatmaps(patterns),
    )
    if all(f"overlap_{LAST}" in found for found in arrays.values()):
        rates = {label: found[f"firing_{LAST}"] for label, found in arrays.items()}
        yield (
            "firing",
            "Which neurons of the second layer fire for which class: the part of its images that activate them.",
            figures.firing_map(rates, class_names),
        )
        overlaps = {label: found[f"overlap_{LAST}"] for label, found in arrays.items()}
        yield (
            "overlap",
            "Overlap of the second layer's neurons that fire for each pair of classes (active in most of its images).",
            figures.class_overlap(overlaps, class_names),
        )


FIGURES = {"fraction": _fraction, "classes": _classes, "order": _order}


def _arrays(out: Path, key: str) -> Arrays:
    return read_arrays(out / "networks" / f"{key}.npz")
