"""What comes after the layers: what each factor adds to the outputs, the classes of its inputs, telling decisions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_probe.measures.answering.answers import Answers
from cnn_probe.measures.diagnostics import class_use
from cnn_probe.report.material import Material
from cnn_probe.report.plots.grid import Bars


def ends_of(material: Material) -> list[Bars]:
    """What each factor adds to the outputs, and the classes and predictions that it goes with."""
    asked = material.asked
    ends = []
    if asked.added is not None:
        n = asked.added.shape[1]
        names = [material.class_name(i, n) for i in range(n)]
        centre = asked.added.mean(axis=1, keepdims=True) if n > 1 else 0.0
        title = "adds to the outputs (centred)" if n > 1 else "adds to the output"
        ends.append(Bars(title, "adds to the output", names, {"": asked.added - centre}, signed=True))
    return ends + classes_of(material)


def classes_of(material: Material) -> list[Bars]:
    """What part of each factor's amount lies in each class, true and predicted: as of `Patterns.labels`."""
    asked, result = material.asked, material.asked.result
    n_outputs = None if result.scores is None else result.scores.shape[1]
    known = {"true": asked.labels, "predicted": result.predictions}
    outputs_are_classes = asked.labels is None or "network" not in asked.missing_sources
    groups = [known] if outputs_are_classes else [{name: values} for name, values in known.items()]
    found = []
    for group in groups:
        codes = {name: values for name, values in group.items() if values is not None}
        if not codes:
            continue
        present = np.unique(np.concatenate(list(codes.values())))
        places = {name: np.searchsorted(present, values) for name, values in codes.items()}
        parts = {name: 100 * class_use(result.F, numbers, len(present)) for name, numbers in places.items()}
        outputs = n_outputs if "predicted" in codes else None
        names = [material.class_name(one, outputs) for one in present.tolist()]
        which = f"{next(iter(codes))} " if len(codes) == 1 else ""
        found.append(Bars(f"% of its amount, by {which}class", "% of its amount", names, parts, signed=False))
    return found


class Classes:
    """The classes that inputs and outputs are told by: one list, where the outputs are the labels' classes.

    Parameters
    ----------
    material : Material
    """

    def __init__(self, material: Material) -> None:
        asked = material.asked
        self.named = asked.class_names is not None
        self.labels, self.predicted = asked.labels, asked.result.predictions
        self.one = self.labels is None or "network" not in asked.missing_sources
        known = [codes for codes in (self.labels, self.predicted if self.one else None) if codes is not None]
        present = np.unique(np.concatenate(known)) if known else np.empty(0, np.int64)
        n_outputs = None if asked.result.scores is None or self.labels is not None else asked.result.scores.shape[1]
        self.codes = present
        self.names = [material.class_name(one, n_outputs) for one in present.tolist()]
        counts = [int(np.sum(known[0] == one)) for one in present.tolist()] if known else []
        self.part: dict[str, Any] = {
            "names": self.names,
            "counts": counts,
            "of": "predicted" if self.labels is None else "label and predicted" if self.one else "label",
        }

    def label(self, numbers: Any) -> Any:
        """Places of the labels of some inputs in the list; None without labels."""
        return None if self.labels is None else np.searchsorted(self.codes, self.labels[numbers])

    def of_units(self, favourite: NDArray[np.int64]) -> NDArray[np.int64]:
        """Places of the classes of some units: these are told by label where labels have names, else by rank."""
        labels = favourite if self.named or self.labels is None else np.unique(self.labels)[favourite]
        return np.where(favourite < 0, -1, np.searchsorted(self.codes, labels))

    def predictions(self, numbers: Any) -> tuple[Any, list[str] | None]:
        """Places of the predictions in the list; or, if they are of other classes, those by name."""
        if self.predicted is None:
            return None, None
        if self.one:
            return np.searchsorted(self.codes, self.predicted[numbers]), None
        return None, [str(one) for one in self.predicted[numbers].tolist()]


def telling_decisions(asked: Answers) -> dict[int, str]:
    """Inputs whose decisions are taken apart, and why these."""
    scores = asked.result.scores
    if scores is None or scores.shape[1] < 2 or asked.head is None:
        return {}
    ordered = np.sort(scores, axis=1)
    margin = ordered[:, -1] - ordered[:, -2]
    found = {int(margin.argmin()): "the closest", int(margin.argmax()): "the clearest"}
    if asked.labels is not None and "network" not in asked.missing_sources:
        wrong = np.flatnonzero(scores.argmax(axis=1) != asked.labels)
        if len(wrong):
            found.setdefault(int(wrong[margin[wrong].argmax()]), "the clearest against its label")
    return found
