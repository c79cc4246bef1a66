"""Networks told apart by what they hold, and by what their modules compute."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

VERSION = "2-"  # begins each fingerprint; one without is of version 1
_PLAIN = (bool, int, float, complex, str, bytes, torch.dtype, type(None))  # what says itself in a `repr`

#: Dense tensors that say together what a tensor of a layout holds; a strided one says it itself.
_PARTS: dict[torch.layout, Callable[[Tensor], list[Tensor]]] = {
    torch.sparse_coo: lambda value: [value.coalesce().indices(), value.coalesce().values()],
    torch.sparse_csr: lambda value: [value.crow_indices(), value.col_indices(), value.values()],
    torch.sparse_bsr: lambda value: [value.crow_indices(), value.col_indices(), value.values()],
    torch.sparse_csc: lambda value: [value.ccol_indices(), value.row_indices(), value.values()],
    torch.sparse_bsc: lambda value: [value.ccol_indices(), value.row_indices(), value.values()],
    torch._mkldnn: lambda value: [value.to_dense()],  # type: ignore[attr-defined]
}


def fingerprint(network: nn.Module, *, like: str | None = None) -> str:
    """Return a version and 16 hexadecimal digits, which change with what a network holds and what its modules are.

    What counts is the class and the settings (``extra_repr``) of every module, and every bit of the parameters, the
    buffers, those that are not saved as well, and what else is in the state. The device does not count, nor does the
    module that a class was imported from, nor what stands in a class's code: a ``forward`` that calls another function
    is not told apart. A tensor that has no bytes, as on the meta device, counts by its shape and dtype.

    Parameters
    ----------
    network : Module
        Any.
    like : str, default=None
        A fingerprint, of any version, to compare with: the answer is of its version. Version 1 tells networks apart by
        their own class, parameters and saved buffers alone, not by what their modules compute.

    Examples
    --------
    >>> network = nn.Sequential(nn.Linear(2, 1), nn.ReLU())
    >>> before = fingerprint(network)
    >>> network[1] = nn.Softplus()
    >>> fingerprint(network) == before
    False
    """
    digest = hashlib.sha256(type(network).__qualname__.encode())
    if like is not None and re.fullmatch("[0-9a-f]{16}", like):
        _count_state(digest, network.state_dict())
        return digest.hexdigest()[:16]
    for name, module in network.named_modules(remove_duplicate=False):
        digest.update(repr((name, type(module).__qualname__, _settings(module))).encode())
    held = dict(_held(network))
    for name, value in held.items():
        _count(digest, name, value)
    for name, value in network.state_dict().items():
        if name not in held:  # what a module packs, as quantized ones do, or returns from get_extra_state
            _count(digest, name, value)
    return VERSION + digest.hexdigest()[:16]


def _count_state(digest: Any, state: Mapping[str, Any]) -> None:
    """Count what version 1 did, in its way."""
    for name, value in state.items():
        if not isinstance(value, Tensor):
            digest.update(repr((name, type(value).__qualname__)).encode())
        else:
            _count(digest, name, value)


def _settings(module: nn.Module) -> str:
    """What a module says of itself, without the addresses of objects, which no two processes share."""
    try:
        return re.sub(r" at 0x[0-9a-fA-F]+", "", str(module.extra_repr()))
    except Exception as error:  # code of the user's, in which a fit must not be lost
        return type(error).__qualname__


def _held(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from network.named_parameters(remove_duplicate=False)
    yield from network.named_buffers(remove_duplicate=False)


def _count(digest: Any, name: str, value: Any) -> None:
    if isinstance(value, Tensor):
        _count_tensor(digest, name, value)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            _count(digest, f"{name}[{key!r}]", inner)
    elif isinstance(value, (list, tuple)):
        for key, inner in enumerate(value):
            _count(digest, f"{name}[{key}]", inner)
    else:
        said = repr(value) if isinstance(value, _PLAIN) else ""
        digest.update(repr((name, type(value).__qualname__)).encode() + said.encode())


def _count_tensor(digest: Any, name: str, value: Tensor) -> None:
    if is_lazy(value):
        digest.update(repr((name, "uninitialized")).encode())
        return
    if value.is_nested:
        _count(digest, name, value.unbind())
        return
    digest.update(repr((name, tuple(value.shape), str(value.dtype))).encode())
    try:
        parts = [_bytes_of(part) for part in _parts_of(value.detach())]
    except (RuntimeError, NotImplementedError, TypeError):
        return  # on the meta device, or of a kind that PyTorch shows no bytes of
    for content in parts:
        digest.update(content)


def _parts_of(value: Tensor) -> list[Tensor]:
    if not value.is_quantized:
        return _PARTS.get(value.layout, lambda itself: [itself])(value)
    if value.qscheme() in (torch.per_tensor_affine, torch.per_tensor_symmetric):
        return [value.int_repr(), torch.tensor([value.q_scale(), value.q_zero_point()], dtype=torch.float64)]
    return [value.int_repr(), value.q_per_channel_scales(), value.q_per_channel_zero_points()]


def _bytes_of(value: Tensor) -> memoryview:
    """The tensor's bytes in C order, of any dtype: NumPy knows no bfloat16."""
    dense = value.cpu().resolve_conj().resolve_neg().contiguous()
    return dense.reshape(-1).view(torch.uint8).numpy().data
