"""A network, data and layers, planned; and the pass that records them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cnn_probe.activations.handover import hand_over, has_room, stays_on
from cnn_probe.activations.passes.selection import Layers
from cnn_probe.activations.planning import Layer, Plan, plan_layers
from cnn_probe.activations.recorder import record as record_layers
from cnn_probe.activations.store import Memory, RowStore, Shifted, Store
from cnn_probe.activations.store.estimates import LayerBytes, does_not_fit, estimate, memory_for_rows
from cnn_probe.data.batches import Batch, Source, as_source
from cnn_probe.networks.calling import device_of, feed, unwrapped
from cnn_probe.networks.fingerprints import fingerprint
from cnn_probe.networks.state import evaluating
from cnn_probe.probing.beside import Beside
from cnn_probe.probing.blocks import Inputs, Shape, check_inputs, input_blocks
from cnn_probe.probing.on_workers import Recorders
from cnn_probe.probing.predictions import Predict, Predictions
from coupled_nmf import Blocks

MOST_SAMPLES, MOST_BYTES = 500, 2**28  # of a batch, and of the recorded layers' outputs for it
PLACES = ("here", "workers")
LABELS = {"labels": ((), "int64")}


@dataclass(frozen=True, eq=False)
class Prepared:
    """What is to be recorded of a network; nothing has been but a few samples.

    Attributes
    ----------
    network : Module
        Unwrapped.
    source : Source
    layers : tuple of Layer
    skipped : dict of str to str
        Outputs that were meant and cannot be recorded: why.
    inputs
        As `probe` takes it.
    first : Batch
        The first samples.
    input_shapes : dict of str to tuple of int
        Of one sample of each block that is made of the inputs.
    batch_size : int
    """

    network: nn.Module
    source: Source
    layers: tuple[Layer, ...]
    skipped: dict[str, str]
    inputs: Inputs
    first: Batch
    input_shapes: dict[str, Shape]
    batch_size: int

    @property
    def shapes(self) -> dict[str, Shape]:
        """Of one sample of each block."""
        of_layers = {name: layer.block_shape for layer in self.layers for name in layer.blocks}
        return self.input_shapes | of_layers

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """Read the data, from a sample on."""
        return self.source.batches(self.batch_size, start)

    @property
    def sample_bytes(self) -> int:
        """Of one sample in all blocks."""
        return 4 * sum(math.prod(shape) for shape in self.shapes.values())


@dataclass(frozen=True, eq=False)
class Recorded:
    """Inputs and the activations that they cause, ready to be factored, at several ranks if wanted.

    ``minima`` holds what was subtracted from blocks that are shifted. The fingerprints are of what was recorded:
    whoever factors it may have trained the network on since.
    """

    prepared: Prepared
    X: Blocks
    predictions: NDArray[np.int64] | None
    scores: NDArray[np.float32] | None
    labels: NDArray[np.int64] | None
    minima: dict[str, NDArray[np.float32]]
    network_fingerprint: str
    data_fingerprint: str


def prepare(
    network: nn.Module,
    data: Any,
    *,
    layers: Layers = None,
    pool: str | Mapping[str, str] = "auto",
    negative: str | Mapping[str, str] = "error",
    preprocess: Callable[[Tensor], Any] | None = None,
    inputs: Inputs = True,
    batch_size: int | None = None,
    plan: Plan | None = None,
) -> Prepared:
    """Find out what is to be recorded, by feeding the network a few samples; the parameters are those of `probe`.

    With a ``plan``, as of an earlier recording, nothing has to be found out of the layers.
    """
    check_inputs(inputs)
    if batch_size is not None and (not isinstance(batch_size, int) or batch_size < 1):
        raise ValueError(f"batch_size must be 1 or more, or None, got {batch_size!r}")
    network, source = unwrapped(network), as_source(data, preprocess)
    first = next(iter(source.batches(3)), None)
    if first is None:
        raise ValueError("data is empty; there is nothing to record")
    few = [first.head(n) for n in sorted({min(2, first.n), min(3, first.n)})]
    if plan is None:
        passes = [(lambda batch=batch: feed(network, batch.inputs, batch.keywords), batch.n) for batch in few]
        plan = plan_layers(network, passes, layers, pool=pool, negative=negative)
    made = input_blocks(inputs, few[0], source.why_no_pictures)
    clash = sorted({name for layer in plan.layers for name in layer.blocks} & set(made))
    if clash:
        raise ValueError(f"a layer and a block of the inputs are both called {clash[0]!r}; name the block otherwise")
    shapes = {name: tuple(values.shape[1:]) for name, values in made.items()}
    if batch_size is None:
        largest = 4 * sum(math.prod(layer.shape) for layer in plan.layers)
        batch_size = max(1, min(MOST_SAMPLES, MOST_BYTES // max(largest, 1)))
    return Prepared(network, source, plan.layers, plan.skipped, inputs, few[-1], shapes, batch_size)


def record(
    prepared: Prepared,
    *,
    predict: Predict | None = None,
    predicts: bool = True,
    store: str | Path | None = None,
    shifts: Mapping[str, NDArray[np.float32]] | None = None,
    record_on: str = "here",
    progress: Callable[[int, int], None] | None = None,
) -> Recorded:
    """Run the network over the data, once; the parameters are those of `probe`.

    ``shifts`` are the minima of an earlier recording, if it is to be compared with that one. What the network predicts
    is not asked for unless ``predicts``.
    """
    refuse_place(record_on, store)
    network, source = prepared.network, prepared.source
    there = Recorders(network, source, prepared.inputs, predict) if record_on == "workers" else None
    beside = _beside(prepared, predict, predicts)
    fingerprints = fingerprint(network), source.fingerprint() if there is None else there.data_fingerprint()
    learned: dict[str, NDArray[np.float32]] = {}

    def tell(done: int) -> None:
        if progress is not None:
            progress(done, source.n or done)

    stays = store is None and _stays(prepared)
    with _store(prepared, beside.kept, fingerprints, store, stays=stays) as kept:
        if not kept.finished:
            learned = _fill(kept, prepared, beside, there, shifts, tell)
        arrays, aside = kept.arrays(), kept.beside()
    learned = {name: rows.minima for name, rows in arrays.items() if isinstance(rows, Shifted)} or learned
    if stays:
        arrays = {name: hand_over(torch.as_tensor(rows)) for name, rows in arrays.items()}
    return Recorded(
        prepared,
        Blocks(arrays),
        aside.get("predictions"),
        aside.get("scores"),
        aside.get("labels"),
        learned,
        *fingerprints,
    )


def _fill(
    store: RowStore,
    prepared: Prepared,
    beside: Beside,
    there: Recorders | None,
    shifts: Mapping[str, NDArray[np.float32]] | None,
    progress: Callable[[int], None],
) -> dict[str, NDArray[np.float32]]:
    """Record what a store lacks, here or on workers; return what is subtracted from blocks that are shifted."""
    layers, source = prepared.layers, prepared.source
    if there is not None and isinstance(store, Store):
        return there.record(store, layers, beside.kept, prepared.batch_size, shifts=shifts, progress=progress)

    def more(batch: Batch, returned: Any) -> dict[str, Any]:
        return beside.rows(batch, returned, source.why_no_pictures)

    return record_layers(prepared.network, prepared.batches, layers, store, more=more, shifts=shifts, progress=progress)


def refuse_place(record_on: str, store: str | Path | None) -> None:
    """Raise ValueError if there is no such place to record on, or it needs a store."""
    if record_on not in PLACES:
        raise ValueError(f"record_on must be {' or '.join(map(repr, PLACES))}, got {record_on!r}")
    if record_on == "workers" and store is None:
        raise ValueError("record_on='workers' needs store=, a folder that this process and all workers share")


def _beside(prepared: Prepared, predict: Predict | None, predicts: bool) -> Beside:
    """What is kept beside the layers, as the first samples, and what the network returns for them, show it."""
    first, kept = prepared.first, {}
    if predicts:
        returned = evaluating(lambda: feed(prepared.network, first.inputs, first.keywords), prepared.network)
        kept = Predictions(predict).beside(returned, first.n)
    return Beside(prepared.inputs, predict, kept | (LABELS if first.labels is not None else {}))


def _store(
    prepared: Prepared,
    beside: Mapping[str, Any],
    fingerprints: Sequence[str],
    folder: str | Path | None,
    *,
    stays: bool,
) -> RowStore:
    """Where the rows go: to disk if a folder is named, to the network's GPU if they can stay there, else to memory."""
    n, blocks = prepared.source.n, {name: math.prod(shape) for name, shape in prepared.shapes.items()}
    if folder is not None:
        return Store.open(folder, _facts(prepared, fingerprints), blocks, n=n, beside=beside)
    if stays:
        return Memory(blocks, n=n, beside=beside, device=device_of(prepared.network))
    needed, room = estimate_of(prepared), memory_for_rows()
    if sum(one.n_bytes for one in needed) > room:
        raise ValueError(does_not_fit(needed, room))
    return Memory(blocks, n=n, beside=beside)


def _stays(prepared: Prepared) -> bool:
    """Whether the rows can stay on the GPU that the network is on; warns if they could, but for something."""
    n, device = prepared.source.n, device_of(prepared.network)
    return n is not None and stays_on(device) and has_room(device, n * prepared.sample_bytes)


def estimate_of(prepared: Prepared) -> list[LayerBytes]:
    """What the recorded layers will take."""
    return estimate(prepared.layers, prepared.source.n or 1)


def _facts(prepared: Prepared, fingerprints: Sequence[str]) -> dict[str, Any]:
    """All that decides what is recorded."""
    inputs: Any = prepared.inputs
    if callable(inputs):  # by what it makes of the first samples
        made = input_blocks(inputs, prepared.first)
        inputs = {name: hashlib.sha256(values.numpy().tobytes()).hexdigest() for name, values in made.items()}
    return {
        "network": fingerprints[0],
        "data": fingerprints[1],
        "layers": [asdict(layer) for layer in prepared.layers],
        "inputs": inputs,
        "torch": str(torch.__version__),
        "device": device_of(prepared.network).type,
    }
