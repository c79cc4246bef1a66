"""Case study III: all images, class by class with the last class first; shuffled for comparison."""

from cnn_probe.studies.study import CLAIMS, Condition, Study
from cnn_probe.training import TrainingPlan


def _conditions(n_classes: int, epochs: int) -> tuple[Condition, ...]:
    by_class = (n_classes - 1, *range(n_classes - 1))
    return (
        Condition("class by class", TrainingPlan(order=by_class, epochs=epochs), 0, 9.0),
        Condition("shuffled", TrainingPlan(epochs=epochs), 1),
    )


ORDER = Study("order", "Order of the classes", _conditions, CLAIMS)
