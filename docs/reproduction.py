"""Make docs/reproduction/README.md from the results.json beside it: ``python docs/reproduction.py``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cnn_probe.report.page import condition_rows
from coupled_nmf import atomic_open

FOLDER = Path(__file__).parent / "reproduction"
VERDICT = {"reproduced": "reproduced", "partly": "partly reproduced", "not": "not reproduced"}
HEADER = (
    "| trained on | accuracy, paper | accuracy | classes recognized | RMSE, rank {low} | RMSE, rank {high} | "
    "relative error of the layers, rank {low} | rank {high} | effective rank, last layer | "
    "dead neurons, last layer |\n" + "| --- " * 10 + "|\n"
)


def table(study: dict[str, Any], ranks: list[int]) -> str:
    """One line a condition."""
    lines = [
        f"| {row['label']} | {row['paper']} | {row['accuracy']} | {row['recognized']} | {' | '.join(row['rmse'])} | "
        f"{' | '.join(row['relative'])} | {row['effective']} | {row['dead']} |\n"
        for row in condition_rows(study, ranks)
    ]
    return HEADER.format(low=ranks[0], high=ranks[-1]) + "".join(lines)


def contradictions(results: dict[str, Any]) -> list[str]:
    """What does not come out as in the paper: claims, and accuracies more than a point outside the seeds' range."""
    lines = []
    for study in results["studies"].values():
        for label, runs in study["records"].items():
            paper, found = study["paper_accuracy"][label], [100 * run["accuracy"] for run in runs]
            if paper is not None and not min(found) - 1 <= paper <= max(found) + 1:
                lines.append(
                    f"- {study['title']}, trained on {label}: the paper's accuracy is {paper:.0f}%, ours "
                    f"{min(found):.1f} to {max(found):.1f}%.\n"
                )
        for v in study["verdicts"]:
            if v["verdict"] != "reproduced":
                lines.append(
                    f"- {study['title']}: {v['claim']}: **{VERDICT[v['verdict']]}**, holds in {v['holds']} "
                    f"of {v['comparisons']} {v['counted']}.\n"
                )
    return lines


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
    text += ["\n## What does not come out as in the paper\n\n", *contradictions(results)]
    for name, study in results["studies"].items():
        text.append(f"\n## {study['title']}\n\n{table(study, settings['ranks'])}\n")
        for verdict in study["verdicts"]:
            share = f"holds in {verdict['holds']} of {verdict['comparisons']} {verdict['counted']}"
            text.append(f"- {verdict['claim']}: **{VERDICT[verdict['verdict']]}** ({share}).\n")
        figures = sorted(path.name for path in (FOLDER / "figures").glob(f"{name}-*.png"))
        text.extend(f"\n![{figure}](figures/{figure})\n" for figure in figures)
    return "".join(text)


if __name__ == "__main__":
    results = json.loads((FOLDER / "results.json").read_text())
    with atomic_open(FOLDER / "README.md") as file:
        file.write(page(results).encode())
