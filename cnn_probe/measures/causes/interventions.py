"""Factors taken out of a layer of the running network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cnn_probe.activations.intervention import Edit, scores_after
from cnn_probe.measures.causes.ablation import Ablation, effects_of
from cnn_probe.measures.causes.amounts import Amounts
from cnn_probe.measures.causes.directions import Direction
from cnn_probe.measures.causes.through_head import ThroughHead, through_head
from cnn_probe.probing.result import ProbeResult

Scores = Callable[[Any], Tensor]
STEP = 1024  # inputs at a time


def ablate(
    result: ProbeResult,
    data: Any,
    layer: str | None = None,
    *,
    factors: Sequence[int] | None = None,
    labels: Any = None,
    class_names: Sequence[str] | None = None,
    n_shuffles: int = 20,
    scores: Scores | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Ablation:
    """Take each factor out of a layer, run the rest of the network, and see what becomes of the predictions.

    From a layer's activations F_j H_j is subtracted; where it was pooled per channel, at each place the amount that is
    there. Beside it stand as much of the same numbers at shuffled neurons, as much of directions drawn like the layer's
    own activations, and as much of the layer's first principal direction. Nothing is cut at zero, so that all are of
    one norm. Shuffled neurons are an easy thing to surpass, and most of what is taken out of the space that a layer
    uses hurts: so ``causes`` of the result says that it does, and ``beyond_alike`` of which factors more than of other
    directions like the layer. It is an intervention: what the layer then holds need not be anything that the network
    was trained on, and where several factors or layers carry one thing, taking out one of them shows little.

    Where a linear layer alone follows, on the layer or the means of its channels, what it makes of the layer without a
    direction is computed, after it was held against the network itself for a few inputs; elsewhere, and where they
    differ by more than rounding, the network runs for each direction.

    Parameters
    ----------
    result : ProbeResult
        With its network.
    data
        As `probe` takes it: the inputs that are fed. A few hundred say as much as thousands.
    layer : str, default=None
        One of ``result.layers``; None for the last.
    factors : sequence of int, default=None
        Counted from 0; None for all.
    labels : array of int of shape (n,), default=None
        By which inputs are grouped into classes; None for what the network itself predicts.
    class_names : sequence of str, default=None
        One for each score; None for their numbers.
    n_shuffles : int, default=20
        Shuffled directions beside each factor, and as many like the layer's own activations. Below 20 no chance can be
        below 5%: the verdict is "not tested". The network runs over the data ``len(factors) * (2 * n_shuffles + 2)``
        times and a few more, or just these where a linear layer follows.
    scores : callable, default=None
        Makes of what the network returns for n inputs their probabilities, a tensor (n, n_classes). None: the softmax
        of its output.
    seed : int, default=0
        Of the directions.
    progress : callable(n_done, n), default=None
        Called after each batch.

    Returns
    -------
    `.Ablation`

    Raises
    ------
    ValueError
        If the result has no network or no such layer or factor, the layer was pooled over its channels, or what is
        scored is not a row of scores an input.

    Examples
    --------
    >>> from torch import nn
    >>> from cnn_probe import probe
    >>> images = torch.rand(30, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(36, 8), nn.ReLU(), nn.Linear(8, 3))
    >>> found = ablate(probe(network, images, n_components=2), images, n_shuffles=2)
    >>> found.change.shape, found.shuffled.shape
    ((2, 3), (2, 2, 3))
    """
    name = result.layers[-1] if layer is None else layer
    how = result.layer(name)
    if how.of_places:
        raise ValueError(
            f"layer {name!r} was pooled over its channels, so a factor says nothing of which; probe it anew"
        )
    prepared, probabilities = result.prepare(data), scores or _softmax
    amounts = Amounts(result, how, prepared, data)
    n = prepared.source.n

    def tell(done: int) -> None:
        if progress is not None:
            progress(done, n or done)

    network, output = prepared.network, how.output
    as_it_is = scores_after(
        network, prepared.batches(), output, [None], lambda returned, rows: probabilities(returned)
    )[0]
    groups = np.argmax(as_it_is, axis=1) if labels is None else _checked(labels, as_it_is.shape)
    names = [str(i) for i in range(as_it_is.shape[1])] if class_names is None else list(class_names)
    if len(names) != as_it_is.shape[1]:
        raise ValueError(f"class_names has {len(names)} names for {as_it_is.shape[1]} scores")

    def own(returned: Any, rows: slice) -> Tensor:
        found = probabilities(returned).detach().cpu().double()
        chosen = torch.as_tensor(groups[rows])
        return torch.stack([found.gather(1, chosen[:, None])[:, 0], found.argmax(dim=1).double()], dim=1)

    def run(directions: Sequence[Direction]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        head = through_head(result, data, amounts, directions, tell)
        if head is not None:
            found = _scores_of(head, directions, own)
        else:
            edits: list[Edit | None] = [None, *(amounts.without(direction) for direction in directions)]
            found = scores_after(network, prepared.batches(), output, edits, own, progress=tell)
        return found[:, :, 0], found[:, :, 1].astype(np.int64)

    rows, H = amounts.some_rows(len(as_it_is)), amounts.directions
    return effects_of(
        run, H, rows, groups, layer=name, classes=names, factors=factors, n_shuffles=n_shuffles, seed=seed
    )


def _scores_of(
    head: ThroughHead, directions: Sequence[Direction], scores: Callable[[Any, slice], Tensor]
) -> NDArray[np.float64]:
    """What `scores_after` gives, by the head."""
    found = []
    for start in range(0, len(head.outputs), STEP):
        rows = slice(start, min(start + STEP, len(head.outputs)))
        found.append(torch.stack([scores(head.without(one, rows), rows) for one in (None, *directions)]))
    return torch.cat(found, dim=1).numpy()


def _softmax(returned: Any) -> Tensor:
    if not isinstance(returned, Tensor) or returned.ndim != 2:
        shown = f"shape {tuple(returned.shape)}" if isinstance(returned, Tensor) else f"a {type(returned).__name__}"
        raise ValueError(f"the network returns {shown}, not a score for each class; pass scores=, which makes them")
    return returned.detach().double().softmax(dim=1)


def _checked(labels: Any, shape: tuple[int, ...]) -> NDArray[np.int64]:
    found = np.asarray(labels)
    if found.shape != shape[:1] or found.dtype.kind not in "iu" or found.min() < 0 or found.max() >= shape[1]:
        raise ValueError(
            f"labels must be {shape[0]} whole numbers from 0 to {shape[1] - 1}, got {found.dtype}, shape {found.shape}"
        )
    return found.astype(np.int64)
