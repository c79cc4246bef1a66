"""Is a class that was left out of training lost beyond what other training seeds lose: outputs and a hidden layer.

The paper's network on MNIST, one epoch, balanced blocks. Four networks of four training seeds (a) are held against four
of four other seeds (b), trained on all classes ("all classes") or without one; each of the four in turn is compared
with one of the others, and the other three of either side stand for its spread. The outputs, as far as they are above
zero, are factored at rank 8: at rank 10 each factor would be one output, and that a class was lost would say only that
its output never fires. "right" counts comparisons in which a lost factor is one that the images of the class left out
have most of, "wrong" the lost factors of other classes, of four comparisons, which share their networks.
"""

import warnings

from sklearn.exceptions import ConvergenceWarning

from benchmarks.checkpoints import most_of
from benchmarks.workload import mnist
from cnn_probe import TrainingPlan, build_network, probe, train
from cnn_probe.measures.comparing.comparison import compare

FACTORED = {
    "outputs above 0, rank 8": ({"layers": "fc", "negative": "clip"}, 8),
    "outputs split, rank 10": ({"layers": "fc", "negative": "split"}, 10),
    "relu2, rank 10": ({"layers": "relu2", "pool": "whole"}, 10),
}
SEEDS, OTHERS, REMOVED = range(4), range(4, 8), (3, 7, 8)


def trained(seed, without=None):
    network = build_network(1, 28, 10, seed=seed)
    classes = tuple(label for label in range(10) if label != without)
    train(network, mnist().train, TrainingPlan(seed=seed, epochs=1, classes=classes))
    return network


def probed(networks):
    """By what is factored, the results of these networks."""
    return {
        what: [
            probe(one, mnist().test, **how, n_components=k, inputs=False, block_weights="balanced", n_init=3)
            for one in networks
        ]
        for what, (how, k) in FACTORED.items()
    }


def held_against(own, others, removed):
    right = wrong = 0
    for i in range(len(own)):
        (a, *starts_a), (b, *starts_b) = own[i:] + own[:i], others[i:] + others[:i]
        found = compare(a, b, starts_a=[one.F for one in starts_a], starts_b=[one.F for one in starts_b])
        lost = most_of(a.F, found.lost)
        right += removed in lost
        wrong += sum(label != removed for label in lost)
    return {"right": right, "wrong": wrong, "of": len(own)}


def measure():
    warnings.simplefilter("ignore", ConvergenceWarning)
    own = probed([trained(seed) for seed in SEEDS])
    figures = {what: {} for what in FACTORED}
    for removed in (None, *REMOVED):
        others = probed([trained(seed, removed) for seed in OTHERS])
        name = "all classes" if removed is None else f"without {removed}"
        for what in FACTORED:
            figures[what][name] = held_against(own[what], others[what], removed)
            print(what, name, figures[what][name], flush=True)
    return figures
