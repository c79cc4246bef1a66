"""Recording as tasks on the workers of a cluster: a range of samples each, into the one store that all share."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from cnn_probe.activations.planning import Layer
from cnn_probe.activations.recorder import finish
from cnn_probe.activations.recorder import record as record_layers
from cnn_probe.activations.store import Kept, Store, StorePart, WrittenPart
from cnn_probe.activations.store.manifest import MANIFEST
from cnn_probe.data.batches import Batch, Source
from cnn_probe.data.by_place import is_held, rows_alone
from cnn_probe.networks.state import evaluating, with_end
from cnn_probe.probing.beside import Beside
from cnn_probe.probing.blocks import Inputs
from cnn_probe.probing.predictions import Predict
from cnn_probe.probing.sent import ASKED, Sent, send
from cnn_probe.system.workers import Workers, here

PART_BYTES = 2**26  # of a part's rows, at most, but for a batch
SHARES = 8  # parts a worker, at least, if there are so many batches: who is slow then takes fewer
_ONE = threading.Lock()  # of a worker's tasks, one runs the network, on all of the worker's threads


@dataclass(frozen=True)
class Task:
    """How a part is recorded; the same for all.

    Attributes
    ----------
    layers : tuple of Layer
    kept : dict
        What the store keeps, of blocks and beside them.
    beside : dict
        Of these, what is kept beside the blocks, as `Beside` has it.
    path : Path
        The store's own folder.
    batch_size : int
    """

    layers: tuple[Layer, ...]
    kept: dict[str, Kept]
    beside: dict[str, Any]
    path: Path
    batch_size: int


class Recorders:
    """The workers of the current ``distributed.Client``, and what they are sent to record parts of data.

    Made before any work is done: what cannot be is refused then.

    Parameters
    ----------
    network, source, inputs, predict
        As `probe` has them.

    Raises
    ------
    RuntimeError
        If there is no client, or no worker.
    TypeError, ValueError
        Of `send`.
    """

    def __init__(self, network: nn.Module, source: Source, inputs: Inputs, predict: Predict | None) -> None:
        self._workers, self._source = Workers(ASKED), source
        self._sent = self._workers.keep(send(network, source, inputs, predict))

    def data_fingerprint(self) -> str:
        """Return the source's fingerprint, by a worker that reads the data, where they are not held here."""
        if is_held(self._source.data):
            return self._source.fingerprint()
        found: str = self._workers.call(_fingerprint, self._sent)
        return found

    def record(
        self,
        store: Store,
        layers: tuple[Layer, ...],
        beside: dict[str, Any],
        batch_size: int,
        *,
        shifts: Mapping[str, NDArray[Any]] | None,
        progress: Callable[[int], None],
    ) -> dict[str, Any]:
        """Have workers record what a store lacks, and finish it; return what is subtracted from shifted blocks.

        Parts begin at multiples of the batch size, so that batches are those of a pass here. What is known of each
        batch comes here, and is put together in the order of the samples: to the bits of such a pass.
        """
        self._refuse_other_folder(store.path.absolute())
        task = Task(layers, store.kept, beside, store.path.absolute(), batch_size)
        joined = _Joined(store, layers, progress)
        missing, there = missing_of(store.rows_done, self._source.n or 0, WrittenPart.all_in(store.path, store.kept))
        joined.take(there)
        n_left, n_workers = sum(rows.stop - rows.start for rows in missing), len(self._workers.addresses())
        row_bytes = sum(kept.row_bytes for kept in store.kept.values())
        most = min(PART_BYTES // row_bytes, n_left // (SHARES * max(n_workers, 1)))
        for part in self._workers.results(_record_part, self._calls(task, cut(missing, batch_size, most))):
            joined.take([part])
        return finish(store, joined.units, shifts)

    def _calls(self, task: Task, parts: Iterable[slice]) -> Iterator[tuple[Any, ...]]:
        data = self._source.data
        for rows in parts:
            yield self._sent, task, rows, rows_alone(data, rows) if is_held(data) else None

    def _refuse_other_folder(self, path: Path) -> None:
        """Raise before any work if a worker cannot load what it is sent, or finds no store where it is to write to."""
        for worker, finds in self._workers.on_each(_looks, self._sent, path).items():
            if not finds:
                raise ValueError(
                    f"store={str(path.parent)!r} is not there for the worker {worker}: {ASKED} writes from all workers "
                    "into one folder; give one that this process and all workers have under the same path"
                )


class _Joined:
    """Parts as they come, put together in the order of the samples."""

    def __init__(self, store: Store, layers: Sequence[Layer], progress: Callable[[int], None]) -> None:
        self._store, self._progress = store, progress
        self._waiting: dict[int, WrittenPart] = {}
        self.units = {layer.name: layer.units() for layer in layers}
        for name, running in store.running.items():
            self.units[name].seen.go_on(running)

    def take(self, parts: Iterable[WrittenPart]) -> None:
        """Have the store hold those that come next, and keep others until then."""
        store, waiting = self._store, self._waiting
        waiting.update({part.start: part for part in parts})
        while (part := waiting.pop(store.rows_done, None)) is not None:
            for batch in part.running():
                for name, running in batch.items():
                    self.units[name].seen.follow(running)
            store.adopt(part.stop, {name: one.seen.running() for name, one in self.units.items()})
        self._progress(store.rows_done + sum(part.stop - part.start for part in waiting.values()))


def missing_of(done: int, n: int, parts: Sequence[WrittenPart]) -> tuple[list[slice], list[WrittenPart]]:
    """Return the rows that are in no part, and those parts that begin where all before them are taken, or missing.

    Examples
    --------
    >>> missing_of(4, 20, [WrittenPart(2, 6, []), WrittenPart(8, 12, []), WrittenPart(10, 16, [])])
    ([slice(4, 8, None), slice(12, 20, None)], [WrittenPart(start=8, stop=12, batches=[])])
    """
    missing, there = [], []
    for part in sorted(parts, key=lambda part: part.start):
        if done <= part.start < part.stop <= n:  # others overlap what is there: left by a pass of other batches
            missing.append(slice(done, part.start))
            there.append(part)
            done = part.stop
    missing.append(slice(done, n))
    return [rows for rows in missing if rows.start < rows.stop], there


def cut(missing: Sequence[slice], batch_size: int, most: int) -> Iterator[slice]:
    """Cut rows at multiples of the batch size into parts of about ``most``, of one batch at least.

    Examples
    --------
    >>> [(rows.start, rows.stop) for rows in cut([slice(8, 27)], 4, 9)]
    [(8, 16), (16, 24), (24, 27)]
    """
    height = max(most // batch_size, 1) * batch_size
    for rows in missing:
        edges = [rows.start, *range(rows.start // height * height + height, rows.stop, height), rows.stop]
        yield from (slice(a, b) for a, b in itertools.pairwise(edges))


def _looks(sent: Sent, path: Path) -> bool:
    sent.load()
    return (path / MANIFEST).is_file()


def _fingerprint(sent: Sent) -> str:
    loaded = sent.load()
    return Source(loaded["data"], loaded["preprocess"]).fingerprint()


def _record_part(sent: Sent, task: Task, rows: slice, data: Any) -> WrittenPart:
    """On a worker: record some samples, on all of its threads."""
    with _ONE:
        before = torch.get_num_threads()
        torch.set_num_threads(here()[1])
        return with_end(lambda: _record(sent.load(), task, rows, data), lambda: torch.set_num_threads(before))


def _only(batch: Batch, start: int) -> list[Batch]:
    return [batch]


def _record(loaded: Mapping[str, Any], task: Task, rows: slice, data: Any) -> WrittenPart:
    network, beside = loaded["network"], Beside(loaded["inputs"], loaded["predict"], task.beside)
    source = Source(loaded["data"], loaded["preprocess"])
    if data is not None:
        source = Source(data, loaded["preprocess"], begins=rows.start)
    part = StorePart(task.path, task.kept, rows.start)

    def more(batch: Batch, returned: Any) -> dict[str, Any]:
        return beside.rows(batch, returned, source.why_no_pictures)

    def run() -> None:
        for batch in source.batches(task.batch_size, rows.start):
            own = batch.head(rows.stop - part.rows_done)
            # Each by itself: what is known of it is put together elsewhere.
            record_layers(network, partial(_only, own), task.layers, part, more=more)
            if part.rows_done == rows.stop:
                break

    with part:
        evaluating(run, network)
    assert part.written is not None
    return part.written
