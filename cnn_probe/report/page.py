"""One static page that gathers figures and tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader

from cnn_probe.studies.claims import Record, relative_error, rmse

Results = dict[str, Any]


def write_page(results: Results, drawn: dict[str, list[tuple[str, str]]], out: Path) -> Path:
    """Write ``index.html`` beside the figures and return its path."""
    environment = Environment(loader=PackageLoader("cnn_probe", "report"), autoescape=True)
    ranks = results["provenance"]["settings"]["ranks"]
    studies = [
        {
            "title": study["title"],
            "verdicts": study["verdicts"],
            "rows": condition_rows(study, ranks),
            "figures": drawn[name],
        }
        for name, study in results["studies"].items()
    ]
    page = environment.get_template("index.html.jinja").render(
        provenance=results["provenance"], studies=studies, ranks=ranks
    )
    path = out / "index.html"
    path.write_text(page, encoding="utf-8")
    return path


def condition_rows(study: dict[str, Any], ranks: list[int]) -> list[dict[str, Any]]:
    """One row a condition: accuracy, RMSE and relative error at the smallest and largest rank, effective rank."""
    rows = []
    for label, runs in study["records"].items():
        paper = study["paper_accuracy"].get(label)
        rows.append(
            {
                "label": label,
                "paper": "–" if paper is None else f"{paper:.0f}%",
                "accuracy": _spread([100 * run["accuracy"] for run in runs], ".1f", "%"),
                "recognized": recognized(runs),
                "rmse": [_spread([rmse(run, rank) for run in runs], ".4f") for rank in (ranks[0], ranks[-1])],
                "relative": [
                    _spread([relative_error(run, rank) for run in runs], ".3f") for rank in (ranks[0], ranks[-1])
                ],
                "effective": _spread([list(run["effective_rank"].values())[-1] for run in runs], ".1f"),
                "dead": _spread([100 * list(run["dead_neurons"].values())[-1] for run in runs], ".0f", "%"),
            }
        )
    return rows


def recognized(runs: list[Record]) -> str:
    """Labels of which more than half the test images are recognized, on average over the seeds."""
    accuracies = [run["class_accuracy"] for run in runs]
    labels = [label for label in accuracies[0] if np.mean([found[label] for found in accuracies]) > 0.5]
    return "all" if len(labels) == len(accuracies[0]) else ", ".join(labels) or "none"


def _spread(values: list[float], form: str, unit: str = "") -> str:
    """Mean, and the range over the seeds where there are several."""
    mean = f"{np.mean(values):{form}}{unit}"
    return mean if len(values) == 1 else f"{mean} ({min(values):{form}}–{max(values):{form}})"
