"""A folder whose files belong together: written so that the old or the new stands there, whole, and checked when read.

`MANIFEST` names each part with its digest, and is replaced last; a part's own name carries the digest as well, so that
a new part never takes the place of an old one while the old manifest stands.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from cnn_probe.system.locks import only_one
from coupled_nmf import atomic_open

MANIFEST = "result.json"


def write_parts(folder: Path, header: Mapping[str, Any], parts: Mapping[str, bytes], *, stale: str) -> None:
    """Write a header and its parts to a folder, over what was written there before.

    Parameters
    ----------
    folder : Path
        Made where it is missing.
    header : mapping
        What JSON holds; ``parts`` is added to it.
    parts : mapping of str to bytes
        Contents by file name, as in ``model.npz``; it becomes ``model-<digits>.npz``.
    stale : str
        Regular expression of the names of files, beside the parts, that are deleted when all is written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    refuse_folders(folder, [MANIFEST])
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in parts.items()}
    text = json.dumps({**header, "parts": digests}, indent=1, allow_nan=False)
    kept = {part_name(name, digest) for name, digest in digests.items()}
    with only_one(folder, wait=True):
        for name, content in parts.items():
            write_bytes(folder / part_name(name, digests[name]), content)
        write_bytes(folder / MANIFEST, text.encode())
        for path in folder.iterdir():
            if path.name not in kept and re.fullmatch(stale, path.name):
                with suppress(OSError):  # it is in nobody's way
                    path.unlink()


def refuse_folders(folder: Path, names: Iterable[str]) -> None:
    """Raise ValueError if a folder stands where a file is to be written: what is in it may be anyone's."""
    for name in names:
        if (folder / name).is_dir():
            raise ValueError(f"{folder / name} is a folder in the place of a file; move it away, or write elsewhere")


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all."""
    with atomic_open(path) as file:
        file.write(content)


def part_name(name: str, digest: str) -> str:
    """Name of the file that holds a part: ``model.npz`` is in ``model-<12 hexadecimal digits>.npz``."""
    stem, dot, suffix = name.partition(".")
    return f"{stem}-{digest[:12]}{dot}{suffix}"


def read_header(folder: Path) -> dict[str, Any]:
    """Return what `write_parts` was given as header, with ``parts``.

    Raises
    ------
    ValueError
        If there is none, or the file is damaged.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise ValueError(f"{folder} holds no {MANIFEST}; it is not a folder that ProbeResult.save wrote.")
    try:
        header = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:  # no UTF-8, no JSON, nested too deep
        raise ValueError(f"{path} is damaged ({error}); the result has to be made anew.") from error
    if not isinstance(header, dict):
        raise ValueError(f"{path} is damaged (it holds a {type(header).__name__}); the result has to be made anew.")
    return header


def checked_part(folder: Path, header: Mapping[str, Any], name: str) -> Path | None:
    """Return the file of a part, its content checked against its digest; None if the header names no such part.

    Raises
    ------
    ValueError
        If the file is missing, or is not the one that was written.
    """
    digests = header.get("parts")
    if not isinstance(digests, dict) or not all(re.fullmatch("[0-9a-f]{64}", str(d)) for d in digests.values()):
        raise ValueError(f"{folder / MANIFEST} is damaged (its parts); the result has to be made anew.")
    if name not in digests:
        return None
    path = folder / part_name(name, digests[name])
    try:
        with open(path, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}); the result has to be made anew.") from error
    if found != digests[name]:
        raise ValueError(f"{path} is damaged (its content has another digest); the result has to be made anew.")
    return path
