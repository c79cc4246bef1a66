"""A control: the paper tests on about 6,000 images, the data set has 10,000."""

from cnn_probe.studies.paper.fraction import FRACTION, MORE_IMAGES
from cnn_probe.studies.settings import Treatment
from cnn_probe.studies.study import Condition, Given, Study, measured_twice

SHARE = 0.6  # 6,000 of 10,000


def _conditions(given: Given) -> tuple[Condition, ...]:
    n_shown = max(1, round(SHARE * given.n_test))
    called = f", {given.n_test} images", f", {n_shown} images"
    return measured_twice(FRACTION.conditions(given), called, Treatment(test_images=n_shown))


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
    differ=MORE_IMAGES,
)
