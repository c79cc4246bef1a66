"""A JSON header and arrays in one NumPy archive, without pickle: written whole, and read without trust."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.system.files import atomic_open

HEADER, DIGEST = "header", "digest"
KINDS = "fiubU"  # of dtype: numbers, and the text of the header
PIECE = 2**24  # bytes that are read at once
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


@dataclass(frozen=True)
class Archive:
    """What was read: the header as text, the arrays, and the digest that the file gives, if any."""

    text: str
    arrays: dict[str, NDArray[Any]]
    digest: str | None

    @property
    def is_whole(self) -> bool:
        """Whether the contents are what the digest was made of."""
        return self.digest == digest_of(self.text, self.arrays)


def write_archive(path: str | Path, text: str, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a header, in ASCII, and arrays; what was at ``path`` stays until all is written."""
    entries: dict[str, Any] = {HEADER: np.array(text), **arrays, DIGEST: np.array(digest_of(text, arrays))}
    with atomic_open(path) as file:
        np.savez(file, **entries)  # to the open file, since it would add a suffix to a name


def digest_of(text: str, arrays: Mapping[str, NDArray[Any]]) -> str:
    """A digest of the header and of each array's name, dtype, shape and bytes."""
    digest = hashlib.sha256(text.encode("unicode_escape"))
    for name, array in sorted(arrays.items()):
        digest.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def read_archive(path: str | Path) -> Archive:
    """Read what `write_archive` wrote.

    Raises
    ------
    ValueError
        If it is no such archive, or is damaged: says what was found.
    OSError
        If the file is not there, or cannot be read.
    """
    with open(path, "rb") as file:
        try:
            entries = _entries(file)
        except ValueError:
            raise
        except Exception as error:  # of a damaged archive, of many kinds: struct's, zlib's, MemoryError for its index
            if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # a place before the beginning
                raise
            raise ValueError(f"no archive that NumPy could have written ({brief(error)})") from error
    text, digest = (_text(name, entries.pop(name, None)) for name in (HEADER, DIGEST))
    if text is None:
        raise ValueError(f"it has no {HEADER}")
    return Archive(text, entries, digest)


def read_json(text: str) -> Any:
    """What JSON stands for; its numbers are finite, and the whole ones fit into 64 bits.

    Raises
    ------
    ValueError
        If it is not JSON, or is nested too deep.
    """
    try:
        return json.loads(text, parse_int=_whole, parse_float=_finite, parse_constant=_finite)
    except RecursionError as error:
        raise ValueError("its header is nested too deep") from error


def _whole(text: str) -> int:
    if len(text) > 20 or abs(number := int(text)) >= 2**63:
        raise ValueError(f"its header has {brief(text)}, which is too large")
    return number


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"its header has {text}, which is no finite number")
    return number


def _text(name: str, array: NDArray[Any] | None) -> str | None:
    """A string that stands as an array."""
    if array is None:
        return None
    if array.shape != () or array.dtype.kind != "U":
        raise ValueError(f"its {name} is an array of {array.dtype} of shape {array.shape}, not text")
    try:
        return str(array.item())
    except (ValueError, SystemError) as error:
        raise ValueError(f"its {name} has characters that are none") from error


def _entries(file: BinaryIO) -> dict[str, NDArray[Any]]:
    """The arrays of an archive, none larger than what there is of it in the file."""
    size = os.fstat(file.fileno()).st_size
    with ZipFile(file) as archive:
        members = archive.infolist()
        twice = [name for name, times in Counter(member.filename for member in members).items() if times > 1]
        if twice:
            raise ValueError(f"{twice[0]!r} stands there twice")
        if sum(member.file_size for member in members) > size:
            raise ValueError("its entries claim to be larger than the file, or are compressed, which none is")
        return {member.filename.removesuffix(".npy"): _read(archive, member) for member in members}


def _read(archive: ZipFile, member: ZipInfo) -> NDArray[Any]:
    """One array, whose header is held against the bytes that there are before there is any room made for them."""
    name = member.filename
    if member.compress_type != ZIP_STORED or member.compress_size != member.file_size:
        raise ValueError(f"{name!r} is compressed, which nothing is that was saved")
    with archive.open(member) as stream:
        shape, fortran, dtype = _read_head(name, stream)
        n_bytes = member.file_size - stream.tell()
        if dtype.kind not in KINDS or dtype.itemsize == 0 or min(shape, default=0) < 0:
            raise ValueError(f"{name!r} claims to be {dtype} of shape {shape}, which is no array of numbers")
        if math.prod(shape) * dtype.itemsize != n_bytes:
            raise ValueError(f"{name!r} claims to be {dtype} of shape {shape}, but has {n_bytes} bytes")
        content = _room(n_bytes)
        view = memoryview(content.data)
        for start in range(0, n_bytes, PIECE):
            view[start : start + PIECE] = stream.read(PIECE)
        stream.read(1)  # at the end its sum is checked
    return content.view(dtype).reshape(shape, order="F" if fortran else "C")


def _read_head(name: str, stream: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and dtype that an array claims."""
    try:
        version = np.lib.format.read_magic(stream)
        found: tuple[tuple[int, ...], bool, np.dtype[Any]] = HEADERS[version](stream)
    except Exception as error:  # of a literal that Python cannot read, of many kinds, MemoryError among them
        raise ValueError(f"{name!r} is no array ({brief(error)})") from error
    return found


def _room(n_bytes: int) -> NDArray[np.uint8]:
    """Room for bytes that there are."""
    try:
        return np.empty(n_bytes, dtype=np.uint8)
    except MemoryError as error:
        raise OSError(errno.ENOMEM, f"no memory for the {n_bytes} bytes of an array") from error


def brief(found: object) -> str:
    """What was found, as a message shows it: a value, or an error's own message."""
    text = str(found) or type(found).__name__ if isinstance(found, Exception) else repr(found)
    return text if len(text) <= 100 else f"{text[:97]}..."
