"""Do factors tell checkpoints apart: one epoch more, another seed, a class less, beside other starts of one network.

The paper's network on MNIST's 10,000 test images, rank 10, balanced blocks. The reference was trained for one epoch;
each other network is compared with it, factor by factor, in three factorizations: of the pixels and both hidden layers
(as in the paper), of the second hidden layer alone, and of the outputs, as far as they are above zero. "cosine" is that
of a factor's column of F with that of its match, over the reference's ten factors and all fits: within the reference's
own six starts ("starts"), and between the reference and the other network's six fits. "verdicts" are those of
`compare`, "classes lost" those that the lost factors have most of. In "joint" both networks are factored with one F:
classes of the factors that one network alone uses, and the most lopsided of the others. "halves" are fits to half of
the inputs, compared on the other half. Of ten outputs each of ten factors is one output: that a class is lost there
says that its output never fires, and no more. `training_seeds` asks beyond that.
"""

import warnings
from collections import Counter

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from benchmarks.workload import mnist, spread
from cnn_probe import TrainingPlan, build_network, evaluate, probe, train
from cnn_probe.measures.comparing.comparison import compare
from cnn_probe.measures.comparing.joint import joint_blocks, joint_use
from cnn_probe.measures.comparing.stability import factor_stability, refits
from cnn_probe.probing.recording import record
from coupled_nmf import CoupledNMF, rank_path

RANK, STARTS, REMOVED = 10, 5, (3, 7)
FACTORED = {
    "pixels, relu1, relu2": {"layers": ("relu1", "relu2"), "pool": "whole"},
    "relu2": {"layers": "relu2", "pool": "whole", "inputs": False},
    "outputs above 0": {"layers": "fc", "negative": "clip", "inputs": False},
}


def trained(seed=0, epochs=1, without=None):
    network = build_network(1, 28, 10, seed=seed)
    if epochs:
        classes = None if without is None else tuple(label for label in range(10) if label != without)
        train(network, mnist().train, TrainingPlan(seed=seed, epochs=epochs, classes=classes))
    return network


def networks():
    made = {
        "one epoch": trained(),
        "two epochs": trained(epochs=2),
        "three epochs": trained(epochs=3),
        "another seed": trained(seed=1),
        "untrained": trained(epochs=0),
    }
    return made | {f"without {label}": trained(without=label) for label in REMOVED}


def probed(network, how, seed=0):
    """A result, what it was fitted to, and its F from other starts."""
    result = probe(network, mnist().test, **how, n_components=RANK, block_weights="balanced", random_state=seed)
    X = record(result.prepare(mnist().test)).X
    return result, X, refits(X, result.model, STARTS, random_state=seed + 1)


def most_of(F, factors):
    labels = mnist().test.labels.numpy()
    return [int(np.argmax([F[labels == label, factor].sum() for label in range(10)])) for factor in factors]


def compared(reference, other):
    (a, X_a, starts_a), (b, X_b, starts_b) = reference, other
    found = compare(a, b, starts_a=starts_a, starts_b=starts_b)
    X = joint_blocks(X_a, X_b)
    base = CoupledNMF(random_state=0, block_weights="balanced")
    (model, F), *others = [(fit.model, fit.F) for fit in rank_path(X, [RANK], n_init=3, estimator=base).fits]
    joint = joint_use(X, model, F, starts=others)
    alone = {side: [j for j in range(RANK) if joint.one_sided[j] == side] for side in "ab"}
    rest = [abs(joint.lopsided[0, j]) for j in range(RANK) if not joint.one_sided[j]]
    return {
        "cosine": spread(found.a.across),
        "cosine by factor": found.a.across.mean(axis=0).round(3).tolist(),
        "verdicts": dict(Counter(found.table()["verdict"])),
        "classes lost": most_of(a.F, found.lost),
        "joint": {
            "used by the reference alone": most_of(F, alone["a"]),
            "by the other alone": most_of(F, alone["b"]),
            "most lopsided other": float(max(rest, default=0.0)),
        },
    }


def measure():
    warnings.simplefilter("ignore", ConvergenceWarning)
    made = networks()
    figures = {"accuracy": {name: evaluate(network, mnist().test).accuracy for name, network in made.items()}}
    print(figures, flush=True)
    for what, how in FACTORED.items():
        reference = probed(made["one epoch"], how)
        a, X, starts = reference
        own = compare(a, a, starts_a=starts, starts_b=starts).a.own
        held = factor_stability(X, a.model, a.F, n_starts=0, n_splits=2)
        figures[what] = {
            "starts": {"cosine": spread(own), "cosine by factor": own.mean(axis=0).round(3).tolist()},
            "halves": {"cosine": spread(held.halves)},
            "the same network again": compared(reference, probed(made["one epoch"], how, seed=100)),
        }
        for name in list(made)[1:]:
            figures[what][name] = compared(reference, probed(made[name], how))
            print(what, name, figures[what][name], flush=True)
    return figures
