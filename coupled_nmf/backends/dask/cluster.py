"""Dask, as this package uses it: to compute, submit, wait, gather and release."""

from __future__ import annotations

import importlib
import sys
import time
import traceback
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from typing import Any

from coupled_nmf.backends.dask import ctrl_c
from coupled_nmf.system.interrupts import INTERRUPTS

TICK = 0.2  # seconds between looks at Ctrl-C, and at whether there is a worker
PATIENCE = 60.0  # seconds without any worker


def current_client() -> Any:
    """The ``distributed.Client`` of this process, or None; what nobody has loaded is not loaded."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        return distributed.default_client()
    except ValueError:
        return None


def forget(error: BaseException | None) -> None:
    """Let go of what an error's frames hold: it holds itself by them, and their callers' futures, until gc comes."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error.__traceback__, error = None, error.__context__


class Cluster:
    """A scheduler and its workers, by a client of the user's.

    Parameters
    ----------
    client : distributed.Client
        It stays open.

    Raises
    ------
    RuntimeError
        If the client is asynchronous: a fit waits for what it asks of workers.
    """

    def __init__(self, client: Any) -> None:
        if client.asynchronous:
            raise RuntimeError(
                "The current distributed.Client is asynchronous, and a fit waits for its workers; open one without "
                "asynchronous=True (in a coroutine: fit in a thread, as by asyncio.to_thread, with such a client)."
            )
        self.client = client
        self._submitted: weakref.WeakSet[Any] = weakref.WeakSet()
        self._ignoring: list[str] = []
        self._distributed, self._config = importlib.import_module("distributed"), importlib.import_module("dask.config")
        self._closed = getattr(self._distributed.client, "ClosedClientError", CancelledError)  # there since 2025.4
        is_local = isinstance(client.cluster, self._distributed.LocalCluster) and client.direct_to_workers is None
        self._direct = True if is_local else None  # None is Dask's own choice: by the scheduler, so everything twice

    def workers(self) -> dict[str, int]:
        """Threads of each worker, by its address."""
        return dict(self.client.nthreads())

    def memory(self) -> float:
        """Bytes that the workers may take, together; infinite where one has no limit, or none is there yet."""
        return float(sum(worker["memory_limit"] or float("inf") for worker in self._info())) or float("inf")

    def _info(self) -> list[dict[str, Any]]:
        """What the scheduler says of each worker.

        It is asked itself: ``client.scheduler_info`` returns what the client holds, and that is without workers where
        the client has refreshed it by its clock in between.
        """
        return list(self.client.sync(self.client.scheduler.identity)["workers"].values())

    @property
    def address(self) -> str:
        """Of the scheduler."""
        return str(self.client.scheduler.address)

    def compute(self, delayed: Sequence[Any], as_they_are: bool = False) -> list[Any]:
        """Futures of what Dask's collections hold; of tasks as they are, or such as Dask makes of them."""
        with self._sending():
            found: list[Any] = self.client.compute(list(delayed), optimize_graph=not as_they_are)
        self._submitted.update(found)
        return found

    def submit(self, function: Any, *arguments: Any, worker: str | None = None) -> Any:
        """A future of a call; on that worker, if it can be."""
        where = {} if worker is None else {"workers": [worker], "allow_other_workers": True}
        with self._sending():
            future = self.client.submit(function, *arguments, pure=False, **where)
        self._submitted.add(future)
        return future

    @contextmanager
    def _sending(self) -> Iterator[None]:
        """Tasks of any size, which have to be sent; if the client has closed, that is said."""
        with self._losing(), self._config.set({"distributed.admin.large-graph-warning-threshold": "1 PiB"}):
            yield

    @contextmanager
    def _losing(self) -> Iterator[None]:
        """What may find that data, the scheduler or the client are gone; then it is said what to do."""
        try:
            yield
        except (CancelledError, self._closed) as error:
            raise RuntimeError(
                "The cluster lost data that it cannot make again, as what was scattered to a worker that died, or "
                "its scheduler is gone, or its client closed; make X of what workers can read again, and fit once "
                "more: with checkpoint= from where it was."
            ) from error

    def ignore_ctrl_c(self) -> None:
        """Have workers that this process's terminal reaches ignore Ctrl-C, which is for this process alone."""
        group, near = ctrl_c.group_here(), [worker for worker in self.workers() if ctrl_c.is_near(worker)]
        if group is not None and near:
            self.client.run(ctrl_c.ignore, group, workers=near, on_error="ignore")
            self._ignoring = near

    def hear_ctrl_c(self) -> None:
        """Have them do what they did before."""
        near, self._ignoring = self._ignoring, []
        if near and self.client.status == "running" and self.client.scheduler is not None:
            with suppress(OSError, TimeoutError):  # of a cluster that is gone there is nobody to hear
                there = [worker for worker in self.workers() if worker in near]  # who died is waited for half a minute
                self.client.run(ctrl_c.hear, workers=there, on_error="ignore")

    def on_each(self, function: Any, *arguments: Any) -> dict[str, Any]:
        """What each worker that is there returns, by its address."""
        workers = list(self.workers())
        return dict(
            zip(
                workers,
                self.gather([self.submit(function, *arguments, worker=worker) for worker in workers]),
                strict=True,
            )
        )

    def settle(self, futures: Sequence[Any]) -> None:
        """Let what was submitted for one worker be made again on any; or Dask waits for it, where all died at once."""
        restricted = {future.key: None for future in futures}
        self._wait(futures, lambda: self.client.sync(self.client.scheduler.set_restrictions, worker=restricted))
        self.client.sync(self.client.scheduler.set_restrictions, worker=restricted)

    def gather(self, futures: Sequence[Any]) -> list[Any]:
        """What the futures hold, when they do.

        Raises
        ------
        RuntimeError
            If there was no worker for a minute, what a future holds is lost, and cannot be made again, or workers
            die of it.
        """
        self._wait(futures)
        try:
            with self._losing():
                found: list[Any] = self.client.gather(list(futures), direct=self._direct)
        except self._distributed.KilledWorker as error:
            raise RuntimeError(
                f"Workers of the cluster {self.address} died again and again of the same task, most likely since a "
                "worker's part of X, or a chunk, is more than its memory holds. Give workers more memory, start more "
                "of them, cut X into smaller chunks, or have them read it from a file or a store."
            ) from error
        return found

    def _wait(self, futures: Sequence[Any], if_workers_change: Callable[[], Any] | None = None) -> None:
        since, before = None, set(self.workers()) if if_workers_change else set()
        while True:
            INTERRUPTS.check()
            try:
                with self._losing():
                    self._distributed.wait(list(futures), timeout=TICK)
                break
            except (TimeoutError, self._distributed.TimeoutError) as error:
                forget(error)
                if if_workers_change is not None and set(self.workers()) != before:
                    if_workers_change()
                    if_workers_change = None
                runs = any(worker.get("status") != "paused" for worker in self._info())
                since = None if runs else since or time.monotonic()
                if since is not None and time.monotonic() - since > PATIENCE:
                    raise RuntimeError(
                        f"The cluster {self.address} has had no worker that runs for {PATIENCE:g} s: none is there, or "
                        "all are paused, for want of memory. Start others, and fit again."
                    ) from None

    def release(self) -> None:
        """Have nothing more done, and nothing kept: what failed holds its traceback, and that its futures."""
        for future in list(self._submitted):
            future.release()
