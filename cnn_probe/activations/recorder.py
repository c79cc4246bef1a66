"""What the layers of a network put out: caught by hooks, streamed batch by batch into arrays."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cnn_probe.activations.hooks import OutputHooks
from cnn_probe.activations.layers import find_layers, kind_of
from cnn_probe.networks.paper_net import device_of
from cnn_probe.networks.state import evaluating, with_end

Hear = Callable[[Any, int], None]
Result = TypeVar("Result")


class ActivationRecorder:
    """Record the outputs of some layers in every forward pass that its thread makes inside its ``with`` block.

    Hooks are removed when the block ends, also by an error. Other threads may run the network meanwhile. What is
    recorded is a copy, so that a later in-place operation of the network cannot change it.

    Parameters
    ----------
    network : nn.Module
        Any network but a `DataParallel` one, whose copies the hooks would not reach: pass its ``module``.
    layers : sequence of str
        Names of modules, as `layer_names` lists them; names of modules that hold others work as well.

    Raises
    ------
    ValueError
        If there is no layer of a name, or none is named; from the forward pass, if a layer runs twice in it.
    TypeError
        If ``layers`` is anything but names or the network a parallel one; from the forward pass, if a layer returns
        anything but a tensor.

    Examples
    --------
    >>> network = nn.Sequential(nn.Linear(3, 2), nn.ReLU(inplace=True))
    >>> with ActivationRecorder(network, ["0", "1"]) as recorder:
    ...     _ = network(torch.ones(5, 3))
    ...     activations = recorder.batch
    >>> {name: tuple(activation.shape) for name, activation in activations.items()}
    {'0': (5, 2), '1': (5, 2)}
    """

    def __init__(self, network: nn.Module, layers: Sequence[str]) -> None:
        self._hooks = OutputHooks(network, find_layers(network, layers))
        self._at_last: weakref.finalize[Any, Any] | None = None

    def __enter__(self) -> ActivationRecorder:
        try:
            # An interrupt can end the block before `__exit__` begins: the hooks then go with the recorder.
            self._at_last = weakref.finalize(self, self._hooks.remove)
            self._at_last.atexit = False
            self._hooks.add()
            return self
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with_end(_nothing, self._remove)

    def _remove(self) -> None:
        self._hooks.remove()
        if self._at_last is not None:
            self._at_last.detach()

    @property
    def batch(self) -> dict[str, Tensor]:
        """Outputs of the last forward pass by layer, in the order asked for, detached.

        Raises
        ------
        RuntimeError
            If the last forward pass did not run a layer, or there was none.
        """
        return self._hooks.outputs()


def _nothing() -> None:
    pass


def recording(network: nn.Module, layers: Sequence[str], work: Callable[[OutputHooks], Result]) -> Result:
    """Run ``work(hooks)`` in evaluation mode, and leave no hook on the network, wherever Ctrl-C falls."""
    hooks = OutputHooks(network, find_layers(network, layers))

    def add_and_work() -> Result:
        hooks.add()
        return work(hooks)

    return evaluating(lambda: with_end(add_and_work, hooks.remove), network)


def activation_shapes(
    network: nn.Module, image_shape: Sequence[int], layers: Sequence[str]
) -> dict[str, tuple[int, ...]]:
    """Return the shape of each layer's output for one image of shape ``image_shape``, found by running a blank one.

    Examples
    --------
    >>> activation_shapes(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()), (1, 8, 8), ["1"])
    {'1': (2, 6, 6)}
    """

    def run(hooks: OutputHooks) -> dict[str, tuple[int, ...]]:
        network(torch.zeros(1, *image_shape, device=device_of(network)))
        for name, activation in hooks.outputs().items():
            _refuse_odd(name, activation)
        return {name: tuple(activation.shape[1:]) for name, activation in hooks.outputs().items()}

    return recording(network, layers, run)


def record_activations(
    network: nn.Module,
    images: Tensor,
    layers: Sequence[str],
    *,
    batch_size: int = 500,
    out: Mapping[str, NDArray[np.float32]] | None = None,
    negative: str = "error",
    hear: Hear | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, NDArray[np.float32]]:
    """Run the network over images and return each layer's activations, one row for an image.

    Parameters
    ----------
    network : nn.Module
        Used in evaluation mode, without gradients, and put back as it was.
    images : Tensor of shape (n_images, ...)
        What the network takes; moved to the network's device batch by batch.
    layers : sequence of str
        As for `ActivationRecorder`.
    batch_size : int, default=500
        Images at a time: with ``out`` in a file, memory holds the activations of one batch only.
    out : mapping of str to float32 array of shape (n_images, n_features), default=None
        Where to write each layer's activations, a memory map for instance. By default new arrays.
    negative : {"error", "clip"}, default="error"
        What to do about negative activations, which a non-negative factorization cannot take: refuse them, or set
        them to zero.
    hear : callable(output, n), default=None
        Called with what the network returned for each batch of n images.
    progress : callable(n_done, n_images), default=None
        Called after each batch.

    Returns
    -------
    dict of str to float32 array of shape (n_images, n_features)
        Features are channels × height × width, flattened in C order.

    Raises
    ------
    ValueError
        If an activation is negative (unless clipped) or not finite, there are no images, or ``out`` does not fit.

    Examples
    --------
    >>> network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    >>> record_activations(network, torch.rand(4, 1, 8, 8), ["1"])["1"].shape
    (4, 72)
    """
    if out is not None and set(out) != set(layers):
        raise ValueError(f"out must have one array for each layer, {sorted(layers)}; it has {sorted(out)}")
    arrays: dict[str, NDArray[np.float32]] = {}

    def keep(name: str, rows: slice, values: Tensor) -> None:
        if name not in arrays:
            arrays[name] = _destination(name, (len(images), values.shape[1]), out)
        arrays[name][rows] = values.numpy()

    cpu = torch.device("cpu")
    record_batches(
        network, images, layers, keep, to=cpu, batch_size=batch_size, negative=negative, hear=hear, progress=progress
    )
    return arrays


def record_batches(
    network: nn.Module,
    images: Tensor,
    layers: Sequence[str],
    keep: Callable[[str, slice, Tensor], None],
    *,
    to: torch.device,
    batch_size: int = 500,
    negative: str = "error",
    hear: Hear | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Call ``keep(layer, rows, values)`` with each batch's checked activations, on the device ``to``.

    The other parameters, and the errors, are those of `record_activations`.
    """
    if not len(images):
        raise ValueError("images is empty; there is nothing to record")
    if batch_size < 1:
        raise ValueError(f"batch_size must be 1 or more, got {batch_size}")
    if negative not in ("error", "clip"):
        raise ValueError(f'negative must be "error" or "clip", got {negative!r}')
    device = device_of(network)
    widths: dict[str, int] = {}

    def run(hooks: OutputHooks) -> None:
        for start in range(0, len(images), batch_size):
            batch = images[start : start + batch_size]
            output = network(batch.to(device))
            if hear is not None:
                hear(output, len(batch))
            for name, activation in hooks.outputs().items():
                values = _as_rows(name, activation, len(batch), negative, to)
                if values.shape[1] != widths.setdefault(name, values.shape[1]):
                    raise ValueError(
                        f"layer {name!r} has {widths[name]} features for an image of one batch and {values.shape[1]} "
                        f"for one of another, of {len(batch)} images; choose a layer whose shape does not depend on "
                        "the batch"
                    )
                keep(name, slice(start, start + len(batch)), values)
            if progress is not None:
                progress(start + len(batch), len(images))

    recording(network, layers, run)


