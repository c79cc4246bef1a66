"""Single decisions of recorded inputs, taken apart; and whether a head is one for all of these."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnn_probe.activations.signs import restore
from cnn_probe.measures.causes.travel import LinearHead, TakenApart, minima_of_layer, take_apart
from cnn_probe.probing.result import ProbeResult
from coupled_nmf import Blocks

OFF = 1e-2  # relative, of outputs in half precision at most
STEP = 1024  # inputs at a time


def makes_outputs(result: ProbeResult, head: LinearHead, X: Blocks) -> bool:
    """Whether a head makes the network's outputs of each recorded input; True where the layer was clipped."""
    scores = result.scores
    if scores is None or result.layer(head.layer).negative == "clip":
        return True
    for start in range(0, len(scores), STEP):
        rows = slice(start, start + STEP)
        made = _activations(result, head.layer, X, rows) @ head.weights.T + head.bias
        if np.abs(made - scores[rows]).max() > OFF * max(float(np.abs(made).max()), 1e-30):
            return False
    return True


def decide(result: ProbeResult, head: LinearHead, X: Blocks, number: int, other: int | None = None) -> TakenApart:
    """Split the decision of a recorded input, as of `take_apart`, by the network's own outputs."""
    return take_apart(
        result,
        head,
        _activations(result, head.layer, X, slice(number, number + 1))[0],
        number,
        other=other,
        minima=minima_of_layer(result, head.layer),
        outputs=None if result.scores is None else result.scores[number],
    )


def _activations(result: ProbeResult, layer: str, X: Blocks, rows: slice) -> NDArray[np.float64]:
    """A layer's activations, as its blocks have them, with their signs and minima."""
    parts = {sign: np.asarray(X[name][rows], dtype=np.float64) for name, sign in result.layer(layer).blocks.items()}
    return np.asarray(restore(parts, minima_of_layer(result, layer)))
