"""SciPy's sparse arrays: what compiled code, SciPy's own too, would follow out of them is refused before it does."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

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
    if array.ndim != 2:
        return  # refused for that by whoever asks what X is
    try:
        _look_at(array)
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise ValueError(f"{name} is a sparse array with indices that cannot be: {error}; build it anew.") from error


def _look_at(array: Any) -> None:
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
        _refuse_outside("column", np.array([column for row in array.rows for column in row], np.int64), n_columns)
    elif kind == "dok":
        places = np.array(list(array.keys()), dtype=np.int64).reshape(-1, 2)
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
    if numbers.size and (numbers.min() < 0 or numbers.max() >= n):
        raise ValueError(f"{what} numbers go from {numbers.min()} to {numbers.max()}, of 0 to {n - 1}")


def own_rows(name: str, array: Any, dtype: np.dtype[Any]) -> Rows:
    """Copy the rows of a sparse array of any format; entries that are stored twice are added up.

    A copy, since what compiled code follows must stay as it was checked, whatever others do to the array meanwhile.

    Raises
    ------
    ValueError
        As `refuse_indices`.
    """
    refuse_indices(name, array)
    rows = array.tocsr()
    with np.errstate(over="ignore"):  # of a longer dtype; infinity is refused
        data = np.array(rows.data, dtype=dtype)
    own = csr_array((data, rows.indices.copy(), rows.indptr.copy()), shape=rows.shape)
    refuse_indices(name, own)  # as it is now: another thread may have changed the array since
    own.sum_duplicates()
    return Rows(own.data, own.indices.astype(np.int32, copy=False), own.indptr.astype(np.int64))
