"""From a layer to the outputs through a linear head: found where there is one, and exact."""

import numpy as np
import pytest
import torch
from torch import nn

from cnn_probe import probe
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
