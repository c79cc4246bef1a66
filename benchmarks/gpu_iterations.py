"""Seconds of an iteration on the device: over its floor, beside plain CuPy, TF32 and the CPU, all in turns."""

from functools import partial

import cupy
import numpy as np

from benchmarks.gpu_data import loss_of
from benchmarks.gpu_device import copy_rate, seconds, sgemm_rate
from benchmarks.workload import spread
from coupled_nmf import CoupledNMF
from coupled_nmf.backends.cuda import matrix

RANKS, SOLVERS = (10, 50), ("hals", "mu")
TF32_SINCE = 80  # compute capability
STREAMED = (2, 8)  # iterations of the two fits by whose difference one on streamed data is timed
SMALLEST, SWEEPS = 1e-12, 3  # what divides at least; moves of a factor per product with X, as in CoupledNMF


def multiplicative(X, F, H, n_iter):
    """Lee and Seung's updates, as one writes them down."""
    for _ in range(n_iter):
        F *= (X @ H.T) / (F @ (H @ H.T) + SMALLEST)
        H *= (F.T @ X) / ((F.T @ F) @ H + SMALLEST)


def hals(X, F, H, n_iter):
    """Hierarchical alternating least squares, as one writes them down; not extrapolated."""
    for _ in range(n_iter):
        move_columns(F, H @ H.T, X @ H.T)
        move_columns(H.T, F.T @ F, (F.T @ X).T)


def move_columns(V, gram, cross):
    """Minimize over one column of V after the other."""
    for _ in range(SWEEPS):
        for j in range(V.shape[1]):
            step = (cross[:, j] - V @ gram[:, j]) / cupy.maximum(gram[j, j], SMALLEST)
            V[:, j] = cupy.maximum(V[:, j] + step, 0)


PLAIN = {"hals": (hals, 5), "mu": (multiplicative, 50)}  # and the iterations that are timed together


def model_of(rank, solver, n_iter, **params):
    """So many iterations from a random start."""
    return CoupledNMF(rank, solver=solver, init="random", random_state=0, max_iter=n_iter, tol=0, **params)


def by_difference(X, rank, solver, counts, **params):
    """Seconds of an iteration: a longer fit less a shorter one. A callback would make the device wait each time.

    A fit ends with a solve for F, which for some components takes longer than for others: `transform`, which is that
    solve again, is taken off.
    """
    took = []
    for n_iter in counts:
        model = model_of(rank, solver, n_iter, **params)
        whole = seconds(partial(model.fit, X))[0]
        took.append(whole - seconds(partial(model.transform, X))[0])
    return (took[1] - took[0]) / (counts[1] - counts[0])


def streamed(host, workload):
    """Seconds of an iteration whose X comes from the host's memory, and bytes of X a second."""
    share, matrix.SHARE = matrix.SHARE, 0.0  # of the device's memory that X may take
    try:
        rank, counts = RANKS[-1], STREAMED
        took = [by_difference(host, rank, "hals", counts, backend="cupy") for _ in range(workload.rounds)]
    finally:
        matrix.SHARE = share
    rates = [workload.array.nbytes / one / 1e9 for one in took]
    return {
        "rank": rank,
        "milliseconds": spread([1000 * one for one in took]),
        "gigabytes_per_second": spread(rates),
    }


def cpu_seconds(X, rank, solver, n_iter):
    """Seconds of an iteration of the NumPy backend, which a callback does not slow down."""
    marks = []
    hear = [lambda info: marks.append(info.seconds)]
    model_of(rank, solver, n_iter, backend="numpy", n_jobs=-1, callbacks=hear).fit(X)
    return float(np.median(np.diff(marks)))


def plain_start(array, rank):
    """Random factors in the scale of the data."""
    rng, level = cupy.random.RandomState(0), float(cupy.sqrt(array[:1000].mean() / rank))
    sizes = ((array.shape[0], rank), (rank, array.shape[1]))
    return [level * rng.random_sample(size, dtype=cupy.float32) for size in sizes]


def plain_seconds(array, solver, factors):
    """Seconds of an iteration of the plain updates, which go on from where they were."""
    update, n_iter = PLAIN[solver]
    return seconds(lambda: update(array, *factors, n_iter))[0] / n_iter


def contestants(workload, host, rank, solver, capability):
    """What is measured, by name: calls that return seconds of an iteration."""
    timed = partial(by_difference, workload.X, rank, solver, workload.counts)
    found = {
        "ours": partial(timed, precision="full"),
        "plain": partial(plain_seconds, workload.array, solver, plain_start(workload.array, rank)),
    }
    if capability >= TF32_SINCE:
        found["tf32"] = partial(timed, precision="tf32")
    for run in found.values():
        run()  # compiles
    if host is not None:
        cpu_seconds(host[:1000], rank, solver, 2)  # compiles
        found["numpy"] = partial(cpu_seconds, host, rank, solver, workload.cpu_iterations)
    return found


def iterations(workload, host, capability):
    """The rates of the device, and one entry a rank and solver."""
    cases = {
        (rank, solver): contestants(workload, host, rank, solver, capability) for rank in RANKS for solver in SOLVERS
    }
    took = {case: {name: [] for name in calls} for case, calls in cases.items()}
    copies, gemms = [], []
    for _ in range(workload.rounds):
        copies.append(copy_rate())
        gemms.append(sgemm_rate())
        for case, calls in cases.items():
            for name, call in calls.items():
                took[case][name].append(call())
    figures = {
        "copy_gigabytes_per_second": spread([rate / 1e9 for rate in copies]),
        "sgemm_teraflops": spread([rate / 1e12 for rate in gemms]),
        "iterations": [],
    }
    for (rank, solver), times in took.items():
        flops = 4 * workload.array.size * rank
        floor = max(workload.array.nbytes / max(copies), flops / max(gemms))
        entry = {"rank": rank, "solver": solver} | compared(times, floor)
        if "tf32" in times:
            entry["tf32_loss_difference"] = tf32_loss_difference(workload, rank, solver)
        figures["iterations"].append(entry)
        print(entry, flush=True)
    return figures


def compared(times, floor):
    """Milliseconds, and ratios of what was measured in the same round."""
    ours = times["ours"]
    ratios = {name: [other / mine for other, mine in zip(times[name], ours, strict=True)] for name in times}
    return {
        "milliseconds": {name: spread([1000 * one for one in values]) for name, values in times.items()},
        "floor_milliseconds": 1000 * floor,
        "over_floor": spread([one / floor for one in ours]),
        "over_ours": {name: spread(values) for name, values in ratios.items() if name != "ours"},
    }


def tf32_loss_difference(workload, rank, solver):
    """How far the loss after the same iterations is from that in full precision, as a part of it."""
    models = [model_of(rank, solver, workload.counts[1], precision=precision) for precision in ("full", "tf32")]
    full, tf32 = (loss_of(workload.array, model.fit_transform(workload.X), model.components_) for model in models)
    return tf32 / full - 1
