"""How far a fit has come, kept in a folder while it goes on: files of the factors, and a manifest last of all."""

from __future__ import annotations

import io
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.fit.loop import Snapshot
from coupled_nmf.problem.contracts import Backend
from coupled_nmf.system.folders import Folder
from coupled_nmf.system.kept_files import digest_of_text, read_array, read_manifest, write_array, write_manifest
from coupled_nmf.system.notices import warn_caller

FORMAT = "coupled_nmf progress 1"
BEGIN = "progress-"  # of every file's name
SECONDS, ITERATIONS = 10.0, 50  # from one checkpoint to the next, whichever comes first,
SHARE = 0.05  # but so that no more than this part of the time goes into them
PARTS = ("F", "other_F")  # what has a row for each sample


@dataclass(frozen=True)
class Before:
    """The best of the starts before, by what F is found from again: H, J's history, and how the loop ended."""

    H: NDArray[Any]
    history: list[float]
    ended: tuple[bool, bool, bool]


@dataclass(frozen=True)
class Progress:
    """Where a fit goes on: in which start, by which random numbers after it, from what, and the best one before."""

    start: int
    rng: tuple[Any, ...]
    snapshot: Snapshot
    before: Before | None


class Keeper:
    """Keeps one fit in a folder, where others may be kept, too.

    Parameters
    ----------
    address : str or path
        The folder's; made if it is not there.
    about : dict
        All that the bits of the fit depend on, as JSON takes it: by its digest the fit is known again.
    shape : tuple of int
        Of F.
    backend : Backend
        Open, on X.

    Raises
    ------
    ValueError
        If the folder is a file, or a worker does not reach it.
    OSError
        If the folder cannot be made, or written to.
    """

    def __init__(self, address: Any, about: dict[str, Any], shape: tuple[int, int], backend: Backend) -> None:
        self._folder, self._about, self._shape, self._backend = Folder(address), about, shape, backend
        self._name = f"{BEGIN}{digest_of_text(json.dumps(about, sort_keys=True))}"
        self._folder.make()
        self._try_folder()
        self._since, self._took, self._fails = time.monotonic(), 0.0, False
        self._start = self._n_iter = 0  # that were kept last

    def _try_folder(self) -> None:
        name = f"{self._name}-{uuid.uuid4().hex}.try"
        with self._folder.write(name) as file:
            file.write(name.encode())
        try:
            self._backend.reach(self._folder, name)
        finally:
            self._folder.remove([name])

    def take(self, max_iter: int) -> Progress | None:
        """The newest progress that is whole; None, with a word, if there is none, though something is in the folder."""
        manifests = [name for name in self._folder.names() if name.startswith(BEGIN) and name.endswith(".json")]
        trouble = None
        for name in sorted((name for name in manifests if name.startswith(f"{self._name}-")), reverse=True):
            try:
                found = self._read(name)
            except (ValueError, OSError) as error:
                trouble = trouble or f"{error}; the fit is made anew."
                continue
            if len(found.snapshot.judge["history"]) > max_iter:
                trouble = f"{self._folder.address} holds more than max_iter={max_iter} iterations; the fit begins anew."
                continue
            self._remove_but(read_manifest(self._folder, name, FORMAT))  # what a process that was killed has left
            self._start, self._n_iter = found.start, len(found.snapshot.judge["history"])
            return found
        if trouble is None and manifests:
            trouble = self._how_others_differ(manifests)
        if trouble is not None:
            warn_caller(trouble)
        return None

    def _how_others_differ(self, manifests: list[str]) -> str:
        others = []
        for name in manifests:
            try:
                others.append(read_manifest(self._folder, name, FORMAT)["about"])
            except (ValueError, OSError):
                continue
        same = [other for other in others if other.get("data") == self._about["data"]]
        which = f"{self._folder.address} holds no progress of this fit, but of others, "
        if not same:
            return f"{which}of other data; this one begins anew, beside them."
        names = [{name for name in self._about if other.get(name) != self._about[name]} for other in same]
        differing = min(names, key=len)
        return f"{which}with another {', '.join(sorted(differing))}; this one begins anew, beside them."

    def begin(self, start: int, rng: np.random.RandomState, before: Before | None) -> None:
        """Hear which start comes now, that draws from ``rng``, and which was the best."""
        if start != self._start:
            self._n_iter = 0
        self._start, self._rng, self._before = start, rng, before

    def offer(self, n_iter: int, take: Callable[[], Snapshot], *, last: bool) -> None:
        """Keep what ``take`` gives after so many iterations, if it is time, or if they are the last."""
        began = time.monotonic()
        passed, done = began - self._since, n_iter - self._n_iter
        due = (passed >= SECONDS or done >= ITERATIONS) and passed * SHARE >= self._took
        if self._fails or done == 0 or not (due or last):
            return
        try:
            self._write(n_iter, take())
        except OSError as error:  # what is learned is worth more
            self._fails = True
            warn_caller(f"{self._folder.address} cannot be written to ({error}); the fit goes on without checkpoints.")
        self._n_iter, self._since = n_iter, time.monotonic()
        self._took = self._since - began

    def _write(self, n_iter: int, snapshot: Snapshot) -> None:
        stem = f"{self._name}-{self._start:03d}-{n_iter:07d}"
        facts: dict[str, Any] = {"format": FORMAT, "fit": stem, "start": self._start, "about": self._about}
        for part in PARTS:
            held = getattr(snapshot, part)
            facts[part] = None if held is None else self._backend.keep(held, self._folder, f"{stem}-{part}")
        name = f"{stem}-rest.npy"
        facts["rest"] = {name: write_array(self._folder, name, _packed(self._rest(snapshot)))}
        write_manifest(self._folder, f"{stem}.json", facts)
        self._remove_but(facts)

    def _remove_but(self, facts: dict[str, Any]) -> None:
        """Have of this fit no other files than those that a manifest names, and it."""
        own = {f"{facts['fit']}.json", *(file for part in (*PARTS, "rest") for file in facts[part] or ())}
        known = [file for file in self._folder.names() if file.startswith(f"{self._name}-")]
        self._folder.remove([file for file in known if file not in own])

    def _rest(self, snapshot: Snapshot) -> dict[str, NDArray[Any]]:
        """All but what has a row for each sample, in memory."""
        _, keys, *rest = self._rng.get_state(legacy=True)  # as the start has left it, for the next one
        arrays: dict[str, NDArray[Any]] = {"H": snapshot.H, "other_H": snapshot.other_H}
        arrays |= {"keys": np.asarray(keys), "rng": np.array(rest, np.float64)}
        arrays |= {f"point{number}": array for number, array in enumerate(snapshot.point)}
        arrays |= {f"judge_{name}": array for name, array in snapshot.judge.items()}
        if self._before is not None:
            before = self._before
            arrays |= {"before": before.H, "history": np.array(before.history), "ended": np.array(before.ended)}
        return arrays

    def _read(self, name: str) -> Progress:
        """What was kept. Raises ValueError if any of it is not what was written."""
        facts = read_manifest(self._folder, name, FORMAT)
        ((file, digest),) = facts["rest"].items()
        rest = _unpacked(read_array(self._folder, file, digest))
        judge = {name.removeprefix("judge_"): array for name, array in rest.items() if name.startswith("judge_")}
        point = tuple(rest[f"point{number}"] for number in range(sum(name.startswith("point") for name in rest)))
        position, has_gauss, cached = rest["rng"].tolist()
        before = None
        if "before" in rest:
            ended = rest["ended"].tolist()
            before = Before(rest["before"], rest["history"].tolist(), (ended[0], ended[1], ended[2]))
        F, other_F = (facts[part] and self._backend.take(self._folder, facts[part], self._shape) for part in PARTS)
        return Progress(
            facts["start"],
            ("MT19937", rest["keys"], int(position), int(has_gauss), cached),
            Snapshot(F, other_F, rest["H"], rest["other_H"], point, judge),
            before,
        )


def _packed(arrays: dict[str, NDArray[Any]]) -> NDArray[np.uint8]:
    """Arrays as the bytes of one archive."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return np.frombuffer(buffer.getvalue(), np.uint8)


def _unpacked(packed: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
    with np.load(io.BytesIO(packed.tobytes()), allow_pickle=False) as archive:
        return dict(archive)
