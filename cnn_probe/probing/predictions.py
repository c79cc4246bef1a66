"""What a network says of each input, heard while its layers are recorded."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cnn_probe.activations.passes.oddities import kind_of

Predict = Callable[[Any], Any]
MOST_CLASSES = 4096  # whose scores are kept; a language model's 100,000 a sample would outgrow its layers


class Predictions:
    """Labels from the outputs of a network.

    Parameters
    ----------
    predict : callable, default=None
        ``predict(output)`` gives the labels, whole numbers of shape (n,), of a batch of n inputs. None: the largest of
        each row, if the output is a floating tensor of shape (n, n_classes) with two classes or more; else there are
        none.

    Examples
    --------
    >>> import torch
    >>> heard = Predictions()
    >>> heard.of(torch.tensor([[0.1, 0.9], [0.8, 0.2]]), 2)["predictions"]
    array([1, 0])
    """

    def __init__(self, predict: Predict | None = None) -> None:
        self._predict = predict

    def beside(self, output: Any, n: int) -> dict[str, tuple[tuple[int, ...], str]]:
        """What will be kept of each input: names, shapes and dtypes. Warns if the outputs give no labels."""
        found = self.of(output, n)
        if not found:
            warnings.warn(
                f"The network returns {_described(output)} for {n} inputs, not a score for each class, so the result "
                "has no predictions; pass predict=, a function that makes labels of such an output.",
                stacklevel=2,
            )
        return {name: (values.shape[1:], values.dtype.name) for name, values in found.items()}

    def of(self, output: Any, n: int) -> dict[str, NDArray[Any]]:
        """``predictions`` (n,) of what the network returned for n inputs, and its ``scores`` (n, n_classes)."""
        if self._predict is not None:
            return {"predictions": _checked(self._predict(output), n)}
        return _largest(output, n)


def why_other_classes(
    scores: NDArray[Any], labels: NDArray[np.int64], class_names: Sequence[str] | None = None
) -> str | None:
    """Why scores (n, n_outputs) are not of the labels' classes, by their number; None if they are."""
    if labels.min() < 0:
        return f"labels go down to {labels.min()}, and outputs are counted from 0"
    n_classes = int(labels.max()) + 1 if class_names is None else len(class_names)
    if scores.shape[1] == n_classes:
        return None
    known = "(the largest label is the last); class_names= says how many there are"
    return f"the network has {scores.shape[1]} outputs for {n_classes} classes" + (
        f" {known}" if class_names is None else ", of which there are names"
    )


def _largest(output: Any, n: int) -> dict[str, NDArray[Any]]:
    """The place of the largest score in each row, and the scores; nothing of what is not n rows of scores."""
    if not isinstance(output, Tensor) or not output.is_floating_point() or output.ndim != 2:
        return {}
    try:
        if len(output) != n or output.shape[1] < 2:
            return {}
        labels = np.asarray(output.argmax(dim=1).cpu())
        if labels.dtype != np.int64 or labels.shape != (n,):
            return {}
        if output.shape[1] > MOST_CLASSES:
            return {"predictions": labels}
        return {"predictions": labels, "scores": output.detach().float().cpu().numpy()}
    except (RuntimeError, NotImplementedError, TypeError, ValueError):
        return {}  # sparse, nested, masked, without numbers: PyTorch can have no largest of them


def _checked(labels: Any, n: int) -> NDArray[np.int64]:
    if isinstance(labels, Tensor):
        labels = labels.detach().cpu()
        labels = labels.double() if labels.is_floating_point() else labels  # NumPy has no bfloat16
    found = np.asarray(labels)
    if found.shape != (n,) or found.dtype.kind not in "iu":
        raise ValueError(
            f"predict must return {n} labels for a batch of {n} inputs, whole numbers of shape ({n},); "
            f"it returned {found.dtype} of shape {found.shape}"
        )
    return found.astype(np.int64)


def _described(output: Any) -> str:
    if isinstance(output, Tensor):
        kind = kind_of(output)
        said = f"{str(output.dtype).removeprefix('torch.')} of shape {tuple(output.shape)}" if kind != "nested" else ""
        return " ".join(["a" * bool(kind), kind, "tensor" * bool(kind), said]).strip()
    return f"a {type(output).__name__}"
