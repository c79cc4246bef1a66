"""Memory maps that go to another process as the name of their file, not as what is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class MappedArray(np.memmap[Any, Any]):
    """A memory map that is pickled by its path and shape: who reads it maps the file. Only what is computed is sent.

    Examples
    --------
    >>> import pickle, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/rows.npy", np.ones((10_000, 3)))
    ...     rows = map_array(f"{folder}/rows.npy")
    ...     sent = pickle.dumps(rows[100:])
    ...     len(sent) < 1000, pickle.loads(sent).shape, type(rows + 1).__name__
    (True, (9900, 3), 'ndarray')
    """

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        return found.view(np.ndarray) if isinstance(found, MappedArray) and place_in_file(found) is None else found

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        return array[()] if return_scalar or array.shape == () else np.asarray(array)

    def __reduce__(self) -> Any:
        place = place_in_file(self)
        return np.array(self).__reduce__() if place is None else (_map, (*place, self.dtype, self.shape))


def place_in_file(array: NDArray[Any]) -> tuple[str, int] | None:
    """The file that an array maps, and where in it the array begins; None of one that is not as it is in a file."""
    base: Any = array
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    if not isinstance(base, np.memmap) or base.filename is None or base.mode == "c" or not array.flags.c_contiguous:
        return None
    while isinstance(base.base, np.memmap):
        base = base.base
    if not array.size or not np.may_share_memory(array, base):
        return None
    start = array.__array_interface__["data"][0] - base.__array_interface__["data"][0]
    return str(base.filename), int(base.offset + start)


def as_mapped(array: NDArray[Any]) -> NDArray[Any]:
    """A map of the same part of a file that is pickled by its name; what is in memory as it is."""
    place = place_in_file(array)
    if place is None:
        return array
    owner: Any = array
    while not isinstance(owner, np.memmap):
        owner = owner.base
    if owner.mode != "r":
        owner.flush()  # or others would read what was there before
    return _map(*place, array.dtype, array.shape)


def map_array(path: str | Path) -> MappedArray:
    """Map a ``.npy`` file, which cannot be written to."""
    mapped: MappedArray = np.load(path, mmap_mode="r", allow_pickle=False).view(MappedArray)
    return mapped


def _map(path: str, offset: int, dtype: np.dtype[Any], shape: tuple[int, ...]) -> MappedArray:
    return MappedArray(path, dtype, "r", offset, shape)
