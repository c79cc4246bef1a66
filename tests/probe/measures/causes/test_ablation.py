"""Factors taken out of a layer: against a forward pass by hand, and where the cause is planted."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from cnn_probe import ablate, probe
from cnn_probe.activations.intervention import scores_after
from cnn_probe.activations.passes.outputs import Output
from cnn_probe.data.batches import Batch
from cnn_probe.measures.causes.ablation import effects_of
from cnn_probe.report.document.cards.verdicts import _beside_others

SIDE = 6


class Planted(nn.Module):
    """Its layer holds the pixels; class 1 is what has the left pattern, whatever else there is."""

    def __init__(self, left):
        super().__init__()
        self.left, self.relu = left, nn.ReLU()

    def forward(self, images):
        return self.head(self.relu(images))

    def head(self, held):
        strength = 8 * (held[:, 0] * self.left).flatten(1).sum(dim=1) / self.left.sum() - 2
        return torch.stack([-strength, strength], dim=1)


@pytest.fixture(scope="module")
def planted():
    """Images of two patterns, of which the right goes with the left mostly, and the network that looks at the left."""
    generator = torch.Generator().manual_seed(0)
    left, right = torch.zeros(SIDE, SIDE), torch.zeros(SIDE, SIDE)
    left[1:4, :2], right[2:6, 4:] = 1, 1
    has_left = torch.rand(200, generator=generator) < 0.5
    has_right = torch.where(torch.rand(200, generator=generator) < 0.8, has_left, ~has_left)
    images = has_left[:, None, None] * left + has_right[:, None, None] * right
    images = (0.8 * images + 0.1 * torch.rand(200, SIDE, SIDE, generator=generator))[:, None]
    result = probe(Planted(left), images, n_components=3)
    patterns = result.latent_images[:, 0].reshape(3, -1)
    cosine = [patterns @ p.flatten().numpy() / np.linalg.norm(patterns, axis=1) for p in (left, right)]
    return result, images, [int(np.argmax(values)) for values in cosine]


def test_the_pattern_that_causes_a_class_is_found_and_the_one_that_goes_with_it_is_not(planted):
    result, images, (cause, companion) = planted
    assert cause != companion
    found = ablate(result, images)
    assert found.hit[cause] == 1
    assert found.change[cause, 1] < -0.5
    assert found.causes[cause]
    assert found.low[cause, 1] <= found.change[cause, 1] <= found.high[cause, 1] < 0
    assert not found.causes[companion]
    assert abs(found.change[companion]).max() < 0.05
    assert found.p_value[companion] > 0.3, "shuffled, it falls on what the network looks at"
    assert found.kept[companion] > 0.98 > found.kept[cause]


def test_changes_are_those_of_a_pass_by_hand(planted):
    result, images, (cause, _) = planted
    found = ablate(result, images, factors=[cause], n_shuffles=3, seed=5)
    network = result.network
    F, H = result.F, result.model.block_components_["relu"]
    with torch.no_grad():
        before = network(images).double().softmax(dim=1).numpy()
        held = images - torch.from_numpy(np.outer(F[:, cause], H[cause]).reshape(images.shape)).float()
        after = network.head(held).double().softmax(dim=1).numpy()
    groups = before.argmax(axis=1)
    for label in (0, 1):
        expected = np.mean((after - before)[groups == label, label])
        assert found.change[0, label] == pytest.approx(expected, abs=1e-5)
    assert found.shuffled.shape == (1, 3, 2)
    assert found.n_inputs.tolist() == np.bincount(groups).tolist()
    again = ablate(result, images, factors=[cause], n_shuffles=3, seed=5)
    np.testing.assert_array_equal(found.shuffled, again.shuffled)


def test_of_a_pooled_layer_what_is_at_each_place_is_taken_out():
    images = torch.rand(40, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3))
    result = probe(network, images, n_components=2, pool="mean", inputs=False)
    found = ablate(result, images, n_shuffles=2)
    where, H = result.where(images, layer="1"), result.model.block_components_["1"]
    with torch.no_grad():
        held = network[:2](images)
        before = network[2:](held).double().softmax(dim=1).numpy()
        groups = before.argmax(axis=1)
        for factor in (0, 1):
            part = np.einsum("nhw,c->nchw", where[:, factor], H[factor])
            after = network[2:](held - torch.from_numpy(part).float()).double().softmax(dim=1).numpy()
            for label in np.unique(groups):
                expected = np.mean((after - before)[groups == label, label])
                assert found.change[factor, label] == pytest.approx(expected, abs=1e-5)


def test_what_cannot_be_is_one_error(planted):
    result, images, _ = planted
    with pytest.raises(ValueError, match=r"factors must be some of 0 to 2, got \[3\]"):
        ablate(result, images, factors=[3])
    with pytest.raises(ValueError, match="n_shuffles must be 1 or more, got 0"):
        ablate(result, images, n_shuffles=0)
    with pytest.raises(ValueError, match="no layer 'relu9' in this result; there are relu"):
        ablate(result, images, "relu9")
    with pytest.raises(ValueError, match="labels must be 200 whole numbers from 0 to 1"):
        ablate(result, images, labels=np.full(200, 2))
    with pytest.raises(ValueError, match="class_names has 3 names for 2 scores"):
        ablate(result, images, class_names=["a", "b", "c"])
    with pytest.raises(ValueError, match="was pooled over its channels"):
        ablate(probe(result.network, images, n_components=2, pool="token"), images)
    with pytest.warns(UserWarning, match="no predictions"):
        no_scores = probe(nn.Sequential(nn.ReLU()), images, n_components=2)
    with pytest.raises(ValueError, match=r"the network returns shape \(200, 1, 6, 6\), not a score"):
        ablate(no_scores, images)


def test_an_edit_that_fails_leaves_the_network_as_it_was(planted):
    result, images, _ = planted
    network = result.network.train()

    def failing(values, rows):
        raise RuntimeError("injected")

    fed = [Batch((images,), {}, None, None, len(images))]
    with pytest.raises(RuntimeError, match="injected"):
        scores_after(network, fed, Output("relu", "relu"), [None, failing], lambda returned, rows: returned)
    assert not network.relu._forward_hooks
    assert network.training
    with pytest.raises(ValueError, match=r"must be a tensor of shape \(200, n_scores\)"):
        scores_after(network, fed, Output("relu", "relu"), [None], lambda returned, rows: returned[0])


def test_the_chance_counts_the_shuffles_that_hit_as_hard():
    groups = np.repeat([0, 1], 5)

    def run(directions):
        own = np.full((1 + len(directions), 10), 0.9)
        hit = {"factor": 0.5, "shuffled": 0.9, "alike": 0.5, "principal": 0.7}
        for row, direction in enumerate(directions, start=1):
            own[row, :5] = hit[direction.kind]
        own[3, :5] = 0.4  # one shuffled direction that hits harder
        return own, np.zeros(own.shape, dtype=np.int64)

    found = effects_of(run, np.ones((1, 5)), np.eye(5), groups, layer="a", classes=["x", "y"], n_shuffles=4)
    assert found.change[0].tolist() == pytest.approx([-0.4, 0.0])
    assert found.p_value[0] == pytest.approx(2 / 5)
    assert found.p_alike[0] == 1, "what hits as hard counts"
    assert (found.shuffled.shape, found.alike.shape, found.principal.shape) == ((1, 4, 2), (1, 4, 2), (1, 2))
    np.testing.assert_allclose(found.alike[..., 0], -0.4)
    np.testing.assert_allclose(found.principal[..., 0], -0.2)
    assert found.specificity[0].tolist() == [1.0, 1.0]
    assert not found.causes[0]


def planted_effects(hit, n_shuffles, n_factors=1, alike=0.5):
    """Effects on ten inputs of two classes: a factor takes ``hit`` from the first, others parts of it."""
    parts = {"factor": 1.0, "shuffled": 0.5, "alike": alike, "principal": 0.7}

    def run(directions):
        own = np.full((1 + len(directions), 10), 0.9)
        for row, direction in enumerate(directions, start=1):
            own[row, :5] -= hit * parts[direction.kind]
        return own, np.zeros(own.shape, dtype=np.int64)

    H, groups = np.ones((n_factors, 5)), np.repeat([0, 1], 5)
    return effects_of(run, H, np.eye(5), groups, layer="a", classes=["x", "y"], n_shuffles=n_shuffles)


@pytest.mark.parametrize(
    ("hit", "n_shuffles", "verdict"),
    [
        (0.2, 20, "causes"),
        (0.011, 20, "causes"),
        (0.003, 20, "less than a point"),
        (0.0, 20, "not beyond chance"),
        (0.2, 19, "not tested"),
        (0.0, 4, "not tested"),
    ],
)
def test_less_than_a_point_is_no_cause_however_sure(hit, n_shuffles, verdict):
    found = planted_effects(hit, n_shuffles)
    assert found.verdicts == (verdict,)
    assert found.causes.tolist() == [verdict == "causes"]
    assert found.causes.dtype == bool


@pytest.mark.parametrize(
    ("hit", "n_shuffles", "alike", "said"),
    [
        (0.2, 20, 0.5, "causes, and more than directions like the layer's own"),
        (0.2, 20, 1.0, "causes, but not clearly more than directions like the layer's own"),
        (0.003, 20, 0.5, "less than a point"),
        (0.2, 4, 0.5, "not tested"),
    ],
)
def test_what_causes_is_held_against_directions_like_the_layers_own(hit, n_shuffles, alike, said):
    found = planted_effects(hit, n_shuffles, alike=alike)
    assert found.said == (said,)
    assert found.beyond_alike.tolist() == ["and more" in said]
    assert found.hurts.tolist() == [hit >= 0.01], "said without a look at other directions"
    row = dict(zip(found.table().columns, next(iter(found.table().rows())), strict=True))
    assert row["alike hardest"] == pytest.approx(-hit * alike)
    assert row["p alike"] == found.p_alike[0] == (1 if alike == 1 else pytest.approx(1 / (1 + n_shuffles)))


def test_random_directions_of_a_layer_surpass_shuffled_neurons_and_not_those_drawn_like_it():
    """That they "cause" says little of them: it is why there are two kinds of others."""
    generator = np.random.default_rng(0)
    scales = np.where(np.arange(60) < 12, 3.0, 0.02)  # few neurons are active
    rows, weights = generator.normal(size=(300, 60)) * scales, generator.normal(size=(3, 60)) * (scales > 1)
    amounts = generator.random((300, 40))
    H = generator.normal(size=(40, 60)) * scales

    def run(directions):
        held = [rows, *(rows - np.outer(amounts[:, one.factor], one.vector) for one in directions)]
        scores = np.stack([np.exp(0.3 * one @ weights.T) for one in held])
        scores /= scores.sum(axis=2, keepdims=True)
        return np.take_along_axis(scores, groups[None, :, None], axis=2)[..., 0], scores.argmax(axis=2)

    groups = np.argmax(rows @ weights.T, axis=1)
    found = effects_of(run, H, rows, groups, layer="a", classes=["x", "y", "z"])
    assert found.causes.sum() > 5 * found.expected_by_chance
    assert found.beyond_alike.sum() <= 5


def effects_by_chance(n_each, n_shuffles, seed):
    """Of removals that do nothing on average: each input of ten classes changes at random."""
    generator, groups = np.random.default_rng(seed), np.repeat(np.arange(10), n_each)

    def run(directions):
        own = np.full((1 + len(directions), len(groups)), 0.5)
        own[1:] += 0.05 * generator.normal(size=own[1:].shape)
        return own, np.zeros(own.shape, dtype=np.int64)

    H, rows = generator.random((10, 12)), generator.random((len(groups), 12))
    return effects_of(run, H, rows, groups, layer="a", classes=list("abcdefghij"), n_shuffles=n_shuffles)


@pytest.mark.parametrize(("spread", "one"), [([5, 0.1, 0.1], True), ([5, 5, 5, 5, 5], False)])
def test_directions_like_a_layer_that_is_nearly_one_are_told(spread, one):
    rows = np.random.default_rng(0).normal(size=(100, len(spread))) * spread

    def run(directions):
        return np.full((1 + len(directions), 100), 0.5), np.zeros((1 + len(directions), 100), dtype=np.int64)

    H, groups = np.ones((2, len(spread))), np.zeros(100, dtype=np.int64)
    found = effects_of(run, H, rows, groups, layer="a", classes=["x"])
    assert (found.likeness >= 0.5) is one
    assert ("two directions or fewer" in _beside_others(found)[2]) is one
    assert effects_of(run, H, rows, groups, layer="a", classes=["x"], n_shuffles=1).likeness == 0


@pytest.mark.parametrize("n_each", [5, 10, 30])
def test_what_does_nothing_on_average_rarely_hurts(n_each):
    """The hit class is the worst of ten: its interval alone would lie below 0 for a third of the factors."""
    found = [effects_by_chance(n_each, 2, seed) for seed in range(20)]
    assert np.mean([one.hurts for one in found]) < 0.06
    within = [(one.low <= 0) & (one.high >= 0) for one in found]
    assert np.mean(np.all(within, axis=2)) > 0.9


@pytest.mark.parametrize("n_each", [1, 2, 4])
def test_of_classes_of_few_inputs_nothing_is_said(n_each):
    found = effects_by_chance(n_each, 20, seed=0)
    assert np.isnan(found.low).all()
    assert not found.hurts.any()
    assert set(found.said) == {"too few inputs"}
    assert _beside_others(found) == (0, "", "No class has 5 inputs, and of fewer nothing is said.")
    assert effects_by_chance(n_each, 2, seed=0).said == ("not tested",) * 10


def test_the_class_that_is_hit_is_one_with_inputs_enough():
    """The last class has one input, which loses most."""
    groups = np.array([0] * 5 + [1] * 5 + [2])

    def run(directions):
        own = np.full((1 + len(directions), 11), 0.9)
        own[1, :5], own[1, 10] = 0.7, 0.1
        return own, np.zeros(own.shape, dtype=np.int64)

    found = effects_of(run, np.ones((1, 5)), np.ones((11, 5)), groups, layer="a", classes=list("abc"))
    assert found.counted.tolist() == [True, True, False]
    assert found.hit.tolist() == [0]
    assert found.specificity[0, 0] == 1
    assert found.causes.tolist() == [True]
    assert np.isnan(found.low[0]).tolist() == [False, False, True]


@pytest.mark.parametrize(("n_shuffles", "below"), [(4, 0), (19, 0), (20, 1), (30, 1), (40, 2), (100, 5)])
def test_how_many_factors_chance_names(n_shuffles, below):
    found = planted_effects(0.2, n_shuffles, n_factors=6)
    assert found.expected_by_chance == pytest.approx(6 * below / (1 + n_shuffles))


def test_the_principal_direction_does_not_depend_on_how_inputs_are_cut(planted):
    result, images = planted[:2]
    found = [ablate(result, DataLoader(images, batch_size=n), n_shuffles=2).principal for n in (1, 7, 200)]
    assert np.abs(found[0]).max() > 0
    for other in found[1:]:
        np.testing.assert_allclose(found[0], other, atol=1e-6)
