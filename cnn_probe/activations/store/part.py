"""Some rows of a store that another process has begun, written beside others; and what is known of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnn_probe.activations.store.array_file import files_of
from cnn_probe.activations.store.kept import Kept
from cnn_probe.activations.store.manifest import pack, unpack
from cnn_probe.activations.store.room import saying_what_is_kept
from cnn_probe.system.parts import write_bytes

PARTS = "part-*.json"


@dataclass(frozen=True)
class WrittenPart:
    """Rows of a store that are on the disk, behind those that its manifest names.

    Attributes
    ----------
    start, stop : int
        The first row, and the one behind the last.
    batches : list
        What is known of the rows of each batch, by itself, in order; packed.
    """

    start: int
    stop: int
    batches: list[Any]

    def running(self) -> list[dict[str, Any]]:
        """What is known of each batch."""
        found: list[dict[str, Any]] = unpack(self.batches)
        return found

    def write(self, folder: Path) -> None:
        """Write it, whole or not at all."""
        body = [self.start, self.stop, self.batches]
        name = f"part-{self.start:012d}-{self.stop:012d}.json"
        write_bytes(folder / name, json.dumps({"body": body, "sha256": _digest(body)}, allow_nan=False).encode())

    @classmethod
    def all_in(cls, folder: Path, kept: Mapping[str, Kept]) -> list[WrittenPart]:
        """Return those of a store's folder that are whole; others are done again."""
        files, found = files_of(folder, kept).values(), []
        for path in sorted(folder.glob(PARTS)):
            with suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
                read = json.loads(path.read_bytes())
                part = cls(*read["body"])
                if read["sha256"] == _digest(read["body"]) and all(file.holds(part.stop) for file in files):
                    found.append(part)
        return found


class StorePart:
    """What a recorder writes a part's batches to, each by itself; leaving the ``with`` block says that all are there.

    The bytes are those that `Store` writes. What is known of a batch is kept apart from that of others, so that it can
    be put together in the order of the samples, to the same bits, whoever recorded which.

    Parameters
    ----------
    path : Path
        The store's own folder.
    kept : mapping of str to Kept
        What it holds.
    start : int
        The first row.
    """

    finished = False

    def __init__(self, path: Path, kept: Mapping[str, Kept], start: int) -> None:
        self.path, self._kept, self._start = path, kept, start
        self.rows_done = start
        self._files = files_of(path, kept)
        self._batches: list[Any] = []
        self.written: WrittenPart | None = None

    @property
    def running(self) -> dict[str, Any]:
        """Nothing: each batch begins anew."""
        return {}

    def write(self, name: str, rows: slice, values: Any) -> None:
        """Do what `Store.write` does."""
        kept, file = self._kept[name], self._files[name]
        kept.check(name, rows, tuple(values.shape), self.rows_done, file.rows)
        with saying_what_is_kept(self.path, lambda: self._start):
            file.write(rows.start, kept.tensor(name, values).cpu().numpy())

    def commit(self, rows_done: int, running: Mapping[str, Any] | None = None) -> None:
        """Take note of what is known of the rows since the last call."""
        self.rows_done = rows_done
        self._batches.append(pack({} if running is None else running))

    def finish(self, shifts: Any = None) -> None:
        """Do nothing: who put the parts together says when all are there."""

    def arrays(self) -> dict[str, Any]:
        """Raise RuntimeError: other parts are still to come."""
        raise RuntimeError("a part of a store cannot be read")

    beside = arrays

    def __enter__(self) -> StorePart:
        for file in self._files.values():
            file.join(self._start)
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            if kind is None:
                self._say_that_it_is_there()
        finally:
            for file in self._files.values():
                file.close()

    def _say_that_it_is_there(self) -> None:
        with saying_what_is_kept(self.path, lambda: self._start):
            for file in self._files.values():
                file.flush()
            if not all(file.is_there for file in self._files.values()):
                raise RuntimeError(f"the store in {self.path} was made anew while rows were recorded for it")
            self.written = WrittenPart(self._start, self.rows_done, self._batches)
            self.written.write(self.path)


def _digest(body: list[Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, allow_nan=False).encode()).hexdigest()
