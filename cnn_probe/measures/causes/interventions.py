"""Factors taken out of a layer of the running network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cnn_probe.activations.intervention import Edit, scores_after
from cnn_probe.activations.planning import Layer
from cnn_probe.measures.causes.ablation import Ablation, Direction, effects_of, principal_direction
from cnn_probe.probing.places import amounts_at_places
from cnn_probe.probing.recording import Prepared
from cnn_probe.probing.result import ProbeResult

Scores = Callable[[Any], Tensor]
MOST_ROWS, MOST_PLACED = 2000, 200  # rows, and inputs with places, that give a layer's principal direction


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
    there. Beside it stand as much of the same numbers at shuffled neurons, and as much of the layer's first principal
    direction. Nothing is cut at zero, so that all are of one norm. It is an intervention: what the layer then holds
    need not be anything that the network was trained on, and where several factors or layers carry one thing, taking
    out one of them shows little.

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
        Shuffled directions beside each factor. The network runs over the data ``len(factors) * (n_shuffles + 2) + 2``
        times.
    scores : callable, default=None
        Makes of what the network returns for n inputs their probabilities, a tensor (n, n_classes). None: the softmax
        of its output.
    seed : int, default=0
        Of the shuffles and of the bootstrap.
    progress : callable(n_done, n), default=None
        Called after each batch.

    Returns
    -------
    Ablation

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
    if how.pool == "token" and len(how.shape) > 1:
        raise ValueError(
            f"layer {name!r} was pooled over its channels, so a factor says nothing of which; probe it anew"
        )
    prepared, probabilities = result.prepare(data), scores or _softmax
    amounts = _Amounts(result, how, prepared, data)
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
        edits: list[Edit | None] = [None, *(amounts.without(direction) for direction in directions)]
        found = scores_after(network, prepared.batches(), output, edits, own, progress=tell)
        return found[:, :, 0], found[:, :, 1].astype(np.int64)

    principal = principal_direction(amounts.some_rows(len(as_it_is)), seed)
    H = amounts.directions
    return effects_of(
        run, H, principal, groups, layer=name, classes=names, factors=factors, n_shuffles=n_shuffles, seed=seed
    )


class _Amounts:
    """How much of each factor is in each input's layer, and what is left of the layer without it."""

    def __init__(self, result: ProbeResult, how: Layer, prepared: Prepared, data: Any) -> None:
        self._result, self._how, self._prepared = result, how, prepared
        self._placed = how.pool in ("mean", "max") and len(how.shape) > 1
        self._F = None if self._placed else np.asarray(result.transform(data), dtype=np.float32)
        self._at: tuple[slice, NDArray[np.float32]] | None = None

    @property
    def directions(self) -> NDArray[np.float64]:
        """What one of each factor adds to the layer's activations, (k, n_features)."""
        own = self._result.model.block_components_
        signed = [own[name] * (1.0 if sign == "+" else -1.0) for name, sign in self._how.blocks.items()]
        return np.sum(signed, axis=0, dtype=np.float64)

    def some_rows(self, n: int) -> NDArray[np.float32]:
        """Activations of inputs from all over the n, each in a row; of a layer with places, those at some of each."""
        n_inputs = min(n, MOST_PLACED if self._placed else MOST_ROWS)
        numbers = np.unique(np.linspace(0, n - 1, n_inputs).round().astype(int)).tolist()
        found: list[Tensor] = []

        def keep(values: Tensor, rows: slice) -> Tensor:
            own = self._as_rows(values.detach())
            own = own.reshape(len(values), -1, own.shape[-1])
            places = np.unique(np.linspace(0, own.shape[1] - 1, max(MOST_ROWS // n_inputs, 1)).round().astype(int))
            found.append(own[:, places.tolist()].flatten(0, 1).float().cpu())
            return values

        prepared, output = self._prepared, self._how.output
        size = prepared.batch_size
        some = (prepared.source.picked(numbers[start : start + size]) for start in range(0, len(numbers), size))
        scores_after(
            prepared.network, some, output, [keep], lambda _returned, rows: torch.zeros(rows.stop - rows.start, 1)
        )
        return torch.cat(found).numpy()

    def without(self, direction: Direction) -> Edit:
        """What makes of a layer's values those without as much of a direction as there is of its factor."""

        def edit(values: Tensor, rows: slice) -> Tensor:
            amounts = self._of(values, rows)[:, direction.factor]
            part = torch.from_numpy(np.multiply.outer(amounts, direction.vector.astype(np.float32))).to(values.device)
            if self._placed:  # (n, *places, channels)
                return values - part.movedim(-1, self._how.output.channel_axis).to(values.dtype)
            return values - part.reshape(values.shape).to(values.dtype)

        return edit

    def _of(self, values: Tensor, rows: slice) -> NDArray[np.float32]:
        """Amounts (n, k, *places) of a batch, found once for all its edits."""
        if self._F is not None:
            return self._F[rows]
        if self._at is None or self._at[0] != rows:
            self._at = rows, amounts_at_places(self._result.model, self._how, values, self._result.minima)
        return self._at[1]

    def _as_rows(self, values: Tensor) -> Tensor:
        if not self._placed:
            return values.reshape(len(values), -1)
        axis = self._how.output.channel_axis
        return values.movedim(axis, -1).reshape(-1, values.shape[axis])


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
