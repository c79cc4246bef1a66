"""What a page says of studies: their claims and verdicts, errors by rank, spectra, measures."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_probe.measures.counting.exact import LEVEL
from cnn_probe.measures.diagnostics import svd_floor
from cnn_probe.report.document.cards.card import card
from cnn_probe.report.document.studies.of_classes import classes_part
from cnn_probe.report.document.studies.of_networks import networks_part
from cnn_probe.report.figures.styles import Styles
from cnn_probe.studies.claims import layer_error, least_rmse, rmse
from cnn_probe.studies.findings.sentence import RULE
from cnn_probe.studies.record import NetworkRecord, Records, records_of
from cnn_probe.system.names import file_name, shown_all

Part = dict[str, Any]
Results = Mapping[str, Any]
FINDING = "study-finding"
NUMBERS = 400  # singular values of a layer that are drawn, at most
WORDS = {"reproduced": "reproduced", "partly": "reproduced in part", "not": "not reproduced", "undecided": "undecided"}


def studies_part(results: Results, out: Path | None = None, *, images: bool = True) -> list[Part]:
    """Return one part a study, the paper's first; ``out`` is the folder that holds the networks' arrays.

    Without ``images`` nothing says where in a layer neurons are.
    """
    styles = Styles.of(map(records_of, results["studies"].values()))
    untrained = _untrained(results)
    names = results["provenance"].get("classes") or ()
    parts = [_study(name, study, results, styles, untrained) for name, study in results["studies"].items()]
    for part, study in zip(parts, results["studies"].values(), strict=True):
        part["classes"] = classes_part(records_of(study), study["figures"], names, out, images=images)
    return parts


def study_id(name: str) -> str:
    """The address, on the page, of a study."""
    return f"study-{file_name(name)}"


def chart_id(study: str, *of: str) -> str:
    """The address, on the page, of a study's chart: of a kind and, where there are several, of a layer."""
    return "-".join(["chart", *map(file_name, (study, *of))])


def _claim(name: str, claim: Results, layers: Sequence[str]) -> Part:
    """A claim, and in ``show`` the address of what it can be seen in; of an earlier version, that of its study."""
    claim = {**claim, "word": WORDS.get(claim["verdict"], claim["verdict"])}
    if "chart" not in claim:
        return {**claim, "show": study_id(name)}
    kind, place = claim["chart"]["kind"], claim["chart"]["place"]
    return {**claim, "show": chart_id(name, kind, *([] if place is None else [layers[place]]))}


def study_cards(results: Results) -> list[Part]:
    """The cards that the page of studies begins with: what the controls say of RMSE, then the claims of each study."""
    evidence = results["evidence"]
    cards = []
    if evidence:
        against = [one["control"] for one in evidence if not one["speaks_for"]]
        cards.append(
            card(
                "Is RMSE a sign of how well a network was trained?",
                "no" if against else "not refuted",
                f"{in_short(results)} {len(against)} of {len(evidence)} checks speak against it: "
                f"{', '.join(against) or 'none'}.",
                "A check speaks against it as soon as it fails in one seed; there is no interval.",
                "Whether it holds of other networks, data or training than these.",
                FINDING,
            )
        )
    return cards + [_study_card(name, study) for name, study in results["studies"].items() if study["verdicts"]]


def in_short(results: Results) -> str:
    """The finding's first clause, as a sentence."""
    return f"{in_signs(str(results['finding'])).partition(': ')[0].rstrip('.')}."


def in_signs(text: str) -> str:
    """A sentence with a minus before numbers below zero, as all else on a page has it.

    Examples
    --------
    >>> in_signs("from -0.2 to 3-4 of rank-3")
    'from −0.2 to 3-4 of rank-3'
    """
    return re.sub(r"(?<![\w)\]-])-(?=\d)", "−", text)


