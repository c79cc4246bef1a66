"""Case study III: all images, class by class with the last class first; shuffled for comparison."""

from cnn_probe.networks.training_plan import TrainingPlan
from cnn_probe.studies.claims import QUALITY_CLAIMS, USE_CLAIMS, fires, recognizes
from cnn_probe.studies.study import Condition, Given, Study


def _conditions(given: Given) -> tuple[Condition, ...]:
    n_classes, epochs = given.n_classes, given.epochs
    by_class = (n_classes - 1, *range(n_classes - 1))
    return (
        Condition("class by class", TrainingPlan(order=by_class, epochs=epochs), 0, 9.0),
        Condition("shuffled", TrainingPlan(epochs=epochs), 1),
        # Beside which shared neurons are seen; no level is next to its own, so that nothing else is compared with it.
        Condition("untrained", TrainingPlan(epochs=epochs, max_steps=0), -2),
    )


DIGIT_CLAIMS = (
    fires("neurons that fire for 9 also fire for 1 and 6", "class by class", ((9, 1), (9, 6)), alike=True),
    fires("neurons that fire for 1 also fire for 7 and 9", "class by class", ((1, 7), (1, 9)), alike=True),
    fires("neurons that fire for 7 also fire for 2", "class by class", ((7, 2),), alike=True),
    fires("other neurons fire for 0 than for 3 and 8", "class by class", ((0, 3), (0, 8)), alike=False),
)

GENERAL_CLAIMS = (
    *QUALITY_CLAIMS,
    *USE_CLAIMS,
    recognizes("most images of the class that was trained first are recognized", 0),
)
FIGURES = ("rmse", "last spectrum", "latent images", "neurons", "groups", "firing", "overlap", "recognized")
ORDER = Study(
    "order",
    "Order of the classes",
    _conditions,
    FIGURES,
    DIGIT_CLAIMS,
    question="What is left of a network that saw its classes one after the other, and how much of it is used?",
    general_claims=GENERAL_CLAIMS,
    differ="one of them trained on all classes mixed, the other class by class",
)
