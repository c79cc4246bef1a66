"""Does a factor cause the prediction: it is taken out of a layer, and other directions beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from cnn_probe.measures.causes.directions import Direction, directions_of, likeness
from cnn_probe.measures.counting.chance import n_below
from cnn_probe.measures.counting.exact import LEVEL
from cnn_probe.measures.table import Table

#: ``run(directions)``: of the network as it is, and then with each taken out, the probability of each input's class and
#: the class that it predicts, both of shape (1 + n_directions, n).
Run = Callable[[Sequence[Direction]], tuple[NDArray[np.float64], NDArray[np.int64]]]
FEW = 5  # inputs, below which nothing is said of a class
LEAST = 0.01  # of probability, one point: what a class has to lose at least for a factor to be said to cause it


@dataclass(frozen=True)
class Ablation:
    """What happens to the predictions when factors are taken out of a layer.

    A change is of the mean probability of a class, over the inputs that the network gives that class (by its own
    prediction, or by the labels, if they were given), in points between -1 and 1.

    Two kinds of other directions stand beside each factor. Much of one whose neurons are shuffled falls on neurons that
    are hardly active, which later layers need not heed: to take more than these is little. One that is drawn like the
    layer's own activations lies where the layer does, and taking it out mostly hurts; it may hold some of the factor,
    too. A factor that takes no more than these (``p_alike`` of 0.05 or more) may well be used, but its loss is not a
    sign of that factor rather than of any other part of the layer.

    Attributes
    ----------
    layer : str
    classes : tuple of str
    n_inputs : ndarray of int of shape (n_classes,)
        Inputs of each class.
    factors : tuple of int
        Numbers of those that were taken out, from 0.
    change : ndarray of shape (n_factors, n_classes)
        By taking out the factor.
    low, high : ndarray of shape (n_factors, n_classes)
        Ends of the 95% interval of ``change`` of a factor, of all `counted` classes together, so that it holds for the
        one that is hit most, too: each by Student's t over its inputs, at 1 - 0.05 / classes. NaN of other classes.
    shuffled : ndarray of shape (n_factors, n_shuffles, n_classes)
        By taking out as much of directions with shuffled neurons.
    alike : ndarray of shape (n_factors, n_shuffles, n_classes)
        By taking out as much of directions drawn like the layer's own activations.
    principal : ndarray of shape (n_factors, n_classes)
        By taking out as much of the first principal direction.
    kept : ndarray of shape (n_factors,)
        Part of the inputs that keep their predicted class without the factor.
    specificity : ndarray of shape (n_factors, 2)
        How much of all losses falls on the class that is hit most: of the factor, and of the principal direction.
    p_value : ndarray of shape (n_factors,)
        Chance that a shuffled direction hits a class as hard: (1 + those that do) / (1 + n_shuffles). Classes are those
        that are `counted`, as in all that is said of the class that is hit most.
    p_alike : ndarray of shape (n_factors,)
        The same of directions drawn like the layer's own activations.
    likeness : float
        Of these directions, the mean squared cosine of each two: where it is 0.5 or more they are spread over two
        directions or fewer, and ``p_alike`` says little.
    """

    layer: str
    classes: tuple[str, ...]
    n_inputs: NDArray[np.int64]
    factors: tuple[int, ...]
    change: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    shuffled: NDArray[np.float64]
    alike: NDArray[np.float64]
    principal: NDArray[np.float64]
    kept: NDArray[np.float64]
    specificity: NDArray[np.float64]
    p_value: NDArray[np.float64]
    p_alike: NDArray[np.float64]
    likeness: float = 0.0

    @property
    def counted(self) -> NDArray[np.bool_]:
        """Whether each class has 5 inputs or more, without which no change is sure; all, where none has."""
        return _counted(self.n_inputs)

    @property
    def hit(self) -> NDArray[np.int64]:
        """The class, of those that are `counted`, that each factor's removal takes most from."""
        found: NDArray[np.int64] = np.argmin(np.where(self.counted, self.change, np.inf), axis=1)
        return found

    @property
    def tested(self) -> bool:
        """Whether there are directions enough to tell chance: below 20 of a kind, no chance is below 5%."""
        return n_below(self.shuffled.shape[1]) > 0

    @property
    def hurts(self) -> NDArray[np.bool_]:
        """Whether its removal takes a point of probability or more from a class, and surely some.

        The interval of the change does not reach 0. Nothing is said of what other directions take.
        """
        rows = np.arange(len(self.factors))
        found: NDArray[np.bool_] = (self.change[rows, self.hit] <= -LEAST) & (self.high[rows, self.hit] < 0)
        return found

    @property
    def verdicts(self) -> tuple[str, ...]:
        """What can be said of each factor's effect on the class that it hits most, beside shuffled directions.

        "not tested" of all, where there are fewer than 20 shuffles; "too few inputs" of all, where no class has 5; "not
        beyond chance" where a shuffled direction hits a class as hard (``p_value`` of 0.05 or more), or the interval of
        the change reaches 0; else "less than a point" where the class loses less than one point of probability, however
        surely; else "causes". `beyond_alike` says more of those that cause.
        """
        if not self.tested:
            return ("not tested",) * len(self.factors)
        if self.n_inputs.max() < FEW:
            return ("too few inputs",) * len(self.factors)
        beyond = (self.p_value < LEVEL) & (self.high[np.arange(len(self.factors)), self.hit] < 0)
        return tuple(
            "not beyond chance" if not sure else "causes" if hurts else "less than a point"
            for sure, hurts in zip(beyond.tolist(), self.hurts.tolist(), strict=True)
        )

    @property
    def causes(self) -> NDArray[np.bool_]:
        """Whether the verdict is "causes", which is not that the loss is the factor's own: see `beyond_alike`."""
        return np.array([verdict == "causes" for verdict in self.verdicts], dtype=np.bool_)

    @property
    def beyond_alike(self) -> NDArray[np.bool_]:
        """Which of those that cause hit harder than directions drawn like the layer's own activations, too.

        ``p_alike`` below 0.05. Of the others it can be said that their removal hurts, and not that it hurts more than
        taking out other things that the layer holds.
        """
        return self.causes & (self.p_alike < LEVEL)

    @property
    def said(self) -> tuple[str, ...]:
        """The `verdicts` in full: of what causes, whether it does more than directions like the layer's own."""
        words = {
            True: "causes, and more than directions like the layer's own",
            False: "causes, but not clearly more than directions like the layer's own",
        }
        return tuple(
            words[beyond] if verdict == "causes" else verdict
            for verdict, beyond in zip(self.verdicts, self.beyond_alike.tolist(), strict=True)
        )

    def table(self) -> Table:
        """Return one row for each factor and class."""
        k, n = self.change.shape
        columns = {
            "factor": np.repeat(self.factors, n),
            "class": [name for _ in range(k) for name in self.classes],
            "inputs": np.tile(self.n_inputs, k),
            **{name: getattr(self, name).ravel() for name in ("change", "low", "high", "principal")},
            "shuffled hardest": self.shuffled.min(axis=1).ravel(),
            "alike hardest": self.alike.min(axis=1).ravel(),
            "p": np.repeat(self.p_value, n),
            "p alike": np.repeat(self.p_alike, n),
            "hit most": (np.arange(n) == self.hit[:, None]).ravel(),
            "verdict": np.repeat(self.verdicts, n),
        }
        return Table(columns)

    @property
    def expected_by_chance(self) -> float:
        """How many factors would have a ``p_value`` below 0.05 were they no other than shuffled directions.

        k / (1 + n_shuffles) of the usual 20 shuffles, of which none may hit as hard; 0 of fewer than 20, which test
        nothing. As many would have a ``p_alike`` below 0.05 were they drawn like the layer's own activations. Factors
        are drawn like neither: of those that cause nothing, more may surpass one kind.
        """
        n_shuffles = self.shuffled.shape[1]
        return len(self.factors) * n_below(n_shuffles) / (1 + n_shuffles)


