"""Files of a folder that go on what was begun: each with a digest of what was written, so that no damage passes."""

from __future__ import annotations

import hashlib
import json
import threading
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.system.folders import Folder

DIGEST_BYTES = 16
_HEADERS = threading.Lock()  # NumPy parses them as Python, in which Python 3.11.7 fails if two threads do so at once
DAMAGED = "is damaged: it is not what was written"


def digest_of_text(text: str) -> str:
    """That of a text."""
    return hashlib.blake2b(text.encode(), digest_size=DIGEST_BYTES).hexdigest()


def write_manifest(folder: Folder, name: str, facts: dict[str, Any]) -> None:
    """Write what other files belong to, and the digests of all: last of them, since they count from then on.

    ``facts`` hold 'format', and as 'fit' the name without its end.
    """
    with folder.write(name) as file:
        file.write(json.dumps(facts | {"digest": digest_of_text(json.dumps(facts))}, indent=1).encode())


def read_manifest(folder: Folder, name: str, kind: str) -> dict[str, Any]:
    """What a manifest of that format says.

    Raises
    ------
    ValueError
        If it is not what was written under that name.
    OSError
        If it cannot be read.
    """
    with folder.read(name) as file:
        data = file.read()
    try:
        facts: dict[str, Any] = json.loads(data.decode())
        written = facts.pop("digest") == digest_of_text(json.dumps(facts))
        whole = written and (facts["format"], f"{facts['fit']}.json") == (kind, name)
    except (ValueError, KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise ValueError(f"{folder.address}/{name} {DAMAGED}")
    return facts


class _Counted:
    """A file whose bytes are counted into a digest as they pass."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.digest = file, hashlib.blake2b(digest_size=DIGEST_BYTES)

    def write(self, data: Any) -> int:
        self.digest.update(data)
        return self._file.write(data)

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data


def write_array(folder: Folder, name: str, array: NDArray[Any]) -> str:
    """Write an array; return its file's digest."""
    with folder.write(name) as file:
        counted = _Counted(file)
        np.lib.format.write_array(counted, np.asarray(array), allow_pickle=False)
    return counted.digest.hexdigest()


def read_array(folder: Folder, name: str, digest: str, shape: tuple[int, ...] | None = None) -> NDArray[Any]:
    """The array of a file, which has that shape.

    Raises
    ------
    ValueError
        If the file is not there, or is not what was written.
    """
    path = f"{folder.address}/{name}"
    try:
        with folder.read(name) as file, _HEADERS:
            counted = _Counted(file)
            array: NDArray[Any] = np.lib.format.read_array(counted, allow_pickle=False)
            counted.read()
    except FileNotFoundError:
        raise ValueError(f"{path} is missing") from None
    except (ValueError, EOFError, MemoryError) as error:  # a header that is damaged may say any shape
        raise ValueError(f"{path} {DAMAGED}") from error
    if counted.digest.hexdigest() != digest or shape not in (None, array.shape):
        raise ValueError(f"{path} {DAMAGED}")
    return array


def digest_of_file(folder: Folder, name: str) -> str:
    """That of a file, for others than arrays. Raises ValueError if it is not there."""
    try:
        with folder.read(name) as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=DIGEST_BYTES)).hexdigest()  # type: ignore[arg-type]
    except FileNotFoundError:
        raise ValueError(f"{folder.address}/{name} is missing") from None
