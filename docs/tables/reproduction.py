"""Make docs/reproduction/README.md of the results beside it: ``python docs/tables/reproduction.py [RESULTS STARTS]``.

Results that are named are kept there first: of all that they say, what no table needs is left out, and numbers have six
digits.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from layout import aligned

from cnn_probe.report.document.studies.of_studies import recognized
from cnn_probe.studies.record import NetworkRecord, records_of
from coupled_nmf import atomic_open

FOLDER = Path(__file__).parents[1] / "reproduction"
KEPT = ("results.json", "starts.json")
SPECTRUM = 100  # singular values of a layer that are kept; figures have more
DIGITS = 6
VERDICT = {"reproduced": "reproduced", "partly": "partly reproduced", "not": "not reproduced"}
INTRODUCTION = (
    "# The paper on MNIST\n\n"
    "The paper's three studies, and the controls that it lacks, on networks of {seeds} seeds: what comes out as in the "
    "paper, what its measure, RMSE, is worth, what does not come out, and the tables of every study.\n\n"
    "A number is the mean over the seeds with their range in brackets. The paper gives one run per point and does not "
    "define its RMSE; ours is √(Σ‖X_b − F H_b‖² / entries). It names no optimizer, seed or iteration count. Ranks "
    "{ranks}, seeds {names}, solver {solver}, {epochs} epoch.\n\n"
    "Made from `results.json` and `starts.json` by `docs/tables/reproduction.py`; the run itself is `make reproduce` "
    "({versions}).{older}\n"
)
# What is said of records by the version that the checkout called itself.
OLDER = {
    "0.1.0": " **It was run on 28 November 2026, at commit 83103d8**, which still called itself 0.1.0; nothing of that "
    "version was published. The bits of seeded fits and of seeded training have changed since: a run today gives other "
    "digits."
}
CLAIMS = "| study | claim | {verdict}holds in | by chance |\n"
AGREES = "\n## What comes out as in the paper\n\n" + CLAIMS.format(verdict="") + "| --- " * 4 + "|\n"
CONTRADICTS = (
    "\n## What does not come out as in the paper, or is undecided\n\n"
    + CLAIMS.format(verdict="verdict | ")
    + "| --- " * 5
    + "|\n"
)
RMSE = (
    "\n## RMSE as a sign of training\n\n"
    "The paper reads a higher RMSE of the joint fit as a sign of better training. **{said}**\n\n"
    "| test | what happens to RMSE, rank {rank} | speaks for it? |\n| --- | --- | --- |\n"
)
NO_SIGN = "RMSE alone is no sign of how well a network is trained."
A_SIGN = "That is borne out."
BETTER = ", the one that is better on the test images "
TESTS = {
    "scaling": "a layer is scaled, and the next undoes it",
    "all networks": "all networks together",
    "memorised": "random labels, learned by heart",
    "untrained": "an untrained network and a trained one",
    "steps": "as many steps on more and less data",
    "examples": "as many images of some classes and of all",
    "epochs": "fewer and more epochs",
}
MEASURES = (
    "\n## Which measures go with accuracy, and which move with scale\n\n"
    "Rank correlation (Spearman) of each measure with test accuracy, over the networks of one seed, which start alike: "
    "the mean over the seeds with their range, over the networks of the paper's studies, and over those of all. Chance "
    "is how often as large a mean comes out if each seed's correlation has a sign by chance; of five seeds it is never "
    "below 0.06. The last columns say by how much a measure moves when the first layer is halved, or made 8 times as "
    "large, and the next undoes it, so that the network computes the same; free of scale is what moves by less than "
    "1%.\n\n"
    "| measure | the paper's networks | all networks | chance | layer × ½ | layer × 8 | free of scale |\n"
    + "| --- " * 7
    + "|\n"
)
STARTS = (
    "\n## Several starts\n\n"
    "The relative error of each of {starts} starts of the factorization of one network: the range over them, as a part "
    "of their mean; beside it the range over the networks of {seeds} seeds.\n\n"
    "| trained on | rank | starts | seeds |\n| --- | --- | --- | --- |\n"
)


def kept(results: dict[str, Any]) -> dict[str, Any]:
    """The results without what no table needs."""
    for study in results["studies"].values():
        for run in (run for runs in study["records"].values() for run in runs):
            run["singular_values"] = {layer: values[:SPECTRUM] for layer, values in run["singular_values"].items()}
    return _shortened(results)


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shortened(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_shortened(inner) for inner in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def spread(values: Sequence[float], form: str) -> str:
    """Mean, and the range where there are several."""
    mean = f"{fmean(values):{form}}"
    return mean if len(values) == 1 else f"{mean} ({min(values):{form}}–{max(values):{form}})"


def columns(ranks: Sequence[int]) -> dict[str, Callable[[NetworkRecord], Any]]:
    """What the table of a study has of each network, by the name of the column, and how it is written."""
    first, last = ranks[0], ranks[-1]
    found: dict[str, Callable[[NetworkRecord], Any]] = {
        "accuracy, trained on": lambda run: (run.train_accuracy, ".1%"),
        "RMSE, rank {first}": lambda run: (run.fits[first].rmse, ".3f"),
        "RMSE, rank {last}": lambda run: (run.fits[last].rmse, ".3f"),
    }
    for number, name in enumerate(("first", "last")):
        found[f"relative error of the {name} layer, balanced, rank {{first}}"] = lambda run, number=-number: (
            run.balanced[first].block_relative_error[run.layers[number]],
            ".3f",
        )
    return found | {
        "effective rank, last layer": lambda run: (run.effective_rank[run.layers[-1]], ".1f"),
        "mean removed": lambda run: (run.effective_rank_centred[run.layers[-1]], ".1f"),
        "by energies": lambda run: (run.effective_rank_energy[run.layers[-1]], ".1f"),
        "zeros, last layer": lambda run: (run.zeros[run.layers[-1]], ".0%"),
        "dead neurons, last layer": lambda run: (run.dead_neurons[run.layers[-1]], ".0%"),
    }


def table(study: dict[str, Any], ranks: Sequence[int]) -> str:
    """One line a condition."""
    of_networks = columns(ranks)
    names = ["trained on", "accuracy, paper", "accuracy", "classes recognized", *of_networks]
    head = " | ".join(names).format(first=ranks[0], last=ranks[-1])
    lines = [f"| {head} |\n" + "| --- " * len(names) + "|\n"]
    for label, runs in records_of(study).items():
        paper = study["paper_accuracy"][label]
        cells = [label, "–" if paper is None else f"{paper:.0f}%", spread([run.accuracy for run in runs], ".1%")]
        cells.append(recognized(runs))
        for column in of_networks.values():
            form = column(runs[0])[1]
            cells.append(spread([column(run)[0] for run in runs], form))
        lines.append(f"| {' | '.join(cells)} |\n")
    return "".join(lines)


def agreements(results: dict[str, Any]) -> str:
    """What comes out as in the paper: claims that are reproduced, and accuracies within a point of the seeds' range."""
    studies = [one for one in results["studies"].values() if not one["control"]]
    lines = [row(one, said) for one in studies for said in one["verdicts"] if said["verdict"] == "reproduced"]
    there = [near for study in studies for _, near, *_ in accuracies(study)]
    counted = dict.fromkeys(said["counted"] for study in studies for said in study["verdicts"])
    near = f"{sum(there)} of {len(there)} accuracies are within a point of the paper's."
    what = f"Counted, here and below, are {'; '.join(counted)}."
    chance = "*By chance* is how often as much would come out without an effect."
    return f"{AGREES}{''.join(lines)}\n{near} {what} {chance}\n"


