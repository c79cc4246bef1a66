"""What is measured of a network, each measure by its name; and all networks of some studies, each once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cnn_probe.studies.record import NetworkRecord, Records

Found = Mapping[str, Records]  # of each study, the records by condition


def measures_of(record: NetworkRecord) -> dict[str, float]:
    """Return every measure of a network by its name, in the order in which tables have them."""
    found = {}
    for rank, fit in record.fits.items():
        found[rmse_at(rank)] = fit.rmse
        found[f"relative error, raw, rank {rank}"] = fit.relative_error
        for layer in record.layers:
            found[f"relative error of {layer}, raw, rank {rank}"] = fit.block_relative_error[layer]
    for rank, fit in record.balanced.items():
        found[f"relative error, balanced, rank {rank}"] = fit.relative_error
        for layer in record.layers:
            found[balanced_at(rank, layer)] = fit.block_relative_error[layer]
    found |= {f"SVD floor, raw, rank {rank}": floor for rank, floor in record.svd_floor.items()}
    for name, by_layer in (
        ("effective rank", record.effective_rank),
        ("effective rank, mean removed,", record.effective_rank_centred),
        ("effective rank by energies", record.effective_rank_energy),
        ("zeros", record.zeros),
        ("dead neurons", record.dead_neurons),
        ("root mean square", {layer: record.root_mean_square[layer] for layer in record.layers}),
    ):
        found |= {f"{name} of {layer}": value for layer, value in by_layer.items()}
    return found


def rmse_at(rank: int) -> str:
    """Name of the paper's measure."""
    return f"RMSE, rank {rank}"


def balanced_at(rank: int, layer: str) -> str:
    """Name of what is left of it without scale: a layer's error in a fit in which every block counts the same."""
    return f"relative error of {layer}, balanced, rank {rank}"


def distinct(records: Iterable[Records]) -> list[NetworkRecord]:
    """Return every network of some studies once, as it was trained: one that is treated is no other network."""
    every = (run for by_label in records for runs in by_label.values() for run in runs if run.as_trained)
    return list({run.key: run for run in every}.values())


def seed_of(record: NetworkRecord) -> int:
    """The seed of a network, which those have in common that started alike."""
    return int(record.training["plan"]["seed"])
