"""Asking a result what it says of its inputs, from one more pass over them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_probe.measures.answering.answers import Answers
from cnn_probe.measures.answering.randomness import random_layer
from cnn_probe.probing.fitting import Progress
from cnn_probe.probing.recording import Recorded, record
from cnn_probe.probing.result import ProbeResult


def ask(
    result: ProbeResult,
    data: Any,
    *,
    labels: Any = None,
    class_names: Sequence[str] | None = None,
    seed: int = 0,
    recorded: Recorded | None = None,
    untrained: Answers | None = None,
    unseen: bool = False,
    watch: Progress | None = None,
    starts: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Answers:
    """Ask a result what it says of its inputs.

    Parameters
    ----------
    result : ProbeResult
        With its network.
    data
        The inputs of the fit, as `probe` took them: they are recorded again, and refused if they are others.
    labels : array of int of shape (n_inputs,), default=None
        A class for each input; ``result.labels``, for instance. None leaves out what needs labels.
    class_names : sequence of str, default=None
        Names of the classes, by number. None takes those that the data bring along (``class_names`` or ``classes``, as
        of a `PictureFolder` or of datasets of torchvision), where the labels are the data's own.
    seed : int, default=0
        Of permutations, shuffles and further starts.
    recorded : Recorded, default=None
        What was recorded of these inputs, if it is there: nothing is recorded again.
    untrained : Answers, default=None
        Of the same network, untrained, asked of the same inputs: `Answers.use` and `draw` set it beside, since neat
        factors come out of untrained networks too.
    unseen : bool, default=False
        Whether the network was trained without these inputs: said of its probabilities in `Answers.label_errors`. One
        that was trained on them may have learned a wrong label by heart.
    watch : callable(what, done, total), default=None
        Called while answers that take fits are found.
    starts : int, default=None
        Starts of the factorization, 2 or more, that `Answers.stability` is of, and that figures and pages tell of; None
        for six, which they tell of only where all is asked for.
    progress : callable(n_done, n), default=None
        Called after each batch that is recorded.

    Returns
    -------
    `Answers`

    Warns
    -----
    UserWarning
        If the network gives other activations each time that it is fed the same inputs: what is recorded again is then
        not what was factored.

    Raises
    ------
    ValueError
        If the result has no network, the inputs are others, labels do not fit them, or ``untrained`` is of other inputs
        or layers.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from cnn_probe import probe
    >>> images = torch.rand(30, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(36, 8), nn.ReLU(), nn.Linear(8, 3))
    >>> answers = ask(probe(network, images, n_components=2), images)
    >>> len(answers.residuals.table()), answers.units["2"].neurons.table().columns[:2]
    (30, ('neuron', 'channel'))
    """
    again = _again(result, data, progress) if recorded is None else recorded
    probed: Mapping[str, Any] = result.provenance
    if probed.get("data") not in (None, again.data_fingerprint):
        raise ValueError(
            f"data are not those that were probed: their fingerprint is {again.data_fingerprint}, that of the probed "
            f"ones {probed['data']}; give the same inputs in the same order, with the same preprocessing."
        )
    codes = None if labels is None else np.asarray(labels)
    if codes is not None and (codes.shape != (len(result.F),) or codes.dtype.kind not in "iu"):
        raise ValueError(f"labels must be {len(result.F)} whole numbers, got {codes.dtype} of shape {codes.shape}")
    if untrained is not None:
        _refuse_other(untrained.result, result)
    names = _names_in(data, result, codes) if class_names is None else class_names
    return Answers(result, data, codes, names, again, seed, untrained, unseen, watch, starts)


def _again(result: ProbeResult, data: Any, progress: Callable[[int, int], None] | None) -> Recorded:
    """The inputs recorded as those of the fit; warns where they cannot be the same."""
    prepared = result.prepare(data)
    layer = random_layer(prepared)
    if layer is not None:
        warnings.warn(
            f"the network is random, also in evaluation mode: fed the same inputs twice, it gives other activations "
            f"from layer {layer!r} on. Answers are of activations that were recorded again, not of those that were "
            "factored; make it give the same (F.dropout takes training=self.training), and probe it again.",
            stacklevel=3,
        )
    return record(prepared, predicts=False, shifts=result.minima, progress=progress)


def _names_in(data: Any, result: ProbeResult, labels: NDArray[Any] | None) -> Sequence[str] | None:
    """Names of the classes that the data bring along; None where the labels are not theirs, or not all have one."""
    if labels is None or result.labels is None or not np.array_equal(labels, result.labels):
        return None
    while not hasattr(data, "class_names") and not hasattr(data, "classes") and hasattr(data, "dataset"):
        data = data.dataset  # of a loader, or a subset
    found = getattr(data, "class_names", None) or getattr(data, "classes", None)
    if not isinstance(found, list | tuple) or not all(isinstance(one, str) for one in found):
        return None
    return tuple(found) if labels.min() >= 0 and labels.max() < len(found) else None


def _refuse_other(untrained: ProbeResult, result: ProbeResult) -> None:
    first, second = result.provenance.get("data"), untrained.provenance.get("data")
    if first != second:
        raise ValueError(
            f"untrained is of other inputs: their fingerprint is {second}, not {first}; probe it on the same"
        )
    if untrained.F.shape != result.F.shape:
        raise ValueError(f"untrained has rank {untrained.F.shape[1]}, not {result.F.shape[1]}; probe it at the same")
    if untrained.shapes != result.shapes or untrained.how != result.how:
        raise ValueError(
            f"untrained has other layers: {untrained}, not {result}; probe a network of the same shape in the same way"
        )
