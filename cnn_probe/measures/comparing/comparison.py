"""Two checkpoints or networks on the same inputs: what is matched, lost and new, beside the spread over starts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnn_probe.measures.comparing.matching import Matching, match, matched_cosines
from cnn_probe.measures.comparing.side_by_side import (
    ErrorsSideBySide,
    UnitsSideBySide,
    errors_side_by_side,
    units_side_by_side,
)
from cnn_probe.measures.counting.exact import LEVEL
from cnn_probe.measures.table import Table
from coupled_nmf import Blocks

if TYPE_CHECKING:
    from cnn_probe.probing.result import ProbeResult

LEAST = 0.01  # of similarity, from which on a matched factor has changed
Factors = Sequence[NDArray[Any]]


@dataclass(frozen=True)
class Spread:
    """How alike the factors of one network are to those of its own other starts, and to those of the other network.

    Attributes
    ----------
    own : ndarray of shape (n_own, k)
        Similarity of each factor with its match in each other start of its own network.
    across : ndarray of shape (n_across, k)
        The same in each fit of the other network.
    threshold : ndarray of shape (k,)
        From which similarity on a factor is matched.
    """

    own: NDArray[np.float64]
    across: NDArray[np.float64]
    threshold: NDArray[np.float64]

    @property
    def chance(self) -> float:
        """With which one factor is less like all fits of the other network than all of its own, were they one network.

        All fits are then alike, and any order of them is as likely as another.
        """
        return 1.0 / math.comb(len(self.own) + len(self.across), len(self.own))

    @property
    def beyond(self) -> NDArray[np.bool_]:
        """Whether that is so of each factor, and the fits are enough for it to say something: chance below 5%."""
        if self.chance >= LEVEL:
            return np.zeros(self.across.shape[1], dtype=bool)
        return np.asarray(self.across.max(axis=0) < self.own.min(axis=0))

    @property
    def gone(self) -> NDArray[np.bool_]:
        """Whether each is beyond the spread, with a match in every fit of its own network and in none of the other."""
        found = self.beyond & np.all(self.across < self.threshold, axis=0) & np.all(self.own >= self.threshold, axis=0)
        return np.asarray(found)


@dataclass(frozen=True)
class Comparison:
    """Two factorizations of the same inputs, each of another network.

    Attributes
    ----------
    matching : Matching
        Of the factors of the first (a) with those of the second (b).
    a, b : Spread
        Of the factors of each.
    errors : ErrorsSideBySide
    units : UnitsSideBySide or None
        None if the activations of both were not given.
    """

    matching: Matching
    a: Spread
    b: Spread
    errors: ErrorsSideBySide
    units: UnitsSideBySide | None

    @property
    def lost(self) -> tuple[int, ...]:
        """Factors of a that b has not, beyond the spread over starts."""
        return tuple(factor for factor in self.matching.lost if self.a.gone[factor])

    @property
    def new(self) -> tuple[int, ...]:
        """Factors of b that a has not, beyond the spread over starts."""
        return tuple(factor for factor in self.matching.new if self.b.gone[factor])

    @property
    def expected_by_chance(self) -> float:
        """How many factors of both would be beyond the spread were the networks one: 1 in 20 at most of each."""
        return sum(side.chance * side.across.shape[1] for side in (self.a, self.b) if side.chance < LEVEL)

    def _changed(self, a: int, b: int) -> bool:
        """Whether a pair is less alike than the starts of either network are, and by more than a hair."""
        ends = [(side.own[:, factor], side.across[:, factor]) for side, factor in ((self.a, a), (self.b, b))]
        beyond = bool(self.a.beyond[a] and self.b.beyond[b])
        return beyond and all(float(own.min() - across.max()) >= LEAST for own, across in ends)

    def table(self) -> Table:
        """A row for each pair of matched factors, then for those of a without a match, then of b.

        ``verdict`` is "matched"; "changed", if matched, but by 0.01 less alike than the starts of either network are;
        "lost" (of a) or "new" (of b), if there is no match in any fit of the other network and one in all of its own;
        else "unmatched": nothing can be concluded. "own" is the least and most similarity with its own other starts,
        "across" with all fits of the other network, of a's factor where there is one.
        """
        listed: list[tuple[Any, Any, str]] = [
            (a, b, "changed" if self._changed(a, b) else "matched") for a, b in self.matching.pairs
        ]
        listed += [(a, None, "lost" if a in self.lost else "unmatched") for a in self.matching.lost]
        listed += [(None, b, "new" if b in self.new else "unmatched") for b in self.matching.new]
        rows = []
        for a, b, verdict in listed:
            side, factor = (self.b, b) if a is None else (self.a, a)
            ends = [
                how(found[:, factor]) if len(found) else None
                for found in (side.own, side.across)
                for how in (np.min, np.max)
            ]
            rows.append((a, b, verdict, side.across[0, factor], *ends, side.threshold[factor]))
        names = ("a", "b", "verdict", "similarity", "own least", "own most", "across least", "across most", "threshold")
        return Table(dict(zip(names, zip(*rows, strict=True), strict=True)))


def compare(
    a: ProbeResult,
    b: ProbeResult,
    *,
    starts_a: Factors = (),
    starts_b: Factors = (),
    X_a: Blocks | None = None,
    X_b: Blocks | None = None,
    same_inputs: bool = False,
    threshold: float | None = None,
    random_state: int = 0,
) -> Comparison:
    """Compare what two networks make of the same inputs, factor by factor.

    Factors of one network differ from start to start. Nothing is concluded of a factor inside that spread, so without
    other starts of both (`refits` makes them; 3 of each are enough) nothing is lost or new.

    Starts of one network do not say how much training itself spreads: another seed alone may lose a factor beyond
    them. To speak of what a network was trained on, give F of networks of other training seeds as ``starts_a`` and
    ``starts_b``. So held against each other, the paper's networks lose nothing where only seeds differ. A class left
    out of training is lost in a third to a half of the cases, if the outputs are factored at a lower rank than there
    are outputs (at that rank each factor is one output, and a count of dead units says as much); hidden layers carry
    such a class as well as any. That nothing is lost is no proof that nothing is.

    Neat factors come out of untrained networks too, and may match.

    Parameters
    ----------
    a, b : ProbeResult
        Of the same inputs in the same order; layers and ranks may differ.
    starts_a, starts_b : sequence of ndarray of shape (n_samples, k)
        F of each network from other starts, or of other networks like it.
    X_a, X_b : Blocks, default=None
        What each was fitted to, for the units, and for intervals of the errors.
    same_inputs : bool, default=False
        Your word that the inputs are the same though their fingerprints differ, as they do of two networks that are
        each fed through a preprocessing of its own.
    threshold : float, default=None
        From which similarity on two factors are one; None for halfway between what chance reaches and 1.
    random_state : int, default=0
        Seed of the shuffles that say what chance reaches.

    Returns
    -------
    `.Comparison`

    Raises
    ------
    ValueError
        If the inputs are not the same, or an array is not of them.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from cnn_probe import probe
    >>> images = torch.rand(30, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    >>> def untrained(seed):
    ...     torch.manual_seed(seed)
    ...     return nn.Sequential(nn.Flatten(), nn.Linear(36, 8), nn.ReLU(), nn.Linear(8, 3))
    >>> a, b = (probe(untrained(seed), images, n_components=2) for seed in (0, 1))
    >>> found = compare(a, b)
    >>> found.lost, found.new, len(found.table())
    ((), (), 2)
    """
    refuse_other_inputs(a, b, same_inputs)
    for name, starts in (("starts_a", starts_a), ("starts_b", starts_b)):
        for F in starts:
            if np.ndim(F) != 2 or len(F) != len(a.F):
                raise ValueError(f"{name} has an F of shape {np.shape(F)}; there are {len(a.F)} inputs")
    for name, X, result in (("X_a", X_a, a), ("X_b", X_b, b)):
        if X is not None and (len(X) != len(result.F) or X.names != result.model.layout_.names):
            raise ValueError(f"{name} is not what {name[-1]} was fitted to: {X}, but {result}")
    matching = match(a.F, b.F, threshold=threshold, random_state=random_state)
    spread_a = Spread(_similarities(a.F, starts_a), _similarities(a.F, [b.F, *starts_b]), matching.threshold)
    spread_b = Spread(_similarities(b.F, starts_b), _similarities(b.F, [a.F, *starts_a]), matching.threshold_b)
    units = None
    if X_a is not None and X_b is not None:
        named = [block.name for result in (a, b) for block in result.blocks if block.layer is not None]
        units = units_side_by_side(X_a, X_b, list(dict.fromkeys(named)))
    errors = errors_side_by_side((a.model, a.F, X_a), (b.model, b.F, X_b))
    return Comparison(matching, spread_a, spread_b, errors, units)


def refuse_other_inputs(a: ProbeResult, b: ProbeResult, same_inputs: bool = False) -> None:
    """Raise ValueError if two results are not of the same inputs, by their number and fingerprint.

    ``same_inputs`` is as of `compare`.
    """
    if len(a.F) != len(b.F):
        raise ValueError(f"a has {len(a.F)} inputs and b has {len(b.F)}; probe both networks on the same inputs")
    first, second = a.provenance.get("data"), b.provenance.get("data")
    if not same_inputs and (first is None or first != second):
        raise ValueError(
            f"a and b are not known to be of the same inputs: their fingerprints are {first} and {second}; probe both "
            "on the same, or give same_inputs=True if only the preprocessing differs"
        )


def _similarities(F: NDArray[Any], others: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    """Similarity of each factor with its match in each of the others: shape (n_others, k)."""
    return np.array([matched_cosines(F, other) for other in others]).reshape(len(others), F.shape[1])
