"""Batches as they are given: from a sample on, or some samples by their numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset
from torch.utils.data import default_collate as collate

from cnn_probe.data.batch_parts import count_of, parts_of, rows_of
from cnn_probe.data.digests import is_of_samples
from cnn_probe.data.images import ImageSet
from cnn_probe.data.pillow import tensor_of

SOME = 64  # samples of a batch that nobody chose


def length_of(data: Any) -> int | None:
    """Return how many samples there are; None where only reading tells."""
    if isinstance(data, DataLoader):
        return _loaded(data)
    if isinstance(data, ImageSet | Tensor | np.ndarray) or is_indexed(data):
        return len(data)
    if isinstance(data, IterableDataset) and isinstance(data, Sized):
        return len(data)
    return None


def _loaded(loader: DataLoader[Any]) -> int | None:
    """How many samples a DataLoader gives, as far as it is known: batches of its own may be of any size."""
    sampler = loader.sampler if loader.batch_size is not None else getattr(loader.batch_sampler, "sampler", None)
    drops = loader.drop_last or getattr(loader.batch_sampler, "drop_last", False)
    if isinstance(loader.dataset, IterableDataset) or drops or not isinstance(sampler, Sized):
        return None
    return len(sampler)


def is_indexed(data: Any) -> bool:
    """Whether its samples have numbers: a Dataset of a known length, or what is written like one."""
    if isinstance(data, IterableDataset | ImageSet | DataLoader | Mapping) or not isinstance(data, Sized):
        return False
    return isinstance(data, Dataset) or (hasattr(data, "__getitem__") and not isinstance(data, Iterable))


def read(data: Any, batch_size: int, start: int) -> Iterator[Any]:
    """Read batches as they are given, from a sample on; what has numbers is not read before it."""
    if isinstance(data, ImageSet | Tensor | np.ndarray):
        return (_cut(data, slice(first, first + batch_size)) for first in range(start, len(data), batch_size))
    if is_indexed(data):
        return _by_number(data, batch_size, start)
    loads = isinstance(data, IterableDataset)
    return _read_over(_loader(data, batch_size) if loads else data, start)


def pick(data: Any, numbers: Sequence[int]) -> Any:
    """Return a batch of some samples, by their numbers; what has none is read from the first on."""
    if isinstance(data, ImageSet | Tensor | np.ndarray):
        return _cut(data, list(numbers))
    if is_indexed(data):
        return _collate([data[int(number)] for number in numbers])
    wanted, start = sorted({int(number) for number in numbers}), 0
    batches: list[Any] = []
    for given in read(data, SOME, 0):
        n = _count(given)
        rows = [number - start for number in wanted if start <= number < start + n]
        if rows:
            batches.append(_rows_alone(given, n, rows))
        start += n
        if wanted and start > wanted[-1]:
            break
    if wanted and start <= wanted[-1]:
        raise ValueError(f"data has no sample {next(one for one in wanted if one >= start)}; it gave {start}")
    return _joined(batches, np.searchsorted(wanted, numbers).tolist())


@dataclass(frozen=True)
class _Rows:
    """Some samples' rows of a part of a batch, of its own memory."""

    values: Any


def _rows_alone(value: Any, n: int, rows: list[int]) -> Any:
    """Some samples of a batch of n: parts that have a row for each as `_Rows`, and what is not of samples as it is."""
    if isinstance(value, Mapping):
        return {key: _rows_alone(inner, n, rows) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        if is_of_samples(value, n):
            return _Rows([value[row] for row in rows])
        return tuple(_rows_alone(inner, n, rows) for inner in value)
    is_array = isinstance(value, Tensor | np.ndarray) and value.ndim and len(value) == n
    return _Rows(value[rows]) if is_array else value


def _joined(parts: list[Any], order: list[int]) -> Any:
    """One batch of the parts of several, its samples in an order; what is not of samples is that of the first."""
    first = parts[0]
    if isinstance(first, Mapping):
        return {key: _joined([part[key] for part in parts], order) for key in first}
    if isinstance(first, tuple):
        return tuple(_joined([part[i] for part in parts], order) for i in range(len(first)))
    if not isinstance(first, _Rows):
        return first
    values = [part.values for part in parts]
    if isinstance(values[0], list):
        whole = [one for some in values for one in some]
        return [whole[i] for i in order]
    return torch.cat(values)[order] if isinstance(values[0], Tensor) else np.concatenate(values)[order]


def _cut(data: ImageSet | Tensor | np.ndarray, rows: Any) -> Any:
    if isinstance(data, ImageSet):
        return data.images[rows] if data.labels is None else (data.images[rows], data.labels[rows])
    return data[rows]


def _by_number(data: Any, batch_size: int, start: int) -> Iterator[Any]:
    rest = Subset(data, range(start, len(data))) if start else data
    try:
        yield from _iterated(_loader(rest, batch_size))
    except IndexError as error:
        raise ValueError(
            f"data says that it has {len(data)} samples, and fails when asked for one of them: IndexError: {error}"
        ) from error


def _read_over(batches: Any, start: int) -> Iterator[Any]:
    at = 0
    for given in _iterated(batches) if isinstance(batches, DataLoader) else batches:
        if at >= start:
            yield given
            continue
        n = _count(given)
        if at + n > start:
            yield rows_of(given, n, slice(start - at, None))
        at += n
    if at < start:
        raise ValueError(f"data was to be read from sample {start} on, and gave {at}; it has changed")


def _count(given: Any) -> int:
    inputs, keywords, _ = parts_of(given)
    return count_of(inputs, keywords, "a batch")


def _loader(data: Any, batch_size: int) -> DataLoader[Any]:
    return DataLoader(data, batch_size=batch_size, shuffle=False, collate_fn=_collate)


def _iterated(loader: DataLoader[Any]) -> Iterator[Any]:
    """A DataLoader's batches; it draws a seed for its workers when it begins, which is not taken from the user's."""
    state = torch.get_rng_state()
    try:
        batches = iter(loader)
    finally:
        torch.set_rng_state(state)
    return batches


def _collate(samples: list[Any]) -> Any:
    """Samples of a Dataset as a batch; Pillow's images as tensors."""
    try:
        return collate([_as_tensors(sample) for sample in samples])
    except RuntimeError as error:
        if "stack expects each tensor to be equal size" in str(error):
            raise ValueError(
                "the samples of the dataset are of several sizes (or grey and coloured), and a batch is of one: make "
                "them alike in the dataset's transform, or read the folder by PictureFolder(folder, size) "
                f"({error})"
            ) from error
        raise


def _as_tensors(sample: Any) -> Any:
    if isinstance(sample, tuple | list):
        return tuple(_as_tensors(part) for part in sample)
    if isinstance(sample, Mapping):
        return {key: _as_tensors(part) for key, part in sample.items()}
    return tensor_of(sample)
