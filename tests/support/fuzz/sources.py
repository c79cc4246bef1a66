"""Containers outside memory that keep no promise: at some read they give something else."""

import numpy as np
import scipy.sparse as sp

from fuzz.compared import ANY, NONE, SAME, Broken, compare, draw, warm_up


class Source:
    """Rows by slices, as an HDF5 dataset gives them; from the n-th read on, or at it alone, an attack."""

    ndim = 2

    def __init__(self, array, attack, first, lasting):
        self.array, self.attack, self.first, self.lasting = array, attack, first, lasting
        self.shape, self.dtype, self.reads, self.attacked = array.shape, array.dtype, 0, False

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        some, self.reads = self.array[rows], self.reads + 1
        if not len(some) or self.reads < self.first or (self.reads > self.first and not self.lasting):
            return some
        self.attacked = True
        return self.attack(some)


def broken(some):
    raise Broken("the disk is gone")


def shrunk(some):
    raise ValueError("the file was cut")


SAME_CONTENT = {
    "sparse rows": sp.csr_array,
    "sparse columns": sp.csc_matrix,
    "Fortran order": np.asfortranarray,
    "strides": lambda some: np.repeat(some, 2, axis=1)[:, ::2],
    "a longer dtype": lambda some: some.astype(np.longdouble),
    "another order of bytes": lambda some: some.astype(some.dtype.newbyteorder()),
    "a matrix": lambda some: some.view(np.matrix),
}
OTHER_SHAPES = {
    "a row less": lambda some: some[:-1],
    "no rows": lambda some: some[:0],
    "a row more": lambda some: np.vstack([some, some[:1]]),
    "a column less": lambda some: some[:, :-1],
    "one column": lambda some: some[:, :1],
    "no columns": lambda some: some[:, :0],
    "a column more": lambda some: np.hstack([some, some[:, :1]]),
    "a thousand columns more": lambda some: np.hstack([some, np.ones((len(some), 1000))]),
    "turned": lambda some: some.T,
    "flat": lambda some: some.ravel(),
    "one row, flat": lambda some: some[0],
    "three dimensions": lambda some: some[None],
    "a number": lambda some: some[0, 0],
    "None": lambda some: None,
    "text": lambda some: "rows",
    "sparse rows, fewer": lambda some: sp.csr_array(some[:-1]),
    "sparse rows, wider": lambda some: sp.csr_array(np.hstack([some, some])),
    "complex numbers": lambda some: some + 1j,
    "strings": lambda some: some.astype(str).astype(object) + "x",
    "cut": shrunk,
}
OTHER_KINDS = {
    "objects": lambda some: some.astype(object),
    "a list": lambda some: some.tolist(),
    "whole numbers": lambda some: np.ceil(some).astype(np.int32),
    "half precision": lambda some: some.astype(np.float16),
    "true": lambda some: some > 0,
    "an error": broken,
    "other numbers": lambda some: some[::-1],
}
ATTACKS = [
    *((SAME, *attack) for attack in SAME_CONTENT.items()),
    *((NONE, *attack) for attack in OTHER_SHAPES.items()),
    *((ANY, *attack) for attack in OTHER_KINDS.items()),
]


def prepare(folder):
    """Compile; return what tries a seed."""
    warm_up()
    return try_one


def try_one(seed):
    rng = np.random.default_rng(seed)
    dense = draw(rng)
    meaning, name, attack = ATTACKS[rng.integers(len(ATTACKS))]
    source = Source(dense, attack, int(rng.integers(1, 9)), bool(rng.integers(2)))
    found = compare(rng, source, dense, meaning, f"{name} at read {source.first}, {source.lasting}")
    if found is not None and found.endswith(": accepted") and not source.attacked:
        return None  # there were fewer reads
    return found
