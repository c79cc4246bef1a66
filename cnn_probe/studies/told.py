"""What else is told of a network, beside its numbers: for pages that show its patterns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from cnn_probe.data.images import ImageData
from cnn_probe.probing.probe import result_of
from cnn_probe.probing.recording import Recorded
from cnn_probe.probing.result import ProbeResult
from cnn_probe.studies.measuring import Measured, fit_ranks, record_network, restored
from cnn_probe.studies.record import NetworkRecord
from cnn_probe.studies.records import (
    DamagedRecordError,
    Shelf,
    images_of,
    read_arrays,
    read_page,
    write_page,
)
from cnn_probe.studies.settings import Case
from coupled_nmf import RankFit


@dataclass(frozen=True, eq=False)
class Probed:
    """A network of a study, and its factorization at the first rank: all that a page could be made of.

    Attributes
    ----------
    result : ProbeResult
        With its network, as it was measured.
    recorded : Recorded
        What was factored.
    data : ImageData
        With the test images that were shown.
    case : Case
        How the network was trained, and treated.
    """

    result: ProbeResult
    recorded: Recorded
    data: ImageData
    case: Case


class TellMore(Protocol):
    """Tells more of networks."""

    def __call__(self, probed: Probed) -> bytes:
        """Say it of one."""

    def holds(self, page: bytes) -> bool:
        """Whether this, which was said before, is what would be said now."""


def add_page(shelf: Shelf, case: Case, record: NetworkRecord, measured: Measured | None, tell_more: TellMore) -> None:
    """Write what is told of a network beside its record; if it was not just ``measured``, from its weights on disk."""
    if measured is None:
        probed = probed_again(shelf, case, record)
    else:
        probed = _probed(shelf, case, measured.recorded, measured.fit)
    write_page(shelf.path(case), record, tell_more(probed))


def has_page(shelf: Shelf, case: Case, record: NetworkRecord, tell_more: TellMore) -> bool:
    """Whether there is what else is told of a network, whole, its own, and as it would be told now."""
    try:
        return tell_more.holds(read_page(shelf.path(case), record))
    except (FileNotFoundError, DamagedRecordError):
        return False


def probed_again(shelf: Shelf, case: Case, record: NetworkRecord) -> Probed:
    """Record and factor the network of a record as before: its weights on disk are those that it was left with."""
    arrays = read_arrays(shelf.path(case).with_suffix(".npz"))
    recorded = record_network(images_of(shelf.data, case), restored(shelf.data, record, arrays).network)
    settings = case.treatment.settings(shelf.settings)
    # All ranks, of which the first is told: they draw on one seed, and share a start.
    fits = fit_ranks(recorded.X, case.plan.seed, settings, lambda done, total: None)
    return _probed(shelf, case, recorded, fits[settings.ranks[0]][0])


def _probed(shelf: Shelf, case: Case, recorded: Recorded, fit: RankFit) -> Probed:
    result = result_of(recorded, fit.model, fit.F, case.plan.seed)
    return Probed(result, recorded, images_of(shelf.data, case), case)
