"""
A file that is larger than what may be held
===========================================

Counts lie in a ``.npy`` file of 200 MB. They are fitted twice: read by rows from the file, and from memory. Each fit
runs in a process of its own, which says how far its memory grew.

What is learned: how little a fit from a file holds, what it costs in time, and that the bits are the same. What is not
shown: a disk that is slow, since this file stays in the system's cache.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

# %%
# The file, written by parts, as an instrument would.

folder = Path(tempfile.mkdtemp())
n, m = 100_000, 500
rng = np.random.default_rng(0)
H = rng.gamma(0.3, size=(8, m)).astype(np.float32)
counts = np.lib.format.open_memmap(folder / "counts.npy", mode="w+", dtype=np.float32, shape=(n, m))
for start in range(0, n, 10_000):
    counts[start : start + 10_000] = rng.poisson(rng.gamma(0.5, size=(10_000, 8)).astype(np.float32) @ H)
counts.flush()
size = counts.nbytes / 1e6
del counts

# %%
# A fit in a process of its own: what it adds to the memory that is not the file's, at its peak, and a digest of its
# bits.

FIT = """
import hashlib, json, sys, threading, time
import numpy as np
from coupled_nmf import Blocks, CoupledNMF

def held():  # MB of this process alone: pages of a file that is mapped are the system's, which takes them back
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("RssAnon"))

def watch():
    while True:
        peaks.append(held())
        time.sleep(0.005)

path, where = sys.argv[1:]
before, peaks = held(), []
threading.Thread(target=watch, daemon=True).start()
X = np.load(path, mmap_mode="r" if where == "file" else None)
begin = time.perf_counter()
model = CoupledNMF(8, init="random", max_iter=20, tol=0, random_state=0).fit(Blocks({"counts": X}))
seconds = time.perf_counter() - begin
digest = hashlib.sha256(model.components_.tobytes()).hexdigest()[:12]
print(json.dumps({"seconds": seconds, "MB": max(peaks) - before, "digest": digest}))
"""


def fit(where):
    """Fit from there; needs Linux, whose ``/proc`` says what a process holds."""
    command = [sys.executable, "-W", "ignore", "-c", FIT, str(folder / "counts.npy"), where]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


found = {where: fit(where) for where in ("file", "memory")}
for where, one in found.items():
    print(f"from {where}: {one['MB']:.0f} MB, {one['seconds']:.1f} s, components {one['digest']}")
assert found["file"]["digest"] == found["memory"]["digest"]

# %%
# F has a row for each sample and is held, as are tiles and H.

figure, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
colours = {"file": "#0072b2", "memory": "#999999"}
for ax, key, unit in [(axes[0], "MB", "memory of a fit, MB"), (axes[1], "seconds", "time of 20 iterations, s")]:
    values = [one[key] for one in found.values()]
    bars = ax.barh([f"from {where}" for where in found], values, color=[colours[where] for where in found])
    ax.bar_label(bars, fmt="%.0f" if key == "MB" else "%.1f", padding=3)
    ax.set_xlabel(unit)
    ax.margins(x=0.15)
    ax.spines[["top", "right"]].set_visible(False)
axes[0].axvline(size, color="black", linestyle=":", linewidth=1)
axes[0].annotate("X", (size, 0.5), textcoords="offset points", xytext=(4, 0), va="center")
figure.suptitle("The same bits, from a file and from memory")

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1])
else:
    plt.show()
