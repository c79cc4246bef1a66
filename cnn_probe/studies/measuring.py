"""Train one network and measure what the studies ask of it."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from cnn_probe.data.images import ImageData, ImageSet
from cnn_probe.measures.diagnostics import (
    class_use,
    dead_share,
    effective_rank,
    effective_rank_of_energies,
    firing_overlap,
    firing_rates,
    spectra,
    svd_floor,
    zero_share,
)
from cnn_probe.networks.paper_net import PaperNet, build_network
from cnn_probe.networks.training import TrainingPlan, evaluate, labels_of_training, order_of_training, train
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
    training = train(network, data.train, plan, progress=lambda step, n_steps, _: progress("training", step, n_steps))
    X = recording.record(recording.prepare(network, data.test, layers=network.paper_layers, pool="whole")).X
    raw, balanced = (
        fit_ranks(X, plan.seed, settings, partial(_second_half, progress, half), block_weights=weights)
        for half, weights in enumerate((None, "balanced"))
    )
    arrays = _pictures(network, data, raw[settings.ranks[0]][0])
    for layer in network.paper_layers:
        rates = firing_rates(X[layer], data.test.labels.numpy(), data.n_classes)
        arrays[f"firing_{layer}"], arrays[f"overlap_{layer}"] = rates, firing_overlap(rates)
    squares = {name: float(np.sum(np.square(X[name], dtype=np.float64))) for name in X.names}
    record = NetworkRecord(
        training=asdict(training),
        **_accuracies(network, data, plan),
        **_measures(X, network.paper_layers, settings.ranks),
        root_mean_square={name: math.sqrt(squares[name] / X[name].size) for name in X.names},
        fits={rank: _fit_record(starts, squares) for rank, starts in raw.items()},
        balanced={rank: _fit_record(starts, squares) for rank, starts in balanced.items()},
        firing_overlap=arrays[f"overlap_{network.paper_layers[-1]}"].round(4).tolist(),
        seconds=time.perf_counter() - began,
    )
    return record, arrays


def _second_half(progress: Callable[[str, int, int], None], half: int, done: int, total: int) -> None:
    progress("factorizations", half * total + done, 2 * total)


def _accuracies(network: PaperNet, data: ImageData, plan: TrainingPlan) -> dict[str, Any]:
    """On the test images, on each of their classes, and on what was trained on, by the labels trained on."""
    assert data.train.labels is not None, "run_studies has seen to it"
    labels = labels_of_training(data.train.labels.cpu(), plan)
    chosen = order_of_training(labels, plan)
    evaluation = evaluate(network, data.test)
    trained_on = evaluate(network, ImageSet(data.train.images[chosen], labels[chosen]))
    return {
        "accuracy": evaluation.accuracy,
        "class_accuracy": evaluation.class_accuracy,
        "train_accuracy": trained_on.accuracy,
    }


def _measures(X: Blocks, layers: Sequence[str], ranks: Sequence[int]) -> dict[str, Any]:
    """What is counted of activations without a factorization."""
    found = spectra(X)
    return {
        "dead_neurons": {layer: dead_share(X[layer]) for layer in layers},
        "zeros": {layer: zero_share(X[layer]) for layer in layers},
        "singular_values": {layer: [float(f"{v:.5g}") for v in found.blocks[layer]] for layer in layers},
        "effective_rank": {layer: effective_rank(found.blocks[layer]) for layer in layers},
        "effective_rank_centred": {layer: effective_rank(found.centred[layer]) for layer in layers},
        "effective_rank_energy": {layer: effective_rank_of_energies(found.blocks[layer]) for layer in layers},
        "svd_floor": {rank: svd_floor(found.together, rank) for rank in ranks},
    }


def fit_ranks(
    X: Blocks,
    seed: int,
    settings: Settings,
    progress: Callable[[int, int], None],
    *,
    block_weights: str | None = None,
) -> dict[int, list[RankFit]]:
    """Factor at every rank as the settings say: of each rank, a fit for each start."""
    base = CoupledNMF(
        block_weights=block_weights,
        solver=settings.solver,
        init=settings.init,
        max_iter=settings.max_iter,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # n_iter is in the record
        found = rank_path(X, settings.ranks, settings.starts, estimator=base, progress=progress).fits
    return {rank: [fit for fit in found if fit.rank == rank] for rank in settings.ranks}


def _fit_record(starts: Sequence[RankFit], squares: Mapping[str, float]) -> FitRecord:
    """Of the first start, whichever ended lowest: a start is chance, and what is reported of it has to be, too."""
    fit = starts[0]
    weighed = np.dot(fit.model.block_weights_, list(squares.values()))
    return FitRecord(
        rmse=fit.rmse,
        block_rmse=fit.block_rmse,
        block_relative_error=fit.model.block_relative_error_,
        relative_error=fit.objective / weighed,
        n_iter=fit.n_iter,
        seconds=fit.seconds,
        starts=[start.objective / weighed for start in starts],
    )


def _pictures(network: PaperNet, data: ImageData, fit: RankFit) -> Arrays:
    """Latent images, neuron patterns, and which classes use which pattern, of one fit; and the network's weights."""
    assert data.test.labels is not None, "run_studies has seen to it"
    shapes = recording.prepare(network, data.test, layers=network.paper_layers, pool="whole").shapes
    arrays: Arrays = {
        f"components_{name}": fit.model.block_components_[name].reshape(-1, *shape).astype(np.float32)
        for name, shape in shapes.items()
    }
    arrays["class_use"] = class_use(fit.F, data.test.labels.numpy(), data.n_classes)
    return arrays | {f"weights_{name}": weight.numpy() for name, weight in network.state_dict().items()}
