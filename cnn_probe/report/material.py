"""What pictures are drawn of: answers, and the inputs themselves where they can be shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_probe.data.batches import Batch
from cnn_probe.data.picture_folder import PictureFolder
from cnn_probe.measures.answers import Answers
from cnn_probe.measures.patterns.channels import channel_maps, channel_shares
from cnn_probe.report.plots.grid import MOST_ROWS, chosen

WALKED = 5  # blocks that a walk goes through


@dataclass(frozen=True, eq=False)
class Material:
    """Answers, and what is drawn of them; each part is made when it is first asked for.

    Attributes
    ----------
    asked : Answers
    """

    asked: Answers

    @property
    def k(self) -> int:
        """Factors that are drawn: the first."""
        return min(self.asked.result.F.shape[1], MOST_ROWS)

    @cached_property
    def latent(self) -> NDArray[Any] | None:
        """Latent images; None where no pictures were factored."""
        result = self.asked.result
        return result.latent_images if any(name.startswith("pixels") for name in result.shapes) else None

    @cached_property
    def top(self) -> NDArray[np.int64]:
        """Inputs of which each factor has the largest share, (k, n_top)."""
        return self.asked.patterns.top[: self.k]

    @cached_property
    def top_pictures(self) -> NDArray[Any] | None:
        """They, (k, n_top, channels, height, width); None where inputs are no pictures."""
        found = self.pictures(self._drawn.tolist())
        return None if found is None else found[self._places]

    @cached_property
    def heat(self) -> dict[str, NDArray[np.float32]]:
        """Where each factor is in its top inputs, (k, n_top, h, w), by layer of the walk that has places."""
        result, prepared = self.asked.result, self.asked.recorded.prepared
        layers = [layer.name for layer in result.how if len(layer.shape) > 1]
        walked = {block.layer for block in result.blocks if block.name in self.walked}
        layers = [name for name in layers if name in walked or name == layers[-1]]
        if not layers or self._drawn.size == 0:
            return {}
        numbers = self._drawn.tolist()
        found = result.places_in(self._batches(numbers), layers, network=prepared.network, F=lambda: result.F[numbers])
        rows = np.arange(self.k)
        return {name: as_maps(values)[self._places.T, rows].swapaxes(0, 1) for name, values in found.items()}

    @property
    def walked(self) -> list[str]:
        """Blocks of layers that a walk goes through."""
        return chosen(list(self.maps), WALKED)

    @cached_property
    def maps(self) -> dict[str, NDArray[Any]]:
        """Components by channel, as of `channel_maps`."""
        return channel_maps(self.asked.result)

    @cached_property
    def channels(self) -> dict[str, NDArray[np.float64]]:
        """What part of each factor lies in each channel, as of `channel_shares`."""
        return channel_shares(self.maps)

    def pictures(self, numbers: Sequence[int]) -> NDArray[Any] | None:
        """Some inputs as pictures (n, channels, height, width) in [0, 1]; None where they are none."""
        found = []
        for batch in self._batches(numbers):
            if batch.pictures is None or batch.pictures.shape[1] not in (1, 3):
                return None
            found.append(batch.pictures.cpu().numpy())
        return np.concatenate(found) if found else None

    def input_name(self, number: int) -> str:
        """What an input is called: its file, or its number."""
        data = self.asked.data
        return data.names[number].rsplit("/", 1)[-1] if isinstance(data, PictureFolder) else f"#{number}"

    def class_name(self, label: int, n_outputs: int | None = None) -> str:
        """A class by its name, where names are known and, of an output, as many as there are outputs."""
        names = self.asked.class_names
        if names is None or label >= len(names) or (n_outputs is not None and n_outputs != len(names)):
            return str(label)
        return names[label]

    @cached_property
    def _drawn(self) -> NDArray[np.int64]:
        return np.unique(self.top)

    @cached_property
    def _places(self) -> NDArray[np.int64]:
        """Where each of the top inputs is among those that are drawn."""
        return np.searchsorted(self._drawn, self.top)

    def _batches(self, numbers: Sequence[int]) -> Iterator[Batch]:
        """Some inputs, as many at a time as were recorded at a time."""
        prepared = self.asked.recorded.prepared
        for start in range(0, len(numbers), prepared.batch_size):
            yield prepared.source.picked(list(numbers[start : start + prepared.batch_size]))


def as_maps(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Amounts at places (n, k, *places) as maps (n, k, h, w).

    Tokens are laid out as a square, without a first that is of no place; what is longer than a map is cut at its last
    axis.

    Examples
    --------
    >>> as_maps(np.zeros((2, 3, 17), dtype=np.float32)).shape, as_maps(np.zeros((2, 3, 6), dtype=np.float32)).shape
    ((2, 3, 4, 4), (2, 3, 1, 6))
    """
    n, k = values.shape[:2]
    if values.ndim == 4:
        return values
    if values.ndim > 4:
        return values.reshape(n, k, -1, values.shape[-1])
    tokens = values.shape[2]
    side = round(np.sqrt(tokens - 1))
    if side * side == tokens - 1 and side > 1:  # the first is the class token's
        return values[:, :, 1:].reshape(n, k, side, side)
    side = round(np.sqrt(tokens))
    return values.reshape(n, k, side, side) if side * side == tokens else values[:, :, None]
