"""What a run is asked for: which networks, how they are trained, how their activations are factored."""

from __future__ import annotations

from dataclasses import dataclass

from cnn_probe.networks.training_plan import TrainingPlan, epochs_for
from coupled_nmf import CoupledNMF

ABLATED = 500  # test images over which factors are taken out


@dataclass(frozen=True)
class RunPlan:
    """What a run is asked for.

    Attributes
    ----------
    ranks, seeds : tuple of int
        One probe each of each; one network a seed.
    epochs : int or None
        Passes over the training data; None for as many as `epochs_for` says.
    ablate : int or None
        Test images over which factors are taken out of the last layer; None for no such thing.
    full : bool
        Whether to find out what takes further fits: how much is used, what holds, which labels look wrong.
    images : bool
        Whether the page may show images.
    starts : int
        Starts of each factorization. What is reported is the first; the others say how far its error and its patterns
        spread.
    solver, init, max_iter
        As in `CoupledNMF`.
    """

    ranks: tuple[int, ...] = (10,)
    seeds: tuple[int, ...] = (0,)
    epochs: int | None = None
    ablate: int | None = ABLATED
    full: bool = False
    images: bool = True
    starts: int = 1
    solver: str = "hals"
    init: str = "auto"
    max_iter: int = 200

    def training(self, n_images: int, seed: int) -> TrainingPlan:
        """How a network is trained on so many images."""
        return TrainingPlan(epochs=self.epochs or epochs_for(n_images), seed=seed)

    def estimator(self, rank: int, seed: int) -> CoupledNMF:
        """What its activations are factored with."""
        return CoupledNMF(rank, solver=self.solver, init=self.init, max_iter=self.max_iter, random_state=seed)
