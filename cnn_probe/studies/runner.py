"""Run studies: every distinct network is trained, measured and written to disk once."""

from __future__ import annotations

import hashlib
import json
import os
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from cnn_probe.datasets import ImageData
from cnn_probe.diagnostics import (
    class_use,
    dead_share,
    effective_rank,
    firing_overlap,
    firing_rates,
    spectra,
    svd_floor,
)
from cnn_probe.networks import PaperNet, build_network
from cnn_probe.probing import provenance
from cnn_probe.recording import block_shapes, record_blocks
from cnn_probe.studies.claims import Record
from cnn_probe.studies.study import Study
from cnn_probe.training import TrainingPlan, evaluate, train
from coupled_nmf import Blocks, CoupledNMF, RankFit, rank_path

FORMAT = 4  # raised when a record's content changes, so that --resume does not mix
LAYERS = PaperNet.paper_layers
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Settings:
    """How studies are run.

    Attributes
    ----------
    ranks : tuple of int
        Ranks of the factorization; the paper's by default.
    seeds : tuple of int
        One repetition of everything a seed.
    epochs : int
        Passes over the training data.
    solver, init, max_iter
        As in `CoupledNMF`.
    """

    ranks: tuple[int, ...] = (10, 20, 30, 40, 50)
    seeds: tuple[int, ...] = (0, 1, 2)
    epochs: int = 1
    solver: str = "hals"
    init: str = "auto"
    max_iter: int = 200


