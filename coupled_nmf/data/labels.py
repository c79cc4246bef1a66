"""Labels of the samples: those of the DataFrames' rows, which travel with Blocks and come back with F."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.data.arrays import to_host
from coupled_nmf.system.notices import warn_caller

UNKNOWN = object()
Rows = NDArray[np.int64] | None  # numbers of the samples of a block's rows; None: all
OTHER_PLACES = (
    "Blocks {!r} and {!r} are DataFrames that share index labels at other places, and rows are coupled by their place; "
    "put them in one order, as by frame.loc[other.index], or say by samples= where they belong, as by "
    "other.index.get_indexer(frame.index). If they stand in one order already, give both the same labels, as by "
    "frame.set_axis(other.index)."
)
NONE_SHARED = (
    "The index labels of block {!r} have none in common with those of {}, and rows are coupled by their place. If they "
    "are the same samples, give all the same labels, as by frame.set_axis(other.index); if not, match them first, and "
    "say by samples= who has which block."
)


def sample_labels(indexes: Mapping[str, tuple[Any, Rows]], n_samples: int) -> Any:
    """Labels of the samples, from the indexes of DataFrames: a pandas Index; None if a sample's is not known.

    ``indexes`` holds each one's index, and the numbers of the samples that its rows are said to be, if not all. Rows
    are coupled by their place: labels are there to find where that is wrong. Those that pandas gives unasked, 0, 1, …,
    say nothing, and are kept only if there are no others. Of the others, those of frames that all samples have come
    first; else they are put together from frames that some have.

    Raises
    ------
    ValueError
        If labels say that rows are not those of the same samples.

    Warns
    -----
    UserWarning
        If the labels of two frames have nothing in common.
    """
    given = {name: pair for name, pair in indexes.items() if hasattr(pair[0], "isin")}
    asked = {name: pair for name, pair in given.items() if not _is_unasked(pair[0])}
    unasked = next(((name, index) for name, (index, rows) in given.items() if name not in asked and rows is None), None)
    first = next(((name, index) for name, (index, rows) in asked.items() if rows is None), None)
    known = _Known(n_samples)
    for name, (index, rows) in sorted(asked.items(), key=lambda item: item[1][1] is not None):
        if unasked is not None and _counts_otherwise(index, rows, n_samples):
            raise ValueError(OTHER_PLACES.format(unasked[0], name))
        if first is None or not index.equals(first[1] if rows is None else first[1][rows]):
            if first is not None and not known.places:
                known.take(*first, None)
            known.take(name, index, rows)
    known.warn_of_strangers()
    if first is not None:
        return first[1]
    assembled = known.index([index for index, _ in asked.values()])
    return unasked[1] if assembled is None and unasked is not None else assembled


def _is_unasked(index: Any) -> bool:
    """Whether labels are 0, 1, …, which pandas gives where none are given."""
    return getattr(index, "start", None) == 0 and getattr(index, "step", None) == 1


def _counts_otherwise(index: Any, rows: Rows, n_samples: int) -> bool:
    """Whether labels are numbers of samples, each once, but not those of their places: a frame that was reordered."""
    labels = np.asarray(index)
    if labels.dtype.kind not in "iu" or len(labels) == 0 or labels.min() < 0 or labels.max() >= n_samples:
        return False
    places = np.arange(n_samples) if rows is None else rows
    return len(np.unique(labels)) == len(labels) and not np.array_equal(labels, places)


class _Known:
    """Labels that are known of some samples, and from which block."""

    def __init__(self, n_samples: int) -> None:
        self.labels: list[Any] = [UNKNOWN] * n_samples
        self.owners: list[str] = [""] * n_samples
        self.places: dict[Any, tuple[int, str]] = {}
        self.repeated: set[Any] = set()  # that stand at several places in one block, and so tell of none
        self.strangers: list[tuple[str, str]] = []

    def take(self, name: str, index: Any, rows: Rows) -> None:
        """Learn the labels of one more block, or refuse them."""
        agree, strange = False, None
        self.repeated.update(index[index.duplicated()])
        for label, row in zip(index, range(len(index)) if rows is None else rows.tolist(), strict=True):
            known = self.labels[row]
            if known is not UNKNOWN and _same(label, known):
                agree = True
                continue
            place, owner = self.places.setdefault(label, (row, name))
            if place != row and label not in self.repeated:
                raise ValueError(OTHER_PLACES.format(owner, name))
            if known is UNKNOWN:
                self.labels[row], self.owners[row] = label, name
            elif place == row or owner == name:
                strange = row
        if strange is not None and agree:
            raise ValueError(OTHER_PLACES.format(self.owners[strange], name))
        if strange is not None:
            self.strangers.append((self.owners[strange], name))

    def warn_of_strangers(self) -> None:
        """Name the blocks whose labels have none in common with those before."""
        if self.strangers:
            first = self.strangers[0][0]
            others = ", ".join(repr(name) for owner, name in self.strangers if owner == first)
            warn_caller(NONE_SHARED.format(first, others))

    def index(self, indexes: list[Any]) -> Any:
        """The labels as an index, with the names that all of them have; None if a sample's is not known."""
        if not indexes or UNKNOWN in self.labels:
            return None
        found = importlib.import_module("pandas").Index(self.labels)
        names = {tuple(index.names) for index in indexes}
        return found.set_names(names.pop()) if len(names) == 1 else found


def _same(label: Any, other: Any) -> bool:
    return hash(label) == hash(other) and (label is other or bool(label == other))


def labels_at(index: Any, rows: Any) -> Any:
    """Labels of those rows, however they are chosen; None of none."""
    if index is None:
        return None
    return index[rows if isinstance(rows, slice) else np.arange(len(index))[to_host(rows)]]
