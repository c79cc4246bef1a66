"""
Two checkpoints of one network
==============================

The paper's network is trained on scikit-learn's digits for 4 epochs and for 40 more. Both checkpoints are probed on
the same images, and their factors are held against each other, one by one and in a single fit.

What is learned: how to compare two networks, why nothing can be said of their factors without other starts of both, and
how little of what training did shows in them: the accuracy nearly triples, and hardly a factor differs for certain.
"""

import copy
import sys
from collections import Counter

import matplotlib.pyplot as plt

from cnn_probe import (
    TrainingPlan,
    ask,
    build_network,
    compare,
    joint_blocks,
    joint_use,
    load_dataset,
    probe,
    refits,
    train,
)
from coupled_nmf import CoupledNMF, rank_path

# %%
# The network after 4 epochs, and the same one trained on. The third is a control: as long, from other weights.

data = load_dataset("digits")
early = build_network(data.in_channels, data.image_size, data.n_classes, seed=0)
train(early, data.train, TrainingPlan(epochs=4, seed=0))
late = copy.deepcopy(early)
train(late, data.train, TrainingPlan(epochs=40, seed=1))
other = build_network(data.in_channels, data.image_size, data.n_classes, seed=2)
train(other, data.train, TrainingPlan(epochs=44, seed=2))

# %%
# Each is probed on the test images: pixels and two layers, one factor. Balanced, since activations grow with training,
# and the larger layer would have its way. Three other starts of each say how far a factor moves by itself.

RANK = 8
results, blocks, starts = {}, {}, {}
for name, network in [("early", early), ("late", late), ("other", other)]:
    results[name] = probe(network, data.test, n_components=RANK, block_weights="balanced", max_iter=500)
    blocks[name] = ask(results[name], data.test).X
    starts[name] = refits(blocks[name], results[name].model, 3)
    print(f"{name}: {results[name].accuracy:.0%} of the test images right")

# %%
# Factors are matched by the images that use them. A match is "changed" only if it is less alike than the starts of
# either network are, a factor "lost" or "new" only if no fit of the other network has it.

for name in ("late", "other"):
    found = compare(results["early"], results[name], starts_a=starts["early"], starts_b=starts[name])
    print(f"early and {name}:", dict(Counter(found.table()["verdict"])))
    if name == "late":
        kept = found

# %%
# One fit of both networks, with one F: how much each factor explains of either. Nothing has to be matched.

X = joint_blocks(blocks["early"], blocks["late"])
base = CoupledNMF(block_weights="balanced", max_iter=500, random_state=0)
(model, F), *again = [(fit.model, fit.F) for fit in rank_path(X, [RANK], n_init=4, estimator=base).fits]
joint = joint_use(X, model, F, starts=again)
print("used by one checkpoint alone:", sum(side != "" for side in joint.one_sided), "of", RANK)

# %%
# Left: the latent images of the factors of both, those that go together side by side. Middle: how alike each factor of
# the early checkpoint is to its match in its own other starts, and in the fits of the late one: where the two ranges
# overlap, the checkpoints differ no more than starts do. Right: what each factor of the joint fit explains of either,
# in four starts; beyond the dashed lines one network has three times as much as the other.
#
# Of most factors nothing is concluded, or they are matched; the control, of other weights, has as many pairs. One that
# changed and one that was lost are what is left, and this is one pair of networks: another seed may give other counts.
# In the joint fit each factor explains about as much of both, and a little more of the late one. None of this says that
# little was learned, as the accuracies show: it says that these factors are no measure of it.

verdicts = {}
for a, b, verdict in zip(kept.table()["a"], kept.table()["b"], kept.table()["verdict"], strict=True):
    verdicts[(a, b)] = verdict
figure = plt.figure(figsize=(13, 5.6), layout="constrained")
left, middle, right = figure.subfigures(1, 3, width_ratios=[2.1, 4.6, 4.6])
left.suptitle("latent images, early and late", fontsize="medium")
for row, ((a, b), verdict) in zip(left.subplots(len(verdicts), 2), verdicts.items(), strict=True):
    for axes, factor, name in zip(row, (a, b), ("early", "late"), strict=True):
        axes.set(xticks=[], yticks=[], box_aspect=1, anchor="W")
        axes.spines[:].set_visible(False)
        if factor is not None:
            axes.imshow(results[name].latent_images[factor, 0], cmap="magma")
    row[0].set_ylabel(verdict if a is None else f"{verdict} {a + 1}", rotation=0, ha="right", va="center", size="small")

middle.suptitle("how alike a factor of the early checkpoint is", fontsize="medium")
axes = middle.subplots()
for shift, found, colour, name in [
    (-0.12, kept.a.own, "0.5", "to its own other starts"),
    (0.12, kept.a.across, "C3", "to fits of the late checkpoint"),
]:
    for factor in range(RANK):
        axes.plot([found[:, factor].min(), found[:, factor].max()], [factor + shift] * 2, color=colour, alpha=0.5)
    places = [factor + shift for _ in found for factor in range(RANK)]
    axes.plot(found.ravel(), places, "o", color=colour, markersize=4, label=name)
axes.set(ylim=(RANK + 0.3, -0.5), yticks=range(RANK), yticklabels=range(1, RANK + 1), ylabel="factor", xlabel="cosine")
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False, fontsize="small", loc="lower left")

right.suptitle("one fit of both: the part that a factor explains", fontsize="medium")
axes = right.subplots()
for (fitted, amounts), alpha in zip([(model, F), *again], (1, 0.3, 0.3, 0.3), strict=True):
    sides = joint_use(X, fitted, amounts, starts=again).sides
    axes.plot(*sides, "o", color="C3", alpha=alpha, label={1: "one start", 0.3: "other starts"}[alpha])
high = 1.2 * joint.sides.max()
axes.plot([0, high], [0, high], color="0.7")
axes.plot([0, high], [0, 3 * high], "--", [0, high], [0, high / 3], "--", color="0.7")
axes.set(xlim=(0, high), ylim=(0, high))
axes.set(xlabel="of the early checkpoint's layers", ylabel="of the late checkpoint's layers")
handles, labels = axes.get_legend_handles_labels()
axes.legend(handles[:2], labels[:2], frameon=False, fontsize="small", loc="lower right")

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1])
else:
    plt.show()
