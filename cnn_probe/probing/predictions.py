"""What a network says of each image, heard while its layers are recorded."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cnn_probe.activations.layers import kind_of

Predict = Callable[[Any], Any]


class Predictions:
    """Labels from the outputs of a network, batch after batch: call it with each.

    Parameters
    ----------
    predict : callable, default=None
        ``predict(output)`` gives the labels, whole numbers of shape (n,), of a batch of n images. None: the largest of
        each row, if the output is a floating tensor of shape (n, n_classes) with two classes or more; else there are
        none, and a warning says so.

    Examples
    --------
    >>> import torch
    >>> heard = Predictions()
    >>> heard(torch.tensor([[0.1, 0.9], [0.8, 0.2]]), 2)
    >>> heard(torch.tensor([[0.3, 0.7]]), 1)
    >>> heard.labels
    array([1, 0, 1])
    """

    def __init__(self, predict: Predict | None = None) -> None:
        self._predict = predict
        self._batches: list[NDArray[np.int64]] | None = []

    @property
    def labels(self) -> NDArray[np.int64] | None:
        """One label an image; None if the outputs give none."""
        return np.concatenate(self._batches) if self._batches else None

    def __call__(self, output: Any, n: int) -> None:
        """Hear what the network returned for n images."""
        if self._batches is None:
            return
        if self._predict is not None:
            self._batches.append(_checked(self._predict(output), n))
            return
        labels = _largest(output, n)
        if labels is not None:
            self._batches.append(labels)
        else:
            self._batches = None
            warnings.warn(
                f"The network returns {_described(output)} for {n} images, not a score for each class, so the result "
                "has no predictions; pass predict=, a function that makes labels of such an output.",
                stacklevel=2,
            )


def _largest(output: Any, n: int) -> NDArray[np.int64] | None:
    """The place of the largest score in each row; None of what is not n rows of scores."""
    if not isinstance(output, Tensor) or not output.is_floating_point() or output.ndim != 2:
        return None
    try:
        if len(output) != n or output.shape[1] < 2:
            return None
        labels = np.asarray(output.argmax(dim=1).cpu())
    except (RuntimeError, NotImplementedError, TypeError, ValueError):
        return None  # sparse, nested, masked, without numbers: PyTorch can have no largest of them
    return labels if labels.dtype == np.int64 and labels.shape == (n,) else None


def _checked(labels: Any, n: int) -> NDArray[np.int64]:
    if isinstance(labels, Tensor):
        labels = labels.detach().cpu()
        labels = labels.double() if labels.is_floating_point() else labels  # NumPy has no bfloat16
    found = np.asarray(labels)
    if found.shape != (n,) or found.dtype.kind not in "iu":
        raise ValueError(
            f"predict must return {n} labels for a batch of {n} images, whole numbers of shape ({n},); "
            f"it returned {found.dtype} of shape {found.shape}"
        )
    return found.astype(np.int64)


def _described(output: Any) -> str:
    if isinstance(output, Tensor):
        kind = kind_of(output)
        said = f"{str(output.dtype).removeprefix('torch.')} of shape {tuple(output.shape)}" if kind != "nested" else ""
        return " ".join(["a" * bool(kind), kind, "tensor" * bool(kind), said]).strip()
    return f"a {type(output).__name__}"
