"""One static page that gathers figures and tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, Template
from markupsafe import Markup

from cnn_probe.names import shown, shown_all
from cnn_probe.studies.claims import Record, relative_error, rmse
from coupled_nmf import atomic_open

Results = dict[str, Any]


def write_page(results: Results, drawn: dict[str, list[tuple[str, str]]], out: Path) -> Path:
    """Write ``index.html`` beside the figures and return its path."""
    ranks, class_names = results["provenance"]["settings"]["ranks"], results["provenance"].get("classes")
    studies = [
        {
            "title": study["title"],
            "verdicts": study["verdicts"],
            "rows": condition_rows(study, ranks, class_names),
            "figures": drawn[name],
        }
        for name, study in results["studies"].items()
    ]
    page = template("index.html.jinja").render(provenance=results["provenance"], studies=studies, ranks=ranks)
    path = out / "index.html"
    with atomic_open(path) as file:
        file.write(page.encode())
    return path


def template(name: str) -> Template:
    """Return a page's template, through which any name can be given."""
    environment = Environment(loader=PackageLoader("cnn_probe", "report"), autoescape=True, finalize=_as_text)
    return environment.get_template(name)


def _as_text(value: Any) -> Any:
    """Of all that the template writes, also of names, nothing is left that an encoding or a browser stumbles over."""
    return shown(value, width=400) if isinstance(value, str) and not isinstance(value, Markup) else value


def condition_rows(
    study: dict[str, Any], ranks: list[int], class_names: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """One row a condition: accuracy, RMSE and relative error at the smallest and largest rank, effective rank."""
    rows = []
    for written, (label, runs) in zip(shown_all(study["records"]), study["records"].items(), strict=True):
        paper = study["paper_accuracy"].get(label)
        rows.append(
            {
                "label": written,
                "paper": "–" if paper is None else f"{paper:.0f}%",
                "accuracy": _spread([100 * run["accuracy"] for run in runs], ".1f", "%"),
                "recognized": recognized(runs, class_names),
                "rmse": [_spread([rmse(run, rank) for run in runs], ".4f") for rank in (ranks[0], ranks[-1])],
                "relative": [
                    _spread([relative_error(run, rank) for run in runs], ".3f") for rank in (ranks[0], ranks[-1])
                ],
                "effective": _spread([list(run["effective_rank"].values())[-1] for run in runs], ".1f"),
                "dead": _spread([100 * list(run["dead_neurons"].values())[-1] for run in runs], ".0f", "%"),
            }
        )
    return rows


def recognized(runs: list[Record], class_names: Sequence[str] | None = None) -> str:
    """Classes of which more than half the test images are recognized, on average over the seeds; labels if nameless."""
    accuracies = [run["class_accuracy"] for run in runs]
    labels = [label for label in accuracies[0] if np.mean([found[label] for found in accuracies]) > 0.5]
    if labels and len(labels) == len(accuracies[0]):
        return "all"
    all_names = None if class_names is None else shown_all(class_names)
    names = labels if all_names is None else [all_names[int(label)] for label in labels]
    return ", ".join(names) or "none"


def _spread(values: list[float], form: str, unit: str = "") -> str:
    """Mean, and the range over the seeds where there are several."""
    mean = f"{np.mean(values):{form}}{unit}"
    return mean if len(values) == 1 else f"{mean} ({min(values):{form}}–{max(values):{form}})"
