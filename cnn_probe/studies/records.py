"""A network's record, its arrays and its page on disk: written in order, and checked when they are read."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_probe.data.images import ImageData
from cnn_probe.networks.paper_net import PaperNet
from cnn_probe.networks.training import TrainingRecord
from cnn_probe.probing.blocks import blocks_of
from cnn_probe.studies.record import NetworkRecord
from cnn_probe.studies.settings import Case, Settings
from coupled_nmf import atomic_open

FORMAT = 6  # raised when a record's content changes, so that --resume does not mix
PAGE = ".page"  # of the file with what else is told of a network
COMPARED = ".compared"  # of the file with what sets another network apart from it
Arrays = dict[str, NDArray[Any]]


class DamagedRecordError(ValueError):
    """What is on disk is not the record that was asked for; the message says why."""


def record_key(fingerprint: str, case: Case, settings: Settings) -> str:
    """Name of a network's record: the same for the same data, case and settings only."""
    what = {"format": FORMAT, "data": fingerprint, **asdict(case), **asdict(settings), "seeds": None}
    return hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()[:16]


def images_of(data: ImageData, case: Case) -> ImageData:
    """The data, with those test images that a case shows: about the same part of each class, drawn by the seed."""
    n_shown, labels = case.treatment.test_images, data.test.labels
    if n_shown is None or labels is None:
        return data
    drawn = np.random.default_rng(case.plan.seed).permutation(len(labels))
    place = np.empty(len(labels))  # in its class, as a part of it
    for label in labels.unique().tolist():
        members = drawn[labels.numpy()[drawn] == label]
        place[members] = np.arange(len(members)) / len(members)
    return replace(data, test=data.test.subset(np.sort(np.argsort(place, kind="stable")[:n_shown])))


@dataclass(frozen=True)
class Shelf:
    """Where the records of networks are that were made with one data set and one choice of settings.

    Attributes
    ----------
    folder : Path
    fingerprint : str
        Of the data.
    data : ImageData
    settings : Settings
    """

    folder: Path
    fingerprint: str
    data: ImageData
    settings: Settings

    def path(self, case: Case) -> Path:
        """Where the record of a case is, or will be."""
        return self.folder / f"{record_key(self.fingerprint, case, self.settings)}.json"

    def read(self, case: Case) -> NetworkRecord:
        """Return the record of a case; the errors are those of `read_record`."""
        return read_record(self.path(case), self.data, case, self.settings)


def write_record(path: Path, record: NetworkRecord, arrays: Arrays) -> None:
    """Write a network's arrays, then its record, which says which arrays belong to it."""
    whole = replace(record, key=path.stem, arrays=_digest_of_arrays(arrays)).to_json()
    with atomic_open(path.with_suffix(".npz")) as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # its stub takes arrays for allow_pickle
    _write(path, whole)


def _write(path: Path, whole: dict[str, Any]) -> None:
    whole["digest"] = _digest_of_record(whole)
    text = json.dumps(whole, allow_nan=False)
    with atomic_open(path) as file:
        file.write(text.encode())


def write_page(path: Path, record: NetworkRecord, page: bytes) -> None:
    """Write what else is told of a network, then its record once more, which says which page belongs to it."""
    with atomic_open(path.with_suffix(PAGE)) as file:
        file.write(page)
    _write(path, replace(record, page=hashlib.sha256(page).hexdigest()).to_json())


def read_page(path: Path, record: NetworkRecord) -> bytes:
    """Return what else is told of a network, as `write_page` left it beside its record.

    Raises
    ------
    FileNotFoundError
        If nothing is told.
    DamagedRecordError
        If it is another's, or cannot be read.
    """
    if not record.page:
        raise FileNotFoundError(f"nothing else is told of the network of {path.name}")
    try:
        page = path.with_suffix(PAGE).read_bytes()
    except OSError as error:
        raise DamagedRecordError(f"{path.stem}{PAGE} cannot be read ({error})") from error
    if hashlib.sha256(page).hexdigest() != record.page:
        raise DamagedRecordError(f"{path.stem}{PAGE} is another network's, or was changed")
    return page


