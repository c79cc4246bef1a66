"""What the layers of a network put out: caught by hooks, streamed batch by batch into a store."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any

from torch import Tensor, nn

from cnn_probe.activations.passes.hooks import OutputHooks
from cnn_probe.activations.passes.outputs import Output
from cnn_probe.activations.planning import Layer
from cnn_probe.activations.signs import refusal
from cnn_probe.activations.store import RowStore
from cnn_probe.activations.units import Units
from cnn_probe.data.batches import Batch
from cnn_probe.networks.calling import feed
from cnn_probe.networks.state import evaluating, with_end


class ActivationRecorder:
    """Record some outputs of every forward pass that its thread makes inside its ``with`` block.

    Hooks are removed when the block ends, also by an error. Other threads may run the network meanwhile. What is
    recorded is a copy, so that a later in-place operation of the network cannot change it.

    Parameters
    ----------
    network : nn.Module
        Any network but one that runs copies of itself, or compiled: pass what is inside, `unwrapped`.
    layers : sequence of str or Output
        Paths of modules, of which the first use in a pass is meant; or outputs as `trace` finds them.

    Raises
    ------
    ValueError
        If there is no module of a name.
    TypeError
        From the forward pass, if a layer returns anything but a tensor.

    Examples
    --------
    >>> import torch
    >>> network = nn.Sequential(nn.Linear(3, 2), nn.ReLU(inplace=True))
    >>> with ActivationRecorder(network, ["0", "1"]) as recorder:
    ...     _ = network(torch.ones(5, 3))
    ...     activations = recorder.batch
    >>> {name: tuple(activation.shape) for name, activation in activations.items()}
    {'0': (5, 2), '1': (5, 2)}
    """

    def __init__(self, network: nn.Module, layers: Sequence[str | Output]) -> None:
        modules = dict(network.named_modules())
        for layer in layers:
            if isinstance(layer, str) and layer not in modules:
                raise ValueError(
                    f"there is no module {layer!r}; there are {', '.join(name for name in modules if name)}"
                )
        outputs = [layer if isinstance(layer, Output) else Output(layer, layer) for layer in layers]
        self._hooks = OutputHooks(network, outputs)
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


def record(
    network: nn.Module,
    batches: Callable[[int], Iterable[Batch]],
    layers: Sequence[Layer],
    store: RowStore,
    *,
    more: Callable[[Batch, Any], Mapping[str, Any]] | None = None,
    shifts: Mapping[str, Any] | None = None,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Run a network over batches, in evaluation mode and without gradients, and write its layers' blocks to a store.

    Parameters
    ----------
    network : Module
        Put back as it was, whatever comes.
    batches : callable(start)
        Batches from a sample on: from where the store is.
    layers : sequence of Layer
    store : RowStore
        Not finished; it is when this returns.
    more : callable(batch, returned), default=None
        What else is to be written of a batch, by name, and of what the network returned for it.
    shifts : mapping of str to array, default=None
        What is subtracted from the features of blocks that are shifted; None for the minima of these samples.
    progress : callable(n_done), default=None
        Called after each batch.

    Returns
    -------
    dict of str to array
        What was subtracted.

    Raises
    ------
    ValueError
        If an activation is not finite, or negative where that is an error, or a batch does not run a layer, or a
        layer's shape depends on the batch.
    """
    units = {layer.name: layer.units() for layer in layers}
    for name, running in store.running.items():
        units[name].seen.go_on(running)
    now: dict[str, slice] = {}

    def keep(output: Output, value: Tensor) -> None:
        # At once, not when the pass is over: the network may overwrite what it has put out, and a copy would cost.
        for name, values in units[output.name].rows(*units[output.name].look(value)).items():
            store.write(name, now["rows"], values)

    hooks = OutputHooks(network, [layer.output for layer in layers], keep=keep)

    def run() -> None:
        hooks.add()
        start = store.rows_done
        for batch in batches(start):
            now["rows"] = rows = slice(start, start + batch.n)
            returned = feed(network, batch.inputs, batch.keywords)
            _refuse_missing(hooks.missing(), rows)
            _refuse_negative(units.values())
            for name, values in ({} if more is None else more(batch, returned)).items():
                store.write(name, rows, values)
            start = rows.stop
            store.commit(start, {name: one.seen.running() for name, one in units.items()})
            if progress is not None:
                progress(start)

    evaluating(lambda: with_end(run, hooks.remove), network)
    return finish(store, units, shifts)


def finish(store: RowStore, units: Mapping[str, Units], shifts: Mapping[str, Any] | None) -> dict[str, Any]:
    """Say that all rows are in a store; return what is subtracted from the features of blocks that are shifted."""
    found = {name: minima for one in units.values() for name, minima in one.shifts().items()}
    subtracted = found if shifts is None else {name: shifts[name] for name in found}
    store.finish(subtracted)
    return subtracted


def _refuse_missing(layers: list[str], rows: slice) -> None:
    """Raise ValueError if there are layers that a batch, of these samples, did not run."""
    if layers:
        raise ValueError(
            f"the batch of inputs {rows.start} to {rows.stop - 1} did not run the layers {layers}, which others ran: "
            "what not all inputs go through cannot be probed; leave such layers out by layers="
        )


def _refuse_negative(units: Iterable[Units]) -> None:
    seen = [one.seen for one in units]
    if any(one.refused for one in seen):
        raise refusal(seen)
