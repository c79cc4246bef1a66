"""What to train on, in which order, and how long."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from cnn_probe.system.ranges import LARGEST_SEED, are_whole, is_number, is_whole

EPOCH = 938  # steps of one epoch of MNIST, for which the paper trains: data that give as many need no second
STEPS = 1500  # for smaller data: the digits then come to 96 or 97%, in 938 steps to 95


@dataclass(frozen=True)
class TrainingPlan:
    """What to train on, in which order, and how long; the defaults come near the paper's accuracies on MNIST.

    Parameters
    ----------
    fraction : float, default=1.0
        Share of the images to train on, above 0 and at most 1. With one seed, a smaller share lies within a larger.
    classes : tuple of int or None, default=None
        Labels to train on (`ImageData.class_indices` finds them by name); None for all. ``fraction`` is of these.
    order : "shuffled" or tuple of int, default="shuffled"
        "shuffled" reshuffles in every epoch. A tuple trains class after class: its labels first, in its order,
        then the others, ascending; the images of a class are shuffled.
    epochs : int, default=1
        Passes over the chosen images.
    batch_size : int, default=64
        Images in an optimizer step; the last of an epoch may have fewer, and counts by the part that it fills.
    learning_rate, momentum : float, default=0.01 and 0.5
        Of stochastic gradient descent.
    shuffle_labels : bool, default=False
        A control: permute the labels over all images, before anything else looks at them.
    max_steps : int or None, default=None
        A control: stop after this many optimizer steps, if the epochs have not ended before. 0 leaves the network as
        it was.
    n_images : int or None, default=None
        A control: train on this many images, instead of a fraction. With one seed, fewer lie within more.
    seed : int, default=0
        Seeds all of the above, and whatever the network draws while it trains; from 0 to 2**64 - 1.

    Raises
    ------
    ValueError
        If a value is out of its range.
    """

    fraction: float = 1.0
    classes: tuple[int, ...] | None = None
    order: Literal["shuffled"] | tuple[int, ...] = "shuffled"
    epochs: int = 1
    batch_size: int = 64
    learning_rate: float = 0.01
    momentum: float = 0.5
    shuffle_labels: bool = False
    max_steps: int | None = None
    n_images: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        checks = {
            "fraction": (is_number(self.fraction) and 0 < self.fraction <= 1, "above 0 and at most 1"),
            "classes": (self.classes is None or _are_labels(self.classes), "None or a tuple of different labels"),
            "order": (
                self.order == "shuffled" or _are_labels(self.order, within=self.classes),
                '"shuffled" or a tuple of different labels, all among the classes trained on',
            ),
            "epochs": (is_whole(self.epochs), "a whole number of at least 1"),
            "batch_size": (is_whole(self.batch_size), "a whole number of at least 1"),
            "learning_rate": (
                is_number(self.learning_rate) and 0 < self.learning_rate < math.inf,
                "finite and above 0",
            ),
            "momentum": (is_number(self.momentum) and 0 <= self.momentum < 1, "at least 0 and below 1"),
            "max_steps": (self.max_steps is None or is_whole(self.max_steps, 0), "None or at least 0"),
            "n_images": (
                self.n_images is None or (is_whole(self.n_images) and self.fraction == 1),
                "None or, with a fraction of 1, a whole number of at least 1",
            ),
            "shuffle_labels": (isinstance(self.shuffle_labels, bool), "True or False"),
            "seed": (is_whole(self.seed, 0, LARGEST_SEED), "a whole number of at least 0 and below 2**64"),
        }
        for name, (holds, wanted) in checks.items():
            if not holds:
                raise ValueError(f"{name} must be {wanted}; got {getattr(self, name)!r}")


def epochs_for(n_images: int) -> int:
    """Return for how many epochs so many images are trained on unless it is said: 1, the paper's, if that teaches.

    Of data as large as MNIST it does; of smaller data as many as make `STEPS` optimizer steps.

    Examples
    --------
    >>> epochs_for(60_000), epochs_for(1_400)
    (1, 69)
    """
    steps_an_epoch = math.ceil(n_images / TrainingPlan().batch_size)
    return 1 if steps_an_epoch >= EPOCH else math.ceil(STEPS / steps_an_epoch)


def _are_labels(values: Any, within: tuple[int, ...] | None = None) -> bool:
    return are_whole(values, 0) and (within is None or set(values) <= set(within))
