"""The inputs that a page shows: those that something is said of, and others from all over, as far as there is room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_probe.measures.labels.errors import LabelErrors
from cnn_probe.report.document.ends import Classes, telling_decisions
from cnn_probe.report.document.tiles import as_tiles
from cnn_probe.report.material import Material

MOST = 300  # inputs on a page, beside those that must be
WORST = 24  # the least explained
SUSPECTS = 24  # of each source, the likeliest errors
CHANNELS = 10  # of a decision, those that it goes through most
Part = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Inputs:
    """The inputs that a page shows, and what is said of single ones.

    Attributes
    ----------
    numbers : ndarray of int of shape (m,)
        Of the inputs, ascending.
    part : dict
    worst : ndarray of int
        Places, among these inputs, of the least explained.
    suspects, decisions : list of dict
    """

    numbers: NDArray[np.int64]
    part: Part
    worst: NDArray[np.int64]
    suspects: list[Part]
    decisions: list[Part]

    def places(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Places of some inputs among these."""
        return np.searchsorted(self.numbers, numbers)


def chosen_inputs(material: Material, suspects: Mapping[str, LabelErrors], classes: Classes, *, images: bool) -> Inputs:
    """Choose the inputs that a page shows, and say what there is to say of them."""
    asked = material.asked
    n = len(asked.result.F)
    worst = asked.residuals.worst(WORST)
    likeliest = {source: _likeliest(found) for source, found in suspects.items()}
    decided = telling_decisions(asked)
    needed = [material.top.ravel(), worst, *likeliest.values(), np.array(list(decided), np.int64)]
    spread = np.linspace(0, n - 1, min(n, MOST)).round().astype(np.int64)
    numbers = np.unique(np.concatenate([*needed, spread]))
    predicted, other = classes.predictions(numbers)
    residuals = asked.residuals
    part = {
        "n_all": n,
        "number": numbers,
        "names": [material.input_name(number, folder=True) for number in numbers.tolist()] if images else None,
        "label": classes.label(numbers),
        "predicted": predicted,
        "predicted_names": other,
        "F": np.asarray(asked.result.F[numbers][:, : material.k], np.float32),
        "residual": residuals.of_inputs[numbers].astype(np.float32),
        "by_block": residuals.by_block[numbers].astype(np.float32),
        "quantile": residuals.quantile[numbers].astype(np.float32),
        "median_residual": float(np.nanmedian(residuals.of_inputs)),
        "pictures": _pictures(material, numbers) if images else None,
        "pictured": None,
    }
    found = Inputs(numbers, part, np.searchsorted(numbers, worst), [], [])
    found.suspects.extend(_suspects(found, source, suspects[source], rows) for source, rows in likeliest.items())
    found.decisions.extend(_decision(material, found, number, why) for number, why in decided.items())
    return found


def _pictures(material: Material, numbers: NDArray[np.int64]) -> NDArray[np.uint8] | None:
    """They, small; a batch at a time, since large ones need not fit in memory together."""
    found = []
    for start in range(0, len(numbers), 64):
        pictures = material.pictures(numbers[start : start + 64].tolist())
        if pictures is None:
            return None
        found.append(as_tiles(pictures))
    return np.concatenate(found)


def _likeliest(found: LabelErrors) -> NDArray[np.int64]:
    """Of the labels that look wrong, the likeliest."""
    order = np.lexsort((found.self_confidence, ~found.suspect))
    return order[: min(SUSPECTS, int(found.suspect.sum()))]


def _suspects(inputs: Inputs, source: str, found: LabelErrors, rows: NDArray[np.int64]) -> Part:
    why = found.pattern
    return {
        "source": source,
        "out_of_sample": found.out_of_sample,
        "n_suspect": int(found.suspect.sum()),
        "input": inputs.places(rows),
        "given": [found.classes[label] for label in found.labels[rows]],
        "suggested": [found.classes[label] for label in found.suggested[rows]],
        "confidence": found.self_confidence[rows].astype(np.float32),
        "factor": None if why is None else why.factor[rows],
        "others": None
        if why is None
        else [None if label < 0 else found.classes[label] for label in why.majority[rows].tolist()],
        "share": None if why is None else why.share[rows].astype(np.float32),
        "n_others": None if why is None else why.n_others[rows],
    }


def _decision(material: Material, inputs: Inputs, number: int, why: str) -> Part:
    taken = material.asked.decision(number)
    assert taken is not None, "there is a head, or no decision would be telling"
    n = len(material.asked.head.bias) if material.asked.head is not None else 0
    through = np.abs(taken.by_channel).sum(axis=0)
    channels = np.argsort(-through, kind="stable")[:CHANNELS]
    return {
        "input": int(inputs.places(np.array([number]))[0]),
        "why": why,
        "winner": material.class_name(taken.winner, n),
        "other": material.class_name(taken.other, n),
        "margin": float(taken.margin),
        "factors": taken.factors[: material.k].astype(np.float32),
        "beyond": float(taken.factors[material.k :].sum()),
        "rest": float(taken.rest),
        "bias": float(taken.bias),
        "channels": channels,
        "through": taken.by_channel.sum(axis=0)[channels].astype(np.float32),
    }