def effects_of(
    run: Run,
    H: NDArray[Any],
    rows: NDArray[Any],
    groups: NDArray[np.int64],
    *,
    layer: str,
    classes: Sequence[str],
    factors: Sequence[int] | None = None,
    n_shuffles: int = 20,
    seed: int = 0,
) -> Ablation:
    """Take factors out of a layer, one at a time, and as much of other directions beside each.

    It is an intervention: what the network is given then is not what it was trained on, and where several layers or
    factors carry one thing the effect of each alone is small.

    Parameters
    ----------
    run : callable
        As of `Run`.
    H, rows
        As of `directions_of`.
    groups : ndarray of int of shape (n,)
        The class of each input, whose probability ``run`` gives.
    layer : str
    classes : sequence of str
    factors : sequence of int, default=None
        Which; None for all.
    n_shuffles : int, default=20
        Directions of each kind beside each factor; below 20 no chance is below 5%, and nothing is tested.
    seed : int, default=0

    Raises
    ------
    ValueError
        If there are no factors or fewer than one shuffle, or a factor that there is not.
    """
    chosen = tuple(range(len(H))) if factors is None else tuple(factors)
    if not chosen or not all(0 <= factor < len(H) for factor in chosen):
        raise ValueError(f"factors must be some of 0 to {len(H) - 1}, got {list(chosen)}")
    if n_shuffles < 1:
        raise ValueError(f"n_shuffles must be 1 or more, got {n_shuffles}")
    directions = directions_of(H, rows, chosen, n_shuffles, seed)
    own, predicted = run(directions)
    shape = (len(chosen), 2 * n_shuffles + 2)
    n_inputs = np.bincount(groups, minlength=len(classes))
    counted = _counted(n_inputs)
    change = ((own[1:] - own[0]) @ _means_of_classes(len(classes), groups)).reshape(*shape, len(classes))
    of_factors = (own[1:] - own[0]).reshape(*shape, -1)[:, 0]
    low, high = _interval(of_factors, groups, n_inputs)
    factor, shuffled, alike, principal = np.split(change, [1, 1 + n_shuffles, 1 + 2 * n_shuffles], axis=1)
    factor, principal = factor[:, 0], principal[:, 0]
    return Ablation(
        layer,
        tuple(classes),
        n_inputs,
        chosen,
        factor,
        low,
        high,
        shuffled,
        alike,
        principal,
        np.mean(predicted[1:].reshape(*shape, -1)[:, 0] == predicted[0], axis=1),
        np.stack([_specificity(factor[:, counted]), _specificity(principal[:, counted])], axis=1),
        _chance(factor[:, counted], shuffled[..., counted]),
        _chance(factor[:, counted], alike[..., counted]),
        likeness([one.vector for one in directions if one.kind == "alike" and one.factor == chosen[0]]),
    )


