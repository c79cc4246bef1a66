"""The stores that lie in a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnn_probe.activations.store.array_file import Damaged
from cnn_probe.activations.store.manifest import MANIFEST, Manifest


@dataclass(frozen=True)
class Other:
    """A store that lies in the same folder.

    Attributes
    ----------
    path : Path
        Delete it to be rid of the store.
    n_bytes : int
    finished : bool
    facts : dict
        What decided it; empty if its manifest is damaged.
    """

    path: Path
    n_bytes: int
    finished: bool
    facts: dict[str, Any]


def stores_in(folder: str | Path) -> list[Other]:
    """Return the stores in a folder, by name."""
    found = []
    for path in sorted(Path(folder).iterdir() if Path(folder).is_dir() else []):
        if not (path / MANIFEST).is_file():
            continue
        n_bytes = sum(file.stat().st_size for file in path.iterdir() if file.is_file())
        try:
            manifest = Manifest.read(path) or Manifest("", {})
        except Damaged:
            manifest = Manifest("", {})
        found.append(Other(path, n_bytes, manifest.finished, manifest.facts))
    return found