def run_studies(
    studies: list[Study],
    data: ImageData,
    settings: Settings,
    out: Path,
    *,
    resume: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Run studies and return what ``results.json`` holds.

    Parameters
    ----------
    studies : list of Study
        Which; networks that several of them need are trained once.
    data : ImageData
        Images to train and to probe with.
    settings : Settings
        Ranks, seeds, solver.
    out : Path
        Folder; each finished network is at once in ``out/networks``.
    resume : bool, default=False
        Take networks that are there and were made with the same data and settings.
    progress : callable, default=None
        ``progress(what, done, total)``.

    Returns
    -------
    dict
        ``provenance``, and per study its ``records`` by condition (one a seed) and ``verdicts``.
    """
    folder = out / "networks"
    folder.mkdir(parents=True, exist_ok=True)
    fingerprint = data.fingerprint()
    wanted = {
        study.name: {
            condition.label: [replace(condition.plan, seed=seed) for seed in settings.seeds]
            for condition in study.conditions(data.n_classes, settings.epochs)
        }
        for study in studies
    }
    plans = list(dict.fromkeys(plan for by_label in wanted.values() for plans in by_label.values() for plan in plans))
    records: dict[TrainingPlan, Record] = {}
    for done, plan in enumerate(plans):
        key = record_key(fingerprint, plan, settings)
        path = folder / f"{key}.json"
        if resume and path.is_file():
            records[plan] = read_record(path)
        else:
            records[plan] = measure_network(data, plan, settings, path, done, len(plans), progress)
        if progress:
            progress("network", done + 1, len(plans))
    results: dict[str, Any] = {
        "provenance": provenance(None, data=fingerprint, dataset=data.name, settings=asdict(settings)),
        "studies": {},
    }
    for study in studies:
        found = {label: [records[plan] for plan in plans] for label, plans in wanted[study.name].items()}
        conditions = study.conditions(data.n_classes, settings.epochs)
        levels = {condition.label: condition.level for condition in conditions}
        results["studies"][study.name] = {
            "title": study.title,
            "paper_accuracy": {
                condition.label: condition.paper_accuracy if data.name == "mnist" else None for condition in conditions
            },
            "verdicts": [claim.verdict(found, levels, settings.ranks) for claim in study.claims(data.class_names)],
            "records": found,
        }
    return results


def record_key(fingerprint: str, plan: TrainingPlan, settings: Settings) -> str:
    """Name of a network's record: the same for the same data, plan and settings only."""
    what = {"format": FORMAT, "data": fingerprint, "plan": asdict(plan), **asdict(settings), "seeds": None}
    return hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()[:16]


def read_record(path: Path) -> Record:
    """Return a network's record as it is on disk."""
    record: Record = json.loads(path.read_text())
    return record


def measure_network(
    data: ImageData,
    plan: TrainingPlan,
    settings: Settings,
    path: Path,
    done: int,
    total: int,
    progress: Progress | None,
) -> Record:
    """Train one network, probe it at every rank, and write its record and arrays."""
    began = time.perf_counter()
    network = build_network(data.in_channels, data.image_size, data.n_classes, plan.seed)

    def training_progress(step: int, n_steps: int, loss: float) -> None:
        if progress:
            progress(f"network {done + 1} of {total}: training", step, n_steps)

    training = train(network, data.train, plan, progress=training_progress)
    evaluation = evaluate(network, data.test)
    X = record_blocks(network, data.test.images, LAYERS)
    record: Record = {
        "key": path.stem,
        "training": asdict(training),
        "accuracy": evaluation.accuracy,
        "class_accuracy": evaluation.class_accuracy,
        "dead_neurons": {layer: dead_share(X[layer]) for layer in LAYERS},
        **_spectra(X, settings.ranks),
        "fits": {},
    }
    arrays: dict[str, Any] = {}
    weight = sum(X[name].size * record["root_mean_square"][name] ** 2 for name in X.names)

    def fits_progress(fitted: int, n_fits: int) -> None:
        if progress:
            progress(f"network {done + 1} of {total}: factorizations", fitted, n_fits)

    for fit in _fit_ranks(X, plan.seed, settings, fits_progress):
        record["fits"][str(fit.rank)] = _fit_record(fit, weight)
        if fit.rank == settings.ranks[0]:
            arrays = _pictures(network, data, fit.model, fit.F)
    if data.test.labels is not None:
        labels = data.test.labels.numpy()
        for layer in LAYERS:
            rates = firing_rates(X[layer], labels, data.n_classes)
            arrays[f"firing_{layer}"], arrays[f"overlap_{layer}"] = rates, firing_overlap(rates)
        record["firing_overlap"] = arrays[f"overlap_{LAYERS[-1]}"].round(4).tolist()
    record["seconds"] = time.perf_counter() - began
    np.savez_compressed(path.with_suffix(".npz"), **arrays)
    temporary = path.with_suffix(".json.part")  # the record appears whole or not at all
    temporary.write_text(json.dumps(record))
    os.replace(temporary, path)
    return read_record(path)


def _spectra(X: Blocks, ranks: tuple[int, ...]) -> Record:
    values, together = spectra(X)
    return {
        "singular_values": {layer: [float(f"{v:.5g}") for v in values[layer]] for layer in LAYERS},
        "effective_rank": {layer: effective_rank(values[layer]) for layer in LAYERS},
        "svd_floor": {str(rank): svd_floor(together, rank) for rank in ranks},
        "root_mean_square": {name: float(np.sqrt(np.mean(np.square(X[name], dtype=np.float64)))) for name in X.names},
    }


def _fit_ranks(X: Blocks, seed: int, settings: Settings, progress: Callable[[int, int], None]) -> tuple[RankFit, ...]:
    base = CoupledNMF(solver=settings.solver, init=settings.init, max_iter=settings.max_iter, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # n_iter is in the record
        return rank_path(X, settings.ranks, estimator=base, progress=progress).fits


def _fit_record(fit: RankFit, weight: float) -> Record:
    return {
        "rmse": fit.rmse,
        "block_rmse": fit.block_rmse,
        "block_relative_error": fit.model.block_relative_error_,
        "relative_error": fit.objective / weight,
        "n_iter": fit.n_iter,
        "seconds": fit.seconds,
    }


def _pictures(network: PaperNet, data: ImageData, model: CoupledNMF, F: Any) -> dict[str, Any]:
    """Latent images, neuron patterns, and which classes use which pattern, at the first rank."""
    shapes = block_shapes(network, data.test.images[:1], LAYERS)
    arrays: dict[str, Any] = {
        f"components_{name}": model.block_components_[name].reshape(-1, *shape).astype(np.float32)
        for name, shape in shapes.items()
    }
    if data.test.labels is not None:
        arrays["class_use"] = class_use(F, data.test.labels.numpy(), data.n_classes)
    return arrays
