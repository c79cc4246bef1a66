"""Where a pattern is: what part of an input's own activations it is, place by place; against slow sums by hand."""

import numpy as np
import pytest
import torch
from seeded import seeded
from torch import nn

from cnn_probe import probe
from cnn_probe.probing import places
from coupled_nmf import Blocks

IMAGES = torch.rand(20, 3, 8, 8, generator=torch.Generator().manual_seed(1))


class ChannelsLast(nn.Module):
    """Puts the channels last, as a transformer has them, for a linear layer."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(5, 5, bias=False)
        nn.init.eye_(self.linear.weight)

    def forward(self, x):
        return self.linear(x.movedim(1, -1))


def convolution(activation, between=None):
    return seeded(nn.Conv2d(3, 5, 3), between or nn.Identity(), activation, nn.Flatten(), nn.Linear(180, 2))


def blocks_of(network, negative="error", layer=2):
    """A layer's activations as its blocks hold them: each (n, *shape)."""
    with torch.no_grad():
        held = network[: layer + 1](IMAGES)
    if negative == "shift":
        return [(held - held.amin(dim=(0, 2, 3), keepdim=True)).numpy()]
    return [part.clamp(min=0).numpy() for part in ((held, -held) if negative == "split" else (held,))]


@pytest.mark.parametrize("negative", ["clip", "split", "shift"])
def test_over_the_factors_it_sums_to_the_activations_that_they_make_something_of(negative):
    network = convolution(nn.GELU())
    result = probe(network, IMAGES, n_components=3, negative=negative, layers=["2"])
    where, F = result.where(IMAGES), result.transform(IMAGES)
    assert where.shape == (20, 3, 6, 6)
    assert where.min() >= 0
    expected, left = np.zeros((20, 6, 6)), 0
    for held, H in zip(blocks_of(network, negative), result.neuron_patterns.values(), strict=True):
        made = np.tensordot(F, H, axes=1) > 0
        expected += (held * made).sum(axis=1)
        left += np.count_nonzero(held[~made])
    np.testing.assert_allclose(where.sum(axis=1), expected, rtol=1e-4, atol=1e-6)
    assert left or negative != "split", "what no factor makes anything of is there, and no factor's"


@pytest.mark.parametrize("between", [None, ChannelsLast()])
def test_each_factor_has_of_an_activation_what_the_factorization_says(between, monkeypatch):
    network = convolution(nn.ReLU(), between)
    result = probe(network, IMAGES, n_components=3, layers=["2"])
    axis = result.layer("2").output.channel_axis
    assert axis == (1 if between is None else 3)
    monkeypatch.setattr(places, "AT_A_TIME", 500)  # in several pieces
    parts = result.transform(IMAGES)[:, :, None, None, None] * result.neuron_patterns["2"].astype(np.float64)
    made = parts.sum(axis=1, keepdims=True)
    shares = np.divide(parts, made, out=np.zeros_like(parts), where=made > 0)
    expected = (blocks_of(network)[0][:, None] * shares).sum(axis=axis + 1)
    where = result.where(IMAGES)
    np.testing.assert_allclose(where, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(result.where(IMAGES, factor=2), where[:, 2])


def test_it_is_of_the_input_and_no_template():
    result = probe(convolution(nn.ReLU()), IMAGES, n_components=3, layers=["2"])
    where = result.where(IMAGES, factor=0).reshape(20, -1).astype(np.float64)
    directions = where[where.any(axis=1)] / np.linalg.norm(where[where.any(axis=1)], axis=1, keepdims=True)
    assert (directions @ directions.T).min() < 0.9


def test_of_tokens_and_of_neurons():
    network = seeded(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(216, 5), nn.ReLU())
    result = probe(network, IMAGES, n_components=3, layers=["1", "4"], pool={"1": "token"})
    found = result.places(IMAGES, ["4", "1"])
    assert {name: values.shape for name, values in found.items()} == {"4": (20, 3), "1": (20, 3, 6, 6)}
    H = result.model.block_components_
    for name, held in (("1", blocks_of(network, layer=1)[0].mean(axis=1)), ("4", blocks_of(network, layer=4)[0])):
        made = (result.transform(IMAGES) @ H[name]).reshape(held.shape)
        expected = held * (made > 0)
        np.testing.assert_allclose(
            found[name].sum(axis=1), expected if name == "1" else expected.sum(axis=1), rtol=1e-4, atol=1e-6
        )


def test_of_a_layer_that_was_pooled_each_place_is_solved_for_the_factors():
    network = seeded(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 2))
    result = probe(network, IMAGES, n_components=2, pool="mean", inputs=False, layers=["1"])
    where = result.where(IMAGES)
    held = blocks_of(network, layer=1)[0][:, :, 2, 5]
    np.testing.assert_allclose(where[:, :, 2, 5], result.model.transform(Blocks({"1": held})), rtol=1e-4, atol=1e-5)
