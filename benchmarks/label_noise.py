"""Labels that were flipped, found again: by factors, by the network, by pixels; this project and cleanlab.

5% of the labels of the inputs that are judged become another class, each as likely. Digits: half of scikit-learn's
1797, drawn anew for each of five seeds, with 45 flips; MNIST: its 10,000 test images, with 500 flips, three seeds. The
paper's network is trained on the other images, of which as many labels are flipped ("network", which never saw what it
judges), or on what it judges ("network, in sample"). "factors, 10" and "factors, 40" are F of the first network, of
pixels and both layers, at that rank. Class probabilities from factors and from pixels are those of one cross-validated
logistic regression; from pixels it knows nothing of the network.

Each figure is the median over the seeds with its range. "precision" is that of as many as were flipped, by the lowest
probability of the given label, and is the recall, too; "ap" is the average precision of all in that order, "ap,
margin" by normalised margin. "suspects" are what confident learning names: their number, precision, recall. cleanlab
judges the same probabilities: "cleanlab ap" is that of its scores (self-confidence), "cleanlab issues ap" that of what
`find_label_issues` lists, in its order, the rest being tied; "cleanlab issues" are these: number, precision, recall.
"""

import numpy as np
import torch

from benchmarks.workload import mnist, spread
from cnn_probe import ImageSet, TrainingPlan, build_network, load_dataset, train
from cnn_probe.measures.labels.errors import average_precision, found_among_first, label_errors
from cnn_probe.probing.recording import prepare, record
from coupled_nmf import CoupledNMF

try:
    import cleanlab
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores
except ImportError:
    find_label_issues = None

PART, RANKS = 0.05, (10, 40)
CLASSES = tuple(map(str, range(10)))


def flipped(labels, seed):
    """Labels of which a part is another class, and where."""
    generator = np.random.default_rng(seed)
    wrong = np.zeros(len(labels), dtype=bool)
    wrong[generator.choice(len(labels), round(PART * len(labels)), replace=False)] = True
    others = (labels + generator.integers(1, len(CLASSES), len(labels))) % len(CLASSES)
    return np.where(wrong, others, labels), wrong


def trained(images, labels, plan):
    network = build_network(1, images.shape[-1], len(CLASSES), seed=plan.seed)
    train(network, ImageSet(images, torch.from_numpy(labels)), plan)
    return network


def recorded(network, images):
    """What is factored, and the network's probabilities."""
    found = record(prepare(network, ImageSet(images), layers=network.paper_layers, pool="whole"))
    return found.X, torch.from_numpy(found.scores).double().softmax(dim=1).numpy()


def judged(others, images, truth, plans, seed):
    """What each source says of the labels, and where they are wrong."""
    labels, wrong = flipped(truth, seed)
    network = trained(others.images, flipped(others.labels.numpy(), seed + 1000)[0], plans[0])
    X, probabilities = recorded(network, images)
    _, in_sample = recorded(trained(images, labels, plans[1]), images)
    found = {
        "network": label_errors(labels, network=probabilities, unseen=True)["network"],
        "network, in sample": label_errors(labels, network=in_sample)["network"],
        "pixels": label_errors(labels, pixels=images.numpy(), seed=seed)["pixels"],
    }
    for rank in RANKS:
        F = CoupledNMF(rank, max_iter=1000, random_state=seed).fit_transform(X)
        found[f"factors, {rank}"] = label_errors(labels, F=F, seed=seed)["factors"]
    return found, wrong


def figures_of(found, wrong):
    figures = {
        "precision": found_among_first(found.self_confidence, wrong)[0],
        "ap": average_precision(found.self_confidence, wrong),
        "ap, margin": average_precision(found.margin, wrong),
    } | named("suspects", found.suspect, wrong)
    if find_label_issues is None:
        return figures
    scores = get_label_quality_scores(found.labels, found.probabilities, method="self_confidence")
    issues = find_label_issues(found.labels, found.probabilities, return_indices_ranked_by="self_confidence", n_jobs=1)
    places = np.full(len(wrong), len(wrong), dtype=float)
    places[issues] = np.arange(len(issues))
    figures |= {"cleanlab ap": average_precision(scores, wrong), "cleanlab issues ap": average_precision(places, wrong)}
    return figures | named("cleanlab issues", places < len(wrong), wrong)


def named(what, chosen, wrong):
    """How many are named, and their precision and recall."""
    right = float(np.sum(chosen & wrong))
    return {
        f"{what}, number": int(chosen.sum()),
        f"{what}, precision": right / max(int(chosen.sum()), 1),
        f"{what}, recall": right / int(wrong.sum()),
    }


def halves(seed):
    """Digits: those to train on, and those that are judged."""
    digits = load_dataset("digits")
    images = torch.cat([digits.train.images, digits.test.images])
    labels = torch.cat([digits.train.labels, digits.test.labels])
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(labels)))
    judges, other = order[: len(order) // 2], order[len(order) // 2 :]
    return ImageSet(images[other], labels[other]), images[judges], labels[judges].numpy()


def on_digits(seed):
    plan = TrainingPlan(epochs=30, learning_rate=0.05, seed=seed)
    return judged(*halves(seed), (plan, plan), seed)


def on_mnist(seed):
    data = mnist()
    plans = TrainingPlan(seed=seed), TrainingPlan(epochs=5, seed=seed)
    return judged(data.train, data.test.images, data.test.labels.numpy(), plans, seed)


def measure():
    if find_label_issues is None:
        print("cleanlab is not installed: its figures are left out")
    figures = {"cleanlab": None if find_label_issues is None else cleanlab.__version__}
    for name, study, seeds in (("digits", on_digits, range(5)), ("mnist", on_mnist, range(3))):
        runs = []
        for seed in seeds:
            found, wrong = study(seed)
            runs.append({source: figures_of(errors, wrong) for source, errors in found.items()})
            print(name, seed, {source: round(run["ap"], 3) for source, run in runs[-1].items()}, flush=True)
        figures[name] = {
            source: {what: spread([run[source][what] for run in runs]) for what in runs[0][source]}
            for source in runs[0]
        }
    return figures
