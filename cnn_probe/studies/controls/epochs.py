"""A control: one pass over all images, and several."""

from cnn_probe.networks.training_plan import TrainingPlan
from cnn_probe.studies.study import Condition, Given, Study

TIMES = (1, 2, 4, 8)


def _conditions(given: Given) -> tuple[Condition, ...]:
    return tuple(
        Condition(f"{times * given.epochs} epochs" if times * given.epochs > 1 else "1 epoch", plan, level)
        for level, (times, plan) in enumerate((times, TrainingPlan(epochs=times * given.epochs)) for times in TIMES)
    )


EPOCHS = Study(
    "epochs",
    "Several epochs",
    _conditions,
    (),
    question="Does what grows with a first pass over the images go on growing while the network still improves?",
    control=True,
    told=False,
    quick=False,
    most_seeds=3,
    differ="one of them trained for more epochs",
)
