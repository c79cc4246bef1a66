"""A control: as many steps on less data, since a pass over less data is also a shorter training."""

from cnn_probe.networks.training_plan import TrainingPlan
from cnn_probe.studies.study import Condition, Given, Study

FRACTIONS = (0.25, 0.5, 0.75, 1.0)


def _conditions(given: Given) -> tuple[Condition, ...]:
    return tuple(
        Condition(f"{fraction:.0%}, all steps", _plan(given, fraction), level)
        for level, fraction in enumerate(FRACTIONS)
    )


def _plan(given: Given, fraction: float) -> TrainingPlan:
    """As many steps as all of the data give, on a fraction of them; of all, the plan that other studies have."""
    whole = TrainingPlan(epochs=given.epochs)
    if fraction == 1:
        return whole
    n_chosen = max(1, round(fraction * given.n_train))
    an_epoch = -(-n_chosen // min(whole.batch_size, n_chosen))
    steps = given.epochs * -(-given.n_train // min(whole.batch_size, given.n_train))
    return TrainingPlan(fraction=fraction, epochs=-(-steps // an_epoch), max_steps=steps)


STEPS = Study(
    "steps",
    "As many steps on less data",
    _conditions,
    question="Is it fewer images or fewer steps that make the activations easier to compress?",
    control=True,
    told=False,
    differ="one of them trained on more images, in as many steps",
)
