"""Make docs/reproduction/README.md from the results.json beside it: ``python docs/reproduction.py``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cnn_probe.report.page import condition_rows

FOLDER = Path(__file__).parent / "reproduction"
VERDICT = {"reproduced": "reproduced", "partly": "partly reproduced", "not": "not reproduced"}
HEADER = (
    "| trained on | accuracy, paper | accuracy | RMSE, rank {low} | RMSE, rank {high} | relative error of the layers, "
    "rank {low} | rank {high} | effective rank, last layer | dead neurons, last layer |\n" + "| --- " * 9 + "|\n"
)


def table(study: dict[str, Any], ranks: list[int]) -> str:
    """One line a condition."""
    lines = [
        f"| {row['label']} | {row['paper']} | {row['accuracy']} | {' | '.join(row['rmse'])} | "
        f"{' | '.join(row['relative'])} | {row['effective']} | {row['dead']} |\n"
        for row in condition_rows(study, ranks)
    ]
    return HEADER.format(low=ranks[0], high=ranks[-1]) + "".join(lines)


def page(results: dict[str, Any]) -> str:
    """The whole page."""
    origin = results["provenance"]
    settings, versions = origin["settings"], origin["versions"]
    text = [
        "# The paper on MNIST\n\n"
        "Made from `results.json` by `docs/reproduction.py`; the run itself is `make reproduce`. A number is the mean "
        "over the seeds with their range in brackets. The paper gives one run per point and does not define its RMSE; "
        "ours is √(Σ‖X_b − F H_b‖² / entries). It names no optimizer, seed or iteration count.\n\n"
        f"Ranks {settings['ranks']}, seeds {settings['seeds']}, solver {settings['solver']}, "
        f"{settings['epochs']} epoch. " + ", ".join(f"{name} {version}" for name, version in versions.items()) + ".\n"
    ]
    for name, study in results["studies"].items():
        text.append(f"\n## {study['title']}\n\n{table(study, settings['ranks'])}\n")
        for verdict in study["verdicts"]:
            share = f"rises in {verdict['rises']} of {verdict['pairs']} comparisons"
            text.append(f"- {verdict['claim']}: **{VERDICT[verdict['verdict']]}** ({share}).\n")
        figures = sorted(path.name for path in (FOLDER / "figures").glob(f"{name}-*.png"))
        text.extend(f"\n![{figure}](figures/{figure})\n" for figure in figures)
    return "".join(text)


if __name__ == "__main__":
    results = json.loads((FOLDER / "results.json").read_text())
    (FOLDER / "README.md").write_text(page(results))
