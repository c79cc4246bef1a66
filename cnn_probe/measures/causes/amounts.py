"""How much of each factor is in a layer, and the layer without it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cnn_probe.activations.intervention import Edit, scores_after
from cnn_probe.activations.planning import Layer
from cnn_probe.data.batches import Batch
from cnn_probe.measures.causes.directions import Direction
from cnn_probe.probing.places import amounts_at_places, pools_channels
from cnn_probe.probing.recording import Prepared
from cnn_probe.probing.result import ProbeResult

Rows = slice | list[int]  # of a batch: those that follow each other, or by their numbers
MOST_ROWS, MOST_PLACED = 2000, 200  # rows, and inputs with places, that say what a layer's activations are like


class Amounts:
    """How much of each factor is in each input's layer, and what is left of the layer without it."""

    def __init__(self, result: ProbeResult, how: Layer, prepared: Prepared, data: Any) -> None:
        self.how, self.prepared, self._result = how, prepared, result
        self._placed = pools_channels(how)
        self._F = None if self._placed else np.asarray(result.transform(data), dtype=np.float32)
        self._at: tuple[Rows, NDArray[np.float32]] | None = None

    @property
    def directions(self) -> NDArray[np.float64]:
        """What one of each factor adds to the layer's activations, (k, n_features)."""
        own = self._result.model.block_components_
        signed = [own[name] * (1.0 if sign == "+" else -1.0) for name, sign in self.how.blocks.items()]
        return np.sum(signed, axis=0, dtype=np.float64)

    def some_rows(self, n: int) -> NDArray[np.float32]:
        """Activations of inputs from all over the n, each in a row; of a layer with places, those at some of each."""
        n_inputs = min(n, MOST_PLACED if self._placed else MOST_ROWS)
        numbers = spread(n, n_inputs)
        found: list[Tensor] = []

        def keep(values: Tensor, rows: slice) -> Tensor:
            own = self._by_place(values.detach())
            places = spread(own.shape[1], max(MOST_ROWS // n_inputs, 1))
            found.append(own[:, places].flatten(0, 1).float().cpu())
            return values

        scores_after(
            self.prepared.network,
            picked(self.prepared, numbers),
            self.how.output,
            [keep],
            lambda _returned, rows: torch.zeros(rows.stop - rows.start, 1),
        )
        return torch.cat(found).numpy()

    def without(self, direction: Direction, numbers: Sequence[int] | None = None) -> Edit:
        """What makes of a layer's values those without as much of a direction as there is of its factor.

        Of all inputs in their order, or of those with these ``numbers``.
        """

        def edit(values: Tensor, rows: slice) -> Tensor:
            amounts = self._of(values, rows if numbers is None else list(numbers[rows]))[:, direction.factor]
            part = torch.from_numpy(np.multiply.outer(amounts, direction.vector.astype(np.float32))).to(values.device)
            if self._placed:  # (n, *places, channels)
                return values - part.movedim(-1, self.how.output.channel_axis).to(values.dtype)
            return values - part.reshape(values.shape).to(values.dtype)

        return edit

    def averaged(self, values: Tensor, rows: slice) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Amounts (n, k) and activations (n, n_features) of a batch; of a layer with places the means over them."""
        amounts = self._of(values, rows).astype(np.float64)
        means = self._by_place(values.detach()).float().mean(dim=1).cpu().double().numpy()
        return amounts.reshape(*amounts.shape[:2], -1).mean(axis=2), means

    def _of(self, values: Tensor, rows: Rows) -> NDArray[np.float32]:
        """Amounts (n, k, *places) of a batch, found once for all its edits."""
        if self._F is not None:
            return self._F[rows]
        if self._at is None or self._at[0] != rows:
            self._at = rows, amounts_at_places(self._result.model, self.how, values, self._result.minima)
        return self._at[1]

    def _by_place(self, values: Tensor) -> Tensor:
        """Values as (n, n_places, n_features): of a layer that is taken whole, one place of all its numbers."""
        if not self._placed:
            return values.reshape(len(values), 1, -1)
        return values.movedim(self.how.output.channel_axis, -1).flatten(1, -2)


def spread(n: int, few: int) -> list[int]:
    """So many numbers, or fewer, from all over the first n."""
    return [int(one) for one in np.unique(np.linspace(0, n - 1, few).round())]


def picked(prepared: Prepared, numbers: Sequence[int]) -> Iterator[Batch]:
    """Batches of the inputs with these numbers."""
    size = prepared.batch_size
    return (prepared.source.picked(numbers[start : start + size]) for start in range(0, len(numbers), size))
