"""Training by a plan that leaves nothing to chance, and evaluation."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import SGD

from cnn_probe.data.images import ImageSet
from cnn_probe.networks.calling import device_of
from cnn_probe.networks.state import evaluating, run_isolated
from cnn_probe.networks.training_plan import TrainingPlan
from cnn_probe.system.ranges import is_whole

#: Each draws from the plan's seed, but none may repeat another's numbers.
_LABEL_STREAM, _SUBSET_STREAM, _ORDER_STREAM = range(3)


@dataclass(frozen=True)
class TrainingRecord:
    """What a training run was and did.

    Attributes
    ----------
    steps : int
        Optimizer steps.
    examples : int
        Images seen, counted once for each time seen.
    seconds : float
        Wall-clock time.
    final_loss : float or None
        Mean cross entropy of the last 50 steps, in nats; None of no steps.
    threads : int
        CPU threads that PyTorch used.
    torch_version : str
    plan : dict
        The `~cnn_probe.TrainingPlan`.
    """

    steps: int
    examples: int
    seconds: float
    final_loss: float | None
    threads: int
    torch_version: str
    plan: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a network makes of a set of images.

    Attributes
    ----------
    predictions : int64 array of shape (n_images,)
        The label with the largest logit.
    accuracy : float or None
        Share of right predictions; None without labels.
    class_accuracy : dict of int to float, or None
        The same for each label that occurs.
    """

    predictions: NDArray[np.int64]
    accuracy: float | None
    class_accuracy: dict[int, float] | None


def labels_of_training(labels: Tensor, plan: TrainingPlan) -> Tensor:
    """Return the labels to learn: ``labels``, or with ``plan.shuffle_labels`` a permutation of them."""
    permutation = torch.from_numpy(_generator(plan, _LABEL_STREAM).permutation(len(labels)))
    return labels[permutation] if plan.shuffle_labels else labels


def order_of_training(labels: Tensor, plan: TrainingPlan, epoch: int = 0) -> Tensor:
    """Return which images an epoch trains on, first to last.

    Parameters
    ----------
    labels : int64 Tensor of shape (n_images,)
        The labels to learn.
    plan : TrainingPlan
        Says which images, and in which order.
    epoch : int, default=0
        Every epoch takes the same images; their order, within a class or overall, is drawn anew.

    Returns
    -------
    int64 Tensor of shape (n_chosen,)
        Indices into ``labels``.

    Raises
    ------
    ValueError
        If the plan names a class that no label has, or more images than there are.

    Examples
    --------
    >>> labels = torch.tensor([0, 1, 2, 0, 1, 2])
    >>> labels[order_of_training(labels, TrainingPlan(order=(2,)))]
    tensor([2, 2, 0, 0, 1, 1])
    """
    present = set(labels.unique().tolist())
    first = () if plan.order == "shuffled" else plan.order
    if missing := {*(plan.classes or ()), *first} - present:
        raise ValueError(f"no training image has the plan's classes {sorted(missing)}; there are {sorted(present)}")
    values = labels.numpy()
    candidates = np.flatnonzero(np.isin(values, plan.classes or list(present)))
    n_chosen = max(1, round(plan.fraction * len(candidates))) if plan.n_images is None else plan.n_images
    if n_chosen > len(candidates):
        raise ValueError(f"n_images={n_chosen} is more than the {len(candidates)} images that there are to train on")
    chosen = _generator(plan, _SUBSET_STREAM).permutation(candidates)[:n_chosen]
    order = _generator(plan, _ORDER_STREAM, epoch).permutation(chosen)
    if first:
        rank = np.empty(max(present) + 1, dtype=np.int64)
        rank[[*first, *sorted(present - set(first))]] = np.arange(len(present))
        order = order[np.argsort(rank[values[order]], kind="stable")]
    return torch.from_numpy(order)


def _generator(plan: TrainingPlan, stream: int, epoch: int = 0) -> np.random.Generator:
    return np.random.default_rng((plan.seed, stream, epoch))