def _chance(factor: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Chance that one of other directions (n_factors, n_others, n_classes) hits a class as hard as a factor does."""
    as_hard = np.sum(others.min(axis=2) <= factor.min(axis=1)[:, None], axis=1)
    return np.asarray((1 + as_hard) / (1 + others.shape[1]))


def _means_of_classes(n_classes: int, groups: NDArray[np.int64]) -> NDArray[np.float64]:
    """What a row of n values is multiplied by for its mean over each class (n, n_classes); 0 for a class without."""
    members = (groups[:, None] == np.arange(n_classes)).astype(np.float64)
    means: NDArray[np.float64] = members / np.maximum(members.sum(axis=0), 1)
    return means


def _counted(n_inputs: NDArray[np.int64]) -> NDArray[np.bool_]:
    return n_inputs >= min(FEW, int(n_inputs.max()))


def _interval(
    changes: NDArray[np.float64], groups: NDArray[np.int64], n_inputs: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ends of the 95% interval of the mean change (n_factors, n) over each class, of all that have inputs enough."""
    low, high = np.full((2, len(changes), len(n_inputs)), np.nan)
    enough = np.flatnonzero(n_inputs >= FEW)
    for label in enough.tolist():
        members = changes[:, groups == label]
        n, mean = members.shape[1], members.mean(axis=1)
        width = t.isf(LEVEL / (2 * len(enough)), n - 1) * members.std(axis=1, ddof=1) / np.sqrt(n)
        low[:, label], high[:, label] = mean - width, mean + width
    return low, high


def _specificity(change: NDArray[np.float64]) -> NDArray[np.float64]:
    """The largest loss of a class over the sum of all losses; 0 where nothing is lost."""
    losses = np.maximum(-change, 0)
    total = losses.sum(axis=1)
    return np.divide(losses.max(axis=1), total, out=np.zeros(len(total)), where=total > 0)
