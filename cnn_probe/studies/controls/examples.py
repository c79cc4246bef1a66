"""A control: as many images of all classes as some of the classes have."""

from cnn_probe.networks.training_plan import TrainingPlan
from cnn_probe.studies.study import Condition, Given, Study


def _conditions(given: Given) -> tuple[Condition, ...]:
    if given.n_classes < 4:
        raise ValueError(f"the study of as many examples needs 4 classes or more; the data have {given.n_classes}.")
    half = given.n_classes // 2
    conditions = []
    for level, (label, classes) in enumerate((("{0}", (0,)), (f"{{0–{half - 1}}}", tuple(range(half))))):
        some = TrainingPlan(classes=classes, epochs=given.epochs)
        of_all = TrainingPlan(n_images=given.size_of(classes), epochs=given.epochs)
        # Each pair is compared by itself, so that there is a level between them.
        conditions += [
            Condition(label, some, 3 * level),
            Condition(f"all, as many as {label}", of_all, 3 * level + 1),
        ]
    return tuple(conditions)


EXAMPLES = Study(
    "examples",
    "As many examples of all classes",
    _conditions,
    question="Is it fewer classes or fewer images that make the activations easier to compress?",
    control=True,
    told=False,
    differ="one of them trained on as many images of all classes as the other of some",
)
