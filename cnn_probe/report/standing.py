"""Which pages stand in a folder: the newest is ``index.html``, that of the other kind beside it; none goes unsaid."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnn_probe.system.names import shown
from cnn_probe.system.parts import write_bytes

INDEX = "index.html"
KEPT = {
    "run": "results of the seeds and ranks that are made now as well, others are kept",
    "study": "its finished networks are kept",
    "probe": "results of the ranks that are made now as well, others are kept",
}
Notice = Callable[[str], None]

_MARK = re.compile(rb'<meta name="cnn-probe" content="(run|study|probe) ([^ "]*) ([^ "]*)">')
# Pages of an earlier version say by their pictures alone of what kind they are.
_PICTURES = {b'<img src="seed-': "run", b'<img src="figures/': "study"}
_LINKS = re.compile(rb'<nav class="note">.*</nav>')


@dataclass(frozen=True)
class Mark:
    """What a page says of itself to those who would put another in its place."""

    kind: str
    data: str | None = None
    settings: str | None = None

    @classmethod
    def of(cls, kind: str, data: str, settings: Mapping[str, Any]) -> Mark:
        """Of a page of a kind (one of `KEPT`), the fingerprint of its data, and what else all on it share."""
        return cls(kind, data, hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16])

    def __str__(self) -> str:
        return f"{self.kind} {self.data} {self.settings}"

    def set_apart(self, other: Mark) -> str | None:
        """Say what sets another page of the kind apart; None if it is of the same data and settings."""
        if other.data is None:
            return "an earlier version"
        differ = [what for what in ("data", "settings") if getattr(self, what) != getattr(other, what)]
        return f"other {' and '.join(differ)}" if differ else None


def remove_others(out: Path, mark: Mark, notice: Notice | None = None) -> None:
    """Remove pages of a mark's kind that are of another request: to be done before their pictures change.

    Parameters
    ----------
    out : Path
        The folder.
    mark : Mark
        That of the page to come.
    notice : callable, default=None
        ``notice(text)`` hears of each.
    """
    for path in pages(out, mark.kind):
        odd = mark.set_apart(_mark_of(path))
        if odd is not None:
            path.unlink()
            if notice is not None:
                where = shown(str(out), None)
                notice(f"{where} held the page of a {mark.kind} of {odd}; it is replaced, {KEPT[mark.kind]}")


def put_page(out: Path, mark: Mark, render: Callable[[str], str], notice: Notice | None = None) -> Path:
    """Write ``index.html`` and return its path; a page of another kind that stands there gets a name of its own.

    Parameters
    ----------
    out, mark, notice
        As of `remove_others`, which is done first.
    render : callable
        ``render(links)`` gives the page; ``links`` is HTML that has to be on it.
    """
    remove_others(out, mark, notice)
    index = out / INDEX
    standing = _mark_of(index).kind if index.is_file() else mark.kind
    if standing != mark.kind:
        earlier = [path for path in pages(out, standing) if path != index]  # by a process that was killed here
        aside = earlier[0] if earlier else _free(out, standing)
        write_bytes(aside, _LINKS.sub(_links({INDEX: mark.kind}).encode(), index.read_bytes(), count=1))
        if notice is not None:
            notice(f"{shown(str(index), None)} is the page of a {mark.kind} now; what it was is {aside.name}")
    beside = {path.name: kind for kind in KEPT if kind != mark.kind for path in pages(out, kind) if path != index}
    write_bytes(index, render(_links(beside)).encode())
    for path in pages(out, mark.kind):
        if path != index:
            path.unlink()  # what it showed, the index shows
    return index


def pages(out: Path, kind: str) -> list[Path]:
    """Return the pages of a kind, as "run", under the names that pages have in a folder."""
    if kind not in KEPT:
        return []
    candidates = [out / INDEX, out / f"{kind}.html", *sorted(out.glob(f"{kind}-*.html"))]
    return [path for path in candidates if path.is_file() and _mark_of(path).kind == kind]


def _mark_of(path: Path) -> Mark:
    content = path.read_bytes()
    found = _MARK.search(content)
    if found:
        return Mark(*(part.decode(errors="replace") for part in found.groups()))
    return Mark(next((kind for sign, kind in _PICTURES.items() if sign in content), "earlier"))


def _free(out: Path, stem: str) -> Path:
    """Return a path that no file has: one that is there may be the user's own."""
    number, path = 1, out / f"{stem}.html"
    while path.exists():
        number += 1
        path = out / f"{stem}-{number}.html"
    return path


def _links(named: Mapping[str, str]) -> str:
    links = ", ".join(f'<a href="{name}">the page of a {kind}</a>' for name, kind in named.items())
    return f'<nav class="note">{f"In this folder, too: {links}." if links else ""}</nav>'
