"""What of a batch is fed, shown, and a label."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cnn_probe.system.ranges import way_back

Preprocess = Callable[[Tensor], Any]
LABELS = ("labels", "label")  # keys of what is not fed


def parts_of(given: Any) -> tuple[tuple[Any, ...], dict[str, Any], Tensor | None]:
    """What of a batch is fed by place and by name, and its labels."""
    if isinstance(given, Mapping):
        label = next((key for key in LABELS if key in given), None)
        labels = None if label is None else _labels(given[label])
        return (), {str(key): _tensor(value) for key, value in given.items() if key != label}, labels
    if not isinstance(given, tuple | list):
        return (_tensor(given),), {}, None
    parts = list(given)
    last = _tensor(parts[-1]) if parts else None
    labels = None
    if len(parts) > 1 and isinstance(last, Tensor) and last.ndim == 1 and not _is_floating(last):
        labels = _labels(parts.pop())
    if len(parts) == 1 and isinstance(parts[0], Mapping):
        return (), {str(key): _tensor(value) for key, value in parts[0].items()}, labels
    if len(parts) == 1 and isinstance(parts[0], tuple | list):
        parts = list(parts[0])
    return tuple(_tensor(part) for part in parts), {}, labels


def _tensor(value: Any) -> Any:
    return torch.from_numpy(value) if isinstance(value, np.ndarray) and value.dtype.kind in "biuf" else value


def _is_floating(value: Tensor) -> bool:
    return value.is_floating_point() or value.is_complex()


def _labels(value: Any) -> Tensor:
    labels = torch.as_tensor(value)
    if _is_floating(labels):
        raise ValueError(f"labels must be whole numbers, got {labels.dtype}")
    return labels.to("cpu", torch.int64)


def count_of(inputs: tuple[Any, ...], keywords: Mapping[str, Any], where: str) -> int:
    """Samples of a batch, by its tensors; TypeError if there is none, ValueError if they do not agree."""
    named = [*((f"input {i}", value) for i, value in enumerate(inputs)), *keywords.items()]
    counts = {name: len(value) for name, value in named if isinstance(value, Tensor) and value.ndim}
    if not counts:
        kinds = ", ".join(type(value).__name__ for _, value in named) or "nothing"
        raise TypeError(f"a batch must be a tensor, or hold some; {where} it is {kinds}")
    if len(set(counts.values())) > 1 or not min(counts.values()):
        raise ValueError(f"what is fed for {where} is not of as many samples: {counts}")
    return next(iter(counts.values()))


def pictures_of(inputs: tuple[Any, ...], keywords: Mapping[str, Any]) -> tuple[Tensor | None, str]:
    """The pictures among what is fed, and why there are none."""
    fed = [*inputs, *keywords.values()]
    if len(fed) != 1:
        return None, f"the network is fed {len(fed)} inputs"
    values = fed[0]
    if values.ndim != 4 or not (values.dtype == torch.uint8 or values.is_floating_point()):
        return None, f"the network is fed {str(values.dtype).removeprefix('torch.')} of shape {tuple(values.shape)}"
    pictures = values.detach().to("cpu")
    if pictures.dtype == torch.uint8:
        return pictures.to(torch.float32).div_(255), ""
    low, high = (float(end) for end in torch.aminmax(pictures.float()))
    if not (low >= 0 and high <= 1):
        return None, f"what the network is fed is from {low:g} to {high:g}; {way_back(low, high)}"
    return pictures.to(torch.float32), ""


def preprocessed(preprocess: Preprocess, pictures: Tensor) -> tuple[Any, ...]:
    """What the network is fed, as it is made of pictures; ValueError if it is not of as many samples."""
    made = preprocess(pictures)
    fed = tuple(made) if isinstance(made, tuple | list) else (made,)
    for value in fed:
        if not isinstance(value, Tensor) or not value.ndim or len(value) != len(pictures):
            shown = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
            raise ValueError(
                f"preprocess must make tensors of {len(pictures)} samples of as many pictures, got {shown}"
            )
    return fed
