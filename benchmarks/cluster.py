"""Fits on a Dask cluster beside fits in one process: what passes between tasks, what travels, what the client holds.

Workers of one thread each, on this machine; float32, random starts, HALS, tol 0, rank 10 where nothing else is said.
"overhead": 6,400 x 100 in 64 pieces on 2 to 16 workers, and in 2 on 2, which are swept in under a millisecond: what an
iteration takes ("ms") is what passes between tasks, and what of it this process computes, which is client and
scheduler, is "cpu"; more workers than cores wait for each other. "large": 25,000 x 20,000 (2 GB) in 16 pieces that two
workers hold, and here in two threads; both alternate, and an iteration's time is the median of those of a fit.
"travelled": all bytes an iteration that client and scheduler wrote, and that workers sent each other or the scheduler,
from the 10th to the 30th, for 2 and 4 workers (W) and 2,000 and 20,000 features. The formula counts points of 4 k
(n_features + k) bytes and sums of 8 k (n_features + k). A point goes to the scheduler, once for all tasks, and to each
worker, by the scheduler or, where it is a task of its own, by the others (W + 1 times). Sums of up to four workers go
by the scheduler to the client (2 W times), whose cluster is not known to be of its own machine: then they would come
straight from its workers. "tasks": the most that the scheduler held in iterations 450 to 500 of a fit with checkpoints,
and in the first 100. "client": how much further the client's memory grows (MB at its peak) in a fit of 1e5 and of 1e7
rows of 20, rank 4, than in one of 1e4, by start.
"""

import multiprocessing
import os
import tempfile
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

import dask.array as da
import numpy as np
from distributed import Client, LocalCluster
from distributed.comm.tcp import TCP

from benchmarks.workload import spread
from coupled_nmf import CoupledNMF

RANK, ROUNDS, WORKERS = 10, 5, 2
LARGE_ROUNDS = 11  # what passes between tasks is a tenth of an iteration, and the machine's own noise is as large
LARGE, LARGE_PIECES, ITERATIONS = (25_000, 20_000), 16, 8


def measure():
    warnings.simplefilter("ignore")
    figures = {"workers": WORKERS, "cores": os.cpu_count()}
    figures["overhead"] = {}
    for n_workers in (2, 4, 8, 16):
        with workers(n_workers):
            figures["overhead"][n_workers] = overhead((2, 64) if n_workers == 2 else (64,))
    with workers(WORKERS):
        figures["large"] = large()
    written, figures["travelled"] = Written(), {}
    for n_workers in (2, 4):
        with workers(n_workers) as near, Client(near.cluster.scheduler_address) as client:
            found = {m: travelled(client, written, n_workers, m) for m in (2_000, 20_000)}
        figures["travelled"][n_workers] = found
    with workers(WORKERS) as client:
        figures["tasks"] = tasks(client)
        figures["client"] = {start: client_memory(client, start) for start in STARTS}
    return figures


@contextmanager
def workers(n_workers):
    """A client of so many workers of one thread."""
    with (
        LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=":0", memory_limit=None) as cluster,
        Client(cluster) as client,
    ):
        yield client


def milliseconds(X, iterations, callbacks=(), **params):
    """An iteration of a fit."""
    marks = []
    hear = [*callbacks, lambda info: marks.append(info.seconds) and None]
    CoupledNMF(RANK, init="random", max_iter=iterations, tol=0, random_state=0, callbacks=hear, **params).fit(X)
    return 1000 * float(np.median(np.diff(marks)))