def contradictions(results: dict[str, Any]) -> str:
    """What does not come out as in the paper: claims, and accuracies more than a point outside the seeds' range."""
    lines, others = [], []
    for study in (one for one in results["studies"].values() if not one["control"]):
        lines += [row(study, said) for said in study["verdicts"] if said["verdict"] != "reproduced"]
        others += [
            f"\n{study['title']}, trained on {label}: the paper's accuracy is {paper:.0f}%, ours {min(found):.1f} to "
            f"{max(found):.1f}%.\n"
            for label, near, paper, found in accuracies(study)
            if not near
        ]
    return CONTRADICTS + "".join(lines + others)


def row(study: dict[str, Any], said: dict[str, Any]) -> str:
    """A claim as a line of a table, with its verdict unless it is reproduced."""
    verdict = "" if said["verdict"] == "reproduced" else f"{VERDICT.get(said['verdict'], said['verdict'])} | "
    holds = f"{said['holds']} of {said['comparisons']} {said['counted'].partition(' of ')[0]}"
    return f"| {study['title']} | {said['claim']} | {verdict}{holds} | {said['chance']:.1%} |\n"


def accuracies(study: dict[str, Any]) -> list[tuple[str, bool, float, list[float]]]:
    """Of each condition of which the paper gives an accuracy: whether it is within a point of ours, it, and ours."""
    found = []
    for label, runs in study["records"].items():
        paper, ours = study["paper_accuracy"][label], [100 * run["accuracy"] for run in runs]
        if paper is not None:
            found.append((label, min(ours) - 1 <= paper <= max(ours) + 1, paper, ours))
    return found


def sign(results: dict[str, Any]) -> str:
    """What speaks for RMSE as a sign of training, and what against: one line a test."""
    evidence = results["evidence"]
    said = A_SIGN if all(one["speaks_for"] for one in evidence) else NO_SIGN
    lines = [RMSE.format(said=said, rank=results["provenance"]["settings"]["ranks"][0])]
    for one in evidence:
        _, of_pairs, rest = one["text"].partition(BETTER)
        text = f"the network that is better on the test images {rest}" if of_pairs else one["text"]
        answer = "yes" if one["speaks_for"] else "no"
        lines.append(f"| {TESTS[one['control']]} | {text} | {answer} |\n")
    return "".join(lines)


