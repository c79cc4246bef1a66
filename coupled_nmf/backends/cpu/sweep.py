"""The sweep on the CPU: cache-sized row tiles on a thread pool, the sums committed in tile order."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.backends.cpu.kernels import compiled
from coupled_nmf.backends.cpu.tile_step import ColumnStep, TileStep
from coupled_nmf.data.tile_heights import MOST_ROWS, even_height, tile_rows
from coupled_nmf.data.tiled_matrix import Tile, TiledMatrix
from coupled_nmf.problem.contracts import Sums
from coupled_nmf.system.blas import BLAS
from coupled_nmf.system.interrupts import INTERRUPTS

MOST_CHUNK = 4  # times the height of a tile: for the chunks of a file that are taller, memory matters more
LARGE_TILE = 2**26  # bytes from which fewer tiles are read ahead
ALONE = 3_000_000  # multiplications that one thread has done before a second would pay


def _add(totals: Sums, sums: Sums) -> None:
    """Add a tile's sums to float64 totals."""
    for total, part in zip(totals, sums, strict=True):
        if total.shape != part.shape:
            raise ValueError("a tile's sums do not have the shapes that its step promised")
        compiled.add_to(total.reshape(-1), part.reshape(-1))  # NumPy's add of two dtypes goes through buffers


def _of_one(sums: Sums) -> Sums:
    """Sums of a single tile, whose arrays are those of the sums where their dtype allows it."""
    return tuple([part.astype(np.float64, copy=False) for part in sums])


class _OrderedSums:
    """Adds the tiles' sums in tile order, whoever brings them: the bits do not depend on the threads."""

    def __init__(self, step: TileStep | ColumnStep, totals: Sums, most_waiting: int) -> None:
        self.totals = totals
        self._recycle, self._most = step.recycle, most_waiting
        self._waiting: dict[int, tuple[NDArray[Any], ...]] = {}
        self._next, self._failed, self._blocked = 0, False, 0
        self._adding, self._room = threading.Lock(), threading.Condition()

    def bring(self, index: int, sums: tuple[NDArray[Any], ...]) -> None:
        if len(self._waiting) >= self._most and index != self._next:
            self._wait_for_room(index)
        self._waiting[index] = sums
        # Whoever finds the next tile's sums adds them, and those that came meanwhile; the others go on.
        while self._next in self._waiting and self._adding.acquire(blocking=False):
            try:
                while (ready := self._waiting.pop(self._next, None)) is not None:
                    _add(self.totals, ready)
                    self._recycle(ready)
                    self._next += 1
            finally:
                self._adding.release()
            if self._blocked:
                with self._room:
                    self._room.notify_all()

    def _wait_for_room(self, index: int) -> None:
        with self._room:
            self._blocked += 1
            while len(self._waiting) >= self._most and index != self._next and not self._failed:
                self._room.wait(0.001)  # not for ever: who adds looks for the blocked without the lock
            self._blocked -= 1

    def fail(self) -> None:
        self._failed = True


