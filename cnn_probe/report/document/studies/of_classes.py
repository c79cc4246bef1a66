"""What a page says of the classes of a study: which neurons fire for each, who shares them, which are recognized."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_probe.measures.diagnostics import FIRES
from cnn_probe.studies.record import NetworkRecord, Records
from cnn_probe.studies.records import read_arrays
from cnn_probe.system.names import shown, shown_all

Part = dict[str, Any]
DIMMEST = 60  # of 255: a neuron that fires for all classes; one that fires for a class alone has all


def classes_part(
    records: Records, figures: Sequence[str], class_names: Sequence[str], out: Path | None, *, images: bool = True
) -> Part | None:
    """Return what of this a study's figures name; None if they name none of it.

    Without a folder that holds the networks' arrays, nothing is said of single neurons, and without ``images`` it is
    not said where they are.
    """
    found: Part = {"names": shown_all(class_names)}
    if out is not None and {"groups", "firing"} & set(figures):
        found["firing"] = _firing(records, out, images)
    if "overlap" in figures:
        found["overlap"] = [np.mean([run.firing_overlap for run in runs], axis=0) for runs in records.values()]
    if "recognized" in figures:
        found["recognized"] = [
            _recognized(label, runs)
            for label, runs in zip(shown_all(records), records.values(), strict=True)
            if all(run.class_order for run in runs)
        ]
    return found if len(found) > 1 else None


def _firing(records: Records, out: Path, images: bool) -> Part:
    """How often each neuron of the last layer is active for each class, of one network a condition."""
    runs = [some[0] for some in records.values()]
    layer = runs[0].layers[-1]
    rates = [_rates(run, layer, out) for run in runs]
    found = {
        "of": f"{shown(layer)}, seed {runs[0].training['plan']['seed']}",
        "neurons": rates[0][0].size,
        "rates": [np.round(255 * one).astype(np.uint8) for one in rates],
        **_groups(rates),
    }
    return found if images else {**found, "rates": None, "groups": None}


def _rates(run: NetworkRecord, layer: str, out: Path) -> NDArray[np.float32]:
    """Shape (classes, channels, height, width), of a layer without places (classes, neurons, 1, 1)."""
    arrays: Mapping[str, NDArray[Any]] = read_arrays(out / "networks" / f"{run.key}.npz")
    rates, shape = arrays[f"firing_{layer}"], arrays[f"components_{layer}"].shape[1:]
    return rates.reshape(len(rates), *(shape if len(shape) == 3 else (-1, 1, 1)))


def _groups(rates: Sequence[NDArray[np.float32]]) -> Part:
    """The neurons that fire for each class: the brighter, the fewer other classes they fire for; and their numbers."""
    fires = [one > FIRES for one in rates]
    shared = [one.sum(axis=0) for one in fires]  # by how many classes
    dimmer = (255 - DIMMEST) / max(len(rates[0]) - 1, 1)
    return {
        "groups": [
            np.where(one, 255 - dimmer * (count - 1), 0).astype(np.uint8)
            for one, count in zip(fires, shared, strict=True)
        ],
        "counts": [one.sum(axis=(1, 2, 3)).tolist() for one in fires],
        "own": [(one & (count == 1)).sum(axis=(1, 2, 3)).tolist() for one, count in zip(fires, shared, strict=True)],
    }


def _recognized(label: str, runs: Sequence[NetworkRecord]) -> Part:
    """Classes in the order of a condition's training, and how much of each is recognized: the mean over the seeds."""
    order = runs[0].class_order
    known = [float(np.mean([run.class_accuracy.get(one, np.nan) for run in runs])) for one in order]
    return {"label": label, "order": list(order), "known": known}
