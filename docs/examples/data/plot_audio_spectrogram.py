"""
Notes out of a spectrogram
==========================

Four notes with overtones, which sound together, are made here; a spectrogram says how much of each frequency there is
at each time. Its rows are times, so F says when each component sounds, and H what its spectrum is. The loss is
Kullback–Leibler's, as is usual for sound: it weighs faint overtones by their own size.

What is learned: how to fit a spectrogram, how well each note's spectrum is found, and that here one start does as
well as another. What is not: real instruments change their spectra while they sound, which this model has no room for.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.signal import stft

from coupled_nmf import CoupledNMF

# %%
# The sound: eight seconds, each note struck at random times, with noise.

RATE = 8000
rng = np.random.default_rng(0)
time = np.arange(8 * RATE) / RATE
pitches = {"C4": 261.6, "E4": 329.6, "G4": 392.0, "B4": 493.9}
notes = []
for pitch in pitches.values():
    overtones = sum(np.sin(2 * np.pi * pitch * h * time) * 0.6**h for h in range(1, 7))
    struck = sum((time >= t) * np.exp(-3 * np.maximum(time - t, 0)) for t in rng.uniform(0, 7.5, 6))
    notes.append(overtones * struck)


def spectrogram(sound):
    """Magnitudes, times by frequencies."""
    return np.abs(stft(sound, RATE, nperseg=1024)[2]).T.astype(np.float32)


X = spectrogram(sum(notes) + 0.01 * rng.standard_normal(len(time)))
truth = np.stack([spectrogram(note).mean(axis=0) for note in notes])

# %%
# Five components: the notes, and what is left for the noise.

model = CoupledNMF(5, solver="mu", beta_loss="kullback-leibler", max_iter=500, n_init=3, random_state=0)
F = model.fit_transform(X)
H = model.components_


def cosines(found):
    """How alike each note's spectrum and the component that is matched to it are; and which that is."""
    unit = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
    alike = (truth / np.linalg.norm(truth, axis=1, keepdims=True)) @ unit.T
    note, component = linear_sum_assignment(-alike)
    return alike[note, component], component


best, component = cosines(H)
single = []
for seed in range(8):
    one = CoupledNMF(5, solver="mu", beta_loss="kullback-leibler", max_iter=500, random_state=seed).fit(X)
    single.append(cosines(one.components_)[0].min())
print("best of three starts:", ", ".join(f"{name} {c:.3f}" for name, c in zip(pitches, best, strict=True)))
print(f"the worst note of eight single starts: {min(single):.3f} to {max(single):.3f}")

# %%
# The spectrogram, when each component sounds, and its spectrum over the note's own.

figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained", width_ratios=[1.2, 1, 1])
frequencies, times = np.linspace(0, RATE / 2, X.shape[1]), np.linspace(0, 8, len(X))
shown = frequencies < 2600
axes[0].pcolormesh(times, frequencies[shown], np.log10(X[:, shown].T + 1e-4), cmap="magma", rasterized=True)
axes[0].set(title="spectrogram (log)", xlabel="s", ylabel="Hz")
colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"]
for i, (name, colour) in enumerate(zip(pitches, colours, strict=True)):
    c = component[i]
    axes[1].plot(times, F[:, c] / F[:, c].max() + 1.1 * i, color=colour)
    axes[1].text(8.1, 1.1 * i + 0.1, name, color=colour)
    axes[2].plot(frequencies[shown], truth[i, shown] / truth[i].max() + 1.1 * i, color="0.75", linewidth=3)
    axes[2].plot(frequencies[shown], H[c, shown] / H[c].max() + 1.1 * i, color=colour, linewidth=1)
    axes[2].text(2620, 1.1 * i + 0.1, f"{best[i]:.2f}", color=colour)
axes[1].set(title="when it sounds", xlabel="s", yticks=[])
axes[2].set(title="its spectrum, over the note's (grey); cosine", xlabel="Hz", yticks=[])
for ax in axes[1:]:
    ax.spines[["top", "right", "left"]].set_visible(False)

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1])
else:
    plt.show()
