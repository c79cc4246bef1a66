"""Which figures a study can name, what each is drawn from, and what is said under it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cnn_probe.report.figures.channels import firing_groups, firing_maps, neuron_maps
from cnn_probe.report.figures.classes import class_overlap, recognized_classes
from cnn_probe.report.figures.curves import FLOOR, error_curves, spectrum
from cnn_probe.report.figures.latent import latent_images
from cnn_probe.report.figures.styles import Styles
from cnn_probe.report.plots.grid import chosen
from cnn_probe.studies.record import NetworkRecord, Records
from cnn_probe.studies.records import Arrays, read_arrays
from cnn_probe.system.names import file_name, shown


@dataclass(frozen=True)
class Material:
    """What the figures of one study are drawn from.

    Attributes
    ----------
    records : mapping of str to list of NetworkRecord
        By condition.
    provenance : mapping
        Of the results: ``settings``, with which all networks were made, and ``test_images``, how many there are.
    class_names : sequence of str
        Of the data.
    out : Path
        The folder that holds the networks' arrays.
    styles : Styles
        Of the conditions of all studies of the page.
    untrained : sequence of NetworkRecord
        Those of any study of the page, one a seed; none if there are none.
    """

    records: Records
    provenance: Mapping[str, Any]
    class_names: Sequence[str]
    out: Path
    styles: Styles
    untrained: Sequence[NetworkRecord] = ()

    @property
    def settings(self) -> Mapping[str, Any]:
        """The `Settings`."""
        settings: Mapping[str, Any] = self.provenance["settings"]
        return settings

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

    def firing(self) -> dict[str, NDArray[Any]]:
        """How often each neuron of the last layer is active, by condition: (n_classes, *shape of the layer)."""
        layer = self.layers[-1]
        return {
            label: found[f"firing_{layer}"].reshape(-1, *found[f"components_{layer}"].shape[1:])
            for label, found in self.arrays.items()
        }

    def of_all(self, spread: str = "the band goes from the smallest to the largest") -> str:
        """Say that a figure shows all networks."""
        seeds = self._seeds
        if len(seeds) == 1:
            return f"Seed {seeds[0]}, the only one; {self._images}."
        return f"All {len(seeds)} seeds ({', '.join(map(str, seeds))}): their mean; {spread}; {self._images}."

    def of_one(self, rank: int | None = None) -> str:
        """Say which networks a figure shows that has room for one a condition."""
        at = "" if rank is None else f"rank {rank}; "
        return f"Seed {self._seeds[0]}; {at}{self._images}."

    @property
    def _seeds(self) -> list[int]:
        return [run.training["plan"]["seed"] for run in next(iter(self.records.values()))]

    @property
    def _images(self) -> str:
        every = self.provenance["test_images"]
        runs = itertools.chain.from_iterable(self.records.values())
        counts = {run.treatment.get("test_images") or every for run in runs}
        return " or ".join(f"{count:,}" for count in sorted(counts)) + " test images"


Figures = Iterator[tuple[str, str, Figure]]  # the end of the file's name, the caption, the figure


def _rmse(material: Material) -> Figures:
    figure = error_curves(material.records, material.settings["ranks"], material.styles)
    yield (
        "rmse",
        "RMSE against the rank, by what the networks were trained on (paper, figures 3 and 6); and the error of each "
        f"layer in fits in which all blocks weigh the same. Dashed: the {FLOOR}. {material.of_all()}",
        figure,
    )


def _spectrum(material: Material, *, place: int, stem: str, caption: str, share: float = 1.0) -> Figures:
    layer = material.layers[place]
    figure = spectrum(material.records, layer, share, styles=material.styles, untrained=material.untrained)
    yield stem, f"{caption} {material.of_all()}", figure


def _latent_images(material: Material) -> Figures:
    for label, found in material.arrays.items():
        channels = [block.name for block in material.records[label][0].blocks if block.layer is None]
        images = np.stack([found[f"components_{name}"] for name in channels], axis=1)
        yield (
            f"latent-{file_name(label)}",
            f"Latent images, trained {shown(label)}, each on a scale of its own, and the classes that use them "
            f"(figure 2). {material.of_one(material.settings['ranks'][0])}",
            latent_images(images, found["class_use"], material.class_names),
        )


def _neurons(material: Material) -> Figures:
    for layer in chosen(material.layers):
        maps = {label: found[f"components_{layer}"] for label, found in material.arrays.items()}
        yield (
            f"neurons-{file_name(layer)}",
            f"Each neuron's part in each factor, in {shown(layer)} (figure 8): one row a factor, one field a "
            "channel, at the places where its neurons are; one scale for all conditions, colours by the root. "
            f"{material.of_one(material.settings['ranks'][0])}",
            neuron_maps(maps, layer),
        )


def _groups(material: Material) -> Figures:
    yield (
        "groups",
        "The neurons of the last layer that fire for each class, active in more than half of its images (figure 2): "
        "how many there are, and how many of them fire for no other class (orange). One field a channel. "
        f"{material.of_one()}",
        firing_groups(material.firing(), material.class_names),
    )


def _firing(material: Material) -> Figures:
    yield (
        "firing",
        "Which neurons of the last layer fire for which class: the part of its images that activate each. One field a "
        f"channel. {material.of_one()}",
        firing_maps(material.firing(), material.class_names),
    )


def _overlap(material: Material) -> Figures:
    overlaps = {
        label: np.mean([run.firing_overlap for run in runs], axis=0) for label, runs in material.records.items()
    }
    yield (
        "overlap",
        "How many of the last layer's neurons that fire for one of two classes, active in more than half of its "
        f"images, fire for both. {material.of_all('one scale for all conditions')}",
        class_overlap(overlaps, material.class_names),
    )


def _recognized(material: Material) -> Figures:
    yield (
        "recognized",
        "How much of each class's test images is classified rightly by networks that were trained class after class, "
        f"in the order of their training. {material.of_all('one row an order')}",
        recognized_classes(material.records, material.class_names),
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
    "groups": _groups,
    "firing": _firing,
    "overlap": _overlap,
    "recognized": _recognized,
}
