"""What of a result can say which labels look wrong: its factors, its network's outputs, its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from cnn_probe.measures.labels.errors import LabelErrors, label_errors
from cnn_probe.probing.predictions import why_other_classes
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
    found = {}
    why: str | None = "the result has no scores: what the network returns is not a score for each class"
    if result.scores is not None:
        why = why_other_classes(result.scores, labels, class_names)
    if why is not None:
        found["network"] = why
    if not result.picture_blocks:
        found["pixels"] = "no pictures were factored"
    return found
