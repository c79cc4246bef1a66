"""A control: the paper tests on about 6,000 images, the data set has 10,000."""

from cnn_probe.studies.paper.fraction import FRACTION
from cnn_probe.studies.settings import Treatment
from cnn_probe.studies.study import Condition, Given, Study

SHARE = 0.6  # 6,000 of 10,000


def _conditions(given: Given) -> tuple[Condition, ...]:
    whole = FRACTION.conditions(given)
    n_shown = max(1, round(SHARE * given.n_test))
    return (
        *(Condition(f"{one.label}, {given.n_test} images", one.plan, one.level) for one in whole),
        *(
            # Levels of their own: an error of fewer images is not compared with one of more.
            Condition(
                f"{one.label}, {n_shown} images",
                one.plan,
                one.level + len(whole) + 1,
                treatment=Treatment(test_images=n_shown),
            )
            for one in whole
        ),
    )


TEST_IMAGES = Study(
    "test-images",
    "Fewer test images",
    _conditions,
    (),
    question="Does what is found depend on how many test images are shown: 6,000 in the paper, 10,000 in the data set?",
    control=True,
    told=False,
    quick=False,
    most_seeds=3,
)
