"""
A ResNet, from its layers to pictures
=====================================

A ResNet-18 of torchvision is trained on scikit-learn's digits, probed, and asked which patterns it has, what they add
to its outputs, and whether they cause its predictions. Beside it stands the same network untrained: neat patterns come
out of that one, too. Nothing is downloaded.
"""

# %%
# The network. It is yours to choose; what matters is that nothing in it is made for this.
import copy
import sys

import matplotlib.pyplot as plt
import torch
from sklearn.datasets import load_digits
from torch.nn.functional import cross_entropy, interpolate
from torchvision.models import resnet18

from cnn_probe import ImageSet, ask, draw, probe

torch.set_num_threads(1)  # on pictures as small as these, more threads only wait for each other
digits = load_digits()
pictures = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16
pictures = interpolate(pictures, size=(32, 32), mode="bilinear").clamp(0, 1)
labels = torch.tensor(digits.target)
generator = torch.Generator().manual_seed(0)
order = torch.randperm(len(pictures), generator=generator)
train, test = order[:1347], order[1347:]


def preprocess(batch):
    """What the network is fed: three channels, normalized. The pictures themselves stay as they are."""
    return (batch.expand(-1, 3, -1, -1) - 0.5) / 0.5


torch.manual_seed(0)
network = resnet18(num_classes=10)
untrained = copy.deepcopy(network).eval()
optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
network.train()
for _ in range(2):
    # Whole batches: a last one of few pictures would move the network as far as any.
    for batch in torch.randperm(len(train), generator=generator)[:1280].split(64):
        loss = cross_entropy(network(preprocess(pictures[train[batch]])), labels[train[batch]])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
network.eval()

# %%
# Probed on pictures that it has not seen: the first layer and the last. ``pool="whole"`` records each number, where of
# larger layers it would be the mean of each channel. Labels are kept beside the result and take no part in it.
data = ImageSet(pictures[test], labels[test])
found, before = (
    probe(one, data, layers=["relu", "layer4.1.relu_1"], preprocess=preprocess, pool="whole", n_components=8)
    for one in (network, untrained)
)
print(f"accuracy: trained {found.accuracy:.1%}, untrained {before.accuracy:.1%}")
names = [str(digit) for digit in range(10)]
beside = ask(before, data, labels=before.labels, class_names=names)
answers = ask(found, data, labels=found.labels, class_names=names, untrained=beside)
for which, one in (("trained", answers), ("untrained", beside)):
    known = one.patterns.labels
    lift = known.preference.lift[known.beyond_chance]
    print(f"{which}: {len(lift)} go with a class, with {lift.mean():.1f} times as much of it as its size gives")

# %%
# Taken out of the last layer one by one, over all pictures: what becomes of the predictions, beside directions of the
# same norm whose neurons are shuffled.
ablation = answers.causes()
for factor, hit in enumerate(ablation.hit):
    change, shuffled = -100 * ablation.change[factor, hit], -100 * ablation.shuffled[factor].min()
    print(f"pattern {factor + 1} takes {change:.0f} points from {hit}, a shuffled one {shuffled:.0f} at most")

# %%
# The walk of the three strongest patterns, from the pixels to the outputs. The figures are made smaller, whereby their
# letters are larger beside the maps.
figures = draw(answers, n_factors=3)
walks = [figures["walk"], figures["untrained-walk"]]
for figure in walks:
    figure.set_size_inches(0.8 * figure.get_size_inches())

if len(sys.argv) > 1:
    walks[0].savefig(sys.argv[1])
else:
    plt.figure(walks[0])
    plt.show()

# %%
# And the same of the untrained network.
if len(sys.argv) == 1:
    plt.figure(walks[1])
    plt.show()