def judged(verdict: dict[str, Any]) -> str:
    """A claim, its verdict, and what it stands on."""
    share = f"holds in {verdict['holds']} of {verdict['comparisons']} {verdict['counted']}"
    chance = f"chance of the same without an effect {verdict['chance']:.1%}"
    return f"{verdict['claim']}: **{VERDICT.get(verdict['verdict'], verdict['verdict'])}** ({share}; {chance}).\n"


def measures(results: dict[str, Any]) -> str:
    """How every measure goes with accuracy, and with scale."""
    moves = {row["measure"]: row["moves"] for row in results["scaling"]}
    lines = []
    for row in results["quality"]:
        of_paper, of_all = (row[group] for group in ("paper", "all"))
        chance = "–" if of_all is None else f"{of_all['chance']:.2f}"
        moved = " | ".join("–" if move is None else f"{move:+.1f}%" for move in moves[row["measure"]].values())
        free = "yes" if row["scale_free"] else "no"
        lines.append(f"| {row['measure']} | {_going(of_paper)} | {_going(of_all)} | {chance} | {moved} | {free} |\n")
    most = results["quality"][0]["all"]
    few = [study["title"].lower() for study in results["studies"].values() if _lacks_seeds(study, results)]
    text = f"\n{most['networks']} networks in all, of {most['seeds']} seeds"
    lacking = f"; of the first seeds alone: {', '.join(few)}" if few else ""
    return MEASURES + "".join(lines) + f"{text}{lacking}.\n"


def _lacks_seeds(study: dict[str, Any], results: dict[str, Any]) -> bool:
    return len(next(iter(study["records"].values()))) < len(results["provenance"]["settings"]["seeds"])


def _going(found: dict[str, Any] | None) -> str:
    return "–" if found is None else f"{found['correlation']:.2f} ({found['low']:.2f} to {found['high']:.2f})"


def starts(results: dict[str, Any], beside: dict[str, Any]) -> str:
    """How far the starts of a factorization differ, beside the seeds of networks."""
    settings, seeds = results["provenance"]["settings"], beside["provenance"]["settings"]["seeds"]
    lines = [STARTS.format(starts=settings["starts"], seeds=len(seeds))]
    for label, runs in records_of(results["studies"]["fraction"]).items():
        others = records_of(beside["studies"]["fraction"])[label]
        for rank in settings["ranks"]:
            of_starts = fmean(_range(run.fits[rank].starts) for run in runs)
            of_seeds = _range([run.fits[rank].relative_error for run in others])
            lines.append(f"| {label} | {rank} | {of_starts:.2%} | {of_seeds:.1%} |\n")
    return "".join(lines)


def _range(values: Sequence[float]) -> float:
    return (max(values) - min(values)) / fmean(values)


def introduced(results: dict[str, Any]) -> str:
    """What this is, of which code, and how it was made."""
    settings, versions = (results["provenance"][name] for name in ("settings", "versions"))
    return INTRODUCTION.format(
        seeds=len(settings["seeds"]),
        ranks=settings["ranks"],
        names=settings["seeds"],
        solver=settings["solver"],
        epochs=settings["epochs"],
        versions=", ".join(f"{name} {version}" for name, version in versions.items()),
        older=OLDER.get(versions["coupled_nmf"], ""),
    )


def page(results: dict[str, Any], of_starts: dict[str, Any]) -> str:
    """The whole page."""
    settings = results["provenance"]["settings"]
    text = [
        introduced(results),
        agreements(results),
        sign(results),
        contradictions(results),
        measures(results),
        starts(of_starts, results),
    ]
    for name, study in results["studies"].items():
        kind = "Control: " if study["control"] else ""
        n_seeds = len(next(iter(study["records"].values())))
        seeds = f" The first {n_seeds} seeds." if _lacks_seeds(study, results) else ""
        text.append(f"\n## {kind}{study['title']}\n\n{study['question']}{seeds}\n\n{table(study, settings['ranks'])}\n")
        text += [f"- {judged(verdict)}" for verdict in study["verdicts"]]
        figures = sorted(path.name for path in (FOLDER / "figures").glob(f"{name}-*.png"))
        text.extend(f"\n![{figure}](figures/{figure})\n" for figure in figures)
    return aligned("".join(text))


if __name__ == "__main__":
    for source, file_name in zip(sys.argv[1:], KEPT, strict=False):
        with atomic_open(FOLDER / file_name) as file:
            file.write(json.dumps(kept(json.loads(Path(source).read_text())), ensure_ascii=False).encode())
    found = [json.loads((FOLDER / name).read_text()) for name in KEPT]
    with atomic_open(FOLDER / "README.md") as file:
        file.write(page(*found).encode())