def overhead(all_pieces):
    X = np.random.default_rng(0).gamma(1.0, size=(6400, 100)).astype(np.float32)
    found = {}
    for pieces in all_pieces:
        Y = da.from_array(X, chunks=(6400 // pieces, 100))
        milliseconds(Y, 3)
        rounds = []
        for _ in range(ROUNDS):
            marks = []
            hear = [lambda info, marks=marks: marks.append(time.process_time()) and None]
            rounds.append((milliseconds(Y, 40, callbacks=hear), 1000 * (marks[-1] - marks[0]) / (len(marks) - 1)))
        found[pieces] = {
            name: spread(some) for name, some in zip(("ms", "cpu"), zip(*rounds, strict=True), strict=True)
        }
        print(pieces, "pieces", found[pieces], flush=True)
    return found


class Written:
    """Bytes that this process, which is client and scheduler, wrote to others; the workers say theirs."""

    def __init__(self):
        self.n, write = 0, TCP.write

        async def counted(comm, *arguments, **how):
            n = await write(comm, *arguments, **how)
            self.n += n
            return n

        TCP.write = counted

    def by_all(self, client):
        return self.n + sum(client.run(lambda dask_worker: dask_worker.transfer_outgoing_bytes_total).values())


def travelled(client, written, n_workers, m):
    n = 6400
    X = da.from_array(np.random.default_rng(0).gamma(1.0, size=(n, m)).astype(np.float32), chunks=(n // 8, m)).persist()
    marks = []

    def look(info):
        if info.iteration in (10, 30):
            marks.append(written.by_all(client))

    milliseconds(X, 31, callbacks=[look])
    found = {"bytes_an_iteration": (marks[1] - marks[0]) / 20}
    print("travelled", n_workers, m, found, flush=True)
    return found


def tasks(client):
    """The most that the scheduler held, in the first iterations and in the last of many."""
    X = da.from_array(np.random.default_rng(0).gamma(1.0, size=(400, 50)).astype(np.float32), chunks=(200, 50))
    scheduler, held = client.cluster.scheduler, []
    with tempfile.TemporaryDirectory() as folder:
        milliseconds(X, 500, checkpoint=folder, callbacks=[lambda info: held.append(len(scheduler.tasks)) and None])
    found = {"first 100": max(held[:100]), "last 50": max(held[-50:])}
    print("tasks", found, flush=True)
    return found


STARTS = {
    "random": {"init": "random"},
    "compressed": {"init": "compressed"},
    "nndsvda": {"init": "nndsvda", "solver": "mu"},
    "uniform": {"init": "uniform", "solver": "mu"},
    "gaps and weights": {"init": "random"},
}


def client_memory(client, start):
    """Megabytes by which the client's peak lies above that of a small fit, by rows."""
    found = {}
    for rows in (100_000, 10_000_000):
        context = multiprocessing.get_context("spawn")
        mine, its = context.Pipe()
        process = context.Process(target=fit_alone, args=(client.scheduler.address, start, rows, its))
        process.start()
        found[rows] = mine.recv()
        process.join()
    print("client", start, found, flush=True)
    return found


def fit_alone(address, start, rows, pipe):
    """In a process of its own, whose memory nobody else's is."""
    warnings.simplefilter("ignore")
    with Client(address):
        for n in (10_000, rows):
            before = peak()
            rng = da.random.default_rng(0)
            X = rng.random((n, 20), np.float32, chunks=(n // 8, 20))
            weights = None
            if start == "gaps and weights":
                X, weights = da.where(X < 0.05, np.nan, X).astype(np.float32), rng.random(n, chunks=n // 8)
            model = CoupledNMF(4, max_iter=3, tol=0, random_state=0, **STARTS[start])
            model.fit(X, sample_weight=weights)
    pipe.send(peak() - before)


def peak():
    """Megabytes that this process has held at most."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def large():
    def piece(block_info=None):
        shape = block_info[None]["chunk-shape"]
        rng = np.random.default_rng(block_info[None]["chunk-location"][0])
        return (rng.random((shape[0], 4), np.float32) @ rng.random((4, shape[1]), np.float32)).astype(np.float32)

    rows = LARGE[0] // LARGE_PIECES
    heights = (*[rows] * (LARGE_PIECES - 1), LARGE[0] - rows * (LARGE_PIECES - 1))
    X = da.map_blocks(piece, chunks=(heights, (LARGE[1],)), dtype=np.float32).persist()
    here = X.compute()
    pairs = [(milliseconds(X, ITERATIONS), milliseconds(here, ITERATIONS, n_jobs=WORKERS)) for _ in range(LARGE_ROUNDS)]
    found = {
        "cluster": spread([pair[0] for pair in pairs]),
        "here": spread([pair[1] for pair in pairs]),
        "ratio": spread([there / one for there, one in pairs]),
        "over": spread([there - one for there, one in pairs]),
    }
    print("large", found, flush=True)
    return found
