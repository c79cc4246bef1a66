"""Make docs/benchmarks.md from benchmarks/results/*.json: ``python docs/tables/benchmarks.py``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cluster_tables import cluster
from gpu_tables import gpu
from probe_tables import checkpoints, label_noise, recording, training_seeds, use
from probe_tables import page as page_table
from shape_tables import first_fit, shapes

from coupled_nmf import atomic_open

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
Lines = list[str]


def ratio(figures: dict[str, Any]) -> str:
    """Geometric mean and range."""
    return f"{figures['geometric_mean_ratio']:.1f}× ({figures['ratio']['min']:.1f}–{figures['ratio']['max']:.1f})"


def to_loss(figures: dict[str, Any]) -> Lines:
    """One line a goal, and one a rank."""
    n = len(figures["runs"])
    lines = ["| goal | faster than scikit-learn, geometric mean (range) | runs that miss it |", "| --- | --- | --- |"]
    for goal, name in (("near", "within 0.5% of its loss"), ("same", "its very loss")):
        lines.append(f"| {name} | {ratio(figures[goal])} | {figures[goal]['misses']} of {n} |")
    defaults = figures["defaults"]
    lines.append(
        f"| defaults against defaults | {ratio(defaults)} | {defaults['ends_above_the_peer']} of {n} end above |"
    )
    lines += [
        "",
        "| rank | scikit-learn, s | ours to within 0.5%, s | to the same, s | defaults, s |",
        "| --- " * 5 + "|",
    ]
    for rank in sorted({run["rank"] for run in figures["runs"]}):
        runs = [run for run in figures["runs"] if run["rank"] == rank]
        cells = [
            median([run[key] for run in runs if run[key]])
            for key in ("peer_seconds", "near", "same", "default_seconds")
        ]
        lines.append(f"| {rank} | {' | '.join(cells)} |")
    return lines


def median(values: list[float]) -> str:
    """Median with the range, in seconds."""
    ordered = sorted(values)
    return f"{ordered[len(ordered) // 2]:.2f} ({ordered[0]:.2f}–{ordered[-1]:.2f})" if ordered else "–"


def path(figures: dict[str, Any]) -> Lines:
    """One line a goal."""
    n = 5 * len(figures["runs"])
    lines = [
        "| goal | faster than scikit-learn, geometric mean (range) | fits that end above it |",
        "| --- | --- | --- |",
    ]
    for goal, name in (("same", "its losses"), ("defaults", "defaults against defaults")):
        lines.append(f"| {name} | {ratio(figures[goal])} | {figures[goal]['misses']} of {n} |")
    return lines


def peers(figures: dict[str, Any]) -> Lines:
    """One line a peer."""
    ranks = sorted({run["rank"] for run in figures["runs"]})
    lines = [
        f"| peer | times faster, geometric mean | {' | '.join(f'rank {rank}' for rank in ranks)} |",
        "| --- " * (len(ranks) + 2) + "|",
    ]
    for name, mean in figures["geometric_mean_ratio"].items():
        runs = {run["rank"]: run for run in figures["runs"] if run["peer"] == name}
        lines.append(f"| {name} | {mean:.0f}× | {' | '.join(peer_cell(runs[rank]) for rank in ranks)} |")
    return [
        *lines,
        "",
        "scikit-learn keeps its own tol of 1e-4: where its mu stays above the goal, that is where it stopped.",
    ]


def peer_cell(run: dict[str, Any]) -> str:
    """Seconds of both, and where the peer stopped if it did not arrive."""
    short = "" if run["arrived"] else f", at {100 * (run['peer_loss_over_best'] - 1):.0f}% above"
    mine = "–" if run["seconds"] is None else f"{run['seconds']:.2f} s"
    return f"{run['peer_seconds']:.1f} s{short} against {mine}"


def iteration(figures: dict[str, Any]) -> Lines:
    """One line a rank."""
    lines = [
        f"sgemm {figures['gflops']:.0f} GFlop/s, read {figures['gigabytes_per_second']:.1f} GB/s.",
        "",
        "| rank | iteration, ms | floor, ms | over its floor |",
        "| --- " * 4 + "|",
    ]
    for rank, found in figures["ranks"].items():
        over = found["over_floor"]
        lines.append(
            f"| {rank} | {found['milliseconds']['median']:.1f} | {found['floor_milliseconds']:.1f} | "
            f"{over['median']:.2f} ({over['min']:.2f}–{over['max']:.2f}) |"
        )
    return lines


def mu(figures: dict[str, Any]) -> Lines:
    """One line a rank."""
    lines = ["| rank | ours, ms | scikit-learn, ms | ratio |", "| --- " * 4 + "|"]
    for rank, found in figures.items():
        times = ratio({"geometric_mean_ratio": found["ratio"]["geometric_mean"], "ratio": found["ratio"]})
        ours, peer = found["milliseconds"]["median"], found["peer_milliseconds"]["median"]
        lines.append(f"| {rank} | {ours:.1f} | {peer:.1f} | {times} |")
    return lines


def memory(figures: dict[str, Any]) -> Lines:
    """One line a rank."""
    return ["| rank | beyond X, F and H, MB | of X |", "| --- " * 3 + "|"] + [
        f"| {rank} | {found['beyond_megabytes']:.1f} | {found['part_of_X']:.1%} |" for rank, found in figures.items()
    ]


def growth(figures: dict[str, Any]) -> Lines:
    """One line a size."""
    head = ["| rows | GB | µs a row | GB/s | anonymous memory, MB |", "| --- " * 5 + "|"]
    return head + [
        f"| {int(rows):,} | {found['gigabytes']:.2f} | {found['microseconds_per_row']:.2f} | "
        f"{found['gigabytes_per_second']:.1f} | {found['anonymous_megabytes']:.0f} |"
        for rows, found in figures.items()
    ]


def planted(figures: dict[str, Any]) -> Lines:
    """One table a study, one line a noise and tool."""
    titles = {
        "complete": ("cosine of planted and found", "seconds"),
        "scaled": ("cosine, one block a hundred times as large",),
        "missing": ("relative error of the missing block",),
        "rank": ("planted rank found, of all seeds",),
    }
    lines: Lines = []
    for study, columns in titles.items():
        lines += ["", f"| noise | {study} | {' | '.join(columns)} |", "| --- " * (len(columns) + 2) + "|"]
        for noise, tools in figures[study].items():
            for name, found in tools.items():
                cells = [f"{one['mean']:.0%}" if study == "rank" else mean_of(one) for one in found]
                lines.append(f"| {noise} | {name} | {' | '.join(cells)} |")
    return lines[1:]


def mean_of(found: dict[str, float]) -> str:
    """Mean with the range."""
    return f"{found['mean']:.4f} ({found['min']:.4f}–{found['max']:.4f})"


def sparse(figures: dict[str, Any]) -> Lines:
    """One line a loss and solver."""
    lines = [
        f"{figures['stored']:,} entries are stored.",
        "",
        "| loss, solver | ours, s | scikit-learn, s | ratio | our loss over its |",
        "| --- " * 5 + "|",
    ]
    for name, found in figures["runs"].items():
        times = ratio({"geometric_mean_ratio": found["ratio"]["geometric_mean"], "ratio": found["ratio"]})
        ours, peer = found["seconds"]["median"], found["peer_seconds"]["median"]
        lines.append(f"| {name} | {ours:.2f} | {peer:.2f} | {times} | {found['loss_over_the_peers']:.3f} |")
    return lines


TABLES = {
    "to_loss": to_loss,
    "shapes": shapes,
    "first_fit": first_fit,
    "path": path,
    "peers": peers,
    "iteration": iteration,
    "mu": mu,
    "memory": memory,
    "recording": recording,
    "label_noise": label_noise,
    "checkpoints": checkpoints,
    "training_seeds": training_seeds,
    "use": use,
    "growth": growth,
    "planted": planted,
    "sparse": sparse,
    "page": page_table,
    "cluster": cluster,
}


def page() -> str:
    """The whole page."""
    text = [
        "# Benchmarks\n\n"
        "Made from `benchmarks/results/` by `docs/tables/benchmarks.py`; `make benchmarks` measures again. "
        "Where nothing else is said, the workload is the paper's: 10,000 MNIST test images and two layers, "
        "784 + 1440 + 320 features, float32.\n"
    ]
    for name, table in TABLES.items():
        file = RESULTS / f"{name}.json"
        if file.is_file():
            text.append(section(name, json.loads(file.read_text()), table))
    devices = sorted(RESULTS.glob("gpu-*.json"))
    text += [section(file.stem, json.loads(file.read_text()), gpu) for file in devices]
    if not devices:
        text.append("\n## gpu\n\nNo GPU has run this yet: `make gpu` does, on a machine that has one.\n")
    return "".join(text)


def section(title: str, record: dict[str, Any], table: Callable[[dict[str, Any]], Lines]) -> str:
    """A record's tables, and where they were measured."""
    machine, versions = record["machine"], record["versions"]
    parts = [record["date"], f"commit {record['commit']}", machine["processor"], f"{machine['cores']} cores"]
    if device := machine.get("device"):
        parts.append(f"{device['name']}, driver {device['driver']}, CUDA {device['cuda_runtime']}")
        shown = {"CuPy": "cupy-cuda13x", "CuPy (CUDA 12)": "cupy-cuda12x", "PyTorch": "torch", "torchnmf": "torchnmf"}
        parts += [f"{name} {versions[package]}" for name, package in shown.items() if package in versions]
    parts += [f"scikit-learn {versions['scikit-learn']}", f"NumPy {versions['numpy']}", *record["blas"]]
    tables = "\n".join(table(record["figures"]))
    return f"\n## {title}\n\n{record['what']}\n\n{tables}\n\n{', '.join(parts)}.\n"


if __name__ == "__main__":
    with atomic_open(ROOT / "docs" / "benchmarks.md") as file:
        file.write(page().encode())
