"""Which figures there are for studies, and the records and arrays that they are drawn from."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from cnn_probe.report.figures import (
    class_overlap,
    error_curves,
    firing_map,
    latent_images,
    neuron_heatmaps,
    spectrum,
)
from cnn_probe.studies import STUDIES
from cnn_probe.studies.record import Records, records_of
from cnn_probe.studies.records import Arrays, read_arrays
from cnn_probe.system.names import file_name, shown
from coupled_nmf import atomic_open

Results = dict[str, Any]


@dataclass(frozen=True)
class Material:
    """What the figures of one study are drawn from.

    Attributes
    ----------
    records : mapping of str to list of NetworkRecord
        By condition.
    settings : mapping
        The `Settings` that all of them were made with.
    class_names : sequence of str
        Of the data.
    out : Path
        The folder that holds the networks' arrays.
    """

    records: Records
    settings: Mapping[str, Any]
    class_names: Sequence[str]
    out: Path

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers, first to last."""
        return next(iter(self.records.values()))[0].layers

    @cached_property
    def arrays(self) -> dict[str, Arrays]:
        """Arrays of the first seed's network, by condition."""
        return {
            label: read_arrays(self.out / "networks" / f"{runs[0].key}.npz") for label, runs in self.records.items()
        }


Figures = Iterator[tuple[str, str, Figure]]  # the end of the file's name, the caption, the figure


def draw_figures(results: Results, class_names: Sequence[str], out: Path) -> dict[str, list[tuple[str, str]]]:
    """Draw every study's figures into ``out/figures``, and remove what was there of studies but is not drawn now.

    Returns
    -------
    dict of str to list of (file, caption)
        Per study; files are relative to ``out``.

    Raises
    ------
    ValueError
        If a study names a figure that is not in `DRAWINGS`, or one twice, or two whose files have one name.
    """
    refuse_figures({name: study["figures"] for name, study in results["studies"].items()})
    (out / "figures").mkdir(parents=True, exist_ok=True)
    drawn: dict[str, list[tuple[str, str]]] = {}
    for name, study in results["studies"].items():
        drawn[name] = []
        material = Material(records_of(study), results["provenance"]["settings"], class_names, out)
        drawings = (DRAWINGS[figure](material) for figure in study["figures"])
        for stem, caption, figure in itertools.chain.from_iterable(drawings):
            file = f"figures/{file_name(name)}-{stem}.png"
            if file in (earlier for earlier, _ in drawn[name]):
                raise ValueError(f"study {shown(name)} has two figures {stem!r}; give one another stem in DRAWINGS")
            with atomic_open(out / file) as picture:
                figure.savefig(picture, dpi=110, format="png")
            drawn[name].append((file, caption))
    named = {out / file for pairs in drawn.values() for file, _ in pairs}
    for name in {*STUDIES, *drawn}:
        for left in set((out / "figures").glob(f"{file_name(name)}-*.png")) - named:
            left.unlink()
    return drawn


def refuse_figures(by_study: Mapping[str, Sequence[str]]) -> None:
    """Raise ValueError if a study names a figure that is not in `DRAWINGS`, or twice; asked before it trains."""
    for study, names in by_study.items():
        for name in {name for name in names if names.count(name) > 1}:
            raise ValueError(f"study {shown(study)} names the figure {name!r} twice; leave one out")
        for name in names:
            if name not in DRAWINGS:
                raise ValueError(f"study {shown(study)} names the figure {name!r}; there are {', '.join(DRAWINGS)}")


def _rmse(material: Material) -> Figures:
    figure = error_curves(material.records, material.settings["ranks"])
    yield "rmse", "RMSE against the rank, by what the networks were trained on (paper, figures 3 and 6).", figure


def _spectrum(material: Material, *, place: int, stem: str, caption: str, share: float = 1.0) -> Figures:
    yield stem, caption, spectrum(material.records, material.layers[place], share)


def _latent_images(material: Material) -> Figures:
    for label, found in material.arrays.items():
        channels = [block.name for block in material.records[label][0].blocks if block.layer is None]
        images = np.stack([found[f"components_{name}"] for name in channels], axis=1)
        yield (
            f"latent-{file_name(label)}",
            f"Latent images, trained {shown(label)}, and the classes that use them (figure 2).",
            latent_images(images, found["class_use"], material.class_names),
        )


def _neurons(material: Material) -> Figures:
    patterns = {
        label: {layer: (rows := found[f"components_{layer}"]).reshape(len(rows), -1) for layer in material.layers}
        for label, found in material.arrays.items()
    }
    rank = material.settings["ranks"][0]
    yield "neurons", f"Each neuron's part in each factor at rank {rank} (figure 8).", neuron_heatmaps(patterns)


def _firing(material: Material) -> Figures:
    rates = {label: found[f"firing_{material.layers[-1]}"] for label, found in material.arrays.items()}
    yield (
        "firing",
        "Which neurons of the last layer fire for which class: the part of its images that activate them.",
        firing_map(rates, material.class_names),
    )


def _overlap(material: Material) -> Figures:
    overlaps = {label: found[f"overlap_{material.layers[-1]}"] for label, found in material.arrays.items()}
    yield (
        "overlap",
        "Overlap of the last layer's neurons that fire for each pair of classes (active in most of its images).",
        class_overlap(overlaps, material.class_names),
    )


#: What a study can name among its figures.
DRAWINGS: dict[str, Callable[[Material], Figures]] = {
    "rmse": _rmse,
    "first spectrum": partial(
        _spectrum, place=0, stem="spectrum-first", caption="Singular values of the first layer (figure 4)."
    ),
    "last spectrum": partial(
        _spectrum, place=-1, stem="spectrum-last", caption="Singular values of the last layer (figure 5)."
    ),
    "top of the last spectrum": partial(
        _spectrum,
        place=-1,
        stem="spectrum-last-top",
        caption="Top quarter of the last layer's singular values (figure 7).",
        share=0.25,
    ),
    "latent images": _latent_images,
    "neurons": _neurons,
    "firing": _firing,
    "overlap": _overlap,
}
