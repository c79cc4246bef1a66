"""What a study is: conditions to train under, and claims of the paper to hold against the numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cnn_probe.networks.training_plan import TrainingPlan
from cnn_probe.studies.claims import QUALITY_CLAIMS, Claim


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
    figures : tuple of str
        Names of what is drawn of it, as `DRAWINGS` of the report has them.
    digit_claims : tuple of Claim
        What the paper says of single digits; for data whose classes are the ten digits.
    """

    name: str
    title: str
    conditions: Callable[[int, int], tuple[Condition, ...]]
    figures: tuple[str, ...] = ("rmse",)
    digit_claims: tuple[Claim, ...] = ()

    def claims(self, class_names: Sequence[str]) -> tuple[Claim, ...]:
        """Return the claims that can be held against networks with these classes."""
        digits = tuple(class_names) == tuple("0123456789")
        return QUALITY_CLAIMS + (self.digit_claims if digits else ())
