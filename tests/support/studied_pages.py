"""A page of studies, as `cnn-probe study` makes it, of few images and short training."""

from __future__ import annotations

import copy
import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from large_studies import large_studies
from made_pages import HOSTILE, Made
from pages import document_in

from cnn_probe.data.datasets import load_dataset
from cnn_probe.report import publish
from cnn_probe.report.document.shell import render
from cnn_probe.runs.study_pairs import compare_pairs
from cnn_probe.runs.study_run import Teller
from cnn_probe.studies import STUDIES, Settings
from cnn_probe.studies.runner import run_studies

FEW = ("fraction", "order", "untrained", "scaling")


def studies(folder: Path) -> Made:
    """Two studies of the paper and two controls, with the patterns of a network of each condition."""
    full = load_dataset("digits")
    data = replace(full, train=full.train.subset(list(range(200))), test=full.test.subset(list(range(60))))
    settings = Settings(ranks=(3, 5), seeds=(0, 1), max_iter=10)
    teller = Teller(images=True, progress=lambda what, done, total: None)
    results = run_studies([STUDIES[name] for name in FEW], data, settings, folder, tell_more=teller)
    compare_pairs(results, data, settings, folder, images=True, progress=teller.progress)
    page = publish(json.loads(json.dumps(results)), folder, command="cnn-probe study all")
    return Made(page.read_text(encoding="utf-8"), document_in(page))


def far_from_zero(document: dict[str, Any]) -> Made:
    """The same page with errors of the first study that differ by little, and others that do not."""
    document = copy.deepcopy(document)
    far, near = document["studies"][0]["errors"][:2]
    far["values"] = np.zeros(far["values"].shape) + 5 + 0.001 * np.arange(len(far["values"])).reshape(-1, 1, 1)
    far["floor"] = far["values"] - 0.001
    near["values"], near["floor"] = np.full(near["values"].shape, 0.5), np.full(near["values"].shape, 0.1)
    for result in document["results"]:  # pictures are one already, as of a page that was made
        result |= {"comparison": None, "inputs": {**result["inputs"], "pictures": None}}
    return Made(render(document, mark="own"), document)


def many_networks() -> Made:
    """More networks than a table shows at first, made up."""
    document = large_studies(studies=1, conditions=12)
    return Made(render(document, mark="own"), document)


def spoiled(document: dict[str, Any]) -> Made:
    """The same page with names that would be markup, were they not text, for titles, labels, claims and classes."""
    document = copy.deepcopy(document)
    names = itertools.cycle(HOSTILE)
    for study in document["studies"]:
        study |= {"title": next(names), "question": next(names)}
        for one in study["conditions"]:
            one |= {"label": next(names), "recognized": next(names), "saw": next(names)}
        for one in study["claims"]:
            one |= {name: next(names) for name in ("claim", "word", "counted", "test")}
        for one in study["errors"] + study["measures"]:
            one["title"] = next(names)
        for one in study["spectra"]:
            one["layer"] = next(names)
        for found in filter(None, [study["classes"]]):
            found["names"] = [next(names) for _ in found["names"]]
    quality = document["quality"]
    quality |= {"finding": f"{HOSTILE[0]}: {HOSTILE[1]}", "rule": HOSTILE[2]}
    quality["networks"]["names"] = [next(names) for _ in quality["networks"]["names"]]
    for one in quality["evidence"]:
        one |= {"control": next(names), "text": next(names)}
    for one in quality["rows"] + quality["scaling"]:
        one["measure"] = next(names)
    for one in document["cards"]:
        one |= {name: next(names) for name in ("question", "number", "answer", "sure", "cannot")}
    for result in document["results"]:
        result |= {"label": next(names), "comparison": None, "inputs": {**result["inputs"], "pictures": None}}
    document["title"] = HOSTILE[0]
    document["about"] |= {"lead": list(HOSTILE), "files": [f"figures/{name}.png" for name in HOSTILE[:3]]}
    return Made(render(document, mark="own"), document)
