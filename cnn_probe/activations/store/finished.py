"""A finished store, read: by who wrote it, or by whoever has its folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cnn_probe.activations.store.array_file import ArrayFile, Damaged, files_of
from cnn_probe.activations.store.kept import Kept
from cnn_probe.activations.store.manifest import MANIFEST, Manifest, unpack
from cnn_probe.activations.store.shifted import Shifted
from coupled_nmf import Blocks

ANEW = "probe() with the same store= makes it anew"


def open_store(folder: str | Path) -> Blocks:
    """Return the activations that a probe has recorded in a folder, as what `~coupled_nmf.CoupledNMF` is fitted to.

    Nothing is read but what is looked at, where it is looked at: a fit here reads the files tile by tile, and with
    ``CoupledNMF(backend="dask")`` each worker of the current ``distributed.Client`` reads its own rows. Pickled, the
    blocks are paths and shapes, so whoever unpickles them must find the folder under the same path.

    Parameters
    ----------
    folder : str or Path
        What was given as ``store=`` to `probe`, if there is one recording in it; or, of several, the folder in it that
        holds one.

    Returns
    -------
    `~coupled_nmf.Blocks`
        Of what was made of the inputs, and of the layers, as in the fit of the probe. Layers that are shifted are so
        when they are read.

    Raises
    ------
    FileNotFoundError
        If there is no such folder, or no recording in it.
    ValueError
        If there are several, which it names; or if the recording is not finished, is damaged, or was made by a version
        that did not say what is in it.

    Examples
    --------
    >>> import tempfile, torch
    >>> from cnn_probe import probe
    >>> network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3), torch.nn.ReLU())
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     result = probe(network, torch.rand(20, 1, 4, 4), n_components=2, store=folder)
    ...     open_store(folder)
    Blocks({'pixels': 16, '2': 3}, n_samples=20, dtype=float32)
    """
    path = _only_one_in(Path(folder).absolute())
    try:
        found = Manifest.read(path)
        if found is None:
            raise FileNotFoundError(f"there is no {MANIFEST} in {path}; name the folder that a probe had as store=")
        kept = found.kept
        if not found.finished:
            raise ValueError(
                f"the recording in {path} is not finished: {found.rows_done} rows are there; probe() with the same "
                "store= goes on with it"
            )
        if not kept:
            raise ValueError(f"the recording in {path} does not say what is in it; delete the folder, and record again")
        files = files_of(path, kept)
        for file in files.values():
            file.check(found.rows_done)
    except Damaged as error:
        raise ValueError(f"the store in {path} is damaged: {error}; {ANEW}") from error
    return Blocks(blocks_in(files, kept, found.shifts))


def blocks_in(files: Mapping[str, ArrayFile], kept: Mapping[str, Kept], shifts: Any) -> dict[str, Any]:
    """Return the blocks of a finished store by name, in order: memory maps, or `Shifted` ones."""
    minima = unpack(shifts)
    maps = {name: file.open() for name, file in files.items() if kept[name].block}
    return {name: Shifted(array, minima[name]) if name in minima else array for name, array in maps.items()}


def _only_one_in(folder: Path) -> Path:
    """The folder itself, if it holds a store, or the one that it holds."""
    if (folder / MANIFEST).is_file():
        return folder
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}; name the one that a probe had as store=")
    found = sorted(path.parent for path in folder.glob(f"*/{MANIFEST}"))
    if not found:
        raise FileNotFoundError(f"nothing is recorded in {folder}; name the folder that a probe had as store=")
    if len(found) > 1:
        raise ValueError(
            f"{len(found)} recordings lie in {folder}; name one of {', '.join(path.name for path in found)} in it, as "
            f"in open_store({str(found[0])!r})"
        )
    return found[0]
