"""Fits that are finished, kept in a folder at once: what was interrupted goes on from there."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
from collections.abc import Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.data.arrays import REAL, to_host
from coupled_nmf.data.tile_heights import tile_rows
from coupled_nmf.data.tiled_matrix import SparseRows, TiledMatrix
from coupled_nmf.fit.session import Session
from coupled_nmf.model.known_components import read_fixed
from coupled_nmf.system.files import atomic_open
from coupled_nmf.system.notices import warn_caller

FORMAT = "coupled_nmf checkpoint 1"
NO_MATTER = ("callbacks", "n_jobs", "verbose")  # parameters on which no bit of a fit depends
VERSIONS = ("coupled_nmf", "numpy")
DIGEST_BYTES = 16


class Checkpoint:
    """The finished fits of one X in a folder: of each its model, its F, and last of all a manifest.

    A fit is named by a digest of X, of the parameters, of its seed and of the versions, so that what is found under the
    name is the very fit; whatever else lies in the folder is left alone.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    session : Session
        On X.
    """

    def __init__(self, folder: Path, session: Session) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._session, self._of_x = folder, session, digest_of(session.problem.X)

    def take(self, model: Any, shared: Any) -> tuple[Any, float] | None:
        """F and the seconds of the fit of an unfitted model, which is then fitted; None if it is not there.

        ``shared`` is what the fit goes by beside X and the parameters. What is damaged is not taken, with a warning.
        """
        manifest = self._path(model, shared, ".json")
        if not manifest.exists():
            return None
        try:
            facts = _read_manifest(manifest)
            for suffix, digest in facts["digests"].items():
                _refuse_changed(manifest.with_suffix(suffix), digest)
            learned, F = self._read(manifest, model)
        except (OSError, ValueError) as error:
            warn_caller(f"{error}; its fit is made anew.")
            return None
        give = self._session.backend.give
        # What it has of X already stays: X's columns may have other names now.
        vars(model).update({name: value for name, value in learned.items() if name not in vars(model)})
        model.components_ = give(model.components_)
        return give(F), facts["seconds"]

    def _read(self, manifest: Path, model: Any) -> tuple[dict[str, Any], NDArray[Any]]:
        """What the model learned, and F."""
        loaded = type(model).load(manifest.with_suffix(".npz"))
        F = np.load(manifest.with_suffix(".npy"), allow_pickle=False)
        X, k = self._session.problem.X, model.n_components
        if F.shape != (X.shape[0], k) or F.dtype != X.dtype or loaded.components_.shape != (k, X.shape[1]):
            raise ValueError(f"{manifest.with_suffix('.npy')} does not hold the F of this X and rank")
        return {name: value for name, value in vars(loaded).items() if name.endswith("_")}, F

    def keep(self, model: Any, shared: Any, F: Any, seconds: float) -> None:
        """Write a fit that is finished; it counts from the moment that its manifest is there."""
        manifest = self._path(model, shared, ".json")
        model.save(manifest.with_suffix(".npz"))
        with atomic_open(manifest.with_suffix(".npy")) as file:
            np.save(file, to_host(F), allow_pickle=False)
        facts = {
            "format": FORMAT,
            "fit": manifest.stem,
            "n_components": int(model.n_components),
            "random_state": int(model.random_state),
            "seconds": seconds,
            "digests": {suffix: _digest_of_file(manifest.with_suffix(suffix)) for suffix in (".npz", ".npy")},
        }
        with atomic_open(manifest) as file:
            file.write(json.dumps(facts | {"digest": _digest_of_text(json.dumps(facts))}, indent=1).encode())

    def _path(self, model: Any, shared: Any, suffix: str) -> Path:
        """A fit's file."""
        X, params = self._session.problem.X, model.get_params(deep=False)
        if model.fixed_components is not None:  # then by their numbers, whatever holds them; None is named as ever
            params["fixed_components"] = read_fixed(model.fixed_components, X.layout, X.dtype)
        params = {name: _plain(name, value) for name, value in params.items() if name not in NO_MATTER}
        versions = [importlib.import_module(name).__version__ for name in VERSIONS]
        about = [FORMAT, versions, type(model).__qualname__, self._of_x, params, shared]
        return self._folder / f"fit-{_digest_of_text(json.dumps(about, sort_keys=True))}{suffix}"


