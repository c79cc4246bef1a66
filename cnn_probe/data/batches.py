"""Any data as batches that can be read again and again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, RandomSampler, Subset, SubsetRandomSampler
from torch.utils.data import default_collate as collate

from cnn_probe.data.batch_parts import Preprocess, count_of, parts_of, pictures_of, preprocessed
from cnn_probe.data.digests import count_values, said_of
from cnn_probe.data.images import ImageData, ImageSet
from cnn_probe.data.picture_folder import PictureFolder
from cnn_probe.data.pillow import tensor_of


@dataclass(frozen=True, eq=False)
class Batch:
    """Some samples.

    Attributes
    ----------
    inputs : tuple
        What the network is called with: ``network(*inputs, **keywords)``.
    keywords : dict
        What it is called with by name.
    pictures : float32 Tensor of shape (n, channels, height, width) or None
        What is shown and factored: pixels in [0, 1]. None if there are no pictures.
    labels : int64 Tensor of shape (n,) or None
    n : int
        Samples.
    """

    inputs: tuple[Any, ...]
    keywords: dict[str, Any]
    pictures: Tensor | None
    labels: Tensor | None
    n: int


class Source:
    """Data as batches, which can be read again and again; `as_source` makes it.

    Attributes
    ----------
    n : int or None
        Number of samples; None where only reading tells.
    preprocess : callable or None
        Makes what the network is fed out of pictures.
    why_no_pictures : str
        Why the batches read so far have none; empty if they have.
    """

    def __init__(self, data: Any, preprocess: Preprocess | None = None) -> None:
        self.preprocess, self.why_no_pictures = preprocess, ""
        self._data = data
        self.n = _length(data)

    def batches(self, batch_size: int, start: int = 0) -> Iterator[Batch]:
        """Read batches of so many samples, or as a DataLoader and other iterables give them, from sample ``start`` on.

        Raises
        ------
        TypeError, ValueError
            If a batch is none, pictures are not in [0, 1], or labels are no classes.
        """
        at = start
        for given in _from(self._data, batch_size, start):
            batch = self._batch(given, f"samples {at} on")
            at += batch.n
            yield batch
        if self.n is not None and at != self.n:
            raise ValueError(
                f"data says that it has {self.n} samples, and gave {at}; it has changed, or counts wrongly"
            )

    def picked(self, numbers: Sequence[int]) -> Batch:
        """Return some samples, by their numbers; where data can only be read from the first on, all are read over."""
        if isinstance(self._data, ImageSet):
            return next(Source(self._data.subset(list(numbers)), self.preprocess).batches(len(numbers)))
        if isinstance(self._data, Tensor):
            return self._batch(self._data[list(numbers)], "the samples picked")
        if _is_indexed(self._data):
            return self._batch(_collate([self._data[int(number)] for number in numbers]), "the samples picked")
        found: dict[int, Any] = {}
        start = 0
        for given in _from(self._data, 64, 0):
            inputs, keywords, _ = parts_of(given)
            n = count_of(inputs, keywords, "a batch")
            found |= {number: _rows(given, n, number - start) for number in numbers if start <= number < start + n}
            start += n
        return self._batch(collate([found[int(number)] for number in numbers]), "the samples picked")

    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits that change with whatever is fed, shown or a label; reads all data once."""
        own_digest = self._data.fingerprint() if isinstance(self._data, ImageSet | PictureFolder) else ""
        if own_digest and self.preprocess is None:
            return own_digest
        parts: dict[str, Any] = {}
        for number, batch in enumerate(self.batches(64)):
            if own_digest and number:
                break
            own = {"labels": batch.labels, "pictures": batch.pictures}
            # Of what is made of pictures, the first few tell: the rest is made in the same way.
            if self.preprocess is None or number == 0:
                own |= {f"inputs {i}": value for i, value in enumerate(batch.inputs)} | batch.keywords
            for name, value in own.items():
                count_values(parts, str(name), value)
        whole = hashlib.sha256(f"batches 1 {own_digest} {said_of(self.preprocess)}".encode())
        for name in sorted(parts):
            whole.update(name.encode() + parts[name].digest())
        return whole.hexdigest()[:16]

    def _batch(self, given: Any, where: str) -> Batch:
        inputs, keywords, labels = parts_of(given)
        n = count_of(inputs, keywords, where)
        if labels is not None and (labels.shape != (n,) or bool((labels < 0).any())):
            raise ValueError(f"labels of {where} must be {n} classes counted from 0, got {tuple(labels.shape)} numbers")
        if self.preprocess is None:
            pictures, self.why_no_pictures = pictures_of(inputs, keywords)
            return Batch(inputs, keywords, pictures, labels, n)
        pictures, why = pictures_of(inputs, keywords)
        if pictures is None:
            raise ValueError(f"preprocess= is for pictures, and those of {where} are none: {why}")
        fed = preprocessed(self.preprocess, pictures)
        return Batch(fed, {}, pictures, labels, n)


