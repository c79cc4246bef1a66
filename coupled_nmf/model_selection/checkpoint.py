"""Fits that are finished, kept in a folder at once: what was interrupted goes on from there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from coupled_nmf.fit.session import Session
from coupled_nmf.model.identity import params_of, refuse_checkpoint, versions
from coupled_nmf.problem.contracts import Factor
from coupled_nmf.system.folders import Folder
from coupled_nmf.system.kept_files import DAMAGED, digest_of_file, digest_of_text, read_manifest, write_manifest
from coupled_nmf.system.notices import warn_caller

FORMAT = "coupled_nmf checkpoint 2"


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
        self._path, self._folder, self._session = folder, Folder(folder), session
        self._of_x = session.backend.digest(session.problem.X, session.problem.weights)

    def take(self, model: Any, shared: Any) -> tuple[Any, float] | None:
        """F and the seconds of the fit of an unfitted model, which is then fitted; None if it is not there.

        ``shared`` is what the fit goes by beside X and the parameters. What is damaged is not taken, with a warning.
        """
        stem = self._stem(model, shared)
        if f"{stem}.json" not in self._folder.names():
            return None
        try:
            facts = read_manifest(self._folder, f"{stem}.json", FORMAT)
            learned, F = self._read(stem, facts, model)
        except (OSError, ValueError) as error:
            warn_caller(f"{error}; its fit is made anew.")
            return None
        give = self._session.backend.give
        # What it has of X already stays: X's columns may have other names now.
        vars(model).update({name: value for name, value in learned.items() if name not in vars(model)})
        model.components_ = give(model.components_)
        return give(F), facts["seconds"]

    def _read(self, stem: str, facts: dict[str, Any], model: Any) -> tuple[dict[str, Any], Factor]:
        """What the model learned, and F."""
        name = f"{stem}.npz"
        if digest_of_file(self._folder, name) != facts["model"]:
            raise ValueError(f"{self._path / name} {DAMAGED}")
        loaded = type(model).load(self._path / name)
        F = self._session.backend.take(self._folder, facts["F"], (self._session.problem.X.shape[0], model.n_components))
        return {name: value for name, value in vars(loaded).items() if name.endswith("_")}, F

    def keep(self, model: Any, shared: Any, F: Factor, seconds: float) -> None:
        """Write a fit that is finished, its F where the backend holds it; it counts once its manifest is there."""
        stem = self._stem(model, shared)
        model.save(self._path / f"{stem}.npz")
        facts = {
            "format": FORMAT,
            "fit": stem,
            "n_components": int(model.n_components),
            "random_state": int(model.random_state),
            "seconds": seconds,
            "model": digest_of_file(self._folder, f"{stem}.npz"),
            "F": self._session.backend.keep(F, self._folder, stem),
        }
        write_manifest(self._folder, f"{stem}.json", facts)

    def _stem(self, model: Any, shared: Any) -> str:
        """How the names of a fit's files begin."""
        X = self._session.problem.X
        about = [FORMAT, versions(), type(model).__qualname__, self._of_x, params_of(model, X), shared]
        return f"fit-{digest_of_text(json.dumps(about, sort_keys=True))}"


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
    refuse_checkpoint(checkpoint, random_state)
    if "://" in str(checkpoint):
        raise ValueError(f"checkpoint={str(checkpoint)!r} is an address; models are kept in a folder of this machine.")
    folder = Path(checkpoint).expanduser()
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"checkpoint={str(checkpoint)!r} is a file; give the path of a folder.")
    return folder
