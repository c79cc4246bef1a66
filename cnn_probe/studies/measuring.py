"""Train one network and measure what the studies ask of it."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from cnn_probe.data.images import ImageData
from cnn_probe.measures.diagnostics import (
    class_use,
    dead_share,
    effective_rank,
    firing_overlap,
    firing_rates,
    spectra,
    svd_floor,
)
from cnn_probe.networks.paper_net import PaperNet, build_network
from cnn_probe.networks.training import TrainingPlan, evaluate, train
from cnn_probe.probing import recording
from cnn_probe.studies.record import FitRecord, NetworkRecord
from cnn_probe.studies.records import Arrays
from cnn_probe.studies.settings import Settings
from coupled_nmf import Blocks, CoupledNMF, RankFit, rank_path


def measure_network(
    data: ImageData,
    plan: TrainingPlan,
    settings: Settings,
    progress: Callable[[str, int, int], None],
) -> tuple[NetworkRecord, Arrays]:
    """Train one network and probe it at every rank: numbers, and the arrays that figures are drawn from."""
    assert data.test.labels is not None, "run_studies has seen to it"
    began = time.perf_counter()
    network = build_network(data.in_channels, data.image_size, data.n_classes, plan.seed)
    layers = network.paper_layers
    training = train(network, data.train, plan, progress=lambda step, n_steps, _: progress("training", step, n_steps))
    evaluation = evaluate(network, data.test)
    assert evaluation.accuracy is not None
    assert evaluation.class_accuracy is not None
    X = recording.record(recording.prepare(network, data.test, layers=layers, pool="whole")).X
    values, together = spectra(X)
    scale = {name: float(np.sqrt(np.mean(np.square(X[name], dtype=np.float64)))) for name in X.names}
    weight = sum(X[name].size * scale[name] ** 2 for name in X.names)
    fits = fit_ranks(X, plan.seed, settings, lambda done, total: progress("factorizations", done, total))
    first = next(fit for fit in fits if fit.rank == settings.ranks[0])
    arrays = _pictures(network, data, first.model, first.F)
    for layer in layers:
        rates = firing_rates(X[layer], data.test.labels.numpy(), data.n_classes)
        arrays[f"firing_{layer}"], arrays[f"overlap_{layer}"] = rates, firing_overlap(rates)
    record = NetworkRecord(
        training=asdict(training),
        accuracy=evaluation.accuracy,
        class_accuracy=evaluation.class_accuracy,
        dead_neurons={layer: dead_share(X[layer]) for layer in layers},
        singular_values={layer: [float(f"{v:.5g}") for v in values[layer]] for layer in layers},
        effective_rank={layer: effective_rank(values[layer]) for layer in layers},
        svd_floor={rank: svd_floor(together, rank) for rank in settings.ranks},
        root_mean_square=scale,
        fits={fit.rank: _fit_record(fit, weight) for fit in fits},
        firing_overlap=arrays[f"overlap_{layers[-1]}"].round(4).tolist(),
        seconds=time.perf_counter() - began,
    )
    return record, arrays


def fit_ranks(X: Blocks, seed: int, settings: Settings, progress: Callable[[int, int], None]) -> tuple[RankFit, ...]:
    """Factor at every rank as the settings say."""
    base = CoupledNMF(solver=settings.solver, init=settings.init, max_iter=settings.max_iter, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # n_iter is in the record
        return rank_path(X, settings.ranks, estimator=base, progress=progress).fits


def _fit_record(fit: RankFit, weight: float) -> FitRecord:
    return FitRecord(
        rmse=fit.rmse,
        block_rmse=fit.block_rmse,
        block_relative_error=fit.model.block_relative_error_,
        relative_error=fit.objective / weight,
        n_iter=fit.n_iter,
        seconds=fit.seconds,
    )


def _pictures(network: PaperNet, data: ImageData, model: CoupledNMF, F: Any) -> Arrays:
    """Latent images, neuron patterns, and which classes use which pattern, at the first rank."""
    assert data.test.labels is not None
    shapes = recording.prepare(network, data.test, layers=network.paper_layers, pool="whole").shapes
    arrays: Arrays = {
        f"components_{name}": model.block_components_[name].reshape(-1, *shape).astype(np.float32)
        for name, shape in shapes.items()
    }
    arrays["class_use"] = class_use(F, data.test.labels.numpy(), data.n_classes)
    return arrays
