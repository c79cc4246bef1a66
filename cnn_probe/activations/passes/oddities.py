"""What keeps a tensor from being a plain array of real numbers."""

from __future__ import annotations

import torch
from torch import Tensor


def kind_of(tensor: Tensor) -> str:
    """Return what keeps a tensor from being a plain array of numbers; "" if nothing does.

    Examples
    --------
    >>> kind_of(torch.ones(2).to_sparse()), kind_of(torch.ones(2))
    ('sparse', '')
    """
    kinds = {
        "nested": tensor.is_nested,
        "sparse": tensor.layout not in (torch.strided, torch.jagged),
        "quantized": tensor.is_quantized,
        "meta": tensor.is_meta,
        "masked": type(tensor).__name__ == "MaskedTensor",
    }
    return next((kind for kind, holds in kinds.items() if holds), "")


def oddity(tensor: Tensor) -> str:
    """Return why a layer's output cannot be recorded as it is, in words; "" if it can."""
    kind = kind_of(tensor) or ("complex" if tensor.is_complex() else "empty" if not tensor.numel() else "")
    return f"it returns a tensor that is {kind}" if kind else ""
