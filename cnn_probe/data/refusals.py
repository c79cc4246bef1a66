"""What is no data, or cannot be read again and again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from os import PathLike
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import (
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

from cnn_probe.data.images import ImageData, ImageSet
from cnn_probe.data.reading import is_indexed

_SHUFFLING = RandomSampler | SubsetRandomSampler | WeightedRandomSampler


def refuse(data: Any) -> None:
    """Raise TypeError or ValueError if data cannot be read in several passes that agree."""
    kind = type(data).__name__
    if isinstance(data, ImageData):
        raise TypeError("data is an ImageData; take .train or .test")
    if isinstance(data, str | bytes | PathLike):
        raise TypeError(
            f"data is a {kind}; for a folder of pictures give PictureFolder(folder, image_size), else a tensor, a "
            "Dataset, a DataLoader or a list of batches"
        )
    if isinstance(data, Mapping):
        raise TypeError(f"data is a {kind}; give a tensor, a Dataset, a DataLoader or a list of batches")
    if isinstance(data, Dataset) and not isinstance(data, IterableDataset | Sized):
        raise TypeError(f"data is a {kind}, a Dataset without a length; give it __len__, or make it an IterableDataset")
    readable = isinstance(data, Iterable | ImageSet) or is_indexed(data)
    readable = readable and not isinstance(data, type)
    once = isinstance(data, Iterator) or (readable and _begins_once(data))
    if once or not readable:
        raise TypeError(
            f"data is a {kind}, {'which can be read once' if once else 'which gives no batches'}: several passes are "
            "made over it. Give a tensor, a Dataset, a DataLoader, a list of batches, or an object that begins anew "
            "whenever it is iterated"
        )
    if isinstance(data, np.ndarray) and data.dtype.kind not in "biufc":
        raise TypeError(f"data is an array of {data.dtype}; give one of numbers")
    if isinstance(data, Tensor | np.ndarray) and (data.ndim < 2 or not len(data)):
        raise ValueError(f"data must be samples (n, ...), got shape {tuple(data.shape)}")
    if isinstance(data, tuple | list) and _is_one_batch(data):
        raise TypeError(
            f"data is a {kind} of tensors of the same samples, the last of whole numbers, which is one batch, not "
            "several: give torch.utils.data.TensorDataset(*data), or [data]"
        )
    sampler = getattr(getattr(data, "batch_sampler", None), "sampler", getattr(data, "sampler", None))
    if isinstance(sampler, _SHUFFLING) or (isinstance(sampler, DistributedSampler) and sampler.shuffle):
        raise ValueError(
            "data is a DataLoader that shuffles, so no two passes agree; give one with shuffle=False, or its dataset"
        )


def _begins_once(data: Any) -> bool:
    if isinstance(data, DataLoader):
        return isinstance(data.dataset, IterableDataset) and _begins_once(data.dataset)
    if isinstance(data, Tensor | np.ndarray | ImageSet | tuple | list) or is_indexed(data):
        return False
    # Two iterators that are one: the second pass would go on where the first has ended.
    return iter(data) is iter(data)


def _is_one_batch(data: Sequence[Any]) -> bool:
    """Whether it is (inputs, labels), as scikit-learn's X and y, and no list of batches."""
    if len(data) < 2 or not all(isinstance(part, Tensor | np.ndarray) and part.ndim for part in data):
        return False
    last = torch.as_tensor(data[-1][:1])
    whole = not (last.is_floating_point() or last.is_complex())
    return whole and data[-1].ndim == 1 and data[0].ndim > 1 and len({len(part) for part in data}) == 1
