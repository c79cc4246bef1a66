"""Recorded rows on disk: found again by what decides them, and gone on with where a pass was cut off."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cnn_probe.activations.store.array_file import Damaged, files_of
from cnn_probe.activations.store.finished import blocks_in
from cnn_probe.activations.store.kept import Beside, Kept, kept_arrays, refuse_part
from cnn_probe.activations.store.manifest import MANIFEST, Manifest, key_of, pack, said_of, unpack
from cnn_probe.activations.store.part import PARTS
from cnn_probe.activations.store.room import refuse_full, saying_what_is_kept
from cnn_probe.system.locks import only_one

COMMIT_BYTES = 2**28  # after as many, or as many seconds, what was committed goes to the disk
COMMIT_SECONDS = 20.0
DIGITS = 16  # of the key, in a folder's name


class Store:
    """Arrays with a row for each sample, in a folder of their own, ``folder/KEY``; `Store.open` makes or finds it.

    One file a block, ``.npy``, which NumPy reads when the store is finished; ``store.json`` is written last. Whatever
    ends the process, the rows that were on the disk by then are there, and the next pass begins behind them.

    Attributes
    ----------
    path : Path
        The store's own folder.
    kept : dict of str to Kept

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     facts = {"network": "2-0123456789abcdef", "pool": {"relu1": "whole"}}
    ...     with Store.open(folder, facts, {"relu1": 2}, n=3) as store:
    ...         store.write("relu1", slice(0, 3), np.ones((3, 2), np.float32))
    ...         store.commit(3, {"smallest": 1.0})
    ...         store.finish()
    ...     with Store.open(folder, facts, {"relu1": 2}, n=3) as store:
    ...         store.finished, store.running, store.arrays()["relu1"].shape
    (True, {'smallest': 1.0}, (3, 2))
    """

    def __init__(self, path: Path, kept: dict[str, Kept], n: int | None) -> None:
        self.path, self.kept, self._n = path, kept, n
        self._files = files_of(path, kept)
        self._manifest = Manifest("", {})
        self._pending: tuple[int, Any] | None = None
        self._bytes, self._time = 0, time.monotonic()
        self._open = ExitStack()

    @classmethod
    def open(
        cls,
        folder: str | Path,
        facts: Mapping[str, Any],
        blocks: Mapping[str, int],
        *,
        n: int | None = None,
        beside: Beside | None = None,
    ) -> Store:
        """Open the store that holds these blocks for these facts: finished, begun, or new.

        Parameters
        ----------
        folder : str or Path
            Where stores lie; made if it is missing.
        facts : mapping
            All that decides the rows, as JSON holds it: fingerprints, layers, pooling, signs, versions. Other facts,
            blocks, or n are another store.
        blocks : mapping of str to int
            Features of each block.
        n : int, default=None
            Number of samples; None where only reading tells.
        beside : mapping of str to (shape, dtype), default=None
            What else is kept of each sample, as ``{"labels": ((), "int64")}``.

        Raises
        ------
        BlockingIOError
            If another process is writing it.
        OSError
            If the disk has no room for it, or the folder cannot be written to.

        Warns
        -----
        UserWarning
            If what is there is damaged; it is made anew.
        """
        kept = kept_arrays(blocks, beside)
        key = key_of(facts, kept, n)
        store = cls(Path(folder) / key[:DIGITS], kept, n)
        with ExitStack() as on_error:
            on_error.callback(store.close)
            store._find(Manifest(key, dict(facts), arrays=said_of(kept)))
            on_error.pop_all()
        return store

    def _find(self, new: Manifest) -> None:
        """Take what is there, if it is whole, or begin."""
        with suppress(Damaged):  # it is read again, behind the lock
            if self._take(new.key, read_only=True):
                return
        self.path.mkdir(parents=True, exist_ok=True)
        self._open.enter_context(only_one(self.path))
        try:
            taken = self._take(new.key)
        except Damaged as error:
            self._close_files()
            warnings.warn(f"the store in {self.path} is damaged: {error}; it is made anew.", stacklevel=3)
            taken = False
        if self.finished:
            self._open.close()
            return
        self._delete(".*.part", *(() if taken else (MANIFEST, "*.npy", PARTS)))
        refuse_full(self.path, self.kept.values(), self._n)
        if not taken:
            self._begin(new)

    def _take(self, key: str, *, read_only: bool = False) -> bool:
        """Open what is there, and say whether there was anything that can be used, finished or to be gone on with."""
        found = Manifest.read(self.path)
        if found is None or (read_only and not found.finished):
            return False
        if found.key != key:
            raise Damaged(f"{MANIFEST} is of another store")
        for file in self._files.values():
            file.check(found.rows_done) if found.finished else file.go_on(found.rows_done)
        self._manifest = replace(found, arrays=said_of(self.kept))
        return True

    def _begin(self, new: Manifest) -> None:
        with self._room():
            for file in self._files.values():
                file.begin()
            self._manifest = new
            new.write(self.path)

    @property
    def rows_done(self) -> int:
        """Rows that are there: where the pass is to go on."""
        return self._manifest.rows_done if self._pending is None else self._pending[0]

    @property
    def running(self) -> dict[str, Any]:
        """What `commit` was told of them."""
        found: dict[str, Any] = unpack(self._manifest.running if self._pending is None else self._pending[1])
        return found

    @property
    def finished(self) -> bool:
        """Whether all rows are there; nothing can be written then."""
        return self._manifest.finished

    def write(self, name: str, rows: slice, values: Tensor | NDArray[Any]) -> None:
        """Write rows of an array.

        Parameters
        ----------
        name : str
            Of a block, or of what is kept beside them.
        rows : slice
            Those that come next, or some that are there: what lies behind them is then to be written again.
        values : Tensor, on any device, or array
            Of so many rows.

        Raises
        ------
        ValueError
            If the shape is another, or rows are left out.
        OSError
            If the disk is full. What was committed stays.
        """
        self._refuse_finished()
        kept, file = self.kept[name], self._files[name]
        kept.check(name, rows, tuple(values.shape), self.rows_done, file.rows)
        if self._n is not None and rows.stop > self._n:
            raise ValueError(f"{name!r} is of {self._n} rows; got rows up to {rows.stop}")
        array = kept.tensor(name, values).cpu().numpy()
        with saying_what_is_kept(self.path, self._save):
            file.write(rows.start, array)
        self._bytes += array.nbytes

    def commit(self, rows_done: int, running: Mapping[str, Any] | None = None) -> None:
        """Say that so many rows of every array are written; now and then, they then go to the disk.

        Parameters
        ----------
        rows_done : int
        running : mapping, default=None
            What is known of them: numbers, arrays, and mappings and lists of these; by default what it was.
        """
        self._refuse_finished()
        refuse_part(rows_done, None, {name: file.rows for name, file in self._files.items()})
        self._pending = (rows_done, pack(self.running if running is None else running))
        if self._bytes >= COMMIT_BYTES or time.monotonic() - self._time >= COMMIT_SECONDS:
            self.flush()

    def adopt(self, rows_done: int, running: Mapping[str, Any]) -> None:
        """Commit rows that others have written, and have on the disk: those that come next."""
        for file in self._files.values():
            file.rows = rows_done
        self.commit(rows_done, running)

    def flush(self) -> None:
        """Have what was committed on the disk now."""
        if self._pending is None:
            return
        with self._room():
            for file in self._files.values():
                file.flush()
            self._advance(rows_done=self._pending[0], running=self._pending[1])
        self._pending, self._bytes, self._time = None, 0, time.monotonic()

    def finish(self, shifts: Mapping[str, NDArray[np.float32]] | None = None) -> None:
        """Say that all rows are there; from now on the store can be read, and is not written to.

        Parameters
        ----------
        shifts : mapping of str to float32 array of shape (n_features,), default=None
            For blocks that are to be shifted: what is subtracted from each feature when it is read.
        """
        self._refuse_finished()
        refuse_part(self.rows_done, self._n, {name: file.rows for name, file in self._files.items()})
        self.flush()
        with self._room():
            for file in self._files.values():
                file.rows = self.rows_done
                file.finish()
            self._advance(shifts=pack(shifts or {}), finished=True)
        self._delete(PARTS)
        self.close()

    def arrays(self) -> dict[str, Any]:
        """Return the blocks of a finished store by name, in order: memory maps, or `Shifted` ones."""
        self._refuse_unfinished()
        return blocks_in(self._files, self.kept, self._manifest.shifts)

    def beside(self) -> dict[str, NDArray[Any]]:
        """Return what a finished store keeps beside the blocks, by name, in memory."""
        self._refuse_unfinished()
        return {name: np.array(file.open()) for name, file in self._files.items() if not self.kept[name].block}

    def close(self) -> None:
        """Write to the disk what was committed, and let others write."""
        try:
            self.flush()
        finally:
            self._close_files()
            self._open.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        with suppress(OSError) if kind is not None else nullcontext():  # the first error is the one to be seen
            self.close()

    def _delete(self, *patterns: str) -> None:
        for left in (path for pattern in patterns for path in self.path.glob(pattern)):
            left.unlink(missing_ok=True)

    def _refuse_unfinished(self) -> None:
        if not self.finished:
            raise RuntimeError("rows are still to come; call finish() when all are written")

    def _refuse_finished(self) -> None:
        if self.finished:
            raise RuntimeError(f"the store in {self.path} is finished; read it by arrays()")

    def _close_files(self) -> None:
        for file in self._files.values():
            file.close()

    def _advance(self, **changes: Any) -> None:
        new = replace(self._manifest, **changes)
        new.write(self.path)
        self._manifest = new

    def _save(self) -> int:
        """Have on the disk what was committed, if it can be, and return the rows that are there."""
        with suppress(OSError):
            self.flush()
        return self._manifest.rows_done

    def _room(self) -> AbstractContextManager[None]:
        return saying_what_is_kept(self.path, lambda: self._manifest.rows_done)
