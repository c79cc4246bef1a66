"""Recording every activation function of a ResNet-50 against the bare pass: 16 images of 224² pixels, on the CPU.

Both take turns; a ratio is of neighbours in time. Either the mean of each channel is kept, or every number, written
into memory that is there; neither counts the first passes, which find out what there is.
"""

import math
import time

import torch
from torchvision.models import resnet50

from cnn_probe.activations.recorder import record
from cnn_probe.activations.store import Memory
from cnn_probe.networks.state import evaluating
from cnn_probe.probing.recording import prepare

ROUNDS, IMAGES, SIZE = 15, 16, 224


def measure():
    torch.manual_seed(0)
    network = resnet50(weights=None)
    images = torch.rand(IMAGES, 3, SIZE, SIZE)
    plans = {pool: prepare(network, images, inputs=False, batch_size=IMAGES, pool=pool) for pool in ("mean", "whole")}
    ways = {"bare": lambda: evaluating(lambda: network(images), network)}
    ways |= {pool: recording_of(network, prepared) for pool, prepared in plans.items()}
    for way in ways.values():
        way()
    seconds = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - start)
    figures = {"bare_seconds": sorted(seconds["bare"])[ROUNDS // 2], "outputs": len(plans["mean"].layers)}
    for pool in plans:
        ratios = sorted(own / bare for own, bare in zip(seconds[pool], seconds["bare"], strict=True))
        figures[pool] = {"median": ratios[ROUNDS // 2], "min": ratios[0], "max": ratios[-1]}
    print(figures, flush=True)
    return figures


def recording_of(network, prepared):
    """A pass that records into memory that has been written to before."""
    blocks = {name: math.prod(shape) for name, shape in prepared.shapes.items()}
    memory = Memory(blocks, n=IMAGES)

    def run():
        memory.rows_done, memory.finished = 0, False
        record(network, lambda start: prepared.source.batches(IMAGES, 0), prepared.layers, memory)

    return run