def checkpoint_folder(checkpoint: str | Path | None, random_state: Any) -> Path | None:
    """The folder, if one is asked for.

    Raises
    ------
    TypeError
        If it is no path.
    ValueError
        If it is a file, or the random state is not a whole number.
    """
    if checkpoint is None:
        return None
    if not isinstance(checkpoint, (str, os.PathLike)):
        raise TypeError(f"checkpoint is {checkpoint!r}; give the path of a folder.")
    if not isinstance(random_state, Integral) or isinstance(random_state, bool):
        raise ValueError(
            f"checkpoint needs a whole number as random_state, got {random_state!r}: from anything else each call "
            "draws other seeds, and no fit of an earlier call would serve. Give one, as in "
            "estimator=CoupledNMF(random_state=0)."
        )
    folder = Path(checkpoint)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"checkpoint={str(checkpoint)!r} is a file; give the path of a folder.")
    return folder


def digest_of(X: TiledMatrix) -> str:
    """A digest of all entries of X and of how they are stored, on which the bits of a fit depend; one pass."""
    kinds = [
        [type(part) is SparseRows, part.width if isinstance(part, SparseRows) else part.shape[1]] for part in X.parts
    ]
    facts = [X.layout.names, X.layout.sizes, X.shape, X.dtype.str, kinds, X.chunk_rows, X.in_memory, X.on_device]
    digest = hashlib.blake2b(json.dumps(facts).encode(), digest_size=DIGEST_BYTES)
    height = X.chunk_rows * max(tile_rows(X) // X.chunk_rows, 1)
    for number in range(len(X.parts)):
        for start in range(0, X.shape[0], height):
            rows = slice(start, min(start + height, X.shape[0]))
            for array in _arrays_of(X.rows_of(number, rows)):
                digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        if number in X.absent and type(X.parts[number]) is SparseRows:  # of dense ones, NaN has said it
            digest.update(X.absent[number].view(np.uint8).data)
    return digest.hexdigest()


def _arrays_of(part: Any) -> tuple[NDArray[Any], ...]:
    """What some rows of a part hold."""
    if not isinstance(part, SparseRows):
        return (part,)
    return part.stored, part.indices[part.indptr[0] : part.indptr[-1]], np.diff(part.indptr)


def _read_manifest(path: Path) -> dict[str, Any]:
    """A manifest; raises ValueError if it is not what was written for this fit."""
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        digest = facts.pop("digest")
        whole = (facts["format"], facts["fit"], digest) == (FORMAT, path.stem, _digest_of_text(json.dumps(facts)))
    except (ValueError, KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise ValueError(f"{path} is damaged: it is not what was written")
    return facts


def _digest_of_text(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=DIGEST_BYTES).hexdigest()


def _digest_of_file(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=DIGEST_BYTES)).hexdigest()


def _refuse_changed(path: Path, digest: Any) -> None:
    """Raise ValueError if a file is not there, or does not have that digest."""
    if not path.exists():
        raise ValueError(f"{path} is missing")
    if _digest_of_file(path) != digest:
        raise ValueError(f"{path} is damaged: it is not what was written")


def _plain(name: str, value: Any) -> Any:
    """A parameter as JSON takes it, with all that it holds.

    Raises
    ------
    TypeError
        If it is, or holds, what has names or values that would be lost.
    """
    value = to_host(value)
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _plain(f"{name}[{key!r}]", item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [_plain(f"{name}[{place}]", item) for place, item in enumerate(value)]
    array = np.asarray(value) if isinstance(value, np.generic) or hasattr(value, "__array__") else None
    if array is None or array.dtype.kind not in REAL or (array.ndim > 1 and not isinstance(value, np.ndarray)):
        raise TypeError(
            f"{name} is a {type(value).__module__}.{type(value).__name__}, by which a checkpoint cannot tell fits "
            "apart; give numbers, text, lists, mappings from text, or NumPy arrays."
        )
    return array.tolist()
