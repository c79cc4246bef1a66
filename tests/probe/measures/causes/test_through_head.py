"""A layer that a linear head follows: the head says what running the network does, or is not asked."""

import numpy as np
import pytest
import torch
from torch import nn

from cnn_probe import ablate, probe
from cnn_probe.measures.causes import interventions
from cnn_probe.measures.causes.travel import head_of

IMAGES = torch.rand(70, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def made(*layers):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 4, 3), *layers)


def flat(*between):
    return made(nn.GELU(), *between, nn.Flatten(), nn.Dropout(), nn.Linear(144, 5))


def averaged():
    return made(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5, bias=False))


@pytest.fixture
def heads(monkeypatch):
    """What was found of a head, each time."""
    found, own = [], interventions.through_head
    monkeypatch.setattr(interventions, "through_head", lambda *a: found.append(own(*a)) or found[-1])
    return found


def without_head(monkeypatch, *arguments, **how):
    with monkeypatch.context() as patched:
        patched.setattr(interventions, "through_head", lambda *a: None)
        return ablate(*arguments, **how)


def same(one, other):
    for name in ("change", "low", "high", "shuffled", "alike", "principal"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-6)
    for name in ("kept", "p_value", "p_alike", "n_inputs"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize("negative", ["split", "shift", "clip"])
def test_by_the_head_it_is_as_by_the_network(monkeypatch, heads, negative):
    result = probe(flat(), IMAGES, n_components=3, negative=negative)
    told = []
    found = ablate(result, IMAGES, n_shuffles=4, progress=lambda *done: told.append(done))
    assert heads[0] is not None
    assert told[-1] == (70, 70)
    same(found, without_head(monkeypatch, result, IMAGES, n_shuffles=4))


@pytest.mark.parametrize("pool", ["mean", "whole"])
def test_of_means_over_places_it_is_as_by_the_network(monkeypatch, heads, pool):
    result = probe(averaged(), IMAGES, n_components=3, pool=pool, batch_size=16)
    scores = lambda returned: (3 * returned).sigmoid()  # noqa: E731
    found = ablate(result, IMAGES, n_shuffles=4, scores=scores, factors=[2, 0])
    assert heads[0] is not None
    same(found, without_head(monkeypatch, result, IMAGES, n_shuffles=4, scores=scores, factors=[2, 0]))


def test_by_the_head_the_network_runs_a_few_times(monkeypatch, heads):
    result = probe(flat(), IMAGES, n_components=3, negative="split")
    fed, own = [], result.network.forward
    monkeypatch.setattr(result.network, "forward", lambda images: fed.append(len(images)) or own(images))
    ablate(result, IMAGES, n_shuffles=20)
    assert sum(fed) < 15 * len(IMAGES) < 3 * 42 * len(IMAGES)


@pytest.mark.parametrize("pool", ["max", "mean"])
def test_a_head_that_takes_something_else_than_what_was_pooled_is_run(heads, pool):
    network = averaged() if pool == "max" else flat()
    ablate(probe(network, IMAGES, n_components=2, pool=pool, negative="clip"), IMAGES, n_shuffles=2)
    assert heads == [None]


def test_what_cuts_only_a_changed_layer_is_run(monkeypatch, heads):
    """A second ReLU changes nothing of the first's activations, and cuts what is below zero once a factor is out."""
    network = made(nn.ReLU(), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5))
    result = probe(network, IMAGES, n_components=3, layers=["1"])
    assert head_of(result, IMAGES) is not None
    found = ablate(result, IMAGES, n_shuffles=4)
    assert heads == [None]
    same(found, without_head(monkeypatch, result, IMAGES, n_shuffles=4))


def test_a_head_that_is_none_for_one_input_is_run(heads):
    images = IMAGES.clone()
    images[1] *= 30  # it alone is cut off, and is none of the few that are looked at
    network = made(nn.ReLU(), nn.Hardtanh(-100, 5), nn.Flatten(), nn.Linear(144, 5))
    result = probe(network, images, n_components=3, layers=["1"], inputs=False)
    assert head_of(result, images) is not None
    ablate(result, images, n_shuffles=2)
    assert heads == [None]
