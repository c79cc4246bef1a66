"""What pictures are drawn of: answers, and the inputs themselves where they can be shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_probe.data.batches import Batch
from cnn_probe.data.picture_folder import PictureFolder
from cnn_probe.measures.answering.answers import Answers
from cnn_probe.measures.patterns.channels import channel_maps, channel_shares
from cnn_probe.report.plots.grid import MOST_ROWS, chosen, of_all

ON_A_PAGE = 100  # factors that a page shows: the strongest
WALKED = 5  # blocks that a walk goes through


@dataclass(frozen=True, eq=False)
class Material:
    """Answers, and what is drawn of them; each part is made when it is first asked for.

    Attributes
    ----------
    asked : Answers
    most : int, default=20
        Factors that are drawn: the first.
    what : str, default=""
        What sets its network apart, in words.
    walk : int or None, default=5
        Blocks of layers that a walk goes through; None for all.
    """

    asked: Answers
    most: int = MOST_ROWS
    what: str = ""
    walk: int | None = WALKED

    @property
    def k(self) -> int:
        """Factors that are drawn."""
        return min(self.asked.result.F.shape[1], self.most)

    @property
    def said(self) -> str:
        """What a figure is of: the network, how many factors and inputs, how right it is."""
        result = self.asked.result
        name = "network" if result.network is None else type(result.network).__name__
        right = "" if self.asked.accuracy is None else f", accuracy {self.asked.accuracy:.1%}"
        few = of_all(self.k, result.F.shape[1], "factors")
        return f"{name}{self.what}, rank {result.F.shape[1]}{few}, n = {len(result.F)} inputs{right}"

    @cached_property
    def latent(self) -> NDArray[Any] | None:
        """Latent images; None where no pictures were factored."""
        return self.asked.result.latent_images if self.asked.result.picture_blocks else None

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
        """Where each factor is in its top inputs, as of `ProbeResult.where`: (k, n_top, h, w), by layer of the walk."""
        result = self.asked.result
        layers = [layer.name for layer in result.how if len(layer.shape) > 1]
        walked = {block.layer for block in result.blocks if block.name in self.walked}
        layers = [name for name in layers if name in walked or name == layers[-1]]
        if not layers or self._drawn.size == 0:
            return {}
        found: dict[str, NDArray[np.float32]] = {}
        along = {layer.name: layer.output.channel_axis for layer in result.how}
        network = result.own_network()
        start = 0
        for batch in self._batches(self._drawn.tolist()):
            rows = slice(start, start + batch.n)
            places = result.places_in([batch], layers, network=network, F=partial(result.F.take, self._drawn[rows], 0))
            factors, columns = np.nonzero((self._places >= rows.start) & (self._places < rows.stop))
            for name, values in places.items():  # of each input the maps of those factors alone that it is drawn for
                maps = as_maps(values, channels_last=along[name] != 1)
                whole = found.setdefault(name, np.empty((*self._places.shape, *maps.shape[2:]), np.float32))
                whole[factors, columns] = maps[self._places[factors, columns] - start, factors]
            start += batch.n
        return found

    @property
    def walked(self) -> list[str]:
        """Blocks of layers that a walk goes through."""
        return list(self.maps) if self.walk is None else chosen(list(self.maps), self.walk)

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
            if batch.pictures is None:
                return None
            found.append(batch.pictures.cpu().numpy())
        return np.concatenate(found) if found else None

    def input_name(self, number: int, *, folder: bool = False) -> str:
        """What an input is called: its file, with the ``folder`` of its class if that is asked for, or its number."""
        data = self.asked.data
        if not isinstance(data, PictureFolder):
            return f"#{number}"
        return data.names[number] if folder else data.names[number].rsplit("/", 1)[-1]

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


def as_maps(values: NDArray[Any], *, channels_last: bool) -> NDArray[Any]:
    """Amounts at places (n, k, *places) as maps (n, k, h, w).

    Parameters
    ----------
    values : ndarray of shape (n, k, *places)
    channels_last : bool
        Of the layer. Its places are then tokens: a number that is a square, as of a transformer's patches, is laid out
        as one, without a first that is of no place if it is one more. Others, as of a sound, stay a row; what is longer
        than a map is cut at its last axis.

    Examples
    --------
    >>> [as_maps(np.zeros((2, 3, 17)), channels_last=last).shape for last in (True, False)]
    [(2, 3, 4, 4), (2, 3, 1, 17)]
    """
    n, k = values.shape[:2]
    if values.ndim == 4:
        return values
    if values.ndim > 4:
        return values.reshape(n, k, -1, values.shape[-1])
    tokens = values.shape[2]
    side = round(np.sqrt(tokens - 1))
    if channels_last and side * side == tokens - 1 and side > 1:
        return values[:, :, 1:].reshape(n, k, side, side)
    side = round(np.sqrt(tokens))
    square = channels_last and side * side == tokens and side > 1
    return values.reshape(n, k, side, side) if square else values[:, :, None]
