"""What a network puts out without a direction of a layer, where a linear head alone follows: nothing has to be run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cnn_probe.activations.intervention import scores_after
from cnn_probe.measures.causes.amounts import Amounts, picked, spread
from cnn_probe.measures.causes.directions import Direction
from cnn_probe.measures.causes.travel import FEW, LinearHead, head_of
from cnn_probe.probing.result import ProbeResult

ROUNDING = 1e-5  # relative to the largest output, of sums in single precision


@dataclass(frozen=True, eq=False)
class ThroughHead:
    """Outputs of a network, and what of them goes with a layer's factors.

    Attributes
    ----------
    head : LinearHead
        Its weights are multiplied by a direction.
    outputs : Tensor of shape (n, n_outputs)
        The network's own.
    amounts : float64 ndarray of shape (n, k)
        Of each factor in the layer, on average over its places.
    """

    head: LinearHead
    outputs: Tensor
    amounts: NDArray[np.float64]

    def without(self, direction: Direction | None, rows: slice | list[int]) -> Tensor:
        """Outputs of some inputs without as much of a direction as there is of its factor."""
        if direction is None:
            return self.outputs[rows]
        less = np.multiply.outer(self.amounts[rows, direction.factor], self.head.weights @ direction.vector)
        return (self.outputs[rows].double() - torch.from_numpy(less).to(self.outputs.device)).to(self.outputs.dtype)


def through_head(
    result: ProbeResult,
    data: Any,
    amounts: Amounts,
    directions: Sequence[Direction],
    progress: Callable[[int], None],
) -> ThroughHead | None:
    """Outputs by the head that follows a layer; None if there is none, or the network puts out anything else.

    That a head is fed the layer's own values does not say that it is fed what the layer is changed to: a ReLU between
    them would cut it. So the network is run for a few inputs, too, without one direction of each factor and kind.
    """
    head = head_of(result, data, amounts.how.name)
    found = None if head is None else _recorded(head, amounts, progress)
    return found if found is not None and _holds(found, amounts, directions) else None


def _recorded(head: LinearHead, amounts: Amounts, progress: Callable[[int], None]) -> ThroughHead | None:
    """Outputs and amounts of all inputs; None if the head makes other outputs of one of them."""
    made: list[NDArray[np.float64]] = []
    own: list[NDArray[np.float64]] = []
    outputs: list[Tensor] = []

    def keep(values: Tensor, rows: slice) -> Tensor:
        of_factors, activations = amounts.averaged(values, rows)
        own.append(of_factors)
        made.append(activations @ head.weights.T + head.bias)
        return values

    def hear(returned: Any, rows: slice) -> Tensor:
        outputs.append(returned.detach().clone())
        return outputs[-1]

    prepared = amounts.prepared
    (ran,) = scores_after(prepared.network, prepared.batches(), amounts.how.output, [keep], hear, progress=progress)
    return ThroughHead(head, torch.cat(outputs), np.concatenate(own)) if _agree(np.concatenate(made), ran) else None


def _holds(found: ThroughHead, amounts: Amounts, directions: Sequence[Direction]) -> bool:
    """Whether the network puts out the same for inputs from all over, without a direction of each factor and kind."""
    numbers = spread(len(found.outputs), FEW)
    few = {(one.factor, one.kind): one for one in reversed(directions)}.values()
    edits = [amounts.without(one, numbers) for one in few]
    ran = scores_after(
        amounts.prepared.network,
        picked(amounts.prepared, numbers),
        amounts.how.output,
        edits,
        lambda returned, _rows: returned,
    )
    return _agree(np.stack([found.without(one, numbers).cpu().double().numpy() for one in few]), ran)


def _agree(made: NDArray[np.float64], ran: NDArray[np.float64]) -> bool:
    return made.shape == ran.shape and bool(np.abs(made - ran).max() <= ROUNDING * max(float(np.abs(ran).max()), 1e-30))
