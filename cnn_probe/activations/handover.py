"""From PyTorch to the estimator and back: what is on a GPU stays there until it is a result."""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

SHARE = 0.5  # of the free memory that X may take: the network's batches, and the fit beside X, need room as well


def stays_on(device: torch.device) -> bool:
    """Whether what is on the device can be factored there; a warning says what a GPU lacks for it."""
    if device.type != "cuda":
        return False
    if not has_cupy():
        warnings.warn(
            f"The network is on {device}, but CuPy is not there or finds no GPU: activations are factored on the CPU; "
            'to keep them on the GPU: pip install "cupy-cuda13x[ctk]", or "cupy-cuda12x[ctk]" for CUDA 12.',
            stacklevel=5,
        )
        return False
    return True


def has_room(device: torch.device, n_bytes: int) -> bool:
    """Whether X of so many bytes fits beside what else the device must hold; a warning says if not."""
    free = free_bytes(device)
    if n_bytes <= SHARE * free:
        return True
    warnings.warn(
        f"Images and activations take {n_bytes / 1e9:.3g} GB, more than {SHARE:.0%} of the {free / 1e9:.3g} GB that "
        f"are free on {device}, so they are factored on the CPU; probe fewer images or layers to stay on the GPU.",
        stacklevel=5,
    )
    return False


def has_cupy() -> bool:
    """Whether CuPy can be imported, and finds the device: it may be one for another CUDA than PyTorch."""
    try:
        import cupy
    except ImportError:
        return False
    return bool(cupy.cuda.is_available())


def free_bytes(device: torch.device) -> int:
    """Free memory of a CUDA device, once PyTorch and CuPy have given back what they keep for later."""
    import cupy

    with current(device):
        torch.cuda.empty_cache()
        cupy.get_default_memory_pool().free_all_blocks()
        free, _ = torch.cuda.mem_get_info(device)
    return free


def current(device: torch.device) -> AbstractContextManager[Any]:
    """Make a GPU CUDA's current device, for PyTorch and CuPy alike; nothing for another device."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def hand_over(tensor: Tensor) -> Any:
    """Return a CUDA tensor as a CuPy array of the same memory, which lives as long as the array."""
    import cupy

    return cupy.from_dlpack(tensor)


def to_host(array: Any) -> Any:
    """Return a CuPy array as a NumPy array, and anything else as it is."""
    return array.get() if hasattr(array, "__cuda_array_interface__") else array


def settle_on_host(model: Any) -> None:
    """Turn what a model has learned on a GPU into NumPy arrays, so that nothing after the fit need know of GPUs."""
    for name, value in list(vars(model).items()):
        if name.endswith("_"):
            setattr(model, name, to_host(value))
