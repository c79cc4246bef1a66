"""A control: the paper's own updates, from its own start, on the same networks."""

from cnn_probe.studies.paper.fraction import FRACTION, MORE_IMAGES
from cnn_probe.studies.settings import Treatment
from cnn_probe.studies.study import Condition, Given, Study, measured_twice


def _conditions(given: Given) -> tuple[Condition, ...]:
    return measured_twice(FRACTION.conditions(given), ("", ", paper's updates"), Treatment(paper_updates=True))


UPDATES = Study(
    "updates",
    "The paper's own updates",
    _conditions,
    (),
    question="Does what is found depend on the solver: multiplicative updates from a uniform start, as in the paper, "
    "beside the solver of the settings?",
    control=True,
    told=False,
    quick=False,
    most_seeds=3,
    differ=MORE_IMAGES,
)
