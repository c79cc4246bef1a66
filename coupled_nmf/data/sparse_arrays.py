"""SciPy's sparse arrays: what compiled code, SciPy's own too, would follow out of them is refused before it does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MOST_COLUMNS = 2**31 - 1  # a column number is an int32


class Rows(NamedTuple):
    """Compressed sparse rows that nobody else holds: no entry twice, the columns of a row in rising order."""

    data: NDArray[Any]
    indices: NDArray[np.int32]
    indptr: NDArray[np.int64]


def refuse_indices(name: str, array: Any) -> None:
    """Look at the row and column numbers of a sparse array of any format; SciPy does not, when it converts one.

    Raises
    ------
    ValueError
        If one is out of range, or the array is damaged in another way.
    """
    with _named(name):
        _look_at(array)


def own_copy(name: str, array: Any) -> Any:
    """A copy of a sparse array of any format, whose numbers can be followed: it is looked at once nobody else holds it.

    Raises
    ------
    ValueError
        As `refuse_indices`.
    """
    with _named(name):
        _look_at(array)  # or the copy might follow its numbers
        own = array.copy()
        _look_at(own)  # as it is now: another thread may have changed the array since
    return own


@contextmanager
def _named(name: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, IndexError, OverflowError, ZeroDivisionError) as error:
        raise ValueError(f"{name} is a sparse array with indices that cannot be: {error}; build it anew.") from error


def _look_at(array: Any) -> None:
    if array.ndim != 2:
        return  # refused for that by whoever asks what X is
    kind, (n_rows, n_columns) = array.format, array.shape
    if n_columns > MOST_COLUMNS:
        raise ValueError(f"it has {n_columns} columns, and {MOST_COLUMNS} are the most")
    if kind == "coo":
        _refuse_outside("row", array.row, n_rows)
        _refuse_outside("column", array.col, n_columns)
        if not len(array.row) == len(array.col) == len(array.data):
            raise ValueError("it has not as many row numbers, column numbers and entries")
    elif kind == "lil":
        lengths = [[len(some) for some in array.rows], [len(some) for some in array.data]]
        if len(array.rows) != n_rows or lengths[0] != lengths[1]:
            raise ValueError("a row has not as many column numbers as entries")
        _refuse_outside("column", np.array([column for row in array.rows for column in row]), n_columns)
    elif kind == "dok":
        places = np.array(list(array.keys())).reshape(-1, 2)
        _refuse_outside("row", places[:, 0], n_rows)
        _refuse_outside("column", places[:, 1], n_columns)
    elif kind == "dia":
        if array.data.ndim != 2 or len(array.data) != len(array.offsets):
            raise ValueError("it has not one offset a diagonal")
    else:  # CSR, CSC, BSR
        if array.indptr[0] != 0 or np.any(array.indptr[1:] < array.indptr[:-1]):  # SciPy looks only if the last is not
            raise ValueError("the pointers to its rows or columns do not rise from 0")
        array.check_format(full_check=True)


def _refuse_outside(what: str, numbers: NDArray[Any], n: int) -> None:
    if numbers.size and numbers.dtype.kind not in "iu":  # NaN is neither below nor above anything
        raise ValueError(f"{what} numbers have dtype {numbers.dtype}, and are whole")
    if numbers.size and (numbers.min() < 0 or numbers.max() >= n):
        raise ValueError(f"{what} numbers go from {numbers.min()} to {numbers.max()}, of 0 to {n - 1}")


def own_rows(name: str, array: Any, dtype: np.dtype[Any], shape: tuple[int, int]) -> Rows:
    """Copy the rows of a sparse array of any format; entries that are stored twice are added up.

    A copy, since what compiled code follows must stay as it was checked, whatever others do to the array meanwhile.

    Raises
    ------
    ValueError
        As `refuse_indices`; or if the array is not of that shape, which it had at the first look.
    """
    own = own_copy(name, array).tocsr()
    if own.shape != shape:
        raise ValueError(f"{name} has shape {own.shape}, and had {shape} before: leave it as it is while it is read.")
    with np.errstate(over="ignore"):  # of a longer dtype; infinity is refused
        own = own.astype(dtype, copy=False)
    own.sum_duplicates()
    return Rows(own.data, own.indices.astype(np.int32, copy=False), own.indptr.astype(np.int64))
