"""Case study II: the network sees the first class, one half of the classes, the other half, or all."""

from cnn_probe.networks.training_plan import TrainingPlan
from cnn_probe.studies.study import Condition, Given, Study


def _conditions(given: Given) -> tuple[Condition, ...]:
    n_classes, epochs = given.n_classes, given.epochs
    if n_classes < 4:
        raise ValueError(f"the study of class subsets needs 4 classes or more; the data have {n_classes}.")
    half = n_classes // 2
    subsets = ((0,), tuple(range(half)), tuple(range(half, n_classes)))
    labels = ("{0}", f"{{0–{half - 1}}}", f"{{{half}–{n_classes - 1}}}")
    some = [
        Condition(label, TrainingPlan(classes=subset, epochs=epochs), level, accuracy)
        for label, subset, level, accuracy in zip(labels, subsets, (0, 1, 1), (9.0, 50.0, 47.0), strict=True)
    ]
    return (*some, Condition("all", TrainingPlan(epochs=epochs), 2, 93.0))


CLASSES = Study(
    "classes",
    "Subset of the classes",
    _conditions,
    ("rmse", "top of the last spectrum"),
    question="Are the activations of a network that saw some of the classes alone easier to compress?",
    differ="one of them trained on more of the classes",
)
