"""The twin of the store on disk that keeps rows in memory, or on a GPU."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cnn_probe.activations.store.kept import Beside, Kept, kept_arrays, refuse_part

FIRST_ROWS = 1024  # that room is made for where nobody says how many there are; doubled whenever they are full


class Memory:
    """Keep rows in memory, with the interface of `Store`: nothing is left of them when the process ends.

    Parameters
    ----------
    blocks : mapping of str to int
        Features of each block.
    n : int, default=None
        Number of samples; None where only reading tells: arrays then grow.
    beside : mapping of str to (shape, dtype), default=None
        What else is kept of each sample, as ``{"labels": ((), "int64")}``.
    device : torch.device or str, default="cpu"
        Where the blocks are kept. What is beside them is in the host's memory.

    Examples
    --------
    >>> with Memory({"relu1": 2}) as memory:
    ...     memory.write("relu1", slice(0, 3), torch.ones(3, 2))
    ...     memory.commit(3)
    ...     memory.finish()
    >>> memory.arrays()["relu1"].shape
    (3, 2)
    """

    def __init__(
        self,
        blocks: Mapping[str, int],
        *,
        n: int | None = None,
        beside: Beside | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self._kept, self._n, self._device = kept_arrays(blocks, beside), n, torch.device(device)
        self._tensors = {name: self._empty(kept, FIRST_ROWS if n is None else n) for name, kept in self._kept.items()}
        self._written = dict.fromkeys(self._kept, 0)
        self.rows_done, self.finished = 0, False
        self.running: dict[str, Any] = {}

    def write(self, name: str, rows: slice, values: Tensor | NDArray[Any]) -> None:
        """Do what `Store.write` does."""
        kept, tensor = self._kept[name], self._tensors[name]
        self._refuse_finished()
        kept.check(name, rows, tuple(values.shape), self.rows_done, self._written[name])
        if rows.stop > len(tensor):
            if self._n is not None:
                raise ValueError(f"{name!r} is of {self._n} rows; got rows up to {rows.stop}")
            tensor = self._empty(kept, max(2 * len(tensor), rows.stop))
            tensor[: rows.start] = self._tensors[name][: rows.start]
            self._tensors[name] = tensor
        tensor[rows] = kept.tensor(name, values).to(tensor.device)
        self._written[name] = rows.stop

    def commit(self, rows_done: int, running: Mapping[str, Any] | None = None) -> None:
        """Do what `Store.commit` does."""
        self._refuse_finished()
        refuse_part(rows_done, None, self._written)
        self.rows_done = rows_done
        if running is not None:
            self.running = dict(running)

    def finish(self, shifts: Mapping[str, NDArray[np.float32]] | None = None) -> None:
        """Do what `Store.finish` does; the rows are shifted in place."""
        self._refuse_finished()
        refuse_part(self.rows_done, self._n, self._written)
        for name, tensor in self._tensors.items():
            # Room that was never written to takes no memory of the host; a GPU's is given back.
            rows = tensor[: self.rows_done]
            self._tensors[name] = rows if len(rows) == len(tensor) or not rows.is_cuda else rows.clone()
        for name, minima in ({} if shifts is None else shifts).items():
            rows = self._tensors[name]
            rows.sub_(torch.as_tensor(minima).to(rows.device, rows.dtype)).clamp_(min=0)
        self.finished = True

    def arrays(self) -> dict[str, Any]:
        """Return the blocks by name: NumPy arrays, and of those on a GPU Tensors."""
        self._refuse_unfinished()
        tensors = {name: tensor for name, tensor in self._tensors.items() if self._kept[name].block}
        return {name: tensor.numpy() if tensor.device.type == "cpu" else tensor for name, tensor in tensors.items()}

    def beside(self) -> dict[str, NDArray[Any]]:
        """Return what is kept beside the blocks, by name."""
        self._refuse_unfinished()
        return {name: tensor.numpy() for name, tensor in self._tensors.items() if not self._kept[name].block}

    def __enter__(self) -> Memory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing: there is nothing to close."""

    def _empty(self, kept: Kept, n: int) -> Tensor:
        where = self._device if kept.block else torch.device("cpu")
        return torch.empty((n, *kept.shape), dtype=getattr(torch, kept.dtype), device=where)

    def _refuse_finished(self) -> None:
        if self.finished:
            raise RuntimeError("the rows are finished; read them by arrays()")

    def _refuse_unfinished(self) -> None:
        if not self.finished:
            raise RuntimeError("rows are still to come; call finish() when all are written")
