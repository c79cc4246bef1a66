"""What a study is: conditions to train and to measure under, and claims to hold against the numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from cnn_probe.networks.training_plan import TrainingPlan
from cnn_probe.studies.claims import LATER, QUALITY_CLAIMS, Claim
from cnn_probe.studies.settings import AS_TRAINED, Treatment


@dataclass(frozen=True)
class Given:
    """What there is to make conditions from.

    Attributes
    ----------
    class_sizes : tuple of int
        Training images of each class, by its label.
    n_test : int
        Test images.
    epochs : int
        Passes over the training data that were asked for.
    """

    class_sizes: tuple[int, ...]
    n_test: int
    epochs: int

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.class_sizes)

    @property
    def n_train(self) -> int:
        """Training images of all classes."""
        return sum(self.class_sizes)

    def size_of(self, classes: Iterable[int]) -> int:
        """Training images of these classes."""
        return sum(self.class_sizes[label] for label in classes)


@dataclass(frozen=True)
class Condition:
    """One way to train the network, and to measure it.

    Attributes
    ----------
    label : str
        What figures and tables call it.
    plan : TrainingPlan
        How it is trained; the seed is set for each repetition.
    level : int
        How well it trains by the paper's account, 0 is the worst. Conditions are compared if the levels between theirs
        are all there: a level that is left out begins a row of its own.
    paper_accuracy : float or None
        The accuracy on the test images that the paper reports, in percent.
    treatment : Treatment
        What is done to the network once it is trained. It is not trained again for that.
    """

    label: str
    plan: TrainingPlan
    level: int
    paper_accuracy: float | None = None
    treatment: Treatment = AS_TRAINED


def measured_twice(
    conditions: Sequence[Condition], called: tuple[str, str], treatment: Treatment
) -> tuple[Condition, ...]:
    """Conditions as they are, and again with a treatment; ``called`` is what each label ends in.

    Levels of the second lie apart, so that no network as trained is compared with one that was treated.
    """
    apart = len(conditions) + 1
    conditions = [replace(one, paper_accuracy=None) for one in conditions]  # they stand where the paper reports them
    return (
        *(replace(one, label=f"{one.label}{called[0]}") for one in conditions),
        *(
            replace(one, label=f"{one.label}{called[1]}", level=one.level + apart, treatment=treatment)
            for one in conditions
        ),
    )


@dataclass(frozen=True)
class Study:
    """A case study of the paper, or a control.

    Attributes
    ----------
    name : str
        As on the command line.
    title : str
        For people.
    conditions : callable
        ``conditions(given)`` makes the conditions of what is `Given`, worst trained first.
    figures : tuple of str
        Names of what is drawn of it, as `DRAWINGS` of the report has them.
    digit_claims : tuple of Claim
        What the paper says of single digits; for data whose classes are the ten digits.
    question : str
        What it asks, in one sentence, for people.
    general_claims : tuple of Claim
        What is held against the numbers whatever the classes are.
    control : bool
        Whether the paper lacks it.
    most_seeds : int or None
        How many of the seeds it is run with, the first, where it is expensive; None for all.
    told : bool
        Whether more is told of its networks (`run_studies`, ``tell_more``), so that their patterns can be shown.
    quick : bool
        Whether ``study all --quick`` runs it.
    differ : str
        What tells the networks of a pair apart that its claims compare, for people: by it, not by what came of it.
    """

    name: str
    title: str
    conditions: Callable[[Given], tuple[Condition, ...]]
    figures: tuple[str, ...] = ("rmse",)
    digit_claims: tuple[Claim, ...] = ()
    question: str = ""
    general_claims: tuple[Claim, ...] = QUALITY_CLAIMS
    control: bool = False
    most_seeds: int | None = None
    told: bool = True
    quick: bool = True
    differ: str = LATER

    def claims(self, class_names: Sequence[str]) -> tuple[Claim, ...]:
        """Return the claims that can be held against networks with these classes."""
        digits = tuple(class_names) == tuple("0123456789")
        return self.general_claims + (self.digit_claims if digits else ())
