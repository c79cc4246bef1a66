"""Train one network, or take it as it was trained, and measure what the studies ask of it."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
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
from cnn_probe.networks.paper_net import PaperNet, build_network, rescaled
from cnn_probe.networks.training import evaluate, labels_of_training, order_of_training, train
from cnn_probe.networks.training_plan import TrainingPlan
from cnn_probe.probing import recording
from cnn_probe.probing.fitting import Progress
from cnn_probe.probing.recording import Recorded
from cnn_probe.studies.record import FitRecord, NetworkRecord
from cnn_probe.studies.records import Arrays, images_of
from cnn_probe.studies.settings import Case, Settings
from coupled_nmf import Blocks, CoupledNMF, RankFit, rank_path


@dataclass(frozen=True, eq=False)
class Trained:
    """A network after its training.

    Attributes
    ----------
    network : PaperNet
    training : dict
        The `TrainingRecord`.
    train_accuracy : float
        As in the `NetworkRecord`.
    """

    network: PaperNet
    training: dict[str, Any]
    train_accuracy: float


@dataclass(frozen=True, eq=False)
class Measured:
    """A network's record, the arrays that figures are drawn from, and what both were made of.

    Attributes
    ----------
    record : NetworkRecord
    arrays : dict of str to ndarray
    recorded : Recorded
        What was factored, with the network.
    fit : RankFit
        The raw factorization at the first rank.
    """

    record: NetworkRecord
    arrays: Arrays
    recorded: Recorded
    fit: RankFit


def measure_network(
    data: ImageData, case: Case, settings: Settings, progress: Progress, trained: Trained | None = None
) -> Measured:
    """Probe a network at every rank, as its case says; it is trained first, unless it is given."""
    began = time.perf_counter()
    trained = trained or train_network(data, case.plan, progress)
    data = images_of(data, case)
    assert data.test.labels is not None, "run_studies has seen to it"
    recorded = record_network(data, rescaled(trained.network, case.treatment.scale))
    X, layers = recorded.X, trained.network.paper_layers
    settings = case.treatment.settings(settings)
    raw, balanced = (
        fit_ranks(X, case.plan.seed, settings, partial(_half, progress, half), block_weights=weights)
        for half, weights in enumerate((None, "balanced"))
    )
    fit = raw[settings.ranks[0]][0]
    arrays = _pictures(recorded, data, fit)
    for layer in layers:
        rates = firing_rates(X[layer], data.test.labels.numpy(), data.n_classes)
        arrays[f"firing_{layer}"], arrays[f"overlap_{layer}"] = rates, firing_overlap(rates)
    squares = {name: float(np.sum(np.square(X[name], dtype=np.float64))) for name in X.names}
    evaluation = evaluate(recorded.prepared.network, data.test)
    assert evaluation.accuracy is not None
    assert evaluation.class_accuracy is not None
    record = NetworkRecord(
        training=trained.training,
        treatment=asdict(case.treatment),
        accuracy=evaluation.accuracy,
        class_accuracy=evaluation.class_accuracy,
        train_accuracy=trained.train_accuracy,
        **_measures(X, layers, settings.ranks),
        root_mean_square={name: math.sqrt(squares[name] / X[name].size) for name in X.names},
        fits={rank: _fit_record(starts, squares) for rank, starts in raw.items()},
        balanced={rank: _fit_record(starts, squares) for rank, starts in balanced.items()},
        firing_overlap=arrays[f"overlap_{layers[-1]}"].round(4).tolist(),
        seconds=time.perf_counter() - began,
    )
    return Measured(record, arrays, recorded, fit)


def _half(progress: Progress, half: int, done: int, total: int) -> None:
    progress("factorizations", half * total + done, 2 * total)


def train_network(data: ImageData, plan: TrainingPlan, progress: Progress) -> Trained:
    """Train a network by a plan, and see how well it knows what it was trained on, by the labels trained on."""
    assert data.train.labels is not None, "run_studies has seen to it"
    network = build_network(data.in_channels, data.image_size, data.n_classes, plan.seed)
    training = train(network, data.train, plan, progress=lambda step, n_steps, _: progress("training", step, n_steps))
    labels = labels_of_training(data.train.labels.cpu(), plan)
    chosen = order_of_training(labels, plan)
    evaluation = evaluate(network, ImageSet(data.train.images[chosen], labels[chosen]))
    assert evaluation.accuracy is not None
    return Trained(network, asdict(training), evaluation.accuracy)


def restored(data: ImageData, record: NetworkRecord, arrays: Arrays) -> Trained:
    """Return the network of a record, as it was measured, without training it again."""
    network = build_network(data.in_channels, data.image_size, data.n_classes, seed=0)  # any: it is overwritten
    network.load_state_dict({name: torch.from_numpy(arrays[f"weights_{name}"]) for name in PaperNet.weight_names})
    return Trained(network, record.training, record.train_accuracy)


def record_network(data: ImageData, network: PaperNet) -> Recorded:
    """Run a network over the test images: every number of both layers, as in the paper."""
    return recording.record(recording.prepare(network, data.test, layers=network.paper_layers, pool="whole"))


def _measures(X: Blocks, layers: Sequence[str], ranks: Sequence[int]) -> dict[str, Any]:
    """What is counted of activations without a factorization."""
    found = spectra(X, layers)
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


def _pictures(recorded: Recorded, data: ImageData, fit: RankFit) -> Arrays:
    """Latent images, neuron patterns, and which classes use which pattern, of one fit; and the network's weights."""
    assert data.test.labels is not None, "run_studies has seen to it"
    arrays: Arrays = {
        f"components_{name}": fit.model.block_components_[name].reshape(-1, *shape).astype(np.float32)
        for name, shape in recorded.prepared.shapes.items()
    }
    arrays["class_use"] = class_use(fit.F, data.test.labels.numpy(), data.n_classes)
    weights = recorded.prepared.network.state_dict()
    return arrays | {f"weights_{name}": weight.numpy() for name, weight in weights.items()}
