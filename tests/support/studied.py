"""Records of networks that nobody trained."""

from dataclasses import asdict
from typing import Any

from cnn_probe.networks.training_plan import TrainingPlan
from cnn_probe.studies import Treatment
from cnn_probe.studies.record import FitRecord, NetworkRecord


def trained(**plan: Any) -> dict[str, Any]:
    """A training by a plan, as it is recorded."""
    return {"plan": asdict(TrainingPlan(**plan))}


def network_record(layers: tuple[str, ...] = ("relu1", "relu2"), **other: Any) -> NetworkRecord:
    """A record of two ranks, 2 and 3, and two classes."""
    blocks = ("pixels", *layers)
    fit = FitRecord(0.1, dict.fromkeys(blocks, 0.1), dict.fromkeys(blocks, 0.2), 0.2, 9, 0.5, [0.2])
    held = {
        "training": trained(),
        "treatment": asdict(Treatment()),
        "accuracy": 0.5,
        "class_accuracy": {0: 0.9, 1: 0.8},
        "train_accuracy": 0.6,
        "dead_neurons": dict.fromkeys(layers, 0.1),
        "zeros": dict.fromkeys(layers, 0.3),
        "singular_values": {layer: [3.0, 2.0, 1.0] for layer in layers},
        "effective_rank": dict.fromkeys(layers, 2.0),
        "effective_rank_centred": dict.fromkeys(layers, 1.8),
        "effective_rank_energy": dict.fromkeys(layers, 1.5),
        "svd_floor": {2: 0.1, 3: 0.05},
        "root_mean_square": dict.fromkeys(blocks, 1.0),
        "fits": {2: fit, 3: fit},
        "balanced": {2: fit, 3: fit},
        "firing_overlap": [[1.0, 0.5], [0.5, 1.0]],
        "seconds": 1.0,
    }
    return NetworkRecord(**{**held, **other})
