"""The network run on with another output of a layer than the one that it had."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cnn_probe.activations.passes.hooks import OutputHooks
from cnn_probe.activations.passes.outputs import Output
from cnn_probe.data.batches import Batch
from cnn_probe.networks.calling import feed
from cnn_probe.networks.state import evaluating, with_end

#: ``edit(values, rows)``: of a layer's output for these samples, samples first, what the network goes on with.
Edit = Callable[[Tensor, slice], Tensor]


def scores_after(
    network: nn.Module,
    batches: Iterable[Batch],
    output: Output,
    edits: Sequence[Edit | None],
    scores: Callable[[Any, slice], Tensor],
    *,
    progress: Callable[[int], None] | None = None,
) -> NDArray[np.float64]:
    """Run a network over batches once for each edit of one of its outputs.

    Parameters
    ----------
    network : Module
        In evaluation mode, without gradients; put back as it was.
    batches : iterable of Batch
        Read once.
    output : Output
        Which is changed.
    edits : sequence of callable or None
        ``edit(values, rows)``; None leaves all as it is.
    scores : callable
        ``scores(returned, rows)`` makes of what the network returns for these samples a tensor (n, n_scores).
    progress : callable, default=None
        Called with the number of samples after each batch.

    Returns
    -------
    float64 array of shape (n_edits, n_samples, n_scores)
    """
    now: dict[str, Any] = {}

    def edited(values: Tensor) -> Tensor:
        if now["edit"] is None:
            return values
        changed: Tensor = now["edit"](values, now["rows"])
        return changed.to(values)

    hooks = OutputHooks(network, [output], keep=lambda _output, _value: None, edits={output.name: edited})

    def run() -> NDArray[np.float64]:
        hooks.add()
        found, start = [], 0
        for batch in batches:
            now["rows"] = slice(start, start + batch.n)
            of_batch = []
            for edit in edits:
                now["edit"] = edit
                returned = feed(network, batch.inputs, batch.keywords)
                of_batch.append(_checked(scores(returned, now["rows"]), batch.n))
            found.append(torch.stack(of_batch))
            start += batch.n
            if progress is not None:
                progress(start)
        return torch.cat(found, dim=1).numpy()

    return evaluating(lambda: with_end(run, hooks.remove), network)


def _checked(found: Any, n: int) -> Tensor:
    if not isinstance(found, Tensor) or found.ndim != 2 or len(found) != n:
        shown = f"shape {tuple(found.shape)}" if isinstance(found, Tensor) else f"a {type(found).__name__}"
        raise ValueError(f"what is to be scored must be a tensor of shape ({n}, n_scores) for {n} samples, got {shown}")
    return found.detach().to("cpu", torch.float64)
