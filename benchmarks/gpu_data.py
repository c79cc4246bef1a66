"""What the device is measured on: the paper's data, and planted data of any size, made where they are used."""

from dataclasses import dataclass
from typing import Any

import cupy

from benchmarks.workload import MNIST, paper_workload
from coupled_nmf import Blocks

PLANTED_RANK, NOISE, ROWS = 50, 0.1, 4096
PAPER_SHAPE = (10_000, 2544)


@dataclass(frozen=True)
class Workload:
    """Data on the device, and how often it is gone through.

    Attributes
    ----------
    data : str
        What the data are.
    X, array : object
        What this project is given, and the same as one CuPy array.
    rounds : int
        How often everything is measured, in turns.
    counts : tuple of int
        Iterations of the two fits by whose difference an iteration is timed.
    cpu_iterations : int
        Iterations of a fit on the CPU.
    longest : int
        Iterations of the fits that look for the best loss.
    """

    data: str
    X: Any
    array: Any
    rounds: int
    counts: tuple[int, int]
    cpu_iterations: int
    longest: int

    def host(self):
        """What this project is given, in the host's memory."""
        if isinstance(self.X, Blocks):
            return Blocks({name: cupy.asnumpy(self.X[name]) for name in self.X.names})
        return cupy.asnumpy(self.X)


def paper():
    """The paper's data; where MNIST is not at hand, planted data of that shape: an iteration takes as long."""
    times = {"rounds": 5, "counts": (200, 800), "cpu_iterations": 12, "longest": 2000}
    if not list(MNIST.glob("*.gz")):
        array = planted(PAPER_SHAPE)
        return Workload("planted, since MNIST is not there", array, array, **times)
    host = paper_workload()
    X = Blocks({name: cupy.asarray(host[name]) for name in host.names})
    return Workload("MNIST and two layers", X, cupy.concatenate([X[name] for name in X.names], axis=1), **times)


def large(shape):
    """Planted data that fill much of a device."""
    array = planted(shape)
    return Workload("planted", array, array, rounds=3, counts=(50, 200), cpu_iterations=5, longest=300)


def planted(shape):
    """F H of half-normal factors, and noise; what falls below zero is cut off. Nothing else of X's size is made."""
    rng = cupy.random.RandomState(0)
    F, H = (
        cupy.maximum(rng.standard_normal(size, dtype=cupy.float32), 0)
        for size in ((shape[0], PLANTED_RANK), (PLANTED_RANK, shape[1]))
    )
    X = cupy.empty(shape, cupy.float32)
    level = NOISE * float(cupy.sqrt(cupy.square(F[:ROWS] @ H).mean()))
    for start in range(0, shape[0], ROWS):
        rows = slice(start, start + ROWS)
        part = F[rows] @ H
        part += level * rng.standard_normal(part.shape, dtype=cupy.float32)
        cupy.maximum(part, 0, out=X[rows])
    return X


def loss_of(X, F, H):
    """‖X − FH‖² of the returned factors, from X: products in full precision, their squares added in float64."""
    F, H, total = cupy.asarray(F), cupy.asarray(H), 0.0
    for start in range(0, len(X), ROWS):
        rows = slice(start, start + ROWS)
        total += float(cupy.square(X[rows] - F[rows] @ H).sum(dtype=cupy.float64))
    return total
