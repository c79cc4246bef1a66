"""What a result says of its network's outputs, through the linear head that makes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_probe.measures.causes.decisions import decide, makes_outputs
from cnn_probe.measures.causes.travel import LinearHead, TakenApart, head_of, logits_of_factors
from cnn_probe.measures.table import Table
from cnn_probe.probing.result import ProbeResult
from coupled_nmf import Blocks


def checked_head(result: ProbeResult, data: Any, X: Blocks) -> LinearHead | None:
    """The head of `head_of`, if it makes the network's outputs of every input, unless the layer was clipped."""
    found = head_of(result, data, n=len(result.F))
    return found if found is not None and makes_outputs(result, found, X) else None


def added_to_outputs(result: ProbeResult, head: LinearHead) -> NDArray[np.float64]:
    """What each factor adds to each output on average over the inputs, (k, n_outputs)."""
    found: NDArray[np.float64] = logits_of_factors(result, head) * result.F.mean(axis=0)[:, None]
    return found


def table_of_added(added: NDArray[np.float64], names: Sequence[str] | None) -> Table:
    """A row a factor, a column an output."""
    columns = zip(range(added.shape[1]) if names is None else names, added.T, strict=True)
    return Table({"factor": range(len(added)), **{f"adds_to_{name}": adds for name, adds in columns}})


def decision_of(
    result: ProbeResult, head: LinearHead | None, X: Blocks, number: int, other: int | None
) -> TakenApart | None:
    """As of `Answers.decision`."""
    if not 0 <= number < len(result.F):
        raise ValueError(f"number must be from 0 to {len(result.F) - 1}, got {number}")
    if head is None or len(head.bias) < 2:
        return None
    if other is not None and not 0 <= other < len(head.bias):
        raise ValueError(f"other must be from 0 to {len(head.bias) - 1}, got {other}")
    return decide(result, head, X, number, other)
