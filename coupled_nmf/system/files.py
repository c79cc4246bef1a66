"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

NAME_BYTES = 80  # of the file's name, in that of the hidden one: file systems allow 255, and count bytes


@contextmanager
def atomic_open(path: str | Path) -> Iterator[BinaryIO]:
    """Open a binary file to be written beside ``path``; it takes its place when the ``with`` block ends.

    Until then what was at ``path`` stays, and it stays for good if the block ends by an error, if the disk is full, or
    if the process is killed; several writers to one path leave the file of one of them. A symbolic link is followed,
    the permissions of a file that is there are kept, and what is no file (a pipe, a device) is written to as it is. A
    process that is killed can leave a hidden file whose name ends in ``.part``, which nothing reads.

    Parameters
    ----------
    path : str or Path
        The file, in a folder that is there.

    Yields
    ------
    file : binary file
        Where the bytes go.

    Raises
    ------
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_open(Path(folder) / "notes.txt") as file:
    ...         _ = file.write(b"all or nothing")
    ...     (Path(folder) / "notes.txt").read_bytes()
    b'all or nothing'
    """
    target = Path(os.path.realpath(path))
    mode = target.stat().st_mode if target.exists() else None
    if mode is not None and not stat.S_ISREG(mode):
        with open(target, "wb") as file:
            yield file
        return
    begin = os.fsencode(target.name)[:NAME_BYTES].decode(errors="ignore")
    part = target.with_name(f".{begin}.{uuid.uuid4().hex}.part")
    try:
        with open(part, "xb") as file:
            if mode is not None:
                os.chmod(part, stat.S_IMODE(mode))
            yield file
            file.flush()
            os.fsync(file.fileno())  # or after a power failure the name may stand for an empty file
        os.replace(part, target)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
