"""
Parts of faces, and their outlines
==================================

The 100 faces of scikit-image's subset of LFW, 25 × 25 pixels, in parts: by scikit-learn's NMF, by ``CoupledNMF`` of the
same pixels with the same penalties, and by ``CoupledNMF`` of pixels and edges, so that each part has its outline. The
pictures are a file in a wheel: nothing of the package is imported.

::

    pip install --no-deps scikit-image

What is learned: that parts come of the L1 penalty, where both libraries minimise the same, what each takes for it and
where it ends, and what coupling costs. What is not: which parts are the true ones; with another start others come out.
"""

import sys
import time
from importlib.util import find_spec
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import NMF

from coupled_nmf import Blocks, CoupledNMF

found = find_spec("skimage")
paths = [Path(folder, "data/lfw_subset.npy") for folder in (found and found.submodule_search_locations) or ()]
crops = next((path for path in paths if path.is_file()), None)
if crops is None:
    print("skipped: pictures are not here; pip install --no-deps scikit-image")
    sys.exit()

# %%
# The faces, and how strong their edges are in four directions: an edge counts for the two nearest, in parts.

faces = np.load(crops)[:100]
pixels = faces.reshape(100, -1)
down, right = np.gradient(faces, axis=(1, 2))
strength, angle = np.hypot(down, right)[..., None], np.arctan2(down, right)[..., None]
away = np.abs((angle - np.arange(4) * np.pi / 4 + np.pi / 2) % np.pi - np.pi / 2)
edges = (strength * np.maximum(1 - away / (np.pi / 4), 0)).reshape(100, -1)
both = Blocks({"pixels": pixels, "edges": edges})

# %%
# Penalties mean the same in both libraries, and each stops by itself; scikit-learn's default of 200 iterations is too
# few for that. Five starts each, by turns; J is computed in the same way for both.

ALPHA, PARAMS = 1e-3, {"n_components": 16, "l1_ratio": 1, "init": "random", "max_iter": 5000}


def J(F, H):
    """The loss of the pixels, with its penalties."""
    return np.sum((pixels - F @ H) ** 2) + 2 * ALPHA * (pixels.shape[1] * F.sum() + len(pixels) * H.sum())


fits = {"scikit-learn": [], "CoupledNMF": []}
for seed in range(5):
    models = NMF(alpha_W=ALPHA, random_state=seed, **PARAMS), CoupledNMF(alpha_F=ALPHA, random_state=seed, **PARAMS)
    for some, model in zip(fits.values(), models, strict=True):
        began = time.perf_counter()
        F = model.fit_transform(pixels)
        some.append((J(F, model.components_), time.perf_counter() - began, F, model.components_))
lowest = min(fit[0] for some in fits.values() for fit in some)
ends = {name: np.array([(fit[1], 100 * (fit[0] / lowest - 1)) for fit in some]).T for name, some in fits.items()}
for name, (seconds, above) in ends.items():
    print(
        f"{name:>12}: {1000 * np.median(seconds):.0f} ms; J {above.min():.1f}% to {above.max():.1f}% above the lowest"
    )

# %%
# How sparse components are (Hoyer's measure: 0 is even, 1 is a single pixel), and what of the pixels is lost for it,
# with penalties from none to twice that; of the pixels alone, and with edges, which then count for as much.

curves = {"pixels": [], "pixels and edges": []}
for name, X in [("pixels", Blocks({"pixels": pixels})), ("pixels and edges", both)]:
    for alpha in (0, 2e-4, 5e-4, ALPHA, 2 * ALPHA):
        model = CoupledNMF(alpha_F=alpha, block_weights="balanced", random_state=0, **PARAMS)
        F = model.fit_transform(X)
        H = model.block_components_["pixels"]
        H, root = H[H.any(axis=1)], np.sqrt(H.shape[1])
        sparse = np.mean((root - H.sum(axis=1) / np.linalg.norm(H, axis=1)) / (root - 1))
        curves[name].append((100 * model.block_relative_error_["pixels"], sparse))
        print(f"{name}, penalty {alpha:g}: {curves[name][-1][0]:.1f}% lost, sparseness {sparse:.2f}")
        if X is both and alpha == ALPHA:
            F_both, H_both, explained = F, model.block_components_, 1 - model.block_relative_error_["edges"]
print(f"with penalty {ALPHA:g}, {explained:.0%} of the edges' squares are explained")

# %%
# Left: without penalties (not drawn) components are whole faces; with them hair, what is behind, one side in the light,
# eyes with forehead come apart, and an even face remains. Both libraries find much the same, and end at the same J:
# starts differ by more than libraries do. On so few data both are quick. Right, below: what makes components sparse is
# the penalty, and at first it costs little of the pixels. Coupling is not what does it: sixteen components that have
# the edges to describe, too, lose more of the pixels at the same sparseness. What it gives is the outline of each part.


def strongest(F, H, shown):
    """Rows of what is shown of the eight components that are largest in H."""
    return shown[np.argsort(-np.linalg.norm(F, axis=0) * np.linalg.norm(H, axis=1))[:8]]


rows = {f"{name}\npixels": strongest(*min(some)[2:], min(some)[3]) for name, some in fits.items()}
rows["CoupledNMF\nboth: pixels"] = strongest(F_both, H_both["pixels"], H_both["pixels"])
rows["and edges"] = strongest(F_both, H_both["pixels"], H_both["edges"].reshape(16, -1, 4).sum(axis=2))
figure = plt.figure(figsize=(13, 5.2), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=[9, 4.6])
left.suptitle(f"the eight strongest parts of sixteen, penalty {ALPHA:g}", fontsize="medium")
for axes, (name, parts) in zip(left.subplots(4, 8), rows.items(), strict=True):
    for ax, part in zip(axes, parts, strict=True):
        ax.imshow(part.reshape(25, 25), cmap="magma")
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    axes[0].set_ylabel(name, rotation=0, ha="right", va="center")

top, bottom = right.subplots(2, 1)
for (name, (seconds, above)), marker, colour in zip(ends.items(), "so", ["0.45", "#0072b2"], strict=True):
    top.plot(seconds, above, marker, color=colour, label=name)
top.set(xlabel="time of a fit, s", ylabel="J above the lowest, %", title=f"five starts each, pixels, penalty {ALPHA:g}")
top.set_xlim(left=0)
for (name, curve), marker, colour in zip(curves.items(), "o^", ["#0072b2", "#d55e00"], strict=True):
    bottom.plot(*np.array(curve).T, f"{marker}-", color=colour, label=f"CoupledNMF, {name}")
bottom.set(xlabel="part of the pixels' squares that is lost, %", ylabel="sparseness", ylim=(0, 0.8))
bottom.set_title(f"from no penalty to {2 * ALPHA:g}")
for ax in (top, bottom):
    ax.title.set_fontsize("medium")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, loc="upper right" if ax is top else "lower right")

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1])
else:
    plt.show()
