"""A block that some samples lack."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, issparse

from coupled_nmf.data.arrays import REAL, on_device, to_host, unmask
from coupled_nmf.data.sparse_arrays import own_copy


def rows_of(array: Any, key: Any, name: str = "A block") -> Any:
    """Rows of a block; what lies outside memory may know no others than rising numbers, each once."""
    if isinstance(array, PartialBlock):
        return PartialBlock(array.array, array.places[key])
    if issparse(array):  # as it is now: slicing follows the numbers in it
        return own_copy(name, array).tocsr()[key]
    if isinstance(array, np.ndarray):
        return array[key]
    if isinstance(key, slice) and key.step in (None, 1):
        return _given_rows(array, key, len(range(*key.indices(int(array.shape[0])))), name)
    if on_device(array):
        return array[key if isinstance(key, slice) else importlib.import_module("cupy").asarray(key)]
    rows = np.arange(array.shape[0])[key]  # masks, numbers from the end and out of range are as for arrays
    rising, places = np.unique(rows, return_inverse=True)
    some = _given_rows(array, rising, len(rising), name)
    return rows_of(some, places) if issparse(some) else some[places]


def _given_rows(array: Any, key: Any, n_rows: int, name: str) -> Any:
    """The rows that what is outside memory gives; ValueError if they are not as many, and as long, as it says."""
    some = array[key]
    some = some if hasattr(some, "dtype") else np.asarray(some)
    refuse_other_rows(name, f"{n_rows} of its rows", some, (n_rows, int(array.shape[1])))
    return some


def refuse_other_rows(name: str, which: str, some: Any, shape: tuple[int, int]) -> None:
    """Raise ValueError if what is outside memory does not give the rows that it had at the first look."""
    real = np.dtype(some.dtype).kind in REAL
    found = f"shape {tuple(some.shape)}" if real else f"dtype {some.dtype}"
    if not real or tuple(some.shape) != shape:
        raise ValueError(
            f"{name} gives {found} for {which}, and not real numbers of shape {shape}, as it said: it is damaged, or "
            "has changed; leave it as it is while it is read."
        )


class PartialBlock:
    """Rows of an array for the samples that have them, NaN for those that do not; the array is not copied.

    Parameters
    ----------
    array : array-like of shape (n_present, n_features_b)
        The rows there are: anything that a block may be.
    places : ndarray of int of shape (n_samples,)
        Row of ``array`` for each sample, -1 where it has none.
    """

    ndim = 2

    def __init__(self, array: Any, places: NDArray[np.int64]) -> None:
        self.array, self.places = array, places
        self.given_shape = (int(array.shape[0]), int(array.shape[1]))  # which may change with the array
        self.shape = (len(places), int(array.shape[1]))
        kind = np.dtype(array.dtype)
        self.dtype = kind if kind.kind == "f" else np.dtype(np.float64)

    @property
    def absent(self) -> NDArray[np.bool_]:
        """Which samples lack the block."""
        return self.places < 0

    @property
    def samples(self) -> NDArray[np.int64]:
        """Number of the sample of each row of ``array``."""
        there = np.flatnonzero(~self.absent)
        return there[np.argsort(self.places[there])]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> NDArray[Any]:
        """Return those rows, with NaN where the sample lacks the block."""
        places = self.places[rows]
        there = places >= 0
        found = np.full((len(places), self.shape[1]), np.nan, dtype=self.dtype)
        some = unmask(to_host(rows_of(self.array, places[there])))
        n_rows = int(np.sum(there))
        refuse_other_rows("A block", f"{n_rows} of its rows", some, (n_rows, self.shape[1]))
        found[there] = some.toarray() if issparse(some) else some
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """All rows, NaN where the sample lacks the block; always a copy."""
        return self[:].astype(self.dtype if dtype is None else dtype, copy=False)

    def fill(self) -> Any:
        """The same as sparse rows, empty where the sample lacks the block, for a sparse array."""
        rows = self.array.tocsr()
        there = ~self.absent
        lengths = np.zeros(len(self), dtype=np.int64)
        lengths[there] = np.diff(rows.indptr)[self.places[there]]
        some = rows[self.places[there]]
        indptr = np.concatenate([[0], np.cumsum(lengths)])
        return csr_array((some.data, some.indices, indptr), shape=self.shape)

    def __repr__(self) -> str:
        return f"PartialBlock(shape={self.shape}, present={int(np.sum(~self.absent))}, dtype={self.dtype})"


def read_index(name: str, index: Any) -> NDArray[Any]:
    """The samples that have a block: their numbers, or one true or false a sample.

    Raises
    ------
    ValueError
        If it is neither.
    """
    samples = np.asarray(index)
    if samples.size == 0:
        samples = samples.astype(np.int64)
    if samples.ndim != 1 or samples.dtype.kind not in "iub":
        raise ValueError(f"samples[{name!r}] is no list of sample numbers, nor one true or false a sample.")
    return samples


def find_places(name: str, samples: NDArray[Any], n_rows: int, n_samples: int) -> NDArray[np.int64]:
    """Row of a block for each sample, -1 for none, from what `read_index` gives.

    Raises
    ------
    ValueError
        If the index does not name one sample a row, each once and from 0 to n_samples - 1.
    """
    if samples.dtype == bool:
        if len(samples) != n_samples:
            raise ValueError(f"samples[{name!r}] has {len(samples)} entries, true or false, for {n_samples} samples.")
        samples = np.flatnonzero(samples)
    if len(samples) != n_rows:
        hint = f"; pass the rows of those samples alone, as by block[samples[{name!r}]]" if n_rows == n_samples else ""
        raise ValueError(
            f"samples[{name!r}] names {len(samples)} samples; the block has {n_rows} rows, not one for each{hint}."
        )
    if n_rows and (samples.min() < 0 or samples.max() >= n_samples):
        raise ValueError(
            f"samples[{name!r}] goes from {samples.min()} to {samples.max()}; samples are 0 to {n_samples - 1}."
        )
    places = np.full(n_samples, -1, dtype=np.int64)
    places[samples] = np.arange(n_rows)
    if np.sum(places >= 0) < n_rows:
        raise ValueError(f"samples[{name!r}] names a sample twice; a block has one row a sample.")
    return places


def place_rows(arrays: dict[str, Any], samples: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays, those of ``samples`` as partial blocks."""
    if not isinstance(samples, Mapping):
        raise ValueError(
            f"samples is a {type(samples).__name__}; it maps names of blocks to the samples of their rows."
        )
    samples = {name: read_index(name, index) for name, index in samples.items()}
    unknown = [name for name in samples if name not in arrays]
    if unknown:
        raise ValueError(f"samples names unknown blocks {unknown}; the blocks are {list(arrays)}.")
    if not samples:
        return arrays
    whole = [array.shape[0] for name, array in arrays.items() if name not in samples]
    if not whole:  # the samples are those that any block has
        whole = [max(_n_named(index) for index in samples.values())]
    return {
        name: PartialBlock(array, find_places(name, samples[name], array.shape[0], whole[0]))
        if name in samples
        else array
        for name, array in arrays.items()
    }


def _n_named(index: NDArray[Any]) -> int:
    return len(index) if index.dtype == bool else int(index.max(initial=-1)) + 1
