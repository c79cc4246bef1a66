"""
A face detector that was trained by others
==========================================

The second of MTCNN's three networks, RNet, with the weights that facenet-pytorch ships, and scikit-image's subset of
LFW: 100 faces, and 100 pieces of what was behind them. Both are files in wheels: nothing of these packages is imported.

::

    pip install --no-deps facenet-pytorch scikit-image

What is learned: how to probe a network with PReLU, how to tell by the network's own weights and without labels which
factor says "face", what an untrained network and the pixels alone make of the same task, and what the network does
without a factor.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.nn.functional import interpolate

from cnn_probe import ablate, ask, probe
from coupled_nmf import CoupledNMF


def shipped(package, file):
    """Path of a file in an installed package, which is not imported; None where there is none."""
    spec = find_spec(package)
    paths = [Path(folder, file) for folder in (spec and spec.submodule_search_locations) or ()]
    return next((path for path in paths if path.is_file()), None)


weights, crops = shipped("facenet_pytorch", "data/rnet.pt"), shipped("skimage", "data/lfw_subset.npy")
if weights is None or crops is None:
    print("skipped: weights or pictures are not here; pip install --no-deps facenet-pytorch scikit-image")
    sys.exit()

# %%
# The network, built as its weights ask for. Of its two outputs the boxes are left out.


class RNet(nn.Module):
    """MTCNN's second network: of pictures (n, 3, 24, 24) scores of "no face" and "face"."""

    def __init__(self):
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 28, 3), nn.PReLU(28)
        self.conv2, self.prelu2 = nn.Conv2d(28, 48, 3), nn.PReLU(48)
        self.conv3, self.prelu3 = nn.Conv2d(48, 64, 2), nn.PReLU(64)
        self.dense4, self.prelu4 = nn.Linear(576, 128), nn.PReLU(128)
        self.dense5_1, self.dense5_2 = nn.Linear(128, 2), nn.Linear(128, 4)
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)

    def forward(self, x):
        """Scores (n, 2)."""
        x = self.pool(self.prelu1(self.conv1(x)))
        x = self.pool(self.prelu2(self.conv2(x)))
        x = self.prelu3(self.conv3(x)).permute(0, 3, 2, 1)  # width before height, as where it was trained
        return self.dense5_1(self.prelu4(self.dense4(x.flatten(1))))


trained = RNet()
trained.load_state_dict(torch.load(weights, weights_only=True))


def as_trained(pictures):
    """What the network is fed: 24 pixels a side, three channels, from -1 to 1."""
    return (interpolate(pictures, 24, mode="area").expand(-1, 3, -1, -1) * 255 - 127.5) / 128


# %%
# The faces are all in the middle and upright, so pixels alone tell them from the rest. A third group makes it harder:
# the same faces, their upper and lower halves exchanged. These have the same pixels, and are no faces to this network.

torch.set_num_threads(1)  # on a network as small as this, more threads only wait for each other
lfw = torch.from_numpy(np.load(crops)).float()[:, None]
pictures = torch.cat([lfw, lfw[:100].roll(12, dims=2)])
face = np.arange(300) < 100


def separates(amounts):
    """How well numbers tell faces from the others: AUC against pieces and against exchanged halves, the lower one."""
    against = [np.r_[:100, 100:200], np.r_[:100, 200:300]]
    return min(roc_auc_score(face[rows], amounts[rows]) for rows in against)


# %%
# PReLU lets negative numbers through, so each layer is two blocks. The factor that says "face" is the one that adds
# most to that output through the last layer's weights. No label takes part.


def probed(network, rank):
    """A probe of a network."""
    return probe(network, pictures, preprocess=as_trained, negative="split", n_components=rank, max_iter=500)


result = probed(trained, 6)
added = ask(result, pictures).added @ [-1, 1]
chosen = int(added.argmax())
auc = separates(result.F[:, chosen])
print(f"factor {chosen + 1} adds {added[chosen]:+.1f} to 'face'; its AUC is {auc:.3f}")
print(f"AUC of the network's own scores: {separates(result.scores @ [-1, 1]):.3f}")

# %%
# At other ranks; and beside it the factor of three untrained networks, and of the pixels alone, that does best. Those
# have no output that knows a face, so they are chosen with the labels, which is to their advantage.

