"""From a layer to the outputs through a linear head: found where there is one, and exact."""

import numpy as np
import pytest
import torch
from torch import nn

from cnn_probe import ask, probe
from cnn_probe.measures.causes.travel import head_of, logits_of_factors, take_apart
from cnn_probe.probing.recording import record

IMAGES = torch.rand(40, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def network(*end):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *end)


def flat():
    return network(nn.Flatten(), nn.Dropout(), nn.Linear(144, 5))


def averaged(bias=True):
    return network(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5, bias=bias))


@pytest.mark.parametrize(
    ("made", "pool"), [(flat(), "whole"), (averaged(), "mean"), (averaged(), "whole"), (averaged(bias=False), "mean")]
)
def test_the_margin_is_the_sum_of_its_parts_and_the_networks_own(made, pool):
    result = probe(made, IMAGES, n_components=3, pool=pool)
    head = head_of(result, IMAGES[:3])
    X = record(result.prepare(IMAGES)).X
    added = logits_of_factors(result, head)
    assert added.shape == (3, 5)
    rows = X["1"].astype(np.float64)
    np.testing.assert_allclose(rows @ head.weights.T + head.bias, result.scores, rtol=1e-4, atol=1e-5)
    for number in (0, 7):
        found = take_apart(result, head, rows[number], number)
        top = np.sort(result.scores[number])[::-1]
        assert found.winner == result.predictions[number]
        assert found.margin == pytest.approx(top[0] - top[1], abs=1e-4)
        assert found.factors.sum() + found.rest + found.bias == pytest.approx(found.margin, abs=1e-10)
        expected = result.F[number] * (added[:, found.winner] - added[:, found.other])
        np.testing.assert_allclose(found.factors, expected, rtol=1e-10)
        assert take_apart(result, head, rows[number], number, other=found.winner).margin == 0


def test_signs_of_a_split_layer_count():
    made = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GELU(), nn.Flatten(), nn.Linear(144, 5))
    result = probe(made, IMAGES, n_components=3, negative="split")
    head = head_of(result, IMAGES[:3])
    X = record(result.prepare(IMAGES)).X
    rows = X["1"].astype(np.float64) - X["1 (negative)"]
    np.testing.assert_allclose(rows @ head.weights.T + head.bias, result.scores, rtol=1e-4, atol=1e-4)
    assert abs(take_apart(result, head, rows[3], 3).rest) < 10


@pytest.mark.parametrize("pool", ["whole", "mean"])
def test_what_was_subtracted_from_a_shifted_layer_is_bias(pool):
    made = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5))
    result = probe(made, IMAGES, n_components=3, negative="shift", pool=pool)
    answers = ask(result, IMAGES)
    found = answers.decision(3)
    difference = answers.head.weights[found.winner] - answers.head.weights[found.other]
    left = answers.X["1"][3:4][0].astype(np.float64) - result.F[3] @ result.model.block_components_["1"]
    assert found.rest == pytest.approx(difference @ left, abs=1e-5), "what no factor explains, and nothing else"
    head = answers.head.bias[found.winner] - answers.head.bias[found.other]
    assert found.bias == pytest.approx(head + difference @ result.minima["1"], abs=1e-6)
    assert found.factors.sum() + found.rest + found.bias == pytest.approx(found.margin, abs=1e-10)
    assert found.margin == pytest.approx(np.diff(np.sort(result.scores[3])[-2:])[0], abs=1e-4)


class ChannelsLast(nn.Module):
    """A layer of tokens (n, places, channels) that is flattened for its head."""

    def __init__(self):
        super().__init__()
        self.first, self.relu, self.last = nn.Linear(3, 4), nn.ReLU(), nn.Linear(64 * 4, 5)

    def forward(self, images):
        return self.last(self.relu(self.first(images.flatten(2).movedim(1, -1))).flatten(1))


