"""
The paper's three studies, beside controls
==========================================

The paper (Saini and Papalexakis, 2018) trains a network badly in three ways: on few images, on some of the classes, and
class by class, and finds: the worse it is trained, the lower the RMSE of the joint factorization. Here this is done on
scikit-learn's digits, over five seeds, beside two controls that the paper lacks: the network before any training, and
one that computes the same with a layer doubled.

What is learned: how to train in these ways and to probe what comes out, how sure a claim is with five seeds, and that
what the paper measures moves, too, where nothing is learned or forgotten. What is not: how it is on MNIST, at more
ranks, of the first layer, beside all other controls. ``cnn-probe study all`` does that; docs/reproduction has what came
out of it on MNIST.
"""

import copy
import sys
from itertools import combinations, permutations

import matplotlib.pyplot as plt
import numpy as np
import torch

from cnn_probe import TrainingPlan, build_network, evaluate, load_dataset, probe, train

# %%
# What each study does, the worst first, and how well it trains by the paper's account: two halves of the classes are
# not compared with each other. A larger step than the plan's default makes five epochs enough for these 1,347 images.

torch.set_num_threads(1)  # on a network as small as this, more threads only wait for each other
data = load_dataset("digits")
LEARN = {"epochs": 5, "learning_rate": 0.05}
PLANS = {f"{share:.0%}": {"fraction": share} for share in (0.25, 0.5, 0.75)}
PLANS |= {"{0}": {"classes": (0,)}, "{5–9}": {"classes": (5, 6, 7, 8, 9)}, "{0–4}": {"classes": (0, 1, 2, 3, 4)}}
PLANS |= {"by class": {"order": (9, 0, 1, 2, 3, 4, 5, 6, 7, 8)}, "all": {}, "untrained": {"max_steps": 0}}
STUDIES = {
    "I. Part of the images": {"25%": 0, "50%": 1, "75%": 2, "all": 3},
    "II. Some of the classes": {"{0}": 0, "{5–9}": 1, "{0–4}": 1, "all": 2},
    "III. Class by class": {"by class": 0, "all": 1},
}

# %%
# Each network is probed twice. RMSE is that of the paper's fit, in which blocks count as they are. Where all blocks
# count the same, a layer's relative error does not depend on its scale. One control doubles the first layer and
# halves the weights of the next: the network computes the same.


def doubled(network):
    """The same function, with the first layer's activations twice as large."""
    network = copy.deepcopy(network)
    with torch.no_grad():
        network.conv1.weight *= 2
        network.conv1.bias *= 2
        network.conv2.weight /= 2
    return network


RMSE, ERROR = "RMSE of the fit", "relative error of the last layer"
found = {RMSE: {}, ERROR: {}, "right": {}}
first_class = []
for seed in range(5):
    networks = {}
    for name, plan in PLANS.items():
        networks[name] = build_network(data.in_channels, data.image_size, data.n_classes, seed=seed)
        train(networks[name], data.train, TrainingPlan(seed=seed, **LEARN, **plan))
    networks["all, ×2"] = doubled(networks["all"])
    for name, network in networks.items():
        raw, balanced = (
            probe(network, data.test, n_components=10, block_weights=weights, random_state=seed)
            for weights in (None, "balanced")
        )
        found[RMSE].setdefault(name, []).append(raw.model.rmse_)
        found[ERROR].setdefault(name, []).append(balanced.model.block_relative_error_["relu2"])
        found["right"].setdefault(name, []).append(raw.accuracy)
    first_class.append(evaluate(networks["by class"], data.test).class_accuracy[9])

# %%
# A claim is held against all pairs of one seed, one of them trained on more images, on more of the classes, or on all
# classes mixed and the other class by class. By chance the networks of a seed could stand in any order; of all these
# orders it is counted how many do as well, as ``cnn-probe study`` does.


def verdict(values, levels):
    """Say in how many pairs the higher level has more, how likely as many are by chance, and what follows."""
    pairs = [(a, b) for a, b in combinations(range(len(levels)), 2) if levels[a] < levels[b]]
    holds, by_chance = 0, np.ones(1)
    for row in zip(*values, strict=True):
        rises = [sum(order[a] < order[b] for a, b in pairs) for order in permutations(row)]
        holds += rises[0]  # of the order as it is
        by_chance = np.convolve(by_chance, np.bincount(rises, minlength=len(pairs) + 1) / len(rises))
    chance, against, of = by_chance[holds:].sum(), by_chance[: holds + 1].sum(), len(by_chance) - 1
    word = "not reproduced" if against <= 0.05 else "undecided"
    if chance <= 0.05 and 2 * holds > of:
        word = "reproduced" if holds == of else "partly reproduced"
    likely = f"{chance:.1%}" if chance >= 0.001 else "less than 0.1%"
    return f"{word}: rises in {holds} of {of} pairs\nby chance as many: {likely}"


said = {
    (what, study): verdict([found[what][name] for name in levels], list(levels.values()))
    for what in (RMSE, ERROR)
    for study, levels in STUDIES.items()
}
for (what, study), text in said.items():
    print(f"{study}: {what}: {text.replace(chr(10), '; ')}")
print("most of the class trained first is recognized:", sum(part > 0.5 for part in first_class), "of 5 networks")

CONTROL = "Controls"
for what in (RMSE, ERROR):
    mean = {name: np.mean(values) for name, values in found[what].items()}
    twice, untrained = mean["all, ×2"] / mean["all"] - 1, mean["untrained"] / mean["all"] - 1
    said[what, CONTROL] = f"first layer doubled: {twice:+.0%}\nuntrained: {untrained:+.0%}"
    print(f"{CONTROL}: {what}: {said[what, CONTROL].replace(chr(10), '; ')}")

# %%
# A thin line is a seed, the thick one their mean. As in the paper, RMSE rises with the quality of training in all three
# studies, in every pair; and the untrained network's is low, which speaks for it as well. But doubling a layer, which
# changes nothing that the network computes, moves it by more than the second half of the images does: the RMSE of a
# network does not say how well it is trained. The last layer's relative error stays as it is, and bears out the first
# two studies. Of the third five seeds say nothing by it. Nor does any network that was trained class by class
# recognize most of the class that came first, as the paper's does.

columns = {**STUDIES, CONTROL: ["untrained", "all", "all, ×2"]}
figure, grid = plt.subplots(2, 4, figsize=(13, 6.6), layout="constrained", sharex="col", sharey="row")
for row, what in zip(grid, (RMSE, ERROR), strict=True):
    for ax, (study, names) in zip(row, columns.items(), strict=True):
        values, colour = np.array([found[what][name] for name in names]), "#d55e00" if study == CONTROL else "#0072b2"
        ax.plot(values, color=colour, alpha=0.35, linewidth=1)
        ax.plot(values.mean(axis=1), "o-", color=colour, linewidth=2.5)
        ax.set_xticks(range(len(names)), [f"{name}\n{np.mean(found['right'][name]):.0%}" for name in names])
        ax.set_xlim(-0.4, len(names) - 0.6)
        ax.set_title(said[what, study], fontsize="medium")
        ax.spines[["top", "right"]].set_visible(False)
    row[0].set_ylabel(what)
    row[0].set_ylim(bottom=0)
for ax, study in zip(grid[0], columns, strict=True):
    ax.annotate(study, (0.5, 1.24), xycoords="axes fraction", ha="center", weight="bold")
figure.supxlabel("trained on; below, the part of the test images that the network has right", fontsize="medium")

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1])
else:
    plt.show()
