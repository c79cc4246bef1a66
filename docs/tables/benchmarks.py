"""Make docs/benchmarks.md from benchmarks/results/*.json: ``python docs/tables/benchmarks.py``."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import in_short
from cluster_tables import cluster
from gpu_tables import gpu
from layout import address, aligned
from probe_tables import checkpoints, label_noise, page_table, recording, training_seeds, use
from shape_tables import first_fit, shapes
from speed_tables import costs, divergence, growth, memory, mu, path, peers, planted, sparse, to_loss

from coupled_nmf import atomic_open

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
Figures = dict[str, Any]
SIDEBARS = "---\nhtml_theme.sidebar_secondary.remove: true\n---\n\n"  # tables take the width
INTRODUCTION = (
    "# Benchmarks\n\n"
    "Made from `benchmarks/results/` by `docs/tables/benchmarks.py`; `make benchmarks` measures again. Where nothing "
    "else is said, the workload is the paper's: 10,000 MNIST test images and two layers, 784 + 1440 + 320 features, "
    "float32. *Times as fast* (×) is the other's time over ours, the geometric mean with its range; below 1 "
    "ours is slower. Each section says how it was measured, when, and on what. †: measured before the processor's "
    "kernels were C++ (they were compiled by Numba), and not since; the GPU's code has changed since, too, and has "
    "run only on the emulated device of the tests.\n"
)


@dataclass(frozen=True)
class Section:
    """What is said of one record.

    Attributes
    ----------
    record : str
        Its file, without the ending; with a star, of all such files.
    title, against : str
        For readers: what was measured, and beside what.
    table, short : callable
        What makes lines, and one line, of its figures.
    """

    record: str
    title: str
    against: str
    table: Callable[[Figures], list[str]]
    short: Callable[[Figures], str]


SECTIONS = {
    "Speed": (
        Section("to_loss", "Time to scikit-learn's loss", "scikit-learn's `NMF`", to_loss, in_short.to_loss),
        Section("shapes", "Many shapes of data", "scikit-learn, nmf-torch, pyplanc", shapes, in_short.shapes),
        Section("peers", "Time to the best loss", "six solvers of other libraries", peers, in_short.peers),
        Section("path", "Five ranks at once", "scikit-learn, five fits", path, in_short.path),
        Section("mu", "Multiplicative updates", "scikit-learn's, the same iterates", mu, in_short.mu),
        Section("sparse", "Sparse documents", "scikit-learn, 30 iterations", sparse, in_short.sparse),
        Section("divergence", "Kullback–Leibler", "scikit-learn's mu", divergence, in_short.divergence),
        Section("costs", "Gaps, Kullback–Leibler, and F for a given H", "whole X, Frobenius, an iteration", costs,
                in_short.costs),
        Section("first_fit", "The first fit of a process", "scikit-learn", first_fit, in_short.first_fit),
    ),
    "Memory, many rows, many machines": (
        Section("memory", "Memory of a fit", "the size of X", memory, in_short.memory),
        Section("growth", "Up to a million rows", "fewer rows", growth, in_short.growth),
        Section("cluster", "A Dask cluster", "one process", cluster, in_short.cluster),
        Section("gpu-*", "A GPU", "torchnmf, plain CuPy, the processor", gpu, in_short.gpu),
    ),
    "What is found": (
        Section("planted", "Planted factors", "scikit-learn, iMML", planted, in_short.planted),
        Section("use", "What coupling costs", "each block alone, SVD, k-means", use, in_short.use),
        Section("label_noise", "Wrong labels", "cleanlab", label_noise, in_short.label_noise),
        Section("checkpoints", "Checkpoints of a network", "other starts", checkpoints, in_short.checkpoints),
        Section("training_seeds", "A class left out of training", "other training seeds", training_seeds,
                in_short.training_seeds),
    ),
    "The probe": (
        Section("recording", "Recording activations", "a pass that records nothing", recording, in_short.recording),
        Section("page", "The page of a result", "–", page_table, in_short.page),
    ),
}  # fmt: skip


def page() -> str:
    """The whole page."""
    summary = ["| what | beside | in short |", "| --- | --- | --- |"]
    parts = []
    for group, sections in SECTIONS.items():
        parts.append(f"\n## {group}\n")
        for section in sections:
            files = sorted(RESULTS.glob(f"{section.record}.json"))
            if not files:
                made_by = "make gpu" if section.record == "gpu-*" else "make benchmarks"
                summary.append(f"| {section.title} | {section.against} | not measured; `{made_by}` does |")
            for file in files:
                record = json.loads(file.read_text())
                title = title_of(section, record)
                link = f"[{title}](#{address(title)})"
                summary.append(f"| {link} | {section.against} | {section.short(record['figures'])}{mark(record)} |")
                parts.append(told(title, file.name, record, section.table))
    return aligned("".join([SIDEBARS, INTRODUCTION, "\n", "\n".join(summary), "\n", *parts]))


def mark(record: dict[str, Any]) -> str:
    """A dagger at what was measured with other kernels of the processor than those that are there now."""
    return " †" if "numba" in record["versions"] else ""


def title_of(section: Section, record: dict[str, Any]) -> str:
    """The section's title, with the device's name if it was measured on one."""
    device = record["machine"].get("device")
    return f"{section.title}: {device['name']}" if device else section.title


def told(title: str, file: str, record: dict[str, Any], table: Callable[[Figures], list[str]]) -> str:
    """A record's tables, how it was measured, and where."""
    first, _, rest = record["what"].partition(". ")
    how = f"\n:::{{dropdown}} How it was measured\n{rest}\n:::\n" if rest else ""
    tables = "\n".join(table(record["figures"]))
    lead = (first if not rest else f"{first}.") + mark(record)
    return f"\n### {title}\n\n{lead}\n\n{tables}\n{how}\n<small>`{file}`: {measured_on(record)}</small>\n"


def measured_on(record: dict[str, Any]) -> str:
    """Date and commit, the machine, and the libraries."""
    machine, versions = record["machine"], record["versions"]
    device = machine.get("device")
    parts = [record["date"], f"commit {record['commit']}", machine["processor"], f"{machine['cores']} cores"]
    if device:
        parts.append(f"{device['name']}, driver {device['driver']}, CUDA {device['cuda_runtime']}")
        shown = {"CuPy": "cupy-cuda13x", "CuPy (CUDA 12)": "cupy-cuda12x", "PyTorch": "torch", "torchnmf": "torchnmf"}
        parts += [f"{name} {versions[package]}" for name, package in shown.items() if package in versions]
    parts += [f"scikit-learn {versions['scikit-learn']}", f"NumPy {versions['numpy']}", *record["blas"]]
    return f"{', '.join(parts)}."


if __name__ == "__main__":
    with atomic_open(ROOT / "docs" / "benchmarks.md") as file:
        file.write(page().encode())
