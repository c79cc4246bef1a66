"""
On a GPU, beside the processor
==============================

Where there is an NVIDIA GPU and CuPy, the time of an iteration is measured on it and on the processor. Where there is
none, the record of an H100 is drawn that the repository keeps. What is printed, and stands over the figure, says which
of both is shown.

What is learned: that a CuPy array is all a fit on a GPU takes, by how much it is faster, and how far from what the
device could do. What is not: whole fits, sparse data, data that do not fit on the device; docs/gpu.md tells of these.
"""

import json
import os
import sys
import time
from datetime import date
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from coupled_nmf import CoupledNMF

try:
    import cupy
except ImportError:
    cupy = None

# %%
# A CuPy array selects the GPU by itself, and the factors come back as CuPy arrays. Times are taken as in the record: on
# the processor by a callback, for which a GPU would have to wait; there by the difference of two fits of different
# length, each without its last solve for F.


def seconds(call, X):
    """Until all that was put on the device is done."""
    cupy.cuda.Device().synchronize()
    began = time.perf_counter()
    call(X)
    cupy.cuda.Device().synchronize()
    return time.perf_counter() - began


def on_gpu(X, rank, counts=(20, 120)):
    """Milliseconds of an iteration."""
    took = []
    for n_iter in counts:
        model = CoupledNMF(rank, init="random", max_iter=n_iter, tol=0, random_state=0)
        took.append(seconds(model.fit, X) - seconds(model.transform, X))
    return 1000 * (took[1] - took[0]) / (counts[1] - counts[0])


def on_cpu(X, rank):
    """Milliseconds of an iteration."""
    marks, params = [], {"init": "random", "max_iter": 7, "tol": 0, "random_state": 0}
    CoupledNMF(rank, callbacks=lambda info: marks.append(info.seconds), **params).fit(X)
    return 1000 * np.median(np.diff(marks))


def spread(values):
    """Median, and range."""
    return {"median": np.median(values), "min": np.min(values), "max": np.max(values)}


def measure():
    """Times by shape and rank, and of what; by turns, three rounds, after a fit that compiles."""
    found, rng = {}, np.random.default_rng(0)
    for rows, columns in [(10_000, 2_500), (40_000, 5_000)]:
        X = rng.gamma(0.5, size=(rows, 20)).astype(np.float32) @ rng.gamma(0.5, size=(20, columns)).astype(np.float32)
        on_device = cupy.asarray(X)
        for rank in (10, 50):
            on_gpu(on_device, rank, (1, 2))
            rounds = [(on_gpu(on_device, rank), on_cpu(X, rank)) for _ in range(3)]
            gpu, cpu = np.array(rounds).T
            times = {"GPU": spread(gpu), "CPU": spread(cpu), "times": spread(cpu / gpu)}
            found[f"{rows:,} × {columns:,}, rank {rank}"] = times
    name = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)["name"].decode()
    return found, f"measured here: {name} beside {os.cpu_count()} cores, {date.today()}"


# %%
# The record has a floor, too: what the device would take to read X, or to multiply with it, if it did nothing else.

RECORD = "benchmarks/results/gpu-nvidia-h100-80gb-hbm3.json"


def recorded():
    """The same of the record, which lies in the repository that this script is in."""
    path = next(
        (folder / RECORD for folder in Path(sys.argv[0]).resolve().parents if (folder / RECORD).is_file()), None
    )
    if path is None:
        sys.exit(f"there is no GPU with CuPy here, and no {RECORD} above this script: run it from the repository")
    record, found = json.loads(path.read_text()), {}
    for workload in (record["figures"]["paper"], record["figures"]["large"]):
        rows, columns = workload["shape"]
        for entry in workload["iterations"]:
            if entry["solver"] == "hals":
                gpu, cpu = (entry["milliseconds"][name] for name in ("ours", "numpy"))
                times = {"GPU": gpu, "CPU": cpu, "times": entry["over_ours"]["numpy"]}
                found[f"{rows:,} × {columns:,}, rank {entry['rank']}"] = times | {"floor": entry["floor_milliseconds"]}
    machine = record["machine"]
    what = f"{machine['device']['name']} beside {machine['cores']} cores, {record['date']}, commit {record['commit']}"
    return found, f"not measured here, but recorded: {what}"


found, source = measure() if cupy is not None and cupy.cuda.is_available() else recorded()
print(source)
for name, one in found.items():
    print(f"{name}: {one['GPU']['median']:.2f} ms, {one['CPU']['median']:.1f} ms on the processor")

# %%
# A GPU gains most on large data and at a high rank: on small ones launching the kernels takes longer than what they do.
# In the record it is nowhere at its floor, but at twice to sixteen times that. Figures of one machine are none of
# another: beside another processor, too, the gain is another.

figure, (left, right) = plt.subplots(1, 2, figsize=(13, 4.2), layout="constrained", sharey=True, width_ratios=[3, 2])
places = np.arange(len(found))
for kind, marker, colour in [("CPU", "s", "0.45"), ("GPU", "o", "#0072b2")]:
    some = [one[kind] for one in found.values()]
    left.hlines(places, [one["min"] for one in some], [one["max"] for one in some], color=colour, linewidth=3)
    left.plot([one["median"] for one in some], places, marker, color=colour, markersize=9, label=kind)
    for place, one in zip(places, some, strict=True):
        text = f"{one['median']:.3g}" if one["median"] < 100 else f"{one['median']:.0f}"
        left.annotate(text, (one["median"], place), (0, 9), textcoords="offset points", ha="center")
floors = [one.get("floor", np.nan) for one in found.values()]  # the record has them
left.plot(floors, places, "|", color="black", markersize=18, markeredgewidth=2, label="the GPU's floor")
left.set(xscale="log", xlabel="time of an iteration, ms (median and range)")
left.set_yticks(places, found)
left.set_ylim(len(found) - 0.5, -0.6)
left.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=3)
times = [one["times"] for one in found.values()]
middle = np.array([one["median"] for one in times])
away = [middle - [one["min"] for one in times], [one["max"] for one in times] - middle]
bars = right.barh(places, middle, 0.5, xerr=away, color="#56b4e9", ecolor="0.3")
right.bar_label(bars, fmt="%.0f×", padding=6)
right.set(xlabel="times as fast as the processor (median and range)", xlim=(0, 1.15 * max(one["max"] for one in times)))
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
figure.suptitle(source, fontsize="medium")

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1])
else:
    plt.show()
