"""Room on the disk: whether there is enough before a pass, and what is kept if there turns out not to be."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cnn_probe.activations.store.kept import Kept

FULL = (errno.ENOSPC, errno.EDQUOT)


def refuse_full(path: Path, kept: Iterable[Kept], n: int | None) -> None:
    """Raise OSError if the disk has no room for what is still to be written of n rows; None: nobody knows."""
    need = None if n is None else n * sum(array.row_bytes for array in kept)
    free = shutil.disk_usage(path).free
    there = sum(file.stat().st_size for file in path.glob("*.npy"))
    if need is not None and need - there > free:
        raise OSError(
            errno.ENOSPC,
            f"the recorded rows need {need - there:,} bytes, and {free:,} are free on the disk of {path}; "
            "free some, keep the store on another disk, or pool or leave out layers",
        )


@contextmanager
def saying_what_is_kept(path: Path, rows_kept: Callable[[], int]) -> Iterator[None]:
    """Say how many rows are kept if the disk turns out to be full in the ``with`` block."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise OSError(
            errno.ENOSPC,
            f"the disk of {path} is full; {rows_kept()} rows are kept, and the next pass with the same store begins "
            "behind them: free some room, and run it again",
        ) from error
