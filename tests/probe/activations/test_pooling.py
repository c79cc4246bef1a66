"""Pooling against a slow loop over every sample, channel and place."""

import math

import numpy as np
import pytest
import torch

from cnn_probe.activations.pooling import POOLS, WHOLE_UP_TO, choose, pool, pooled_minima, pooled_shape
from cnn_probe.activations.units import Units

RULES = [rule for rule in POOLS if rule != "auto"]
SIDES = (3, 4, 2, 5, 3)
CASES = [(SIDES[:ndim], axis) for ndim in range(2, 6) for axis in (*range(1, ndim), *range(1 - ndim, 0))]


def slow_pool(array, rule, channel):
    """One row a sample, of float64 sums, one number after the other."""
    if rule == "whole" or array.ndim == 2:
        return np.array([[sample[place] for place in np.ndindex(sample.shape)] for sample in array])
    rows = []
    for sample in array:
        moved = np.moveaxis(sample, channel - 1, 0)
        channels = [[float(one[place]) for place in np.ndindex(one.shape)] for one in moved]
        features = {
            "mean": lambda channels: [math.fsum(values) / len(values) for values in channels],
            "max": lambda channels: [max(values) for values in channels],
            "token": lambda channels: [math.fsum(values) / len(values) for values in zip(*channels, strict=True)],
        }
        rows.append(features[rule](channels))
    return np.array(rows)


@pytest.mark.parametrize(("shape", "axis"), CASES)
@pytest.mark.parametrize("rule", RULES)
def test_every_rule_against_a_slow_loop(rule, shape, axis):
    values = np.random.default_rng(0).random(shape, dtype=np.float32)
    rows = pool(torch.from_numpy(values), rule, axis)
    expected = slow_pool(values, rule, axis % len(shape))
    assert rows.dtype == torch.float32
    assert rows.shape == expected.shape == (shape[0], math.prod(pooled_shape(shape[1:], rule, axis)))
    np.testing.assert_allclose(rows, expected, rtol=3e-7)
    if rule in ("whole", "max"):
        np.testing.assert_array_equal(rows, expected)


@pytest.mark.parametrize(("shape", "axis"), CASES)
@pytest.mark.parametrize("rule", RULES)
def test_minima_go_where_their_channels_go(rule, shape, axis):
    """Shifting what was pooled is pooling what was shifted."""
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    channel = axis % len(shape)
    minima = np.moveaxis(values, channel, 0).reshape(shape[channel], -1).min(axis=1)
    along = minima.reshape([-1 if one == channel else 1 for one in range(len(shape))])
    expected = slow_pool((values - along).astype(np.float64), rule, channel)
    rows = pool(torch.from_numpy(values), rule, axis).numpy() - pooled_minima(minima, shape[1:], rule, axis)
    np.testing.assert_allclose(rows, expected, atol=2e-6)


def test_an_output_of_one_number_a_sample():
    assert pool(torch.ones(4), "mean").shape == (4, 1)
    assert pooled_shape((), "mean") == ()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_halves_do_not_overflow_in_a_mean(dtype):
    output = torch.full((2, 3, 64, 64), 60000.0, dtype=dtype)
    units = Units("layer", (3, 64, 64), pool="mean")
    (rows,) = units.rows(*units.look(output)).values()
    assert rows.dtype == torch.float32
    assert torch.equal(rows, output[:, :, 0, 0].to(torch.float32))


def test_a_mean_over_many_places_keeps_its_digits():
    values = torch.from_numpy(np.random.default_rng(0).random((1, 2, 1024, 1024), dtype=np.float32))
    exact = values.double().mean(dim=(2, 3))
    np.testing.assert_allclose(pool(values, "mean"), exact, rtol=1e-6)


def test_signs_come_before_pooling():
    """The positive and the negative part of a channel do not cancel."""
    output = torch.tensor([[[[3.0, -3.0]]]])
    for rule, expected in {"mean": 1.5, "max": 3.0, "token": None}.items():
        units = Units("layer", (1, 1, 2), sign="split", pool=rule)
        rows = units.rows(*units.look(output))
        assert [rows[name].tolist() for name in rows] == (
            [[[3, 0]], [[0, 3]]] if expected is None else [[[expected]], [[expected]]]
        )


def test_auto_is_whole_up_to_a_stated_size():
    assert choose((WHOLE_UP_TO // 64, 8, 8)) == "whole"
    assert choose((WHOLE_UP_TO // 64 + 1, 8, 8)) == "mean"
    assert choose((WHOLE_UP_TO * 2,)) == choose(()) == "whole"
    assert [choose((10**6, 2), rule) for rule in RULES] == RULES


@pytest.mark.parametrize(("ndim", "axis"), [(3, 0), (3, 3), (3, -3), (3, 7), (4, 0), (4, 4), (4, -4)])
def test_an_axis_that_is_not_there(ndim, axis):
    message = f"the channel axis is {axis}, and an output of {ndim} axes has 1 to {ndim - 1} or -1 to {1 - ndim}"
    with pytest.raises(ValueError, match=message):
        pool(torch.ones(SIDES[:ndim]), "mean", axis)
    with pytest.raises(ValueError, match=message):
        Units("layer", SIDES[1:ndim], pool="token", channel_axis=axis)