@pytest.mark.parametrize(
    ("made", "how", "channels", "places", "axis"),
    [
        (flat(), {}, 4, (6, 6), 1),
        (averaged(), {"pool": "whole"}, 4, (6, 6), 1),
        (averaged(), {"pool": "mean"}, 4, None, 1),
        (ChannelsLast(), {}, 4, (64,), 2),
        (network(nn.Flatten(), nn.Linear(144, 6), nn.ReLU(), nn.Linear(6, 5)), {}, 6, None, 1),
    ],
)
def test_what_a_factor_adds_is_split_by_channel_and_by_place(made, how, channels, places, axis):
    answers = ask(probe(made, IMAGES, n_components=3, **how), IMAGES)
    found = answers.decision(5)
    assert found.by_channel.shape == (3, channels)
    np.testing.assert_allclose(found.by_channel.sum(axis=1), found.factors, rtol=1e-9, atol=1e-12)
    difference = answers.head.weights[found.winner] - answers.head.weights[found.other]
    result, name = answers.result, answers.head.layer
    H = result.model.block_components_[name].astype(np.float64)
    if places is None:
        assert found.by_place is None
        np.testing.assert_allclose(found.by_channel, result.F[5][:, None] * H * difference, rtol=1e-5)
        return
    np.testing.assert_allclose(found.by_place.reshape(3, -1).sum(axis=1), found.factors, rtol=1e-9, atol=1e-12)
    assert found.by_place.shape == (3, *places)
    parts = np.moveaxis((result.F[5][:, None] * H * difference).reshape(3, *result.layer(name).shape), axis, 1)
    for factor in range(3):
        for channel in range(channels):
            assert found.by_channel[factor, channel] == pytest.approx(parts[factor, channel].sum(), abs=1e-6)
        np.testing.assert_allclose(found.by_place[factor], parts[factor].sum(axis=0), atol=1e-6)


@pytest.mark.parametrize(
    ("made", "pool"),
    [
        (network(nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(4, 5)), "mean"),
        (network(nn.Flatten(), nn.Linear(144, 6), nn.Tanh(), nn.Linear(6, 5)), "whole"),
        (flat(), "mean"),
        (averaged(), "max"),
        (network(nn.Flatten(), nn.Linear(144, 5), nn.Softmax(1)), "whole"),
    ],
)
def test_where_no_linear_head_follows_the_layer_there_is_none(made, pool):
    result = probe(made, IMAGES, n_components=2, pool=pool, layers=["1"])
    assert head_of(result, IMAGES[:3]) is None
    assert not any(module._forward_hooks for module in made.modules())


def test_a_head_is_none_that_only_plain_inputs_make_look_like_one():
    class Largest(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.relu, self.head = nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Linear(4, 3)

        def forward(self, pictures):
            return self.head(self.relu(self.conv(pictures)).amax(dim=(2, 3)))

    torch.manual_seed(0)
    pictures = torch.rand(40, 1, 8, 8)
    pictures[:32] = torch.linspace(0, 1, 32)[:, None, None, None]
    result = probe(Largest(), pictures, n_components=2, pool="mean")
    assert ask(result, pictures).head is None
    assert head_of(result, pictures) is None, "inputs from all over the data are looked at"


def test_a_decision_and_what_factors_add_are_tables():
    answers = ask(probe(averaged(), IMAGES, n_components=3), IMAGES)
    found = answers.decision(5)
    table = found.table()
    assert table["part"] == ("factor 0", "factor 1", "factor 2", "rest", "bias")
    assert table["factor"] == (0, 1, 2, None, None)
    assert sum(table["adds"]) == pytest.approx(found.margin)
    added = answers.tables()["added"]
    assert added.columns == ("factor", *(f"adds_to_{output}" for output in range(5)))
    np.testing.assert_array_equal([row[1:] for row in added.rows()], answers.added)


def test_without_a_head_there_is_no_table_of_it_and_in_full_what_takes_fits():
    answers = ask(probe(averaged(), IMAGES, n_components=3, layers=["0"], negative="clip"), IMAGES)
    assert answers.head is None
    assert "added" not in answers.tables()
    assert {"use", "stability"} == {*answers.tables(full=True)} - {*answers.tables()}
