"""Concepts of inputs and masks of places: a result's factors and units as `align` and `overlap` have them."""

import numpy as np
import pytest
import torch
from torch import nn

from cnn_probe import ask, probe
from cnn_probe.measures.counting import rows
from cnn_probe.measures.patterns import align, overlap

N, SIDE = 80, 8
QUICK = {"n_permutations": 20}


class Net(nn.Module):
    """Its first layer holds the left half of the pictures in a channel, and the right half in another."""

    def __init__(self, activation, last=False):
        super().__init__()
        self.first, self.relu, self.fc, self.end = activation, nn.ReLU(), nn.Linear(2 * SIDE * SIDE, 5), nn.Linear(5, 3)
        self.last = nn.Linear(2, 2, bias=False) if last else None  # after it, channels are the last axis
        if last:
            nn.init.eye_(self.last.weight)

    def forward(self, images):
        left, right = images.clone(), images.clone()
        left[..., SIDE // 2 :], right[..., : SIDE // 2] = 0, 0
        held = torch.cat([left, right], dim=1)
        held = self.first(held if self.last is None else self.last(held.movedim(1, -1)))
        return self.end(self.relu(self.fc(held.flatten(1))))


@pytest.fixture(scope="module")
def planted():
    """Pictures of which half have a bright square at the left, and some of all one at the right; and the squares."""
    generator = torch.Generator().manual_seed(0)
    has = torch.rand(2, N, generator=generator) < 0.5
    masks = torch.zeros(2, N, SIDE, SIDE, dtype=torch.bool)
    masks[0, has[0], 1:4, 1:3], masks[1, has[1], 4:7, 5:7] = True, True
    images = 0.1 * torch.rand(N, 1, SIDE, SIDE, generator=generator) + 0.9 * masks.any(dim=0)[:, None]
    return images, has.numpy(), masks.numpy()


def made(images, activation=None, last=False, **how):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Net(nn.ReLU() if activation is None else activation, last)
    return ask(probe(network, images, n_components=3, **how), images)


@pytest.mark.parametrize("how", [{}, {"pool": "mean"}, {"negative": "split", "activation": nn.GELU()}])
def test_concepts_are_those_of_align(planted, how):
    images, has, _ = planted
    answers = made(images, **how)
    found = answers.concepts({"left": has[0], "right": has[1]}, **QUICK)
    assert list(found.units) == [name for name in answers.X.names if not name.startswith("pixels")]
    expected = align(answers.result.F, has.T, ["left", "right"], **QUICK)
    np.testing.assert_array_equal(found.factors.auc, expected.auc)
    np.testing.assert_array_equal(found.factors.by_chance, expected.by_chance)
    block = np.asarray(answers.X["first"], dtype=np.float64)
    means = block if how.get("pool") == "mean" else block.reshape(N, 2, -1).mean(axis=2)
    np.testing.assert_allclose(found.units["first"].auc, align(means, has.T, **QUICK).auc)
    assert found.units["relu"].auc.shape == (5, 2), "without places, of each neuron"
    assert np.all(np.diag(found.units["first"].auc) > 0.95), "a channel for each square"
    table = found.table()
    assert len(table) == 2 * (3 + sum(len(own.auc) for own in found.units.values()))
    assert table["of"][:6] == ("factors",) * 6
    assert set(table["concept"]) == {"left", "right"}


def test_concepts_may_be_columns_or_labels(planted):
    images, has, _ = planted
    answers = made(images, layers=["relu"])
    by_name = answers.concepts({"left": has[0]}, **QUICK).factors
    columns = answers.concepts(has.T, ["left", "right"], **QUICK).factors
    np.testing.assert_array_equal(columns.auc[:, :1], by_name.auc)
    labels = answers.concepts(has[0] * 2, **QUICK).factors
    assert labels.concepts == ("0", "2")
    np.testing.assert_allclose(labels.auc, np.stack([1 - by_name.auc[:, 0], by_name.auc[:, 0]], axis=1))
    named = answers.concepts(has[0] * 1, ["no", "yes", "never"], **QUICK).factors
    assert named.concepts == ("no", "yes", "never")
    assert np.isnan(named.auc[:, 2]).all()
    for concepts, names, says in (
        ({"left": has[0][:9]}, None, f"must be arrays of {N} booleans"),
        ({"left": has[0]}, ["a"], "a mapping of concepts has its own"),
        (has.T * 0.5, None, "concepts must be booleans of shape"),
    ):
        with pytest.raises(ValueError, match=says):
            answers.concepts(concepts, names, **QUICK)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("negative", ["error", "split", "shift"])
def test_masks_are_those_of_overlap(planted, monkeypatch, negative, last):
    images, _, masks = planted
    answers = made(images, nn.ReLU() if negative == "error" else nn.GELU(), last, negative={"first": negative})
    named, how = {"left": masks[0], "right": masks[1]}, {"top": 0.05, "n_resamples": 20}
    axis = answers.result.layer("first").output.channel_axis
    assert axis == (3 if last else 1)
    found = answers.masks(named, **how)
    expected = overlap(list(np.moveaxis(answers.result.where(images, layer="first"), 1, 0)), named, **how)
    np.testing.assert_allclose(found.factors.iou, expected.iou, atol=0.02)
    assert list(found.units) == list(answers.result.layer("first").blocks)
    maps = np.moveaxis(np.asarray(answers.X["first"]).reshape(N, *answers.result.layer("first").shape), axis, 0)
    own = overlap(list(maps), named, **how)
    np.testing.assert_array_equal(found.units["first"].iou, own.iou)
    np.testing.assert_array_equal(found.units["first"].low, own.low)
    assert np.all(np.diag(own.iou) > 0.3)
    monkeypatch.setattr(rows, "ENTRIES", 300)
    np.testing.assert_array_equal(answers.masks(named, "first", **how).units["first"].iou, own.iou)
    assert len(found.table()) == 2 * (3 + len(found.units) * len(maps))


def test_of_a_pooled_layer_there_are_the_factors_places(planted):
    images, _, masks = planted
    answers = made(images, pool="mean", layers=["first"])
    found = answers.masks({"left": masks[0]}, n_resamples=5)
    assert found.units == {}
    where = answers.result.where(images, layer="first")
    np.testing.assert_array_equal(
        found.factors.iou, overlap(list(np.moveaxis(where, 1, 0)), {"left": masks[0]}, n_resamples=5).iou
    )
    assert len(found.table()) == 3


def test_masks_of_what_has_no_places_are_refused(planted):
    images, _, masks = planted
    answers = made(images)
    with pytest.raises(ValueError, match=r"of which there are \['first'\]; got 1 and layer='relu'"):
        answers.masks({"left": masks[0]}, "relu")
    with pytest.raises(ValueError, match="got 0 and layer=None"):
        answers.masks({})
    with pytest.raises(ValueError, match="no layer 'nowhere'"):
        answers.masks({"left": masks[0]}, "nowhere")
    with pytest.raises(ValueError, match=r"there are \[\]"):
        made(images, layers=["relu"]).masks({"left": masks[0]})
