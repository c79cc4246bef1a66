"""Case study I: the network sees 25, 50, 75 or 100% of the training images, once."""

from cnn_probe.networks.training_plan import TrainingPlan
from cnn_probe.studies.study import Condition, Given, Study

PAPER = {0.25: 83.0, 0.5: 89.0, 0.75: 93.0, 1.0: 95.0}  # accuracy in percent
MORE_IMAGES = "one of them trained on more images"


def _conditions(given: Given) -> tuple[Condition, ...]:
    return tuple(
        Condition(f"{fraction:.0%}", TrainingPlan(fraction=fraction, epochs=given.epochs), level, accuracy)
        for level, (fraction, accuracy) in enumerate(PAPER.items())
    )


FRACTION = Study(
    "fraction",
    "Fraction of the training data",
    _conditions,
    ("rmse", "first spectrum", "last spectrum"),
    question="Are the activations of a network that saw fewer images easier to compress?",
    differ=MORE_IMAGES,
)
