"""Sparse arrays, of all of SciPy's kinds, whose insides are unusual, or cannot be."""

import numpy as np
import scipy.sparse as sp

from fuzz.compared import ANY, NONE, SAME, SHAPE, compare, draw, warm_up

SORTS = ("csr", "csc", "coo", "lil", "dok", "dia", "bsr")


def prepare(folder):
    """Compile; return what tries a seed."""
    warm_up()
    return try_one


def try_one(seed):
    rng = np.random.default_rng(seed)
    dense = draw(rng, zeros=True)
    sort = SORTS[rng.integers(len(SORTS))]
    kind = sp.csr_array if rng.random() < 0.5 else sp.csr_matrix
    made = kind(dense).asformat(sort)
    attack = ATTACKS[sort][rng.integers(len(ATTACKS[sort]))] if rng.random() < 0.8 else None
    made, meaning = (made, SAME) if attack is None else attack(rng, made)
    return compare(rng, made, dense, meaning, f"{sort}, {'nothing' if attack is None else attack.__name__}")


def far(rng):
    """A number that is no row and no column, near or far."""
    return int(rng.choice([-1, -2, max(SHAPE), max(SHAPE) + 3, 10**6, 2**31 - 1, -(2**31)]))


def outside(rng, made):
    """A number of a row or column that is outside."""
    if made.nnz == 0:
        return made, SAME
    name = rng.choice(["row", "col"]) if made.format == "coo" else "indices"
    numbers = getattr(made, name).copy()
    numbers[rng.integers(len(numbers))] = far(rng)
    if name == "indices":
        made.indices = numbers
    else:
        kept = (made.row, numbers) if name == "col" else (numbers, made.col)
        made.row, made.col = kept
    return made, NONE


def pointers(rng, made):
    """Where rows begin, at a wrong place."""
    indptr = made.indptr.copy()
    place = int(rng.integers(len(indptr)))
    before = indptr[place]
    indptr[place] = rng.choice([-1, 1, far(rng), made.indptr[-1] + 1])
    made.indptr = indptr
    if place in (0, len(indptr) - 1) or indptr[place] == before:
        return made, SAME if indptr[place] == before else NONE
    rising = indptr[place - 1] <= indptr[place] <= indptr[place + 1]
    return made, ANY if rising else NONE  # other rows, which can be


def shorter(rng, made):
    """Fewer values, or fewer numbers, than there are entries."""
    name = rng.choice(["data", "indices"])
    if made.nnz == 0:
        return made, SAME
    setattr(made, name, getattr(made, name)[:-1].copy())
    return made, NONE


def long_numbers(rng, made):
    """Numbers in 64 bits."""
    names = ("row", "col") if made.format == "coo" else ("indices", "indptr")
    for name in names:
        setattr(made, name, getattr(made, name).astype(np.int64))
    return made, SAME


def unsorted(rng, made):
    """The entries of a row, or all, in another order."""
    made = made.copy()
    if made.format == "coo":
        order = rng.permutation(made.nnz)
        return type(made)((made.data[order], (made.row[order], made.col[order])), shape=made.shape), SAME
    for start, stop in zip(made.indptr[:-1], made.indptr[1:], strict=True):
        order = start + rng.permutation(stop - start)
        made.indices[start:stop], made.data[start:stop] = made.indices[order], made.data[order]
    made.has_sorted_indices = False
    return made, SAME


def twice(rng, made):
    """Every entry in two halves."""
    coo = made.tocoo()
    halves = (np.r_[coo.data / 2, coo.data / 2], (np.r_[coo.row, coo.row], np.r_[coo.col, coo.col]))
    both = type(coo)(halves, shape=made.shape)
    return (both if made.format == "coo" else both.asformat(made.format)), SAME


def claims(rng, made):
    """A shape that is smaller than what there is."""
    rows, columns = made.shape
    made._shape = (rows, max(columns - 3, 1)) if rng.random() < 0.5 else (max(rows - 3, 1), columns)
    return made, NONE


def lists(rng, made):
    """A list of columns with a number outside, unsorted, or longer than that of the values."""
    row = int(rng.integers(made.shape[0]))
    numbers = list(made.rows[row])
    way = rng.integers(3)
    if way == 0 and numbers:
        numbers[-1] = far(rng)
    elif way == 1:
        made.data[row] = [*made.data[row], 1.0]
    elif len(numbers) > 1:
        made.rows[row], made.data[row] = numbers[::-1], list(made.data[row])[::-1]
        return made, SAME
    else:
        return made, SAME
    made.rows[row] = numbers
    return made, NONE


def keys(rng, made):
    """A key that is outside."""
    made._dict[(far(rng), 0) if rng.random() < 0.5 else (0, far(rng))] = 1.0
    return made, NONE


def diagonals(rng, made):
    """Offsets that are far out, whose entries are none."""
    made.offsets = made.offsets.copy()
    made.offsets[rng.integers(len(made.offsets))] = far(rng)
    return made, ANY


ATTACKS = {
    "csr": [outside, pointers, shorter, long_numbers, unsorted, twice, claims],
    "csc": [outside, pointers, shorter, long_numbers, unsorted, twice, claims],
    "bsr": [outside, pointers, shorter, claims],
    "coo": [outside, long_numbers, unsorted, twice, claims],
    "lil": [lists, claims],
    "dok": [keys, claims],
    "dia": [diagonals],
}