def train(
    network: nn.Module,
    train_set: ImageSet,
    plan: TrainingPlan,
    *,
    threads: int = 1,
    progress: Callable[[int, int, float], None] | None = None,
) -> TrainingRecord:
    """Train in place, by stochastic gradient descent on the cross entropy, and return what was done.

    A batch that is not full, the last of an epoch, counts by the part that it fills: its gradient is multiplied by it.
    A full step on a few images would move a finished network by points of accuracy.

    On one machine, network, images, plan and threads decide the weights bit for bit. PyTorch's global state comes back
    as it was, also after Ctrl-C; since there is one of it, trainings in several threads wait for each other.

    Parameters
    ----------
    network : nn.Module
        Maps images to logits of shape (n_images, n_classes). It is trained where it is, on the CPU or a GPU.
    train_set : ImageSet
        With labels.
    plan : TrainingPlan
        What to train on, in which order, how long and how fast.
    threads : int, default=1
        CPU threads. With one, the weights do not depend on the number of cores. Two train the paper's network
        about 1.6 times as fast on two idle cores, but were 30 times slower on busy ones, waiting for each other.
    progress : callable(step, n_steps, loss), default=None
        Called about a hundred times, and after the last step.

    Returns
    -------
    `.TrainingRecord`

    Raises
    ------
    ValueError
        If there are no labels, the plan names a class that they lack, or a label has no logit.
    FloatingPointError
        If the loss stops being finite.

    Examples
    --------
    >>> from cnn_probe import build_network, load_dataset
    >>> data = load_dataset("digits")
    >>> network = build_network(data.in_channels, data.image_size, data.n_classes, seed=0)
    >>> record = train(network, data.train, TrainingPlan(max_steps=5, seed=0))
    >>> record.steps, record.examples
    (5, 320)
    """
    if not isinstance(train_set, ImageSet):
        raise TypeError(f"train_set must be an ImageSet, got {type(train_set).__name__}; of an ImageData, take .train")
    if train_set.labels is None:
        raise ValueError("train_set has no labels; training needs them (evaluate and probe do without)")
    if not is_whole(threads):
        raise ValueError(f"threads must be a whole number of at least 1, got {threads!r}")
    labels = labels_of_training(train_set.labels.cpu(), plan)
    chosen = order_of_training(labels, plan)
    largest_label, size = int(labels[chosen].max()), min(plan.batch_size, len(chosen))
    n_steps = plan.epochs * -(-len(chosen) // size)
    n_steps = n_steps if plan.max_steps is None else min(n_steps, plan.max_steps)
    device = device_of(network)
    optimizer = SGD(network.parameters(), lr=plan.learning_rate, momentum=plan.momentum)
    losses: deque[float] = deque(maxlen=50)  # the loss of a single batch says little
    examples = 0
    start = time.perf_counter()

    def descend() -> None:
        nonlocal examples
        for step, batch in zip(range(1, n_steps + 1), _batches(labels, plan, size), strict=False):
            images, targets = train_set.images[batch].to(device), labels[batch].to(device)
            losses.append(_descend(network, optimizer, images, targets, largest_label, part=len(batch) / size))
            examples += len(batch)
            if not math.isfinite(losses[-1]):
                raise FloatingPointError(f"loss {losses[-1]} at step {step}; lower learning_rate={plan.learning_rate}")
            if progress is not None and (step % max(1, n_steps // 100) == 0 or step == n_steps):
                progress(step, n_steps, losses[-1])

    run_isolated(descend, network, seed=plan.seed, device=device, threads=threads)
    return TrainingRecord(
        steps=n_steps,
        examples=examples,
        seconds=time.perf_counter() - start,
        final_loss=float(np.mean(losses)) if losses else None,
        threads=threads,
        torch_version=str(torch.__version__),
        plan=asdict(plan),
    )


def _batches(labels: Tensor, plan: TrainingPlan, size: int) -> Iterator[Tensor]:
    """Yield the images of each step, epoch after epoch."""
    for epoch in range(plan.epochs):
        yield from order_of_training(labels, plan, epoch).split(size)


def _descend(
    network: nn.Module, optimizer: SGD, images: Tensor, targets: Tensor, largest_label: int, part: float
) -> float:
    logits = network(images)
    if logits.ndim != 2 or logits.shape[1] <= largest_label:
        shape = tuple(logits.shape)
        raise ValueError(f"network must return a logit for each label, 0 to {largest_label}; it returns {shape}")
    loss = cross_entropy(logits, targets)
    optimizer.zero_grad()
    (part * loss).backward()  # every image of an epoch counts alike, also those of a last batch that is not full
    optimizer.step()
    return loss.item()


def evaluate(network: nn.Module, image_set: ImageSet, *, batch_size: int = 1000) -> Evaluation:
    """Predict every image and, where there are labels, count the right predictions.

    Parameters
    ----------
    network : nn.Module
        Maps images to logits; used in evaluation mode and put back as it was.
    image_set : ImageSet
        With or without labels.
    batch_size : int, default=1000
        Images at a time.

    Returns
    -------
    `.Evaluation`

    Examples
    --------
    >>> from cnn_probe import build_network, load_dataset
    >>> data = load_dataset("digits")
    >>> found = evaluate(build_network(1, 28, 10, seed=0), data.test)
    >>> found.predictions.shape, 0 <= found.accuracy <= 1
    ((450,), True)
    """
    batches, device = image_set.images.split(batch_size), device_of(network)

    def predict() -> Tensor:
        return torch.cat([network(images.to(device)).argmax(dim=1).cpu() for images in batches])

    predictions = evaluating(predict, network)
    if image_set.labels is None:
        return Evaluation(predictions.numpy(), None, None)
    labels = image_set.labels.cpu()
    right = (predictions == labels).double()
    by_class = {label: float(right[labels == label].mean()) for label in labels.unique().tolist()}
    return Evaluation(predictions.numpy(), float(right.mean()), by_class)
