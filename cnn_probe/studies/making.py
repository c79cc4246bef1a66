"""One network's record: taken from disk, or made; of many networks also by several processes at once."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

import torch
from threadpoolctl import threadpool_limits

from cnn_probe.probing.fitting import Progress, ignore
from cnn_probe.studies.measuring import Trained, measure_network, restored
from cnn_probe.studies.record import NetworkRecord
from cnn_probe.studies.records import DamagedRecordError, Shelf, read_arrays, write_record
from cnn_probe.studies.settings import AS_TRAINED, Case
from cnn_probe.studies.told import TellMore, add_page, has_page
from cnn_probe.system.names import shown

Notice = Callable[[str], None]
#: ``made(number, case, record)`` after each network that was not taken from disk: how many there are then, and which.
Made = Callable[[int, Case, NetworkRecord], None]


@dataclass(frozen=True)
class Maker:
    """Makes records.

    Attributes
    ----------
    shelf : Shelf
        Where they are.
    resume : bool
        Whether those that are there are taken.
    telling : collection of Case
        Of which networks ``tell_more`` tells.
    tell_more : TellMore or None
    """

    shelf: Shelf
    resume: bool
    telling: Collection[Case]
    tell_more: TellMore | None

    def __call__(
        self, case: Case, records: Mapping[Case, NetworkRecord], progress: Progress, notice: Notice
    ) -> tuple[NetworkRecord, bool]:
        """Return the record of a case, and whether it was made now and not taken.

        ``records`` has that of the network as it was trained, if this is treated.
        """
        shelf = self.shelf
        found, measured = self._finished(case, notice) if self.resume else None, None
        if found is None:
            trained = self._trained(records[Case(case.plan)]) if case.treatment != AS_TRAINED else None
            measured = measure_network(shelf.data, case, shelf.settings, progress, trained)
            write_record(shelf.path(case), measured.record, measured.arrays)
            found = shelf.read(case)
        if self.tell_more is not None and case in self.telling and not has_page(shelf, case, found, self.tell_more):
            add_page(shelf, case, found, measured, self.tell_more)
            found = shelf.read(case)
        return found, measured is not None

    def _trained(self, record: NetworkRecord) -> Trained:
        """The network of a record, which is not trained again."""
        return restored(self.shelf.data, record, read_arrays(self.shelf.folder / f"{record.key}.npz"))

    def _finished(self, case: Case, notice: Notice) -> NetworkRecord | None:
        try:
            return self.shelf.read(case)
        except FileNotFoundError:
            return None
        except DamagedRecordError as error:
            path = shown(str(self.shelf.path(case)), None)
            notice(f"{path} is damaged: {error}; the network is trained and measured anew")
            return None


def make_at_once(
    maker: Maker, cases: Sequence[Case], jobs: int, progress: Progress, notice: Notice, made: Made
) -> None:
    """Make the records of cases by several processes, each of which has one thread.

    A network of the paper's size gains little by a second thread; two networks gain twice. Each is made as it would be
    alone with one thread, to the bit. A network that is treated is made by the process that trained it.
    """
    chains: dict[Case, list[Case]] = {}
    for case in cases:  # as trained first
        chains.setdefault(Case(case.plan), []).append(case)
    longest_first = sorted(chains.values(), key=lambda chain: -sum(one.plan.epochs for one in chain))
    done = 0
    # Pickled here, since PyTorch would otherwise send images by shared memory, of which containers have little.
    packed = pickle.dumps(maker)
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=spawned, initializer=_begin, initargs=(packed,)) as pool:
        try:
            for finished in as_completed([pool.submit(_make, chain) for chain in longest_first]):
                some, heard = finished.result()
                for text in heard:
                    notice(text)
                for case, record, is_new in some:
                    done += 1
                    if is_new:
                        made(done, case, record)
                progress("network", done, len(cases))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


_MAKERS: list[Maker] = []  # that of this process, which another has started


def _begin(packed: bytes) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    threadpool_limits(1)
    _MAKERS.append(pickle.loads(packed))


def _make(chain: Sequence[Case]) -> tuple[list[tuple[Case, NetworkRecord, bool]], list[str]]:
    """Make one network, and what it is treated to; each with whether it was made now, and what is to be heard of it."""
    records: dict[Case, NetworkRecord] = {}
    some: list[tuple[Case, NetworkRecord, bool]] = []
    heard: list[str] = []
    for case in chain:
        records[case], is_new = _MAKERS[0](case, records, ignore, heard.append)
        some.append((case, records[case], is_new))
    return some, heard


def _end_with_parent() -> None:
    """End when the process that asked was killed, which would else leave this one waiting for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)  # as if killed, too: every file is written whole or not at all
