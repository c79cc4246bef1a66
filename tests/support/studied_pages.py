"""A page of studies, as `cnn-probe study` makes it, of few images and short training."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from made_pages import Made
from pages import document_in

from cnn_probe.data.datasets import load_dataset
from cnn_probe.report import publish
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
