"""A control: one layer multiplied by c, and the weights of the next divided by it, which computes the same function."""

from cnn_probe.networks.training_plan import TrainingPlan
from cnn_probe.studies.settings import Treatment
from cnn_probe.studies.study import Condition, Given, Study

FACTORS = {"½": 0.5, "8": 8.0}  # powers of two, which leave the outputs as they are to the bit


def _conditions(given: Given) -> tuple[Condition, ...]:
    plan = TrainingPlan(epochs=given.epochs)
    scaled = (
        Condition(f"all, first layer × {name}", plan, 0, treatment=Treatment(scale=factor))
        for name, factor in FACTORS.items()
    )
    return (Condition("all", plan, 0), *scaled)


SCALING = Study(
    "scaling",
    "The same function, scaled",
    _conditions,
    question="Which measures stay the same when one layer is scaled and the next scaled back, so that the network "
    "computes the same?",
    general_claims=(),
    control=True,
)
