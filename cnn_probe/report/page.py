"""One static page that gathers figures and tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, Template
from markupsafe import Markup

from cnn_probe.report.standing import Mark, put_page
from cnn_probe.studies.claims import relative_error, rmse
from cnn_probe.studies.record import NetworkRecord, records_of
from cnn_probe.system.names import shown, shown_all

Results = dict[str, Any]


def write_page(
    results: Results,
    drawn: dict[str, list[tuple[str, str]]],
    out: Path,
    *,
    notice: Callable[[str], None] | None = None,
) -> Path:
    """Write ``index.html`` beside the figures and return its path; ``notice`` is that of `put_page`."""
    ranks, class_names = results["provenance"]["settings"]["ranks"], results["provenance"].get("classes")
    ends = list(dict.fromkeys((ranks[0], ranks[-1])))
    studies = [
        {
            "title": study["title"],
            "verdicts": study["verdicts"],
            "rows": condition_rows(study, ranks, class_names),
            "figures": drawn[name],
        }
        for name, study in results["studies"].items()
    ]
    mark, page = mark_of_study(results), template("index.html.jinja")

    def render(links: str) -> str:
        origin = results["provenance"]
        return page.render(provenance=origin, studies=studies, ranks=ranks, ends=ends, mark=mark, links=links)

    return put_page(out, mark, render, notice)


def mark_of_study(results: Results) -> Mark:
    """What the page of these results is known by."""
    return Mark.of("study", results["provenance"]["data"], results["provenance"]["settings"])


def template(name: str) -> Template:
    """Return a page's template, through which any name can be given."""
    environment = Environment(loader=PackageLoader("cnn_probe", "report"), autoescape=True, finalize=_as_text)
    return environment.get_template(name)


def _as_text(value: Any) -> Any:
    """Of all that the template writes, also of names, nothing is left that an encoding or a browser stumbles over."""
    return shown(value, width=400) if isinstance(value, str) and not isinstance(value, Markup) else value


def condition_rows(
    study: dict[str, Any], ranks: Sequence[int], class_names: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """One row a condition: accuracy, RMSE and relative error at the first and the last rank, effective rank."""
    ends = dict.fromkeys((ranks[0], ranks[-1]))  # one, where there is one rank
    rows, records = [], records_of(study)
    for written, (label, runs) in zip(shown_all(records), records.items(), strict=True):
        paper = study["paper_accuracy"].get(label)
        rows.append(
            {
                "label": written,
                "paper": "–" if paper is None else f"{paper:.0f}%",
                "accuracy": _spread([100 * run.accuracy for run in runs], ".1f", "%"),
                "recognized": recognized(runs, class_names),
                "rmse": [_spread([rmse(run, rank) for run in runs], ".4f") for rank in ends],
                "relative": [_spread([relative_error(run, rank) for run in runs], ".3f") for rank in ends],
                "little": sum(run.learned_little for run in runs),
                "networks": len(runs),
                "effective": _spread([run.effective_rank[run.layers[-1]] for run in runs], ".1f"),
                "dead": _spread([100 * run.dead_neurons[run.layers[-1]] for run in runs], ".0f", "%"),
            }
        )
    return rows


def recognized(runs: list[NetworkRecord], class_names: Sequence[str] | None = None) -> str:
    """Classes of which more than half the test images are recognized, on average over the seeds; labels if nameless."""
    accuracies = [run.class_accuracy for run in runs]
    labels = [label for label in accuracies[0] if np.mean([found[label] for found in accuracies]) > 0.5]
    if labels and len(labels) == len(accuracies[0]):
        return "all"
    all_names = None if class_names is None else shown_all(class_names)
    names = [str(label) if all_names is None else all_names[label] for label in labels]
    return ", ".join(names) or "none"


def _spread(values: list[float], form: str, unit: str = "") -> str:
    """Mean, and the range over the seeds where there are several."""
    mean = f"{np.mean(values):{form}}{unit}"
    return mean if len(values) == 1 else f"{mean} ({min(values):{form}}–{max(values):{form}})"
