"""What is kept of each sample, and what a recorder may ask of whatever keeps it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Shape = tuple[int, ...]
Beside = Mapping[str, tuple[Shape, str]]  # arrays beside the blocks: the shape of a sample, and a dtype's name

DTYPES = ("float32", "int64")


@dataclass(frozen=True)
class Kept:
    """One array with a row for each sample.

    Attributes
    ----------
    shape : tuple of int
        Of a sample.
    dtype : {"float32", "int64"}
    block : bool
        Whether it is a block of X, or kept beside them.
    """

    shape: Shape
    dtype: str = "float32"
    block: bool = True

    @property
    def row_bytes(self) -> int:
        """Bytes of a sample."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    def tensor(self, name: str, values: Any) -> Tensor:
        """Return values, a Tensor or an array, as a Tensor of the dtype; TypeError if they would not stay the same."""
        if isinstance(values, Tensor):
            tensor = values.detach()
        else:
            tensor = torch.from_numpy(np.require(values, requirements=["C", "W"]))
        dtype = getattr(torch, self.dtype)
        if not torch.can_cast(tensor.dtype, dtype):
            raise TypeError(f"{name!r} is of {self.dtype}, got {tensor.dtype}")
        return tensor.to(dtype)

    def check(self, name: str, rows: slice, shape: Shape, done: int, written: int) -> None:
        """Raise ValueError if values of that shape are not the rows, or not the next: committed ones stay, no gap."""
        if rows.step not in (None, 1) or not done <= rows.start <= written:
            raise ValueError(
                f"{name!r} has {written} rows, {done} of them committed: the next begin at {written}; got {rows}"
            )
        if tuple(shape) != (rows.stop - rows.start, *self.shape):
            raise ValueError(
                f"rows {rows.start} to {rows.stop - 1} of {name!r} have shape "
                f"{(rows.stop - rows.start, *self.shape)}, got {tuple(shape)}"
            )


def kept_arrays(blocks: Mapping[str, int], beside: Beside | None = None) -> dict[str, Kept]:
    """Return what is kept, by name: the blocks, of so many features each, and what is kept beside them.

    Raises
    ------
    ValueError
        If there is no block, one has no features, a name is used twice, or a dtype is none of those kept.

    Examples
    --------
    >>> kept_arrays({"relu1": 8}, {"labels": ((), "int64")})["labels"].row_bytes
    8
    """
    beside = {} if beside is None else beside
    if not blocks:
        raise ValueError("blocks is empty; there is nothing to keep")
    for name, width in blocks.items():
        if width < 1:
            raise ValueError(f"block {name!r} has {width} features; leave it out")
        if name in beside:
            raise ValueError(f"{name!r} is a block, and kept beside the blocks as well; rename one of them")
    for name, (shape, dtype) in beside.items():
        if math.prod(shape) < 1:
            raise ValueError(f"{name!r} has shape {tuple(shape)} for a sample; leave it out")
        if dtype not in DTYPES:
            raise ValueError(f"{name!r} has dtype {dtype}; what is kept is {' or '.join(DTYPES)}")
    return {name: Kept((int(width),)) for name, width in blocks.items()} | {
        name: Kept(tuple(shape), dtype, block=False) for name, (shape, dtype) in beside.items()
    }


def bytes_needed(blocks: Mapping[str, int], n: int, beside: Beside | None = None) -> int:
    """Return the bytes of n samples.

    Examples
    --------
    >>> bytes_needed({"relu1": 1440, "relu2": 320}, 10_000)
    70400000
    """
    return n * sum(kept.row_bytes for kept in kept_arrays(blocks, beside).values())


class RowStore(Protocol):
    """What a recorder writes to: `Store`, on disk, or `Memory`."""

    @property
    def rows_done(self) -> int:
        """Committed rows."""

    @property
    def running(self) -> dict[str, Any]:
        """What `commit` was told of them."""

    @property
    def finished(self) -> bool:
        """Whether all rows are there."""

    def write(self, name: str, rows: slice, values: Any) -> None:
        """Keep the values of these rows: those that come next, or some that are there, anew."""

    def commit(self, rows_done: int, running: Mapping[str, Any] | None = None) -> None:
        """Say that so many rows of every array are there, and what else is known of them."""

    def finish(self, shifts: Mapping[str, NDArray[np.float32]] | None = None) -> None:
        """Say that all rows are there, and what is to be subtracted from the features of some blocks."""

    def arrays(self) -> dict[str, Any]:
        """Return the finished blocks by name, in order."""

    def beside(self) -> dict[str, Any]:
        """Return what was kept beside them, by name, as NumPy arrays."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def refuse_part(rows_done: int, n: int | None, written: Mapping[str, int]) -> None:
    """Raise ValueError if rows are missing at the end of a pass."""
    if rows_done == 0:
        raise ValueError("no row was committed; there is nothing to finish")
    if n is not None and rows_done != n:
        raise ValueError(f"{rows_done} of {n} rows are there; write and commit the others before finish()")
    behind = {name: rows for name, rows in written.items() if rows < rows_done}
    if behind:
        raise ValueError(f"{rows_done} rows cannot be committed: {behind} have been written of these")
