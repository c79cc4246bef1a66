"""What of a batch is fed, shown, and a label."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cnn_probe.data.digests import is_of_samples
from cnn_probe.system.ranges import is_whole, way_back

LABELS = ("labels", "label")  # keys of what is not fed


def parts_of(given: Any) -> tuple[tuple[Any, ...], dict[str, Any], Tensor | None]:
    """What of a batch is fed by place and by name, and its labels."""
    if isinstance(given, Mapping):
        labels = next((given[key] for key in LABELS if key in given), None)
        named = {str(key): tensor_or_same(value) for key, value in given.items() if key not in LABELS}
        return (), named, None if labels is None else _labels(labels)
    if not isinstance(given, tuple | list):
        return (tensor_or_same(given),), {}, None
    parts = list(given)
    labels = _labels(parts.pop()) if len(parts) > 1 and _is_labels(parts[-1]) else None
    if len(parts) == 1 and isinstance(parts[0], Mapping):
        inputs, named, own = parts_of(parts[0])
        return inputs, named, own if labels is None else labels
    if len(parts) == 1 and isinstance(parts[0], tuple | list):
        parts = list(parts[0])
    return tuple(tensor_or_same(part) for part in parts), {}, labels


def tensor_or_same(value: Any) -> Any:
    """Return an array of numbers as a tensor, of its own memory where PyTorch takes that; anything else as it is."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biufc":
        return value
    native = value.astype(value.dtype.newbyteorder("="), copy=False)
    fits = native.flags.writeable and all(stride >= 0 for stride in native.strides)
    return torch.from_numpy(native if fits else native.copy())


def _is_labels(value: Any) -> bool:
    """Whether it is one whole number for each sample."""
    if isinstance(value, list):
        return bool(value) and all(isinstance(one, int) for one in value)
    value = tensor_or_same(value)
    return isinstance(value, Tensor) and value.ndim == 1 and not (value.is_floating_point() or value.is_complex())


def _labels(value: Any) -> Tensor:
    labels = torch.as_tensor(tensor_or_same(value))
    if labels.is_floating_point() or labels.is_complex():
        raise ValueError(
            f"labels must be whole numbers, got {str(labels.dtype).removeprefix('torch.')}; leave out what is no class"
        )
    return labels.to("cpu", torch.int64)


def check_labels(labels: Tensor, n: int, where: str) -> None:
    """Raise ValueError unless there is a class for each of n samples."""
    if labels.shape != (n,):
        raise ValueError(
            f"labels of {where} must be one class for each of {n} samples, got shape {tuple(labels.shape)}; of what "
            "has several a sample, leave them out"
        )
    if bool((labels < 0).any()):
        raise ValueError(
            f"labels of {where} must be classes counted from 0, got {int(labels.min())}; leave the labels out if some "
            "are unknown"
        )


def count_of(inputs: tuple[Any, ...], keywords: Mapping[str, Any], where: str) -> int:
    """Samples of a batch, by its tensors; TypeError if there is none, ValueError if they do not agree."""
    named = [*((f"input {i}", value) for i, value in enumerate(inputs)), *keywords.items()]
    counts = {name: len(value) for name, value in named if isinstance(value, Tensor) and value.ndim}
    n = next(iter(counts.values()), None)
    counts |= {name: len(value) for name, whole in named for name, value in _inside(name, whole, n)}
    last = inputs[-1] if inputs else None
    if is_whole(last, 0) and isinstance(inputs[0], Tensor) and inputs[0].ndim < 4:
        raise TypeError(
            f"a batch must be of tensors; that of {where} ends in the number {last}, as a sample does. Of a list of "
            "samples, give torch.utils.data.DataLoader(samples, batch_size=64); a number that is fed, by name"
        )
    if not counts:
        kinds = ", ".join(type(value).__name__ for _, value in named) or "nothing"
        raise TypeError(
            f"a batch must be a tensor, or hold some; {where} it is {kinds}. Of what gives samples one by one, give "
            "torch.utils.data.DataLoader(data, batch_size=64)"
        )
    if len(set(counts.values())) > 1:
        raise ValueError(f"what is fed for {where} is not of as many samples: {counts}")
    if not min(counts.values()):
        raise ValueError(f"the batch of {where} is empty; leave it out")
    return next(iter(counts.values()))


def _inside(name: str, value: Any, n: int | None) -> Iterator[tuple[str, Tensor]]:
    """Tensors inside of what is fed, by where they are; not those of a list that has one for each sample."""
    if not isinstance(value, tuple | list | Mapping) or (not isinstance(value, Mapping) and is_of_samples(value, n)):
        return
    for key, one in value.items() if isinstance(value, Mapping) else enumerate(value):
        if isinstance(one, Tensor) and one.ndim:
            yield f"{name}[{key!r}]", one
        else:
            yield from _inside(f"{name}[{key!r}]", one, n)


def rows_of(value: Any, n: int, rows: int | slice) -> Any:
    """A sample, or a slice of them, of a batch of n."""
    if isinstance(value, Mapping):
        return {key: rows_of(inner, n, rows) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        if is_of_samples(value, n):
            return value[rows]
        return tuple(rows_of(inner, n, rows) for inner in value)
    return value[rows] if isinstance(value, Tensor | np.ndarray) and value.ndim and len(value) == n else value


def own(value: Any) -> Any:
    """Copy tensors: a network may write into what it is fed, which is the user's, and is shown besides."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, Mapping):
        return {key: own(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list) and not hasattr(value, "_fields"):
        return type(value)(own(inner) for inner in value)
    return value


def pictures_of(inputs: tuple[Any, ...], keywords: Mapping[str, Any], where: str) -> tuple[Tensor | None, str]:
    """The pictures among what is fed, and why there are none; ValueError if they hold NaN."""
    fed = [*inputs, *keywords.values()]
    if len(fed) != 1:
        return None, f"the network is fed {len(fed)} inputs"
    values = fed[0]
    if not isinstance(values, Tensor):
        return None, f"the network is fed a {type(values).__name__}"
    if values.ndim != 4 or not (values.dtype == torch.uint8 or values.is_floating_point()):
        return None, f"the network is fed {str(values.dtype).removeprefix('torch.')} of shape {tuple(values.shape)}"
    if not values.numel():
        return None, f"the network is fed nothing, of shape {tuple(values.shape)}"
    pictures = values.detach().to("cpu")
    if pictures.dtype == torch.uint8:
        return pictures.to(torch.float32).div_(255), ""
    pictures = pictures.to(torch.float32)
    low, high = _ends(pictures)
    gaps = math.isnan(low)
    if gaps:
        low, high = _ends(torch.nan_to_num(pictures, nan=0.5))
    if not (low >= 0 and high <= 1):
        way = f"; {way_back(low, high)}" if low >= 0 and high <= 255 else ""
        return None, f"what the network is fed for {where} is from {low:g} to {high:g}{way}"
    if gaps:
        first = int(pictures.isnan().flatten(1).any(dim=1).nonzero()[0])
        raise ValueError(f"a picture of {where} holds NaN, number {first} of the batch; replace it, or leave it out")
    return pictures, ""


def _ends(pictures: Tensor) -> tuple[float, float]:
    low, high = torch.aminmax(pictures)
    return float(low), float(high)
