"""Fits on a Dask cluster beside fits in one process: what passes between the tasks, and what travels.

Two workers of one thread each, on this machine, and two threads here; float32, rank 10, random starts, HALS, tol 0.
"overhead": 6,400 x 100 in 2 and in 64 pieces, which are swept in under a millisecond: what an iteration takes is what
passes between tasks. "large": 25,000 x 20,000 (2 GB) in 16 pieces that the workers hold, and here; both alternate, and
an iteration's time is the median of those of a fit. "travelled": bytes that workers sent to each other or to the client
in a fit of 20 iterations, less those of one of 10, a tenth of that each; the formula is, for a point of k n_features
numbers and its gram, that each worker but its holder fetches it if it is a task of its own, and (W - 1 + 1) sums of
8 k (n_features + k) bytes: each worker's to the next, and the total to the client.
"""

import os
import warnings

import dask.array as da
import numpy as np
from distributed import Client, LocalCluster

from benchmarks.workload import spread
from coupled_nmf import CoupledNMF

RANK, ROUNDS, WORKERS = 10, 5, 2
LARGE, LARGE_PIECES, ITERATIONS = (25_000, 20_000), 16, 8


def measure():
    warnings.simplefilter("ignore")
    with (
        LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=":0", memory_limit=None) as cluster,
        Client(cluster) as client,
    ):
        figures = {"workers": WORKERS, "cores": os.cpu_count(), "overhead": overhead(), "travelled": travelled(client)}
        figures["large"] = large()
    return figures


def milliseconds(X, iterations, **params):
    """An iteration of a fit."""
    marks = []
    hear = [lambda info: marks.append(info.seconds) and None]
    CoupledNMF(RANK, init="random", max_iter=iterations, tol=0, random_state=0, callbacks=hear, **params).fit(X)
    return 1000 * float(np.median(np.diff(marks)))


def overhead():
    X = np.random.default_rng(0).gamma(1.0, size=(6400, 100)).astype(np.float32)
    found = {}
    for pieces in (2, 64):
        Y = da.from_array(X, chunks=(6400 // pieces, 100))
        milliseconds(Y, 3)
        found[pieces] = spread([milliseconds(Y, 40) for _ in range(ROUNDS)])
        print(pieces, "pieces", found[pieces], flush=True)
    return found


def sent(client):
    """Bytes that the workers sent since they began."""
    return sum(client.run(lambda dask_worker: dask_worker.transfer_outgoing_bytes_total).values())


def travelled(client):
    n, m = 6400, 20_000
    X = da.from_array(np.random.default_rng(0).gamma(1.0, size=(n, m)).astype(np.float32), chunks=(n // 4, m)).persist()
    marks = []
    for iterations in (3, 10, 20):
        before = sent(client)
        milliseconds(X, iterations)
        marks.append(sent(client) - before)
    bytes_of_sums = 8 * RANK * (m + RANK)
    bytes_of_point = 4 * RANK * (m + RANK)
    found = {
        "bytes_an_iteration": (marks[2] - marks[1]) / 10,
        "formula": WORKERS * bytes_of_sums + (WORKERS - 1) * bytes_of_point,
    }
    print("travelled", found, flush=True)
    return found


def large():
    def piece(block_info=None):
        shape = block_info[None]["chunk-shape"]
        rng = np.random.default_rng(block_info[None]["chunk-location"][0])
        return (rng.random((shape[0], 4), np.float32) @ rng.random((4, shape[1]), np.float32)).astype(np.float32)

    rows = LARGE[0] // LARGE_PIECES
    heights = (*[rows] * (LARGE_PIECES - 1), LARGE[0] - rows * (LARGE_PIECES - 1))
    X = da.map_blocks(piece, chunks=(heights, (LARGE[1],)), dtype=np.float32).persist()
    here = X.compute()
    pairs = [(milliseconds(X, ITERATIONS), milliseconds(here, ITERATIONS, n_jobs=WORKERS)) for _ in range(ROUNDS)]
    found = {
        "cluster": spread([pair[0] for pair in pairs]),
        "here": spread([pair[1] for pair in pairs]),
        "ratio": spread([there / one for there, one in pairs]),
        "over": spread([there - one for there, one in pairs]),
    }
    print("large", found, flush=True)
    return found