ranks = [2, 4, 6, 8, 12]
curves = {"trained, by its own weights": [], "untrained, the best": [], "pixels alone, the best": []}
for rank in ranks:
    found = probed(trained, rank)
    says_face = (ask(found, pictures).added @ [-1, 1]).argmax()
    curves["trained, by its own weights"].append(separates(found.F[:, says_face]))
    untrained = []
    for seed in range(3):
        torch.manual_seed(seed)
        untrained.append(max(map(separates, probed(RNet(), rank).F.T)))
    curves["untrained, the best"].append(np.mean(untrained))
    pixels = CoupledNMF(rank, max_iter=500, random_state=0).fit_transform(pictures.reshape(300, -1).numpy())
    curves["pixels alone, the best"].append(max(map(separates, pixels.T)))
for name, curve in curves.items():
    print(f"{name:>27}:", *(f"{rank}: {value:.2f} " for rank, value in zip(ranks, curve, strict=True)))

# %%
# What the network does without a factor, in its last layer, beside shuffled neurons and the first principal direction.

without = ablate(result, pictures, "prelu4", labels=face.astype(int), class_names=["no face", "face"])
print(f"without factor {chosen + 1} faces lose {-without.change[chosen, 1]:.2f} of their probability")
print(f"  without as much of shuffled neurons {-without.shuffled[chosen, :, 1].min():.2f} at most")
print(f"  without as much of the first principal direction {-without.principal[chosen, 1]:.2f}")

# %%
# Left: the factors' latent images, and the pictures that have most of each. Middle: what becomes of the probability of
# the right answer without each factor. Right: how well one factor tells faces from the rest. Of the trained network,
# the factor that its own weights point at does so without an error at ranks 4 to 8; at rank 2 it takes exchanged halves
# for faces, as the pixels do, and at 12 faces are shared between factors. From rank 6 on, factors of untrained
# networks and of pixels do nearly as well, if labels choose them: these pictures are that easy, and a factor that
# separates faces is no sign of training. What is: fewer factors suffice, the output's weights point at the same one,
# and without it faces lose half of their probability, while shuffled neurons are not missed. It is not all that the
# layer says of faces: the first principal direction takes more.

figure = plt.figure(figsize=(12, 5.6), layout="constrained")
left, middle, right = figure.subfigures(1, 3, width_ratios=[4.4, 3, 4.6])
shown = 6
left.suptitle("latent image, and the pictures with most of it", fontsize="medium")
for factor, row in enumerate(left.subplots(len(added), 1 + shown)):
    most = np.argsort(-result.F[:, factor])[:shown]
    row[0].imshow(result.latent_images[factor, 0], cmap="magma")
    for picture, axes in zip(pictures[most, 0].numpy(), row[1:], strict=True):
        axes.imshow(picture, cmap="gray")
    for axes in row:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    row[0].set_ylabel(f"{factor + 1}", rotation=0, labelpad=12, va="center", weight="bold")

middle.suptitle(f"without it (factor {chosen + 1} says “face”)", fontsize="medium")
axes, heights = middle.subplots(), np.arange(len(added))
for shift, kind, colour in [(-0.2, 1, "C3"), (0.2, 0, "0.6")]:
    name = ["pieces, exchanged halves", "faces"][kind]
    axes.barh(heights + shift, without.change[:, kind], height=0.36, color=colour, label=name)
axes.plot(without.shuffled.min(axis=(1, 2)), heights, "k|", label="shuffled neurons, the worst of 20")
axes.set(ylim=(len(added) - 0.5, -0.5), yticks=heights, yticklabels=heights + 1)
axes.set_xlabel("change of the probability of the right answer", fontsize="small")
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False, fontsize="small", loc="lower left")

right.suptitle("how well one factor tells faces from the rest", fontsize="medium")
axes = right.subplots()
for (name, curve), style, colour in zip(curves.items(), ["o-", "s--", "^:"], ["C3", "0.4", "0.4"], strict=True):
    axes.plot(ranks, curve, style, color=colour, label=name)
axes.set(xlabel="rank", ylabel="AUC, against pieces or exchanged halves,\nwhichever is lower", xticks=ranks)
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False, loc="lower right")

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1])
else:
    plt.show()
