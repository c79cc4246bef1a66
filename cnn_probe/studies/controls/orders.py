"""A control: class by class, in several orders; the paper has one, in one run."""

from cnn_probe.networks.training_plan import TrainingPlan
from cnn_probe.studies.claims import recognizes
from cnn_probe.studies.study import Condition, Given, Study


def _conditions(given: Given) -> tuple[Condition, ...]:
    """Each order begins with another class, and goes round; the first is the paper's."""
    n = given.n_classes
    first = dict.fromkeys((n - 1, 3 * n // 10, 6 * n // 10, 0))
    orders = [tuple((begin + step) % n for step in range(n)) for begin in first]
    by_class = (
        Condition(f"{order[0]} first, {order[-1]} last", TrainingPlan(order=order, epochs=given.epochs), 0)
        for order in orders
    )
    return (*by_class, Condition("shuffled", TrainingPlan(epochs=given.epochs), 1))


ORDERS = Study(
    "orders",
    "Several orders of the classes",
    _conditions,
    ("recognized",),
    question="Which class does a network know that saw its classes one after the other: the first, or the last?",
    general_claims=(
        recognizes("the class that was trained first is recognized", 0),
        recognizes("the class that was trained last is recognized", -1),
    ),
    control=True,
    told=False,
    quick=False,
)
