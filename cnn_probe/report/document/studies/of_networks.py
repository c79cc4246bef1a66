"""What a page calls the networks of studies, and all of them together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cnn_probe.studies.record import NetworkRecord, records_of
from cnn_probe.system.names import file_name

Part = dict[str, Any]
Results = Mapping[str, Any]


def network_name(run: NetworkRecord, label: str) -> str:
    """What a network of a study is called, of a condition."""
    what = "untrained" if run.untrained else f"trained on {label}"
    return f"{what}, seed {run.training['plan']['seed']}"


def names_of_networks(results: Results) -> dict[str, str]:
    """By key, what each network is called, whichever study speaks of it: of the first condition that has it."""
    found: dict[str, str] = {}
    for study in results["studies"].values():
        for label, runs in records_of(study).items():
            for run in runs:
                found.setdefault(run.key, network_name(run, label))
    return found


def network_id(name: str) -> str:
    """Its address on the page, where its patterns are shown."""
    return file_name(name)


def networks_part(results: Results) -> Part:
    """Every network as it was trained, once, the most accurate first, by columns."""
    names = names_of_networks(results)
    every = [run for study in results["studies"].values() for runs in records_of(study).values() for run in runs]
    trained = {run.key: run for run in every if run.as_trained}
    found = sorted(((names[key], run) for key, run in trained.items()), key=lambda one: -one[1].accuracy)
    rank = min(results["provenance"]["settings"]["ranks"])
    return {
        "rank": rank,
        "images": results["provenance"]["test_images"],
        "ids": [network_id(name) for name, _ in found],
        "names": [name for name, _ in found],
        "accuracy": [run.accuracy for _, run in found],
        "train_accuracy": [None if run.untrained else run.train_accuracy for _, run in found],
        "rmse": [run.fits[rank].rmse for _, run in found],
    }