class _ReadAhead:
    """Reads the tiles of what lies outside memory, in order, on threads of its own, ahead of those who work on them."""

    def __init__(self, X: TiledMatrix, height: int, n_threads: int) -> None:
        self._X, self._height = X, height
        self._reader = ThreadPoolExecutor(n_threads, thread_name_prefix="coupled_nmf_reader")
        self._lock, self._next = threading.Lock(), 0
        self._tiles: dict[int, Future[Tile]] = {}
        large = height * X.shape[1] * X.dtype.itemsize > LARGE_TILE
        most = -(-X.shape[0] // height)
        for _ in range(
            min(n_threads if large else 2 * n_threads, most)
        ):  # no fewer: what a worker asks for is under way
            self._read_next()

    def _read_next(self) -> None:
        with self._lock:  # so that none is passed by
            if self._next < self._X.shape[0]:
                rows = slice(self._next, min(self._next + self._height, self._X.shape[0]))
                self._tiles[rows.start] = self._reader.submit(self._X.tile, rows)
                self._next = rows.stop

    def take(self, rows: slice) -> Tile:
        """Those rows' tile, when it is there."""
        tile = self._tiles.pop(rows.start)
        self._read_next()
        return tile.result()

    def __enter__(self) -> _ReadAhead:
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self._reader.shutdown(cancel_futures=True)


class Sweeper:
    """Threads over row tiles; BLAS is held at one thread each while they are open.

    Parameters
    ----------
    n_jobs : int or None
        Threads. None: as many as BLAS may use in this process; negative: cores + 1 + n_jobs.
    free : list of Sums
        Arrays that sums may be written to; they are taken from here, and whoever is done with sums puts them back.
    """

    def __init__(self, n_jobs: int | None = None, free: list[Sums] | None = None) -> None:
        self._free = [] if free is None else free
        self.takes_free = False  # so far: a single tile's sums need no others to be added to
        self.n_threads = BLAS.n_threads(n_jobs)
        self._limit: AbstractContextManager[None] = BLAS.one_thread()
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        self._limit.__enter__()
        if self.n_threads > 1:
            self._pool = ThreadPoolExecutor(self.n_threads - 1, thread_name_prefix="coupled_nmf")
        return self

    def __exit__(self, *exc_info: Any) -> None:
        if self._pool is not None:
            self._pool.shutdown()
        self._limit.__exit__(None, None, None)

    def sweep(self, X: TiledMatrix, step: TileStep, *by_row: NDArray[Any]) -> tuple[NDArray[np.float64], ...]:
        """Run a tile step over all row tiles of X and return the float64 sums of what it returns.

        Parameters
        ----------
        X : TiledMatrix
            What is swept over.
        step : TileStep
            ``step(tile, rows, *of_rows)`` gets the tile of every part, the rows it stands for, and those rows of each
            array of ``by_row``, to which it may write; it returns arrays of ``step.shapes``.
        by_row : arrays of shape (n_samples, ...) or (0,)
            What has a row for each sample, or is empty.
        """
        work = X.n_entries * step.depth
        height = tile_rows(X) if work > ALONE else MOST_ROWS
        if 1 < X.chunk_rows <= MOST_CHUNK * height:  # tiles of whole chunks, or chunks are unpacked more than once
            height = max(round(height / X.chunk_rows), 1) * X.chunk_rows

        kept = X.tiles(height)
        if kept is not None and len(kept) == 1:  # all rows are each array itself, and no views are made
            return self._sum(X.shape[0], height, work, step, lambda rows: step(kept[0], rows, *by_row))

        def run(rows: slice, tile: Tile) -> Sums:
            return step(tile, rows, *[array[rows] for array in by_row])

        if kept is not None:
            return self._sum(X.shape[0], height, work, step, lambda rows: run(rows, kept[rows.start // height]))
        if X.in_memory:
            return self._sum(X.shape[0], height, work, step, lambda rows: run(rows, X.tile(rows)))
        with _ReadAhead(X, height, self.n_threads) as tiles:
            return self._sum(X.shape[0], height, work, step, lambda rows: run(rows, tiles.take(rows)))

    def sweep_columns(self, n: int, step: ColumnStep) -> tuple[NDArray[np.float64], ...]:
        """Run ``step(columns)`` over ranges of n columns and return the float64 sums of what it returns."""
        return self._sum(n, even_height(n, 1), step.work, step, step)

    def _sum(
        self, n: int, height: int, work: int, step: TileStep | ColumnStep, run: Callable[[slice], Sums]
    ) -> tuple[NDArray[np.float64], ...]:
        if height >= n > 0:
            INTERRUPTS.check()
            return _of_one(run(slice(0, n)))
        starts = range(0, n, height)
        n_threads = min(self.n_threads if work > ALONE else 1, len(starts))
        if n_threads == 1:
            return self._sum_alone(n, height, step, run)
        sums = _OrderedSums(step, self.totals(step.shapes), most_waiting=2 * self.n_threads)

        def run_one(index: int) -> None:
            sums.bring(index, run(slice(starts[index], min(starts[index] + height, n))))

        self._for_each(run_one, len(starts), sums.fail, n_threads)
        return sums.totals

    def _sum_alone(
        self, n: int, height: int, step: TileStep | ColumnStep, run: Callable[[slice], Sums]
    ) -> tuple[NDArray[np.float64], ...]:
        """The same in this thread, without what threads need: a small sweep is done before that would be there."""
        totals = self.totals(step.shapes)
        for start in range(0, n, height):
            INTERRUPTS.check()
            sums = run(slice(start, min(start + height, n)))
            _add(totals, sums)
            step.recycle(sums)
        return totals

    def totals(self, shapes: list[tuple[int, ...]]) -> Sums:
        """Zeros for sums of these shapes; those that whoever was done with left free, if there are."""
        self.takes_free = True
        others: list[Sums] = []
        try:
            while self._free:
                with suppress(IndexError):  # another thread took it
                    found = self._free.pop()
                    alike = all(total.flags.c_contiguous and total.dtype == np.float64 for total in found)
                    if alike and [total.shape for total in found] == shapes:
                        for total in found:
                            total.fill(0)
                        return found
                    others.append(found)
        finally:
            self._free += others
        return tuple([np.zeros(shape) for shape in shapes])

    def for_each(self, run: Callable[[int], None], n: int) -> None:
        """Call ``run`` for 0 to n - 1, on the threads."""
        self._for_each(run, n, lambda: None, min(self.n_threads, n))

    def _for_each(self, run: Callable[[int], None], n: int, give_up: Callable[[], None], n_threads: int) -> None:
        """Call ``run`` for 0 to n - 1, begun in that order, on the threads, of which this is one.

        After an error nothing new begins, and ``give_up`` wakes those that wait for what will not come.
        """
        order, failed = itertools.count(), threading.Event()

        def work() -> None:
            try:
                while not failed.is_set() and (index := next(order)) < n:
                    INTERRUPTS.check()
                    run(index)
            except BaseException:
                failed.set()
                give_up()
                raise

        helpers: list[Future[None]] = []
        try:
            if self._pool is not None:
                helpers += (self._pool.submit(work) for _ in range(n_threads - 1))
            work()
        except BaseException:
            failed.set()  # also when it came before this thread's work began
            give_up()
            raise
        finally:
            errors = [error for helper in helpers if (error := helper.exception()) is not None]
        if errors:
            raise errors[0]
