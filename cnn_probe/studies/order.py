"""Case study III: all images, class by class with the last class first; shuffled for comparison."""

from cnn_probe.networks.training_plan import TrainingPlan
from cnn_probe.studies.claims import fires, recognizes
from cnn_probe.studies.study import Condition, Study


def _conditions(n_classes: int, epochs: int) -> tuple[Condition, ...]:
    by_class = (n_classes - 1, *range(n_classes - 1))
    return (
        Condition("class by class", TrainingPlan(order=by_class, epochs=epochs), 0, 9.0),
        Condition("shuffled", TrainingPlan(epochs=epochs), 1),
    )


DIGIT_CLAIMS = (
    recognizes("most of the first class (9) is recognized", "class by class", 9),
    fires("neurons that fire for 9 also fire for 1 and 6", "class by class", ((9, 1), (9, 6)), alike=True),
    fires("neurons that fire for 1 also fire for 7 and 9", "class by class", ((1, 7), (1, 9)), alike=True),
    fires("neurons that fire for 7 also fire for 2", "class by class", ((7, 2),), alike=True),
    fires("other neurons fire for 0 than for 3 and 8", "class by class", ((0, 3), (0, 8)), alike=False),
)

FIGURES = ("rmse", "latent images", "neurons", "firing", "overlap")
ORDER = Study("order", "Order of the classes", _conditions, FIGURES, DIGIT_CLAIMS)
