"""
Pixels and edges of digits
==========================

Scikit-learn's digits, 8 × 8 pixels, as five blocks: the pixels, and for each of four directions how strong the edges
are at each place. One factor is shared, so a component is a piece of a digit together with its edges.

What is learned: how to build such blocks, what ``block_weights="balanced"`` is for, how to see the components as
images, and how much of each block is explained.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from coupled_nmf import Blocks, ComponentsDisplay, CoupledNMF

# %%
# The gradient at each pixel, split by its direction: an edge counts for the two nearest of four directions, in parts.

pixels = load_digits().data / 16
down, right = np.gradient(pixels.reshape(-1, 8, 8), axis=(1, 2))
strength, angle = np.hypot(down, right), np.arctan2(down, right) % np.pi
edges = {}
for number, name in enumerate(["edges |", "edges /", "edges —", "edges \\"]):
    away = np.abs((angle - number * np.pi / 4 + np.pi / 2) % np.pi - np.pi / 2)  # from 0 to a quarter turn
    edges[name] = (strength * np.maximum(1 - away / (np.pi / 4), 0)).reshape(-1, 64)

# %%
# Edges are weaker than pixels, and would count for less. Balanced, each block has the same part of ‖X‖².

X = Blocks({"pixels": pixels, **edges})
model = CoupledNMF(16, block_weights="balanced", max_iter=500, random_state=0)
F = model.fit_transform(X)
print("weights:", {name: round(float(weight), 1) for name, weight in zip(X.names, model.block_weights_, strict=True)})
for name, error in model.block_relative_error_.items():
    print(f"{name}: {1 - error:.0%} explained")

# %%
# Edges alone bring the pixels back, as far as sixteen components can.

F_edges = model.transform(X.select(list(edges)))
error = pixels - model.inverse_transform(F_edges, block="pixels")
print(f"pixels from edges alone: {1 - np.sum(error**2) / np.sum(pixels**2):.0%} explained")

# %%
# Dark is large. Each image has a scale of its own.

display = ComponentsDisplay.from_estimator(model, image_shapes=dict.fromkeys(X.names, (8, 8)))

if len(sys.argv) > 1:
    display.figure_.savefig(sys.argv[1])
else:
    plt.show()
