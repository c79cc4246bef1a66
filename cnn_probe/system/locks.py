"""One writer at a time in a folder."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

LOCK = ".cnn-probe.lock"  # stays in the folder: the lock is on the file, not the file


@contextmanager
def only_one(folder: str | Path, *, wait: bool = False) -> Iterator[None]:
    """Keep every other process and thread that asks the same out of a folder while the ``with`` block runs.

    The operating system holds the lock, so that none is left by a process that was killed.

    Parameters
    ----------
    folder : str or Path
        A folder that is there and can be written to.
    wait : bool, default=False
        Wait until the folder is free, instead of refusing.

    Raises
    ------
    BlockingIOError
        If another is at work in the folder.
    OSError
        If the folder cannot be written to.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, only_one(folder):
    ...     with only_one(folder):
    ...         pass
    Traceback (most recent call last):
    BlockingIOError: another run is writing to ...; wait until it has ended, or choose another folder.
    """
    lock = FileLock(Path(folder) / LOCK)
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout:
        raise BlockingIOError(
            f"another run is writing to {folder}; wait until it has ended, or choose another folder."
        ) from None
    except NotImplementedError:
        warnings.warn(f"{folder} lies where files cannot be locked: start no second run in it.", stacklevel=3)
        yield
        return
    try:
        yield
    finally:
        lock.release()
