"""Data of which other processes read a part each, from a place on."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader

from cnn_probe.data.images import ImageSet
from cnn_probe.data.reading import is_indexed
from cnn_probe.system.mapped import as_mapped, place_in_file


def refuse_unplaced(data: Any) -> None:
    """Raise TypeError if samples cannot be read from a place on, without those before them."""
    if isinstance(data, ImageSet | Tensor | np.ndarray) or is_indexed(data):
        return
    instead = "a tensor, an array, or a Dataset with __len__ and __getitem__"
    if isinstance(data, DataLoader):
        instead = f"its dataset and batch_size= (data.dataset is a {type(data.dataset).__name__}), or {instead}"
    raise TypeError(
        f"data is a {type(data).__name__}, whose samples cannot be read from a place on, as each worker reads its own "
        f"part: give {instead}; or leave out record_on='workers'"
    )


def is_held(data: Any) -> bool:
    """Whether its samples are in the memory of this process, from where each part is to be sent."""
    mapped = isinstance(data, np.ndarray) and place_in_file(data) is not None
    return isinstance(data, ImageSet | Tensor | np.ndarray) and not mapped


def sent_whole(data: Any) -> Any:
    """What is sent once of data that is not held: a Dataset as it is, a memory map as the name of its file."""
    return as_mapped(data) if isinstance(data, np.ndarray) else data


def rows_alone(data: Any, rows: slice) -> Any:
    """Some samples of data that is held, in memory of their own: a view would be sent with all that it is of."""
    if isinstance(data, ImageSet):
        labels = None if data.labels is None else rows_alone(data.labels, rows)
        return ImageSet(rows_alone(data.images, rows), labels)
    return data[rows].detach().cpu().clone() if isinstance(data, Tensor) else np.array(data[rows])
