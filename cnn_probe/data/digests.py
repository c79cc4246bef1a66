"""What is counted of data, batch by batch, wherever batches end."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def count_values(parts: dict[str, Any], name: str, value: Any) -> None:
    """Count a batch's tensor: samples follow one another, wherever batches end."""
    if isinstance(value, Mapping | tuple | list):
        inner = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, some in inner:
            count_values(parts, f"{name} {key}", some)
        return
    if not isinstance(value, Tensor):
        digest = parts.setdefault(name, hashlib.sha256())
        digest.update(said_of(value).encode())
        return
    if name not in parts:
        parts[name] = hashlib.sha256(repr((str(value.dtype), tuple(value.shape[1:]))).encode())
    parts[name].update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)


def said_of(value: Any) -> str:
    """What a value says of itself, without addresses, which no two processes share."""
    said = getattr(value, "__qualname__", None) or repr(value)
    return re.sub(r" at 0x[0-9a-fA-F]+", "", str(said))
