"""What a run leaves in a folder beside the result: pictures, tables, and the mark that all is finished and whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cnn_probe.probing.result import ProbeResult
from cnn_probe.system.parts import MANIFEST, write_bytes

REQUEST = "request.json"


def finish(folder: Path, request: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
    """Put pictures and tables beside the result that was saved to a folder and, last, the mark: request and digests.

    The mark names the result by its digest, so that a new result never goes with the mark of an old one. What an
    earlier mark named and this one does not is of another result, and removed.
    """
    former = _named(folder)
    digests = _written(folder, files)
    _mark(folder, request, {MANIFEST: _digest(folder / MANIFEST), **digests})
    for name in former - {MANIFEST, REQUEST, *files}:
        (folder / name).unlink(missing_ok=True)


def add(folder: Path, files: Mapping[str, bytes]) -> None:
    """Put more beside what is finished in a folder, under its mark; killed here, a process leaves that as it was.

    Raises
    ------
    ValueError
        If nothing is finished there.
    """
    marked = _read_mark(folder)
    if marked is None:
        raise ValueError(f"nothing is finished in {folder}")
    others = {name: digest for name, digest in marked["files"].items() if name not in files}
    if len(others) < len(marked["files"]):
        _mark(folder, marked["request"], others)  # not in the mark while they change
    _mark(folder, marked["request"], others | _written(folder, files))


def read_added(folder: Path, name: str) -> bytes | None:
    """Return a file that is finished in a folder; None if there is none of that name.

    Raises
    ------
    ValueError
        If it is not whole any more.
    """
    marked = _read_mark(folder)
    if marked is None or name not in marked["files"]:
        return None
    _refuse_other(folder / name, marked["files"][name])
    return (folder / name).read_bytes()


def added_names(folder: Path) -> set[str]:
    """Names of the files that are finished in a folder, beside the result; none if nothing is."""
    return _named(folder) - {MANIFEST, REQUEST}


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
        _refuse_other(folder / Path(str(name)).name, digest)
    return ProbeResult.load(folder)


def _written(folder: Path, files: Mapping[str, bytes]) -> dict[str, str]:
    """Write files; their digests."""
    for name, content in files.items():
        write_bytes(folder / name, content)
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def _mark(folder: Path, request: Mapping[str, Any], digests: Mapping[str, str]) -> None:
    write_bytes(folder / REQUEST, json.dumps({"request": request, "files": digests}, indent=1).encode())


def _named(folder: Path) -> set[str]:
    """Names of the files under the mark that stands in a folder; none if that cannot be read."""
    try:
        marked = _read_mark(folder)
    except ValueError:
        return set()
    return set() if marked is None else {Path(str(name)).name for name in marked["files"]}


def _refuse_other(path: Path, digest: Any) -> None:
    if not path.is_file() or _digest(path) != digest:
        raise ValueError(f"{path} is missing or not what the run wrote")


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
