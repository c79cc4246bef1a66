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

from coupled_nmf.data.tiled_matrix import TiledMatrix
from coupled_nmf.fit.loop import Ending, Snapshot
from coupled_nmf.problem.contracts import Backend
from coupled_nmf.system.folders import Folder
from coupled_nmf.system.kept_files import (
    DAMAGED,
    digest_of_text,
    read_array,
    read_manifest,
    write_array,
    write_manifest,
)
from coupled_nmf.system.notices import warn_caller

FORMAT = "coupled_nmf progress 2"
BEGIN = "progress-"  # of every file's name
SECONDS, ITERATIONS = 10.0, 50  # from one checkpoint to the next, whichever comes first,
SHARE = 0.05  # but so that no more than this part of the time goes into them
PARTS = ("F", "other_F")  # what has a row for each sample


@dataclass(frozen=True)
class Before:
    """The best of the starts before, by what F is found from again: H, J's history, and what ended the loop."""

    H: NDArray[Any]
    history: list[float]
    ending: Ending


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
    X : TiledMatrix
        What is fitted.
    k : int
        The rank.
    backend : Backend
        Open, on X.

    Raises
    ------
    ValueError
        If the folder is a file, or a worker does not reach it.
    OSError
        If the folder cannot be made, or written to.
    """

    def __init__(self, address: Any, about: dict[str, Any], X: TiledMatrix, k: int, backend: Backend) -> None:
        self._folder, self._about, self._backend = Folder(address), about, backend
        self._X, self._k = X, k
        self._name = f"{BEGIN}{digest_of_text(json.dumps(about, sort_keys=True))}"
        self._folder.make()
        self._try_folder()
        self._since, self._took, self._pause = time.monotonic(), 0.0, 0.0
        self._start = self._n_iter = 0  # that were kept last

    def _try_folder(self) -> None:
        name = f"{self._name}-try-{uuid.uuid4().hex}"
        with self._folder.write(name) as file:
            file.write(name.encode())
        try:
            self._backend.reach(self._folder, name)
        finally:
            self._folder.remove([name])

    def take(self, max_iter: int, n_init: int) -> Progress | None:
        """The newest progress that is whole, and no further than that; None if there is none.

        With a word, if it is not the newest, or if there is none, though something is in the folder.
        """
        manifests = [name for name in self._folder.names() if name.startswith(BEGIN) and name.endswith(".json")]
        trouble = None
        for name in sorted((name for name in manifests if name.startswith(f"{self._name}-")), reverse=True):
            try:
                found = self._read(name, n_init)
            except (ValueError, OSError) as error:
                trouble = trouble or str(error)
                continue
            if len(found.snapshot.judge["history"]) > max_iter:
                trouble = f"{self._folder.address} holds more than max_iter={max_iter} iterations"
                continue
            if trouble is not None:
                warn_caller(f"{trouble}; the fit goes on from what was kept before.")
            self._remove_older(name.removesuffix(".json"))  # what a process that was killed has left
            self._start, self._n_iter = found.start, len(found.snapshot.judge["history"])
            return found
        if trouble is not None:
            warn_caller(f"{trouble}; the fit is made anew.")
        elif manifests:
            warn_caller(self._how_others_differ(manifests))
        return None

    def _how_others_differ(self, manifests: list[str]) -> str:
        others = []
        for name in manifests:
            try:
                about = read_manifest(self._folder, name, FORMAT).get("about")
            except (ValueError, OSError):
                continue
            others += [about] if isinstance(about, dict) else []
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
        due = (passed >= SECONDS or done >= ITERATIONS) and passed >= max(self._took / SHARE, self._pause)
        if done == 0 or not (due or last):
            return
        try:
            self._write(n_iter, take())
        except Exception as error:  # of whatever store: what is learned is worth more
            if self._pause == 0:
                warn_caller(
                    f"{self._folder.address} cannot be written to ({type(error).__name__}: {error}); the fit goes on, "
                    "and tries again later."
                )
            self._pause = max(2 * self._pause, SECONDS)
        else:
            self._n_iter, self._pause = n_iter, 0.0
        self._since = time.monotonic()
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
        self._remove_older(stem)

    def _remove_older(self, stem: str) -> None:
        """Have nothing of this fit that is not as far; what is further may be another process's, or of use later."""
        known = [name for name in self._folder.names() if name.lstrip(".").startswith(f"{self._name}-")]
        left = [name for name in known if name.startswith(".") and name.endswith(".part")]  # half written, once
        self._folder.remove([name for name in known if not name.startswith(".") and name[: len(stem)] < stem])
        self._folder.remove([name for name in left if name[1 : len(stem) + 1] <= stem])

    def _rest(self, snapshot: Snapshot) -> dict[str, NDArray[Any]]:
        """All but what has a row for each sample, in memory."""
        _, keys, *rest = self._rng.get_state(legacy=True)  # as the start has left it, for the next one
        arrays: dict[str, NDArray[Any]] = {"H": snapshot.H, "other_H": snapshot.other_H}
        arrays |= {"keys": np.asarray(keys), "rng": np.array(rest, np.float64)}
        arrays |= {f"point{number}": array for number, array in enumerate(snapshot.point)}
        arrays |= {f"judge_{name}": array for name, array in snapshot.judge.items()}
        if self._before is not None:
            before = self._before
            arrays |= {"before": before.H, "history": np.array(before.history), "ended": np.array(before.ending)}
        return arrays

    def _read(self, name: str, n_init: int) -> Progress:
        """What was kept. Raises ValueError if any of it is not what was written."""
        facts = read_manifest(self._folder, name, FORMAT)
        try:
            files = [file for part in (*PARTS, "rest") for file in facts[part] or ()]
            # Whatever else a manifest says: nothing is read but what lies beside it.
            if any("/" in file or "\\" in file or not file.startswith(f"{facts['fit']}-") for file in files):
                raise ValueError(f"it names {files}")
            return self._put_together(facts, n_init)
        except (KeyError, TypeError, AttributeError, IndexError, AssertionError) as error:
            raise ValueError(f"{self._folder.address}/{name} {DAMAGED}") from error

    def _put_together(self, facts: dict[str, Any], n_init: int) -> Progress:
        ((file, digest),) = facts["rest"].items()
        rest = _unpacked(read_array(self._folder, file, digest))
        for H in (rest["H"], rest["other_H"]):
            if (H.shape, H.dtype) != ((self._k, self._X.shape[1]), self._X.dtype) or not np.all(H >= 0):
                raise TypeError("H is not one of this fit")
        if facts["start"] not in range(n_init):
            raise IndexError("there is no such start")
        judge = {name.removeprefix("judge_"): array for name, array in rest.items() if name.startswith("judge_")}
        point = tuple(rest[f"point{number}"] for number in range(sum(name.startswith("point") for name in rest)))
        position, has_gauss, cached = rest["rng"].tolist()
        before = None
        if "before" in rest:
            before = Before(rest["before"], rest["history"].tolist(), Ending(*rest["ended"].tolist()))
        shape = (self._X.shape[0], self._k)
        F, other_F = (
            None if facts[part] is None else self._backend.take(self._folder, facts[part], shape) for part in PARTS
        )
        if F is None or any(one is not None and one.dtype != self._X.dtype for one in (F, other_F)):
            raise TypeError("F is not one of this fit")
        return Progress(
            facts["start"],
            ("MT19937", rest["keys"], int(position), int(has_gauss), cached),
            Snapshot(F, other_F, rest["H"], rest["other_H"], point, judge),
            before,
        )


def _packed(arrays: dict[str, NDArray[Any]]) -> NDArray[np.uint8]:
    """Arrays as the bytes of one archive."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return np.frombuffer(buffer.getvalue(), np.uint8)


def _unpacked(packed: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
    with np.load(io.BytesIO(packed.tobytes()), allow_pickle=False) as archive:
        return {name: np.ascontiguousarray(array) for name, array in archive.items()}
