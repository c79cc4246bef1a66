"""Train one network and measure what the studies ask of it."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import asdict
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
from cnn_probe.recording import block_shapes, record_blocks
from cnn_probe.studies.claims import Record
from cnn_probe.studies.records import LAYERS, Arrays
from cnn_probe.studies.settings import Settings
from cnn_probe.training import TrainingPlan, evaluate, train
from coupled_nmf import Blocks, CoupledNMF, RankFit, rank_path


def measure_network(
    data: ImageData,
    plan: TrainingPlan,
    settings: Settings,
    progress: Callable[[str, int, int], None],
) -> tuple[Record, Arrays]:
    """Train one network and probe it at every rank: numbers, and the arrays that figures are drawn from."""
    assert data.test.labels is not None, "run_studies has seen to it"
    began = time.perf_counter()
    network = build_network(data.in_channels, data.image_size, data.n_classes, plan.seed)
    training = train(network, data.train, plan, progress=lambda step, n_steps, _: progress("training", step, n_steps))
    evaluation = evaluate(network, data.test)
    X = record_blocks(network, data.test.images, LAYERS)
    record: Record = {
        "training": asdict(training),
        "accuracy": evaluation.accuracy,
        "class_accuracy": evaluation.class_accuracy,
        "dead_neurons": {layer: dead_share(X[layer]) for layer in LAYERS},
        **_spectra(X, settings.ranks),
        "fits": {},
    }
    arrays: Arrays = {}
    weight = sum(X[name].size * record["root_mean_square"][name] ** 2 for name in X.names)
    for fit in fit_ranks(X, plan.seed, settings, lambda done, total: progress("factorizations", done, total)):
        record["fits"][str(fit.rank)] = _fit_record(fit, weight)
        if fit.rank == settings.ranks[0]:
            arrays = _pictures(network, data, fit.model, fit.F)
    labels = data.test.labels.numpy()
    for layer in LAYERS:
        rates = firing_rates(X[layer], labels, data.n_classes)
        arrays[f"firing_{layer}"], arrays[f"overlap_{layer}"] = rates, firing_overlap(rates)
    record["firing_overlap"] = arrays[f"overlap_{LAYERS[-1]}"].round(4).tolist()
    record["seconds"] = time.perf_counter() - began
    return record, arrays


def fit_ranks(X: Blocks, seed: int, settings: Settings, progress: Callable[[int, int], None]) -> tuple[RankFit, ...]:
    """Factor at every rank as the settings say."""
    base = CoupledNMF(solver=settings.solver, init=settings.init, max_iter=settings.max_iter, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # n_iter is in the record
        return rank_path(X, settings.ranks, estimator=base, progress=progress).fits


def _spectra(X: Blocks, ranks: tuple[int, ...]) -> Record:
    values, together = spectra(X)
    return {
        "singular_values": {layer: [float(f"{v:.5g}") for v in values[layer]] for layer in LAYERS},
        "effective_rank": {layer: effective_rank(values[layer]) for layer in LAYERS},
        "svd_floor": {str(rank): svd_floor(together, rank) for rank in ranks},
        "root_mean_square": {name: float(np.sqrt(np.mean(np.square(X[name], dtype=np.float64)))) for name in X.names},
    }


def _fit_record(fit: RankFit, weight: float) -> Record:
    return {
        "rmse": fit.rmse,
        "block_rmse": fit.block_rmse,
        "block_relative_error": fit.model.block_relative_error_,
        "relative_error": fit.objective / weight,
        "n_iter": fit.n_iter,
        "seconds": fit.seconds,
    }


def _pictures(network: PaperNet, data: ImageData, model: CoupledNMF, F: Any) -> Arrays:
    """Latent images, neuron patterns, and which classes use which pattern, at the first rank."""
    assert data.test.labels is not None
    shapes = block_shapes(network, data.test.images[:1], LAYERS)
    arrays: Arrays = {
        f"components_{name}": model.block_components_[name].reshape(-1, *shape).astype(np.float32)
        for name, shape in shapes.items()
    }
    arrays["class_use"] = class_use(F, data.test.labels.numpy(), data.n_classes)
    return arrays
