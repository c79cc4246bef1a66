"""
A fit on the workers of a cluster
=================================

A Dask array is fitted where its chunks are, and F comes back as one. The cluster here is two workers in this process,
which shows that the answer is the same; a real one is started in the same two lines, or has a scheduler's address.

What is learned: how to fit on a cluster, that the factors are those of a fit here, and what would travel between
machines. What is not: speed. Workers within one process share its cores, and nothing passes over a network. ``make
demo-dask`` has workers of their own, with less memory than X takes, one of which is killed on the way.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

from coupled_nmf import Blocks, CoupledNMF

try:
    import dask.array as da
    from distributed import Client, LocalCluster
except ImportError:
    print("skipped: Dask is not here; pip install dask distributed")
    sys.exit()

# %%
# Two workers of one thread. ``processes=False`` keeps them in this process, where a script needs no ``__main__``.

cluster = LocalCluster(processes=False, n_workers=2, threads_per_worker=1, dashboard_address=None)
client = Client(cluster)

# %%
# Two blocks of eight planted components, which the workers make chunk by chunk, and keep.

N, WIDTHS, RANK = 40_000, {"pixels": 150, "layer1": 250}, 8
rng = np.random.default_rng(0)
weights = da.random.default_rng(0).gamma(0.5, size=(N, RANK), chunks=(5_000, RANK))
noise = da.random.default_rng(1)
X = {}
for name, width in WIDTHS.items():
    H = rng.gamma(0.3, size=(RANK, width))
    X[name] = (weights @ H * noise.uniform(0.5, 1.5, size=(N, width), chunks=(5_000, width))).astype(np.float32)
    X[name] = X[name].persist()

# %%
# Since there is a client, a Dask array is fitted there. The same fit on arrays of this process runs here. Sums are
# added in another order, so the last digits may differ.

model = CoupledNMF(RANK, init="random", max_iter=15, tol=0, random_state=0)
F = model.fit_transform(Blocks(X))
print(F)
on_cluster, H_on_cluster, F_on_cluster = model.objective_history_, model.components_, F.compute()

in_memory = {name: array.compute() for name, array in X.items()}
client.close()
cluster.close()

F_here = model.fit_transform(Blocks(in_memory))
here, H_here = model.objective_history_, model.components_


def apart(a, b):
    """Largest difference, as a part of the largest entry."""
    return np.abs(np.subtract(a, b)).max() / np.abs(b).max()


differences = {
    "J": apart(on_cluster, here),
    "H": apart(H_on_cluster, H_here),
    "F": apart(F_on_cluster, F_here),
}
print("largest differences:", ", ".join(f"{name} {value:.0e}" for name, value in differences.items()))

# %%
# What an iteration sends between the machines of four workers, by its sizes. H goes to the scheduler and to each
# worker, ``4 k (n_features + k)`` bytes with its gram; sums of twice as many come from each by the scheduler, so they
# count twice.
# (docs/benchmarks.md measures this formula: what travels is up to 2% more.) Rows of X and F stay where they are.

WORKERS, features = 4, sum(WIDTHS.values())
sent = ((WORKERS + 1) * 4 + 2 * WORKERS * 8) * RANK * (features + RANK) / 1e6
samples = np.logspace(3, 8, 50)

# %%
# Left: the losses lie on each other, up to the rounding of float32. Right: X grows with the samples, and what travels
# does not, so that a cluster pays where X is large, or too large for one machine; of this fit's 64 MB it would not.

figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.4), layout="constrained")
squares = sum(np.sum(np.square(array, dtype=np.float64)) for array in in_memory.values())
iterations = np.arange(1, len(here) + 1)
left.plot(iterations, here / squares, color="#56b4e9", linewidth=6, label="in this process")
left.plot(iterations, on_cluster / squares, "o--", color="black", linewidth=1, markersize=3, label="on the cluster")
left.set(xlabel="iteration", ylabel="J, as a part of ‖X‖²", title=f"at most {differences['J']:.0e} of J apart")
left.set_ylim(bottom=0)
left.legend(frameon=False)
right.loglog(samples, 4 * samples * features / 1e6, color="#0072b2", linewidth=2)
right.loglog(samples, np.full_like(samples, sent), color="#d55e00", linewidth=2)
right.plot(N, 4 * N * features / 1e6, "o", color="#0072b2")
right.annotate("this fit's X", (N, 4 * N * features / 1e6), (8, -12), textcoords="offset points")
right.text(4e6, 3e4, "X, which stays", color="#0072b2", ha="right")
right.text(1e8, 1.25 * sent, f"an iteration sends {sent:.1f} MB", color="#d55e00", ha="right")
right.set(xlabel=f"samples, of {features} features", ylabel="MB", ylim=(0.1, 5e5))
right.set_title(f"computed from sizes, not measured; rank {RANK}, {WORKERS} workers")
for ax in (left, right):
    ax.title.set_fontsize("medium")
    ax.spines[["top", "right"]].set_visible(False)

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1])
else:
    plt.show()