def read_record(path: Path, data: ImageData, case: Case, settings: Settings) -> NetworkRecord:
    """Return the record of the network that was trained on these data, and measured, as this case says.

    Raises
    ------
    FileNotFoundError
        If there is none.
    DamagedRecordError
        If it, or its arrays, are not as `write_record` left them, or not what these settings ask for.
    """
    try:
        written = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise DamagedRecordError(f"it cannot be read ({error})") from error
    layers = _layers_of(written)
    fault = _fault(
        written, {"key": lambda key: key == path.stem, **_expected(data, case, settings, layers)}, "the record"
    )
    if fault is None and written["digest"] != _digest_of_record(written):
        fault = "it was changed after it was written"
    if fault is not None:
        raise DamagedRecordError(fault)
    arrays = read_arrays(path.with_suffix(".npz"))
    record = NetworkRecord.from_json(written)
    if set(arrays) != _expected_arrays(record) or record.arrays != _digest_of_arrays(arrays):
        raise DamagedRecordError(f"{path.stem}.npz is another network's")
    return record


def read_arrays(path: Path) -> Arrays:
    """Return the arrays of a network.

    Raises
    ------
    DamagedRecordError
        If they cannot be read.
    """
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as found:
            return dict(found)
    except Exception as error:  # a damaged archive fails anywhere, and with any error
        raise DamagedRecordError(f"{path.name} cannot be read ({error})") from error


def _layers_of(written: Any) -> tuple[str, ...]:
    """The layers that a record names, which all of it then has to be of."""
    named = written.get("effective_rank") if isinstance(written, dict) else None
    return tuple(named) if isinstance(named, dict) else ()


def _digest_of_record(written: dict[str, Any]) -> str:
    rest = {key: value for key, value in written.items() if key != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _digest_of_arrays(arrays: Arrays) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype.str} {arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()


def _expected_arrays(record: NetworkRecord) -> set[str]:
    by_class = [f"{what}_{layer}" for what in ("firing", "overlap") for layer in record.layers]
    weights = (f"weights_{name}" for name in PaperNet.weight_names)
    return {*(f"components_{block.name}" for block in record.blocks), *by_class, "class_use", *weights}


def _expected(data: ImageData, case: Case, settings: Settings, names: tuple[str, ...]) -> dict[str, Any]:
    """What each entry of a record must be: a dict of such, or a check of the value."""
    labels = images_of(data, case).test.labels
    assert labels is not None, "run_studies has seen to it"
    layers = dict.fromkeys(names, _is_number)
    blocks = {block.name: _is_number for block in blocks_of(data.in_channels, names)}
    ranks = [str(rank) for rank in settings.ranks]
    training: dict[str, Any] = dict.fromkeys([field.name for field in fields(TrainingRecord)], _is_number)
    written = json.loads(json.dumps(asdict(case)))
    training |= {"torch_version": _is_text, "plan": lambda found: found == written["plan"]}
    training["final_loss"] = lambda found: _is_number(found) or (found is None and case.plan.max_steps == 0)
    fit = {
        **dict.fromkeys(["rmse", "relative_error", "n_iter", "seconds"], _is_number),
        **dict.fromkeys(["block_rmse", "block_relative_error"], blocks),
        "starts": lambda found: _are_numbers(found) and len(found) == settings.starts,
    }
    return {
        **dict.fromkeys(["arrays", "digest", "page"], _is_text),
        **dict.fromkeys(["accuracy", "train_accuracy", "seconds"], _is_number),
        "training": training,
        "treatment": lambda found: found == written["treatment"],
        "class_accuracy": {str(label): _is_number for label in labels.unique().tolist()},
        **dict.fromkeys(["dead_neurons", "zeros"], layers),
        **dict.fromkeys(["effective_rank", "effective_rank_centred", "effective_rank_energy"], layers),
        "singular_values": dict.fromkeys(names, _are_numbers),
        "svd_floor": dict.fromkeys(ranks, _is_number),
        "root_mean_square": blocks,
        **dict.fromkeys(["fits", "balanced"], dict.fromkeys(ranks, fit)),
        "firing_overlap": lambda rows: (
            isinstance(rows, list) and len(rows) == data.n_classes and all(map(_are_numbers, rows))
        ),
    }


def _fault(value: Any, wanted: Mapping[str, Any] | Callable[[Any], bool], where: str) -> str | None:
    """Say in words what is not as wanted; None if nothing is."""
    if callable(wanted):
        return None if wanted(value) else f"{where} is not as it should be"
    if not isinstance(value, dict):
        return f"{where} is no table"
    if value.keys() != wanted.keys():
        odd = sorted(value.keys() ^ wanted.keys())
        return f"{where} lacks, or has too much, {', '.join(odd[:3])}"
    return next((fault for key in wanted if (fault := _fault(value[key], wanted[key], key)) is not None), None)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -1e300 < value < 1e300  # nor NaN


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _are_numbers(values: Any) -> bool:
    return isinstance(values, list) and len(values) > 0 and all(map(_is_number, values))
