"""Dask, as this package uses it: to compute, submit, wait, gather and cancel."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Sequence
from typing import Any

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


class Cluster:
    """A scheduler and its workers, by a client of the user's.

    Parameters
    ----------
    client : distributed.Client
        It stays open.
    """

    def __init__(self, client: Any) -> None:
        self.client = client
        self._distributed = importlib.import_module("distributed")

    def workers(self) -> dict[str, int]:
        """Threads of each worker, by its address."""
        return dict(self.client.nthreads())

    def memory(self) -> float:
        """Bytes that the workers may take, together; infinite where one has no limit."""
        workers = self.client.scheduler_info(n_workers=-1)["workers"].values()
        return float(sum(worker["memory_limit"] or float("inf") for worker in workers))

    def compute(self, delayed: Sequence[Any]) -> list[Any]:
        """Futures of what Dask's collections hold."""
        found: list[Any] = self.client.compute(list(delayed))
        return found

    def submit(self, function: Any, *arguments: Any, worker: str | None = None) -> Any:
        """A future of a call; on that worker, if it can be."""
        where = {} if worker is None else {"workers": [worker], "allow_other_workers": True}
        return self.client.submit(function, *arguments, pure=False, **where)

    def settle(self, futures: Sequence[Any]) -> None:
        """Let what was submitted for one worker be made again on any; or Dask waits for it, where all died at once."""
        self._wait(futures)
        self.client.sync(self.client.scheduler.set_restrictions, worker={future.key: None for future in futures})

    def gather(self, futures: Sequence[Any]) -> list[Any]:
        """What the futures hold, when they do.

        Raises
        ------
        RuntimeError
            If there was no worker for a minute, or what a future holds is lost, and cannot be made again.
        """
        self._wait(futures)
        if any(future.status in ("cancelled", "lost") for future in futures):
            raise RuntimeError(
                "The cluster lost data that it cannot make again, as what was scattered to a worker that died; make X "
                "of what workers can read again, and fit once more."
            )
        found: list[Any] = self.client.gather(list(futures))
        return found

    def _wait(self, futures: Sequence[Any]) -> None:
        since = None
        while True:
            INTERRUPTS.check()
            try:
                self._distributed.wait(list(futures), timeout=TICK)
                break
            except (TimeoutError, self._distributed.TimeoutError):
                since = None if self.client.nthreads() else since or time.monotonic()
                if since is not None and time.monotonic() - since > PATIENCE:
                    raise RuntimeError(
                        f"The cluster {self.client.scheduler.address} has had no worker for {PATIENCE:g} s; start one, "
                        "and fit again."
                    ) from None

    def cancel(self, futures: Sequence[Any]) -> None:
        """Have nothing more done for them."""
        self.client.cancel(list(futures), force=True)
