"""Time per row at a fixed number of iterations, from 10,000 to 1,000,000 rows; memory-mapped past 100,000.

The largest map holds 10 GB. Anonymous memory (RssAnon, Linux) is watched while it is fitted. Rank 10, five iterations.
"""

import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from benchmarks.workload import paper_array, timed, warm_up
from coupled_nmf import CoupledNMF

SIZES = (10_000, 100_000, 1_000_000)


def anonymous_bytes():
    """Anonymous memory of this process."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("RssAnon")))


def watched(call):
    """Seconds of a call, and by how much anonymous memory rose at most while it ran."""
    before, peak, done = anonymous_bytes(), [0], threading.Event()

    def watch():
        while not done.is_set():
            peak[0] = max(peak[0], anonymous_bytes())
            time.sleep(0.02)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        seconds, _ = timed(call)
    finally:
        done.set()
        watcher.join()
    return seconds, max(0, peak[0] - before)


def measure():
    base = paper_array()
    warm_up()
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "X.npy"
        for rows in SIZES:
            X = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(rows, base.shape[1]))
            for start in range(0, rows, len(base)):
                X[start : start + len(base)] = base
            X.flush()
            X = np.load(path, mmap_mode="r") if rows > 100_000 else np.array(X)
            model = CoupledNMF(10, init="random", random_state=0, max_iter=5, tol=0)
            seconds, anonymous = watched(lambda model=model, X=X: model.fit(X))
            figures[rows] = {
                "microseconds_per_row": 1e6 * seconds / rows,
                "gigabytes": X.nbytes / 1e9,
                "anonymous_megabytes": anonymous / 1e6,
                "gigabytes_per_second": (model.n_iter_ + 2) * X.nbytes / seconds / 1e9,
            }
            print(rows, figures[rows], flush=True)
    return figures
