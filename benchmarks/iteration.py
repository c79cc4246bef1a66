"""An exact HALS iteration over its floor, max(bytes of X / read bandwidth, flops of the products / sgemm rate).

Bandwidth, sgemm and iterations are measured in the same run, in turns, on the same number of threads. The floor counts
the products with X alone.
"""

import os
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from benchmarks.workload import paper_array, paper_workload, spread, timed
from coupled_nmf import CoupledNMF

RANKS, ROUNDS, ITERATIONS = (10, 20, 30, 40, 50), 7, 12


def read_seconds(X, threads):
    """Seconds to read X once, by sums on every core."""
    parts = np.array_split(X.ravel(), 8 * threads)
    with ThreadPoolExecutor(threads) as pool:
        return timed(lambda: list(pool.map(np.max, parts)))[0]


def measure():
    X, array, threads = paper_workload(), paper_array(), os.cpu_count()
    warnings.simplefilter("ignore", ConvergenceWarning)
    square = np.random.default_rng(0).random((3000, 3000), dtype=np.float32)
    seconds = {rank: [] for rank in RANKS}
    reads, gemms = [], []
    for _ in range(ROUNDS):
        reads.append(read_seconds(array, threads))
        gemms.append(timed(lambda: square @ square)[0])
        for rank in RANKS:
            marks = []
            hear = [lambda info, marks=marks: marks.append(info.seconds)]
            model = CoupledNMF(rank, init="random", random_state=0, max_iter=ITERATIONS, tol=0, callbacks=hear)
            timed(lambda model=model: model.fit(X))
            seconds[rank].append(float(np.median(np.diff(marks))))
    rate, read = 2 * 3000**3 / min(gemms), min(reads)
    figures = {"gflops": rate / 1e9, "gigabytes_per_second": array.nbytes / read / 1e9, "ranks": {}}
    for rank in RANKS:
        floor = max(read, 4 * array.size * rank / rate)
        figures["ranks"][rank] = {
            "milliseconds": spread([1000 * s for s in seconds[rank]]),
            "floor_milliseconds": 1000 * floor,
            "over_floor": spread([s / floor for s in seconds[rank]]),
        }
        print(rank, figures["ranks"][rank], flush=True)
    return figures
