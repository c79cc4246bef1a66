"""How studies are run, and how each network of theirs is measured."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from cnn_probe.networks.training_plan import TrainingPlan
from cnn_probe.system.ranges import are_whole, is_number, is_whole

_LARGEST_SEED = 2**32 - 1  # scikit-learn's, for the factorization


@dataclass(frozen=True)
class Settings:
    """How studies are run.

    Attributes
    ----------
    ranks : tuple of int
        Ranks of the factorization; the paper's by default.
    seeds : tuple of int
        One repetition of everything a seed; below 2**32.
    epochs : int
        Passes over the training data.
    solver, init, max_iter
        As in `CoupledNMF`.
    starts : int
        Starts of each factorization. What is reported is that of the first; the others say how far starts differ.

    Raises
    ------
    ValueError
        If a value is out of its range.
    """

    ranks: tuple[int, ...] = (10, 20, 30, 40, 50)
    seeds: tuple[int, ...] = (0, 1, 2)
    epochs: int = 1
    solver: str = "hals"
    init: str = "auto"
    max_iter: int = 200
    starts: int = 1

    def __post_init__(self) -> None:
        checks = {
            "ranks": (are_whole(self.ranks, 1), "a tuple of different whole numbers, each 1 or more"),
            "seeds": (
                are_whole(self.seeds, 0, _LARGEST_SEED),
                f"a tuple of different whole numbers from 0 to {_LARGEST_SEED}",
            ),
            "epochs": (is_whole(self.epochs, 1), "a whole number of at least 1"),
            "solver": (isinstance(self.solver, str), "a name, as in CoupledNMF"),
            "init": (isinstance(self.init, str), "a name, as in CoupledNMF"),
            "max_iter": (is_whole(self.max_iter, 1), "a whole number of at least 1"),
            "starts": (is_whole(self.starts, 1), "a whole number of at least 1"),
        }
        for name, (holds, wanted) in checks.items():
            if not holds:
                raise ValueError(f"{name} must be {wanted}; got {getattr(self, name)!r}")


@dataclass(frozen=True)
class Treatment:
    """What is done to a network that is trained, and how it is measured; by default nothing, and as the settings say.

    Attributes
    ----------
    scale : float
        What the first layer's weights and biases are multiplied by, and the next layer's weights divided by: the
        network computes the same. Powers of two leave the outputs as they are, to the bit.
    test_images : int or None
        How many of the test images are shown, drawn by the seed; None for all.
    paper_updates : bool
        Factor by the paper's multiplicative updates from its uniform start, whatever the settings say.

    Raises
    ------
    ValueError
        If a value is out of its range.
    """

    scale: float = 1.0
    test_images: int | None = None
    paper_updates: bool = False

    def __post_init__(self) -> None:
        if not (is_number(self.scale) and 0 < self.scale < math.inf):
            raise ValueError(f"scale must be finite and above 0; got {self.scale!r}")
        if self.test_images is not None and not is_whole(self.test_images):
            raise ValueError(f"test_images must be None or a whole number of at least 1; got {self.test_images!r}")

    def settings(self, settings: Settings) -> Settings:
        """Return the settings by which such a network is factored."""
        return replace(settings, solver="mu", init="uniform") if self.paper_updates else settings


AS_TRAINED = Treatment()


@dataclass(frozen=True)
class Case:
    """One network as it is measured: a record is of one.

    Attributes
    ----------
    plan : TrainingPlan
        How it is trained, with its seed.
    treatment : Treatment
        What is done to it then.
    """

    plan: TrainingPlan
    treatment: Treatment = AS_TRAINED
