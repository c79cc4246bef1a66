"""An NVIDIA GPU: an iteration over its floor, beside plain CuPy, TF32 and the CPU; torchnmf to the same loss.

The floor is max(bytes of X / copy bandwidth, flops of the two products with X / sgemm rate); both rates are measured by
CUDA events, in the same rounds, and the best of each counts. An iteration's time is the difference of two fits of
different length (random start, tol 0), each less its last solve for F (timed by transform), over the difference of
their iterations. Plain CuPy is the same updates with as many inner sweeps, but no extrapolation and no J. The CPU is
this project's NumPy backend, a thread a core, timed by a callback. All take turns; each figure is the median of the
rounds with its range. torchnmf's time and ours are those of whole fits to within 1% of the best known loss (the lowest
of three long fits of this project), or to the loss where torchnmf is after some seconds. Losses are recomputed from X.
Compilation is kept out of all these: the first fit of a process that finds no compiled kernels is first_fit_seconds.
Before anything else is timed, the CuPy and the NumPy backend have to agree on the factors of 50 iterations in float64
from the same start. Streamed: the data are kept from the device, so that every iteration copies them there, tile by
tile, from the host's memory.
"""

import os
import sys
import warnings
from functools import partial
from pathlib import Path

import cupy
import numpy as np
import torch

from benchmarks import gpu_data
from benchmarks.gpu_device import describe, free_bytes, seconds
from benchmarks.gpu_iterations import RANKS, SOLVERS, iterations, streamed
from benchmarks.gpu_torchnmf import to_same_loss
from coupled_nmf import CoupledNMF

LARGE = tuple(int(n) for n in os.environ.get("GPU_LARGE", "100000x20000").split("x"))  # smaller, to try it out
ROOM = 2.5  # times the bytes of X that have to be free
AGREEMENT = 1e-8  # as a part of the largest entry


def measure():
    device = describe()
    if device is None:
        sys.exit("gpu needs an NVIDIA GPU and its driver, and there is none here: nothing was measured.")
    os.environ["CUPY_CACHE_IN_MEMORY"] = "1"  # or the first fit would find what an earlier process compiled
    warnings.simplefilter("ignore")
    torch.backends.cuda.matmul.allow_tf32 = False  # as by default, and for a fair peer not left to it
    workload = gpu_data.paper()
    first = seconds(partial(CoupledNMF(10, random_state=0).fit, workload.X))[0]
    figures = {"device": device, "first_fit_seconds": first, "agreement": agreement()}
    print(figures, flush=True)
    figures["paper"] = measured(workload, device)
    del workload
    figures["large"] = measured_large(device)
    return figures


def agreement():
    """Largest difference between the factors of the two backends, as a part of the largest entry."""
    rng = np.random.default_rng(0)
    F, H = rng.random((2000, 10)), rng.random((10, 500))
    X = rng.random((2000, 20)) @ rng.random((20, 500)) + 0.1 * rng.random((2000, 500))
    found = {}
    for solver in SOLVERS:
        start, factors = {"H": H} if solver == "hals" else {"F": F, "H": H}, []
        for backend in ("cupy", "numpy"):
            model = CoupledNMF(10, solver=solver, init="custom", max_iter=50, tol=0, backend=backend)
            factors.append((cupy.asnumpy(model.fit_transform(X, **start)), cupy.asnumpy(model.components_)))
        worst = max(float(np.abs(a - b).max() / b.max()) for a, b in zip(*factors, strict=True))
        assert worst <= AGREEMENT, f"{solver}: CuPy and NumPy differ by {worst:.1e} of the largest entry"
        found[solver] = worst
    return found


def measured(workload, device):
    """All figures of a workload."""
    roomy = host_bytes() > 2 * workload.array.nbytes
    figures = {"shape": workload.array.shape, "data": workload.data, "rounds": workload.rounds}
    host = workload.host() if roomy else None
    figures |= iterations(workload, host, device["compute_capability"])
    if host is not None:
        figures["streamed"] = streamed(host, workload)
        print(figures["streamed"], flush=True)
    figures["torchnmf"] = [to_same_loss(workload, rank) for rank in RANKS]
    print(figures["torchnmf"], flush=True)
    return figures


def measured_large(device):
    """The same of planted data that fill much of a device, or why not."""
    needed, free = ROOM * 4 * LARGE[0] * LARGE[1], free_bytes()
    skipped = f"{needed / 1e9:.1f} GB of device memory are needed, {free / 1e9:.1f} GB are free"
    if needed <= free:
        try:
            return measured(gpu_data.large(LARGE), device)
        except cupy.cuda.memory.OutOfMemoryError as error:
            skipped = str(error)
    print(skipped, flush=True)
    return {"shape": LARGE, "skipped": skipped}


def host_bytes():
    """Memory of the host that is available (Linux; elsewhere as if there were enough)."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return np.inf
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith("MemAvailable")))