def _study_card(name: str, study: Results) -> Part:
    verdicts, held = study["verdicts"], "hold here, too" if study.get("control") else "are reproduced"
    counts = {word: sum(one["verdict"] == word for one in verdicts) for word in WORDS}
    others = ", ".join(f"{counts[word]} {WORDS[word]}" for word in ("partly", "not", "undecided") if counts[word])
    first, number = verdicts[0], f"{counts['reproduced']} of {len(verdicts)}"
    networks, least = sum(map(len, study["records"].values())), min(one["least_chance"] for one in verdicts)
    undecided = least > LEVEL or counts["undecided"] == len(verdicts)
    little = sum(run.learned_little for runs in records_of(study).values() for run in runs)
    weak = (
        f" {little} of them learned little: claims that stand on such alone are undecided, others say less."
        if little
        else ""
    )
    sure = (
        f"too few to decide anything: chance cannot fall below {least:.0%}, and 5% decides."
        if least > LEVEL
        else "a claim is decided where chance gives as much, or what speaks against it, in 5% of the cases or fewer."
    )
    return card(
        study.get("question") or study["title"],
        "undecided" if undecided else number,
        f"{f'{number} ' if undecided else ''}of the paper's claims {held}{f'; {others}' if others else ''}. "
        f"{first['claim'][0].upper()}{first['claim'][1:]}: {WORDS.get(first['verdict'], first['verdict'])}.",
        f"{networks} networks: {sure}{weak}",
        "Whether it holds of other networks, data or training than these.",
        _claim(name, first, records_of(study).popitem()[1][0].layers)["show"],
    )


def recognized(runs: list[NetworkRecord], class_names: Sequence[str] | None = None) -> str:
    """Classes of which more than half the test images are recognized, on average over the seeds; labels if nameless."""
    accuracies = [run.class_accuracy for run in runs]
    labels = [label for label in accuracies[0] if np.mean([found[label] for found in accuracies]) > 0.5]
    if labels and len(labels) == len(accuracies[0]):
        return "all"
    all_names = None if class_names is None else shown_all(class_names)
    names = [str(label) if all_names is None else all_names[label] for label in labels]
    return ", ".join(names) or "none"


def _study(name: str, study: Results, results: Results, styles: Styles, untrained: Sequence[NetworkRecord]) -> Part:
    records, ranks = records_of(study), list(results["provenance"]["settings"]["ranks"])
    labels = shown_all(records)
    first = next(iter(records.values()))[0]
    return {
        "id": study_id(name),
        "charts": chart_id(name),
        "title": study["title"],
        "question": study.get("question"),
        "ranks": ranks,
        "seeds": max(map(len, records.values())),
        "conditions": [
            _condition(label, runs, study["paper_accuracy"].get(own), results["provenance"].get("classes"), styles)
            for label, (own, runs) in zip(labels, records.items(), strict=True)
        ],
        "claims": [_claim(name, one, first.layers) for one in study["verdicts"]],
        "errors": _errors(name, records, ranks, first.layers),
        "spectra": [_spectrum(records, layer, untrained) for layer in first.layers],
        "measures": _measures(records, first.layers),
    }


def _condition(
    label: str, runs: Sequence[NetworkRecord], paper: float | None, classes: Sequence[str] | None, styles: Styles
) -> Part:
    return {
        "label": label,
        "saw": _saw(runs[0], classes),
        "look": styles.number(runs),
        "paper": paper,
        "accuracy": [run.accuracy for run in runs],
        "train_accuracy": [run.train_accuracy for run in runs],
        "recognized": recognized(list(runs), classes),
        "little": sum(run.learned_little for run in runs),
    }


def _saw(run: NetworkRecord, classes: Sequence[str] | None) -> str | None:
    """Which classes a network was trained on, and in which order, where these are not all and any."""
    names = None if classes is None else shown_all(classes)
    chosen = run.class_order or run.training["plan"]["classes"]
    if run.untrained or chosen is None:
        return None
    said = ", ".join(str(label) if names is None else names[label] for label in chosen)
    return f"images of {said}, one class after the other" if run.class_order else f"images of {said} alone"


