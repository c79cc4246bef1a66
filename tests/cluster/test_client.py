"""The client of a fit: what it is asked, what it may not be, and what is held and written by it."""

import asyncio
import gc

import numpy as np
import pytest
from clusters import K, digest, fitted, spread, wait_until

from coupled_nmf import CoupledNMF
from coupled_nmf.backends.dask.cluster import Cluster

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")


def test_workers_are_seen_however_often_the_client_forgets_them(client):
    """Its clock replaces what it holds of them by an answer without workers, also between a question and its answer."""
    with (
        dask.config.set({"distributed.client.scheduler-info-interval": "1ms"}),
        distributed.Client(client.scheduler.address, set_as_default=False) as forgetful,
    ):
        seen = {Cluster(forgetful).memory() for _ in range(300)}
    assert len(seen) == 1
    assert 0 < seen.pop() < np.inf


@pytest.mark.parametrize("settings", [{}, {"direct_to_workers": False}], ids=["by default", "as the client says"])
def test_sums_come_here_straight_from_workers_of_this_machine_alone(X, client, monkeypatch, settings):
    """Of any other cluster's it is not known that this process reaches them."""
    gather, directly = distributed.Client.gather, []

    def heard(self, futures, *arguments, direct=None, **how):
        directly.append(direct)
        return gather(self, futures, *arguments, direct=direct, **how)

    monkeypatch.setattr(distributed.Client, "gather", heard)
    found = []
    for of in (client.cluster, client.cluster.scheduler_address):
        with distributed.Client(of, **settings):
            model, F = fitted(spread(X, 300), init="random", max_iter=3)
            assert set(directly) == {True if of is client.cluster and not settings else None}
            found.append(digest(model, F.compute()))
        directly.clear()
    assert found[0] == found[1]


def test_a_callback_cannot_write_to_what_the_fit_goes_on_from(X):
    """Not by tasks of its own either, which run where F is."""

    def emptied(block):
        block *= 0
        return block

    def write(info):
        with pytest.raises(ValueError, match="read-only"):
            info.F.map_blocks(emptied, dtype=info.F.dtype).compute()
        with pytest.raises(ValueError, match="read-only"):
            info.F.to_delayed()[0, 0].compute()[:] = 0

    expected, _ = fitted(spread(X, 300), max_iter=3)
    model, F = fitted(spread(X, 300), max_iter=3, callbacks=write)
    assert model.objective_history_ == expected.objective_history_
    assert F.to_delayed()[0, 0].compute().flags.writeable  # what is returned is the user's


def test_a_client_that_closes_in_a_fit_is_named(X, client):
    with distributed.Client(client.cluster) as own:

        def close(info):
            own.close()

        with pytest.raises(RuntimeError, match=r"its client closed; .* checkpoint="):
            fitted(spread(X, 300), max_iter=5, callbacks=close)


def test_a_client_that_cannot_be_waited_for_is_refused(X, client):
    async def fit():
        async with distributed.Client(client.scheduler.address, asynchronous=True):
            CoupledNMF(K).fit(spread(X, 300))

    with pytest.raises(RuntimeError, match="is asynchronous, and a fit waits"):
        asyncio.run(fit())


def test_after_a_fit_the_scheduler_holds_nothing(X, client, monkeypatch):
    """Also where nobody looks for cycles of references, and what was waited for took longer than a tick."""
    monkeypatch.setattr("coupled_nmf.backends.dask.cluster.TICK", 1e-4)
    gc.collect()
    wait_until(lambda: not client.cluster.scheduler.tasks, 5)
    gc.disable()
    try:
        fitted(spread(X, 100))
        wait_until(lambda: not client.cluster.scheduler.tasks, 5, list(client.cluster.scheduler.tasks)[:9])
    finally:
        gc.enable()
