"""A control: the paper's own updates, from its own start, on the same networks."""

from cnn_probe.studies.paper.fraction import FRACTION
from cnn_probe.studies.settings import Treatment
from cnn_probe.studies.study import Condition, Given, Study


def _conditions(given: Given) -> tuple[Condition, ...]:
    default = FRACTION.conditions(given)
    return (
        *(Condition(one.label, one.plan, one.level) for one in default),
        *(
            # Levels of their own: no fit of one solver is compared with one of the other.
            Condition(
                f"{one.label}, paper's updates",
                one.plan,
                one.level + len(default) + 1,
                treatment=Treatment(paper_updates=True),
            )
            for one in default
        ),
    )


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
)
