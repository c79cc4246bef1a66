"""What a run leaves in a folder beside the result: pictures, and the mark that it is finished and whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cnn_probe.probing.result import ProbeResult
from cnn_probe.system.parts import MANIFEST, write_bytes

REQUEST = "request.json"


def finish(folder: Path, request: Mapping[str, Any], pictures: Mapping[str, bytes]) -> None:
    """Put pictures beside the result that was saved to a folder and, last, the mark: what was asked for, and digests.

    The mark names the result by its digest, so that a new result never goes with the mark of an old one.
    """
    for name, content in pictures.items():
        write_bytes(folder / name, content)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in pictures.items()}
    files = {MANIFEST: _digest(folder / MANIFEST), **digests}
    write_bytes(folder / REQUEST, json.dumps({"request": request, "files": files}, indent=1).encode())


def request_of(folder: Path) -> dict[str, Any] | None:
    """Return what the run that finished in a folder was asked for; None if none has.

    Raises
    ------
    ValueError
        If the mark is damaged.
    """
    marked = _read_mark(folder)
    return None if marked is None else marked["request"]


def read_finished(folder: Path, request: Mapping[str, Any]) -> ProbeResult | None:
    """Return the result of the run that finished in a folder; None if none has that was asked the same.

    Raises
    ------
    ValueError
        If one has, but what it left is not whole any more.
    """
    marked = _read_mark(folder)
    if marked is None or marked["request"] != request:
        return None
    for name, digest in marked["files"].items():
        path = folder / Path(str(name)).name
        if not path.is_file() or _digest(path) != digest:
            raise ValueError(f"{path} is missing or not what the run wrote")
    return ProbeResult.load(folder)


def _read_mark(folder: Path) -> dict[str, Any] | None:
    path = folder / REQUEST
    if not path.is_file():
        return None
    try:
        marked = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged ({error})") from error
    whole = isinstance(marked, dict) and all(isinstance(marked.get(name), dict) for name in ("request", "files"))
    if not whole or MANIFEST not in marked["files"]:
        raise ValueError(f"{path} is damaged (it does not hold a request and its files)")
    return marked


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
