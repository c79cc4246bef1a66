"""What of a result can say which labels look wrong: its factors, its network's outputs, its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from cnn_probe.measures.labels.errors import LabelErrors, label_errors
from cnn_probe.probing.result import ProbeResult
from coupled_nmf import Blocks


def label_errors_of(
    result: ProbeResult,
    X: Blocks,
    labels: NDArray[np.int64],
    class_names: Sequence[str] | None,
    *,
    unseen: bool = False,
    seed: int = 0,
) -> dict[str, LabelErrors]:
    """Find which labels look wrong, by each source that there is of a result.

    Outputs are taken by the number of the class. Without names, classes that no input has are left out, and those that
    are there add up to 1.
    """
    network: Any = None
    if "network" not in missing_sources(result, labels, class_names) and result.scores is not None:
        present = slice(None) if class_names is not None else np.unique(labels)
        network = softmax(result.scores[:, present].astype(np.float64), axis=1)
    pixels = [np.asarray(X[name]) for name in result.picture_blocks]
    return label_errors(
        labels,
        F=result.F,
        network=network,
        unseen=unseen,
        pixels=np.concatenate(pixels, axis=1) if pixels else None,
        classes=class_names,
        seed=seed,
    )


def missing_sources(
    result: ProbeResult, labels: NDArray[np.int64], class_names: Sequence[str] | None
) -> dict[str, str]:
    """Why a source is not there, by its name: of "network" and "pixels" those."""
    found, scores = {}, result.scores
    n_classes = int(labels.max()) + 1 if class_names is None else len(class_names)
    if scores is None:
        found["network"] = "the result has no scores: what the network returns is not a score for each class"
    elif labels.min() < 0:
        found["network"] = f"labels go down to {labels.min()}, and outputs are counted from 0"
    elif scores.shape[1] != n_classes:
        known = "(the largest label is the last); class_names= says how many there are"
        found["network"] = f"the network has {scores.shape[1]} outputs for {n_classes} classes" + (
            f" {known}" if class_names is None else ", of which there are names"
        )
    if not result.picture_blocks:
        found["pixels"] = "no pictures were factored"
    return found
