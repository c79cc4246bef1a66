"""Workers of a Dask cluster, as this package uses them; nothing is imported of Dask that the user has not."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from typing import Any

TICK = 0.2  # seconds between looks at whether there is a worker
PATIENCE = 60.0  # seconds without any
AHEAD = 2  # calls a worker that are under way at once: one is worked on, and one is there when it is done


class Workers:
    """The workers of the current ``distributed.Client``, which stays open.

    Parameters
    ----------
    asked_by : str
        What asks for them, for messages.

    Raises
    ------
    RuntimeError
        If there is no client, or no worker.
    """

    def __init__(self, asked_by: str) -> None:
        self._distributed = sys.modules.get("distributed")
        try:
            self._client: Any = None if self._distributed is None else self._distributed.default_client()
        except ValueError:
            self._client = None
        if self._client is None:
            raise RuntimeError(
                f"{asked_by} needs a cluster, and there is no distributed.Client: make one first, as in Client() for "
                'workers on this machine (pip install "coupled-nmf[dask]").'
            )
        if not self.addresses():
            raise RuntimeError(f"{asked_by} needs a worker, and the cluster has none; start one.")
        self._settings = importlib.import_module("dask.config")

    def addresses(self) -> list[str]:
        """Of the workers that are there now."""
        return list(self._client.nthreads())

    def keep(self, value: Any) -> Any:
        """Have a value with the workers: what stands for it in calls. It is sent again to those who take over."""
        return self._submit(_same, value)

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What a function returns on a worker; raises what it raises."""
        return next(self.results(function, iter([arguments])))

    def on_each(self, function: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
        """What a function returns on each worker that is there, by its address."""
        futures = {worker: self._submit(function, *arguments, worker=worker) for worker in self.addresses()}
        waiting = set(futures.values())
        while waiting:
            waiting -= set(self._first_of(waiting))
        return {worker: self._result(future) for worker, future in futures.items()}

    def results(self, function: Callable[..., Any], calls: Iterator[tuple[Any, ...]]) -> Iterator[Any]:
        """What a function returns for each call, as they are done; few are begun before others have ended.

        What a worker was at when it died is done again. Whatever ends this, nothing more is begun.
        """
        running: set[Any] = set()
        try:
            while True:
                while len(running) < AHEAD * max(len(self.addresses()), 1):
                    call = next(calls, None)
                    if call is None:
                        break
                    running.add(self._submit(function, *call))
                if not running:
                    return
                for future in self._first_of(running):
                    running.remove(future)
                    yield self._result(future)
        finally:
            for future in running:
                future.release()

    def _submit(self, function: Callable[..., Any], *arguments: Any, worker: str | None = None) -> Any:
        where = {} if worker is None else {"workers": [worker], "allow_other_workers": True}
        with self._settings.set({"distributed.admin.large-graph-warning-threshold": "1 PiB"}):  # it has to be sent
            return self._client.submit(function, *arguments, pure=False, **where)

    def _result(self, future: Any) -> Any:
        try:
            return future.result()
        except self._distributed.KilledWorker as error:  # type: ignore[union-attr]
            raise RuntimeError(
                "several workers died one after another at the same part, as they do for want of memory; give a "
                f"smaller batch_size=, or workers more memory ({error})"
            ) from error

    def _first_of(self, futures: set[Any]) -> list[Any]:
        """Those that are done, as soon as there is one."""
        distributed: Any = self._distributed
        since = None
        while True:
            try:
                return list(distributed.wait(list(futures), timeout=TICK, return_when="FIRST_COMPLETED").done)
            except CancelledError as error:
                raise RuntimeError("the cluster lost its scheduler, or what it was given; start again") from error
            except (TimeoutError, distributed.TimeoutError):
                since = None if self.addresses() else since or time.monotonic()
                if since is not None and time.monotonic() - since > PATIENCE:
                    raise RuntimeError(
                        f"the cluster has had no worker for {PATIENCE:g} s; start some, and call again to go on"
                    ) from None


def _same(value: Any) -> Any:
    return value


def here() -> tuple[str, int]:
    """On a worker: its address, and how many threads it has."""
    worker = importlib.import_module("distributed").get_worker()
    return str(worker.address), int(worker.state.nthreads)
