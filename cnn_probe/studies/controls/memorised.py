"""A control: images with random labels, learned by heart, beside the same images with their own labels.

The paper's network has 8,490 weights on MNIST, which hold the labels of about 1,000 images.
"""

from cnn_probe.networks.training_plan import TrainingPlan
from cnn_probe.studies.study import Condition, Given, Study

N_IMAGES = 1000
EPOCHS = 120  # after 80 all random labels of MNIST are known; with a larger step they are lost again
LEARNING_RATE, MOMENTUM = 0.02, 0.9


def _conditions(given: Given) -> tuple[Condition, ...]:
    random, true = (
        TrainingPlan(
            n_images=min(N_IMAGES, given.n_train),
            epochs=EPOCHS,
            learning_rate=LEARNING_RATE,
            momentum=MOMENTUM,
            shuffle_labels=shuffled,
        )
        for shuffled in (True, False)
    )
    return (
        Condition(f"{random.n_images} random labels", random, 0),
        Condition(f"{true.n_images} true labels", true, 1),
        Condition("all", TrainingPlan(epochs=given.epochs), 3),  # trained otherwise, so not the next level
    )


MEMORISED = Study(
    "memorised",
    "Random labels, memorised",
    _conditions,
    question="Does a network that has learned random labels by heart, and knows nothing, look like a well trained one?",
    control=True,
    told=False,
    differ="one of them trained on true labels, the other on random ones",
)
