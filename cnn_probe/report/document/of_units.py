"""The units of each layer: channels where it has places, also where it was pooled, else neurons; how each is used."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_probe.activations.handover import to_host
from cnn_probe.measures.answering.answers import Answers
from cnn_probe.measures.diagnostics import CHUNK
from cnn_probe.measures.units import LayerUnits, Units
from cnn_probe.report.document.ends import Classes
from cnn_probe.report.document.tiles import on_own_scales
from cnn_probe.report.material import as_maps

SIDE = 14  # pixels of a channel's map, at most
NEARLY_ALL = 0.99  # of a layer's squares: how few units hold so much
Part = dict[str, Any]


def units_parts(asked: Answers, classes: Classes, *, images: bool = True) -> list[Part]:
    """Return one part for each block of a layer; ``classes`` are those of the page.

    Without ``images`` there are no maps: means over few inputs, or over inputs that are alike, look like them. Units
    that are places themselves, of a layer that was pooled per token, are such a map in a row, and are only counted.
    """
    return [_part(asked, name, found, classes, images) for name, found in asked.units.items()]


def _part(asked: Answers, name: str, found: LayerUnits, classes: Classes, images: bool) -> Part:
    units = found.neurons if found.channels is None else found.channels
    if not images and asked.result.layer(_layer_of(asked, name)).of_places:
        units = _none_of(units)
    part: Part = {
        "block": name,
        "kind": units.kind,
        "n": len(units.rate),
        "bound": units.bound,
        "compared": units.compared,
        "rate": units.rate.astype(np.float32),
        "rate_high": units.rate_high.astype(np.float32),
        "energy": units.energy_share.astype(np.float32),
        "holding": {"n": _holding(units.energy_share), "part": NEARLY_ALL},
        "group": units.group,
        "factor": units.factor,
        "of_class": _classes(units, classes),
        "maps": _mean_maps(asked, name) if images and found.channels is not None else None,
    }
    part["neurons"] = _neurons(found.neurons)
    return part


def _neurons(own: Units) -> Part | None:
    """How many there are; None of a pooled layer, whose neurons were not recorded."""
    if own.kind != "neuron" and len(own.shape) == 1:
        return None
    return {
        "n": len(own.rate),
        "dead": int(own.dead.sum()),
        "redundant": int(own.redundant.sum()) if own.compared else None,
        "of_one_class": None if own.of_class is None else int(own.of_class.of_one.sum()),
    }


def _holding(shares: NDArray[np.float64]) -> int:
    """How few units have nearly all of the layer's squares together; 0 where there are none."""
    together = np.cumsum(np.sort(shares)[::-1])
    if not len(together) or together[-1] == 0:
        return 0
    return int(np.searchsorted(together, NEARLY_ALL * together[-1] * (1 - 1e-12))) + 1


def _classes(units: Units, classes: Classes) -> Part | None:
    known = units.of_class
    if known is None:
        return None
    own = known.preference
    return {
        "names": list(known.classes),
        "favourite": own.favourite,
        "place": classes.of_units(own.favourite),  # by number: several classes may have one name
        "share": own.share.astype(np.float32),
        "size": own.size.astype(np.float32),
        "p": own.p_value.astype(np.float32),
        "least_p": known.least_p,
        "of_one": known.of_one.astype(np.uint8),
        "least": known.least,
    }


def _none_of(units: Units) -> Units:
    """The same without any unit."""
    known, none = units.of_class, slice(0)
    if known is not None:
        own = {name: getattr(known.preference, name)[none] for name in ("favourite", "share", "size", "p_value")}
        known = replace(known, preference=replace(known.preference, **own))
    taken = {name: getattr(units, name)[none] for name in ("rate", "rate_high", "energy_share", "group")}
    return replace(units, **taken, of_class=known, factor=None if units.factor is None else units.factor[none])


def _layer_of(asked: Answers, name: str) -> str:
    """The layer of a block."""
    return str(next(block.layer for block in asked.result.blocks if block.name == name))


def _mean_maps(asked: Answers, name: str) -> NDArray[np.uint8] | None:
    """Where each channel is active on average over the inputs, (n_channels, h, w), each on a scale of its own."""
    how = asked.result.layer(_layer_of(asked, name))
    if not how.keeps_places:
        return None
    values = asked.X[name]
    total = np.zeros(values.shape[1])
    for start in range(0, len(values), CHUNK):
        total += np.asarray(to_host(values[start : start + CHUNK])).sum(axis=0, dtype=np.float64)
    by_channel = np.moveaxis((total / len(values)).reshape(how.block_shape), how.output.channel_axis - 1, 0)
    return on_own_scales(as_maps(by_channel[None], channels_last=how.output.channel_axis != 1)[0], SIDE)
