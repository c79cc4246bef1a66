"""An iteration's floor with every product in it, those of k² included; part of `shapes`."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from benchmarks.shape_data import planted
from benchmarks.workload import iteration_seconds, spread, timed
from coupled_nmf import CoupledNMF

SIZE, RANKS, ITERATIONS, SWEEPS = (10_000, 2_544), (10, 20, 50, 100, 200), 12, 3


def flops(n_samples: int, n_features: int, rank: int, sweeps: int = SWEEPS) -> int:
    """Of both products with X, of each factor's sweeps over its gram, and of half of each symmetric gram."""
    with_X = 4 * n_samples * n_features * rank
    return with_X + (2 * sweeps + 1) * (n_samples + n_features) * rank**2


def read_seconds(X: np.ndarray, threads: int) -> float:
    """Seconds to read X once, by maxima on every core."""
    parts = np.array_split(X.ravel(), 8 * threads)
    with ThreadPoolExecutor(threads) as pool:
        return timed(lambda: list(pool.map(np.max, parts)))[0]


def floors(rounds: int) -> dict[str, Any]:
    """Iterations, one read of X and sgemm in turns, on the shape of the paper's workload."""
    X, threads = planted(*SIZE, 50)(), os.cpu_count()
    square = np.random.default_rng(0).random((3000, 3000), dtype=np.float32)
    reads, gemms, seconds = [], [], {rank: [] for rank in RANKS}
    for _ in range(rounds):
        reads.append(read_seconds(X, threads))
        gemms.append(timed(lambda: square @ square)[0])
        for rank in RANKS:
            model = CoupledNMF(rank, init="random", random_state=0, max_iter=ITERATIONS, tol=0, inner_sweeps=SWEEPS)
            seconds[rank].append(iteration_seconds(model, X))
    rate, read = 2 * 3000**3 / min(gemms), min(reads)
    ranks = {}
    for rank in RANKS:
        floor = max(read, flops(*SIZE, rank) / rate)
        ranks[str(rank)] = {
            "milliseconds": spread([1000 * s for s in seconds[rank]]),
            "floor_milliseconds": 1000 * floor,
            "over_floor": spread([s / floor for s in seconds[rank]]),
        }
        print(rank, ranks[str(rank)], flush=True)
    return {"gflops": rate / 1e9, "gigabytes_per_second": X.nbytes / read / 1e9, "ranks": ranks, "rounds": rounds}
