"""What is counted of data, batch by batch, wherever batches end."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


class Digest:
    """Hashes batches sample by sample: the same samples give the same digits, however they are cut into batches.

    What a batch has once, not once a sample, counts where it differs from what the batch before had.

    Examples
    --------
    >>> whole, cut = Digest(), Digest()
    >>> whole.add("x", torch.arange(3), 3)
    >>> for part in torch.arange(3).split(2):
    ...     cut.add("x", part, len(part))
    >>> whole.digest() == cut.digest()
    True
    """

    def __init__(self) -> None:
        self._parts: dict[str, Any] = {}
        self._last: dict[str, bytes] = {}

    def add(self, name: str, value: Any, n: int | None) -> None:
        """Count a value of a batch of n samples; of None, the value is of one sample."""
        if isinstance(value, Mapping):
            for key in sorted(value, key=repr):
                self.add(f"{name} {key!r}", value[key], n)
        elif isinstance(value, Tensor) and value.ndim and len(value) == n:
            # Not the shape of all: it would tell where batches end.
            self._add_once(f"{name} kind", repr((str(value.dtype), tuple(value.shape[1:]))).encode())
            self._part(name).update(_bytes_of(value))
        elif isinstance(value, tuple | list) and is_of_samples(value, n):
            for one in value:
                self._part(name).update(digest_of(one))
        elif isinstance(value, tuple | list):
            self._add_once(f"{name} parts", str(len(value)).encode())
            for number, one in enumerate(value):
                self.add(f"{name} {number}", one, n)
        else:
            self._add_once(name, _said(value))

    def digest(self) -> bytes:
        """All that has been counted, as 32 bytes."""
        whole = hashlib.sha256()
        for name in sorted(self._parts):
            whole.update(hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest() + self._parts[name].digest())
        return whole.digest()

    def _add_once(self, name: str, said: bytes) -> None:
        if self._last.get(name) != said:
            self._part(name).update(hashlib.sha256(said).digest())
            self._last[name] = said

    def _part(self, name: str) -> Any:
        return self._parts.setdefault(name, hashlib.sha256())


def digest_of(value: Any) -> bytes:
    """Return 32 bytes that change with a value, which is of one sample."""
    one = Digest()
    one.add("", value, None)
    return one.digest()


def is_of_samples(value: tuple[Any, ...] | list[Any], n: int | None) -> bool:
    """Whether a tuple or list has an entry for each of n samples; not, if there are batches of n in it."""
    return len(value) == n and not any(_holds_batch(one, n) for one in value)


def _holds_batch(value: Any, n: int | None) -> bool:
    if isinstance(value, Mapping):
        return any(_holds_batch(one, n) for one in value.values())
    if isinstance(value, tuple | list):
        return any(_holds_batch(one, n) for one in value)
    return isinstance(value, Tensor) and bool(value.ndim) and len(value) == n


def said_of(function: Any) -> str:
    """What a function's repr says, without addresses, which no two processes share.

    A Normalize says its means. A plain function says no more than its name, which counts for nothing.
    """
    return re.sub(r"(<function \S+)? at 0x[0-9a-fA-F]+", "", repr(function))


def _said(value: Any) -> bytes:
    if isinstance(value, Tensor):
        return repr((str(value.dtype), tuple(value.shape))).encode() + bytes(_bytes_of(value))
    return f"{type(value).__name__} {re.sub(r' at 0x[0-9a-fA-F]+', '', repr(value))}".encode("utf-8", "surrogatepass")


def _bytes_of(value: Tensor) -> memoryview:
    return value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
