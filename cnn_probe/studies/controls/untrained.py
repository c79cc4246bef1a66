"""A control: the network before its training, beside the same after it."""

from cnn_probe.networks.training_plan import TrainingPlan
from cnn_probe.studies.study import Condition, Given, Study


def _conditions(given: Given) -> tuple[Condition, ...]:
    return (
        Condition("nothing", TrainingPlan(epochs=given.epochs, max_steps=0), 0),
        Condition("all", TrainingPlan(epochs=given.epochs), 1),
    )


UNTRAINED = Study(
    "untrained",
    "Untrained networks",
    _conditions,
    question="Does a network that was never trained look like a badly trained one?",
    control=True,
    differ="one of them trained, the other not",
)