def _errors(name: str, records: Records, ranks: Sequence[int], layers: Sequence[str]) -> list[Part]:
    """RMSE as in the paper, and the relative error of each layer in a fit with balanced weights."""
    found = [
        {
            "id": chart_id(name, "rmse"),
            "title": "Error of images and layers",
            "unit": "RMSE (units of the activations)",
            "free": False,
            "values": _by_rank(records, ranks, rmse),
            "floor": _by_rank(records, ranks, least_rmse),
        }
    ]
    for layer in layers:
        found.append(
            {
                "id": chart_id(name, "error", layer),
                "title": f"Error of {layer}",
                "unit": "relative error (part of its squares)",
                "free": True,
                "values": _by_rank(records, ranks, partial(layer_error, layer=layer)),
                "floor": _by_rank(records, ranks, partial(_floor, layer=layer)),
            }
        )
    return found


def _floor(run: NetworkRecord, rank: int, layer: str) -> float:
    return svd_floor(np.array(run.singular_values[layer]), rank)


def _by_rank(
    records: Records, ranks: Sequence[int], measure: Callable[[NetworkRecord, int], float]
) -> NDArray[np.float32]:
    """A measure by condition, seed and rank; NaN where a condition has fewer networks than others."""
    most = max(map(len, records.values()))
    values = np.full((len(records), most, len(ranks)), np.nan, np.float32)
    for c, runs in enumerate(records.values()):
        for s, run in enumerate(runs):
            values[c, s] = [measure(run, rank) for rank in ranks]
    return values


def _spectrum(records: Records, layer: str, untrained: Sequence[NetworkRecord]) -> Part:
    """Singular values of a layer by condition and seed, and of untrained networks, if there are any."""
    most = max(map(len, records.values()))
    n = min(NUMBERS, *(len(run.singular_values[layer]) for runs in records.values() for run in runs))
    values = np.full((len(records), most, n), np.nan, np.float32)
    for c, runs in enumerate(records.values()):
        for s, run in enumerate(runs):
            values[c, s] = run.singular_values[layer][:n]
    beside = np.array([run.singular_values[layer][:n] for run in untrained if layer in run.singular_values], np.float32)
    n_all = min(len(run.singular_values[layer]) for runs in records.values() for run in runs)
    return {"layer": layer, "values": values, "reference": beside if beside.size else None, "n_all": n_all}


def _untrained(results: Results) -> list[NetworkRecord]:
    """Networks that took no step, of whichever study."""
    found = {}
    for study in results["studies"].values():
        for runs in records_of(study).values():
            found.update({run.key: run for run in runs if run.untrained})
    return list(found.values())


def _measures(records: Records, layers: Sequence[str]) -> list[Part]:
    """Measures that have no rank, a list of values a condition."""
    kinds: list[tuple[str, Callable[[NetworkRecord, str], float]]] = [
        ("effective rank (Roy and Vetterli)", lambda run, layer: run.effective_rank[layer]),
        ("effective rank, mean removed", lambda run, layer: run.effective_rank_centred[layer]),
        ("effective rank of energies", lambda run, layer: run.effective_rank_energy[layer]),
        ("zeros, part of the activations", lambda run, layer: run.zeros[layer]),
        ("dead neurons, part", lambda run, layer: run.dead_neurons[layer]),
    ]
    return [
        {"title": f"{title}, {layer}", "values": [[of(run, layer) for run in runs] for runs in records.values()]}
        for title, of in kinds
        for layer in layers
    ]


def quality_part(results: Results) -> Part:
    """What all networks say together: the finding, whether each measure goes with accuracy, and moves with scale."""
    factors = list(dict.fromkeys(factor for row in results["scaling"] for factor in row["moves"]))
    return {
        "finding": in_signs(results["finding"]),
        "evidence": [{**one, "text": in_signs(one["text"])} for one in results["evidence"]],
        "networks": networks_part(results),
        "rule": RULE,
        "rows": [dict(row) for row in results["quality"]],
        "factors": factors,
        "scaling": [dict(row) for row in results["scaling"]],
    }