def as_source(data: Any, preprocess: Preprocess | None = None) -> Source:
    """Return any data as batches.

    Parameters
    ----------
    data : ImageSet, Tensor, ndarray, Dataset, DataLoader, or iterable of batches
        What can be read again and again; nothing is held whole but what is whole already.

        A batch, or a sample of a Dataset, is a tensor; or a tuple whose last element, if it is one whole number a
        sample, is the label, and whose others are what the network is called with; or a mapping, with which the network
        is called by name, but for ``"labels"`` or ``"label"``. To feed whole numbers last, put what is fed into a
        tuple of its own: ``((tokens, lengths),)``. A Dataset may give Pillow's images.

        Pictures are what is fed if that is one tensor (n, channels, height, width) in [0, 1], or uint8.
    preprocess : callable, default=None
        Makes what the network is fed out of pictures (n, channels, height, width) in [0, 1]: one tensor, or a tuple.

    Raises
    ------
    TypeError
        If it is anything else, or can be read only once.
    ValueError
        If it is shuffled: batches must be the same at each reading.

    Examples
    --------
    >>> pairs = [(torch.ones(2, 1, 4, 4), torch.tensor([0, 1])), (torch.ones(1, 1, 4, 4), torch.tensor([1]))]
    >>> [(batch.n, batch.labels.tolist()) for batch in as_source(pairs).batches(10)]
    [(2, [0, 1]), (1, [1])]
    """
    if preprocess is not None and not callable(preprocess):
        raise TypeError(f"preprocess must be a function of pictures, got a {type(preprocess).__name__}")
    if isinstance(data, Source):
        return data
    if isinstance(data, ImageData):
        raise TypeError("data is an ImageData; take .train or .test")
    if isinstance(data, np.ndarray):
        data = torch.from_numpy(data)
    if isinstance(data, Iterator) or not isinstance(data, Iterable | Dataset | ImageSet):
        raise TypeError(
            f"data is a {type(data).__name__}, and several passes are made over it: give a tensor, a Dataset, a "
            "DataLoader, a list of batches, or an object that begins anew whenever it is iterated"
        )
    if isinstance(data, str | bytes | Mapping):
        raise TypeError(f"data is a {type(data).__name__}; give a tensor, a Dataset, a DataLoader or a list of batches")
    if isinstance(data, Tensor) and (data.ndim < 2 or not len(data)):
        raise ValueError(f"data must be a tensor of samples (n, ...), got shape {tuple(data.shape)}")
    sampler = getattr(getattr(data, "batch_sampler", None), "sampler", getattr(data, "sampler", None))
    if isinstance(sampler, RandomSampler | SubsetRandomSampler):
        raise ValueError("data is a DataLoader that shuffles, so no two passes agree; give one with shuffle=False")
    return Source(data, preprocess)


def _length(data: Any) -> int | None:
    if isinstance(data, DataLoader):
        return None if isinstance(data.dataset, IterableDataset) or data.drop_last else len(_sampled(data))
    if isinstance(data, ImageSet | Tensor) or (isinstance(data, Dataset) and isinstance(data, Sized)):
        return len(data)
    return None


def _sampled(loader: DataLoader[Any]) -> Sized:
    """What a DataLoader goes over: its sampler's samples, or those of its batch sampler's."""
    sampler = loader.sampler if loader.batch_size is not None else getattr(loader.batch_sampler, "sampler", None)
    return sampler if isinstance(sampler, Sized) else loader.dataset  # type: ignore[return-value]


def _from(data: Any, batch_size: int, start: int) -> Iterator[Any]:
    """Batches as they are given, from a sample on."""
    if isinstance(data, ImageSet):
        parts = [data.images] if data.labels is None else [data.images, data.labels]
        for first in range(start, len(data), batch_size):
            yield tuple(part[first : first + batch_size] for part in parts)
        return
    if isinstance(data, Tensor):
        yield from data[start:].split(batch_size)
        return
    if _is_indexed(data):
        rest = data if not start else Subset(data, range(start, len(data)))
        yield from DataLoader(rest, batch_size=batch_size, shuffle=False, collate_fn=_collate)
        return
    if isinstance(data, IterableDataset):
        data = DataLoader(data, batch_size=batch_size, collate_fn=_collate)
    skipped = 0
    for given in data:
        inputs, keywords, _ = parts_of(given)
        n = count_of(inputs, keywords, "a batch")
        if skipped < start:
            skipped += n
            if skipped <= start:
                continue
            given = _rows(given, n, slice(n - (skipped - start), None))
        yield given


def _is_indexed(data: Any) -> bool:
    """Whether it is a Dataset whose samples have numbers."""
    return isinstance(data, Dataset) and not isinstance(data, IterableDataset) and isinstance(data, Sized)


def _rows(value: Any, n: int, rows: Any) -> Any:
    """A sample, or a slice of them, of a batch of n."""
    if isinstance(value, Mapping):
        return {key: _rows(inner, n, rows) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return tuple(_rows(inner, n, rows) for inner in value)
    return value[rows] if isinstance(value, Tensor | np.ndarray) and value.ndim and len(value) == n else value


def _collate(samples: list[Any]) -> Any:
    """Samples of a Dataset as a batch; Pillow's images as tensors."""
    try:
        return collate([_as_tensors(sample) for sample in samples])
    except RuntimeError as error:
        if "stack expects each tensor to be equal size" in str(error):
            raise ValueError(
                "the samples of the dataset are of several sizes, and a batch has one: resize them in its transform, "
                f"or read the folder by PictureFolder(folder, size) ({error})"
            ) from error
        raise


def _as_tensors(sample: Any) -> Any:
    if isinstance(sample, tuple | list):
        return tuple(_as_tensors(part) for part in sample)
    if isinstance(sample, Mapping):
        return {key: _as_tensors(part) for key, part in sample.items()}
    return tensor_of(sample)