def _refuse_odd(name: str, activation: Tensor) -> None:
    """Raise ValueError if a layer's output is no plain array of real numbers."""
    kind = kind_of(activation) or ("complex" if activation.is_complex() else "empty" if not activation.numel() else "")
    if kind:
        raise ValueError(
            f"layer {name!r} returns a tensor that is {kind}; choose a layer that returns a dense one of real numbers"
        )


def _as_rows(name: str, activation: Tensor, n_images: int, negative: str, to: torch.device) -> Tensor:
    _refuse_odd(name, activation)
    if activation.shape[:1] != (n_images,):
        raise ValueError(
            f"layer {name!r} returns shape {tuple(activation.shape)} for {n_images} images; "
            "choose a layer whose first axis is the image"
        )
    rows = activation.reshape(n_images, -1).to(to, torch.float32)
    smallest, largest = (float(end) for end in torch.aminmax(rows))
    if not (math.isfinite(smallest) and math.isfinite(largest)):
        raise ValueError(f"layer {name!r} has activations that are infinite or NaN; look at its weights and inputs")
    if smallest >= 0:
        return rows
    if negative == "error":
        raise ValueError(
            f"layer {name!r} has negative activations, down to {smallest:g} so far, and a non-negative factorization "
            'cannot take them; probe the layer after its ReLU, or set them to zero with negative="clip"'
        )
    return rows.clamp_(min=0)


def _destination(
    name: str, shape: tuple[int, int], out: Mapping[str, NDArray[np.float32]] | None
) -> NDArray[np.float32]:
    if out is None:
        return np.empty(shape, dtype=np.float32)
    if out[name].shape != shape or out[name].dtype != np.float32:
        raise ValueError(
            f"out[{name!r}] must be a float32 array of shape {shape}, "
            f"got {out[name].dtype} of shape {out[name].shape}; see activation_shapes"
        )
    return out[name]
