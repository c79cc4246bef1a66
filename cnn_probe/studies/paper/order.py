"""Case study III: all images, class by class with the last class first; shuffled for comparison."""

from cnn_probe.networks.training_plan import TrainingPlan
from cnn_probe.studies.claims import QUALITY_CLAIMS, fires, recognizes, rises
from cnn_probe.studies.study import Condition, Given, Study


def _conditions(given: Given) -> tuple[Condition, ...]:
    n_classes, epochs = given.n_classes, given.epochs
    by_class = (n_classes - 1, *range(n_classes - 1))
    return (
        Condition("class by class", TrainingPlan(order=by_class, epochs=epochs), 0, 9.0),
        Condition("shuffled", TrainingPlan(epochs=epochs), 1),
    )


# Figure 8: without shuffling "the network is heavily underutilized".
UTILISATION_CLAIMS = (
    rises(
        "without shuffling more neurons of the last layer are dead (figure 8: under-utilised)",
        lambda record, rank: -record.dead_neurons[record.layers[-1]],
    ),
    rises(
        "without shuffling more activations of the last layer are zero (figure 8: under-utilised)",
        lambda record, rank: -record.zeros[record.layers[-1]],
    ),
)

DIGIT_CLAIMS = (
    recognizes("most of the first class (9) is recognized", "class by class", 9),
    fires("neurons that fire for 9 also fire for 1 and 6", "class by class", ((9, 1), (9, 6)), alike=True),
    fires("neurons that fire for 1 also fire for 7 and 9", "class by class", ((1, 7), (1, 9)), alike=True),
    fires("neurons that fire for 7 also fire for 2", "class by class", ((7, 2),), alike=True),
    fires("other neurons fire for 0 than for 3 and 8", "class by class", ((0, 3), (0, 8)), alike=False),
)

FIGURES = ("rmse", "latent images", "neurons", "firing", "overlap")
ORDER = Study(
    "order",
    "Order of the classes",
    _conditions,
    FIGURES,
    DIGIT_CLAIMS,
    question="What is left of a network that saw its classes one after the other, and how much of it is used?",
    general_claims=QUALITY_CLAIMS + UTILISATION_CLAIMS,
)
