"""What a study is: conditions to train under, and claims of the paper to hold against the numbers."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cnn_probe.training import TrainingPlan

Record = dict[str, Any]


@dataclass(frozen=True)
class Condition:
    """One way to train the network.

    Attributes
    ----------
    label : str
        What figures and tables call it.
    plan : TrainingPlan
        How it is trained; the seed is set for each repetition.
    level : int
        How well it trains by the paper's account; each level is compared with the next, 0 is the worst.
    paper_accuracy : float or None
        The accuracy on the test images that the paper reports, in percent.
    """

    label: str
    plan: TrainingPlan
    level: int
    paper_accuracy: float | None = None


@dataclass(frozen=True)
class Study:
    """A case study of the paper.

    Attributes
    ----------
    name : str
        As on the command line.
    title : str
        For people.
    conditions : callable
        ``conditions(n_classes, epochs)`` gives the conditions, worst trained first.
    claims : tuple of Claim
        What the paper says that the numbers show.
    """

    name: str
    title: str
    conditions: Callable[[int, int], tuple[Condition, ...]]
    claims: tuple[Claim, ...] = field(default=())


@dataclass(frozen=True)
class Claim:
    """A statement of the paper, and the measure whose rise along the conditions would bear it out.

    Attributes
    ----------
    text : str
        The claim.
    measure : callable
        ``measure(record, rank)`` gives the number that should rise from each condition to the next.
    """

    text: str
    measure: Callable[[Record, int], float]

    def verdict(self, records: dict[str, list[Record]], levels: dict[str, int], ranks: list[int]) -> Record:
        """Count, over seeds, ranks and conditions of neighbouring levels, how often the measure rises.

        Returns
        -------
        dict
            ``rises`` and ``pairs``, and ``verdict``: 'reproduced' if every pair rises, 'partly' if more than half
            do, else 'not'.
        """
        rises = pairs = 0
        for lower, higher in itertools.permutations(records, 2):
            if levels[higher] != levels[lower] + 1:
                continue
            for a, b in zip(records[lower], records[higher], strict=True):
                for rank in ranks:
                    pairs += 1
                    rises += self.measure(b, rank) > self.measure(a, rank)
        verdict = "reproduced" if rises == pairs else "partly" if 2 * rises > pairs else "not"
        return {"claim": self.text, "rises": int(rises), "pairs": pairs, "verdict": verdict}


def rmse(record: Record, rank: int) -> float:
    """Return the RMSE of the fit at that rank."""
    return float(record["fits"][str(rank)]["rmse"])


def relative_error(record: Record, rank: int) -> float:
    """‖X_b − F H_b‖²/‖X_b‖², averaged over the layers: it does not move with the scale of the activations."""
    errors = record["fits"][str(rank)]["block_relative_error"]
    layers = list(record["effective_rank"])
    return float(sum(errors[layer] for layer in layers) / len(layers))


def deepest_effective_rank(record: Record, rank: int) -> float:
    """Effective rank of the deepest layer; the same at every rank of the factorization."""
    return float(list(record["effective_rank"].values())[-1])


CLAIMS = (
    Claim("RMSE rises with the quality of training", rmse),
    Claim("the same, free of scale: relative error of the layers", relative_error),
    Claim("the deepest layer's effective rank rises with the quality of training", deepest_effective_rank),
)
