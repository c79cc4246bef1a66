"""What becomes of negative activations, what it costs, and the way back, against slow loops."""

import math

import numpy as np
import pytest
import torch

from cnn_probe.activations.signs import CHUNK, SIGN_RULES, Seen, as_float32, block_name, refusal, restore
from cnn_probe.activations.store import Shifted
from cnn_probe.activations.units import Units, by_layer

RNG = np.random.default_rng(0)
SHAPES = [((6, 5), 1), ((6, 5, 4), 1), ((6, 5, 4), -1), ((4, 3, 5, 6), 1), ((4, 3, 5, 6), -1), ((3, 2, 3, 4, 5), 2)]


def activations(shape, scale=1.0):
    return torch.from_numpy(RNG.normal(scale=scale, size=shape).astype(np.float32))


def recorded(units, batches):
    """The blocks of a layer after a pass, as they are read."""
    rows = {name: [] for name in units.blocks}
    for batch in batches:
        for name, some in units.rows(*units.look(batch)).items():
            rows[name].append(some.numpy())
    whole = {name: np.concatenate(some) for name, some in rows.items()}
    return whole | {name: Shifted(whole[name], minima)[:] for name, minima in units.shifts().items()}


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
@pytest.mark.parametrize("rule", SIGN_RULES)
def test_the_way_back_gives_the_activations(rule, shape, axis):
    values = activations(shape)
    if rule in ("error", "clip"):
        values = values.clamp(min=0)
    units = Units("layer", shape[1:], sign=rule, channel_axis=axis)
    blocks = recorded(units, values.split(2))
    assert all(block.min() >= 0 and block.dtype == np.float32 for block in blocks.values())
    back = restore({units.signs[name]: block for name, block in blocks.items()}, *units.shifts().values())
    expected = values.reshape(len(values), -1).numpy()
    if rule == "shift":  # one rounding on the way there, one on the way back
        np.testing.assert_allclose(back, expected, rtol=0, atol=4 * np.finfo(np.float32).eps * np.abs(expected).max())
    else:
        np.testing.assert_array_equal(back, expected)


def test_the_blocks_of_a_split_layer():
    units = Units("gelu", (2,), sign="split")
    assert (units.signs, units.blocks) == ({"gelu": "+", "gelu (negative)": "-"}, {"gelu": 2, "gelu (negative)": 2})
    rows = units.rows(*units.look(torch.tensor([[1.0, -2.0]])))
    assert {name: part.tolist() for name, part in rows.items()} == {"gelu": [[1, 0]], "gelu (negative)": [[0, 2]]}
    assert block_name("gelu", "-") == "gelu (negative)"


@pytest.mark.parametrize("rule", SIGN_RULES)
def test_the_network_keeps_its_output(rule):
    values = activations((4, 3, 2, 2))
    before = values.clone()
    units = Units("layer", (3, 2, 2), sign=rule, pool="mean")
    units.rows(*units.look(values))
    assert torch.equal(values, before)


@pytest.mark.parametrize("rule", ["clip", "split", "shift"])
@pytest.mark.parametrize("scale", [1e-20, 1.0, 1e25], ids=["tiny", "plain", "huge"])
def test_dropped_energy_against_a_slow_loop(rule, scale, monkeypatch):
    monkeypatch.setattr("cnn_probe.activations.signs.PIECE", 2 * CHUNK)
    values = activations((7, 3, 40, 41), scale) + 0.2 * scale
    seen = Seen("layer", rule)
    for batch in values.split(3):
        seen.add(batch)
    energy = negative = 0.0
    for value in map(float, values.reshape(-1)):
        energy += value * value
        negative += value * value if value < 0 else 0.0
    assert seen.energy == pytest.approx(energy, rel=1e-6)
    assert seen.dropped() == {"clip": pytest.approx(negative / energy, rel=1e-6), "split": 0.0, "shift": 0.0}
    assert 0.2 < seen.dropped()["clip"] < 0.45


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_minima_and_added_energy_against_a_slow_loop(shape, axis):
    values = activations(shape) + 0.3
    seen = Seen("layer", "shift", axis)
    for batch in values.split(2):
        seen.add(batch)
    array = values.numpy().astype(np.float64)
    channel = axis % len(shape)
    shifted = array.copy()
    for number in range(shape[channel]):
        index = tuple(number if one == channel else slice(None) for one in range(len(shape)))
        assert seen.minima[number] == array[index].min()
        shifted[index] -= array[index].min()
    expected = (shifted**2).sum() / (array**2).sum() - 1
    assert seen.added() == pytest.approx(expected, rel=1e-5)


def test_a_layer_above_zero_is_lowered_by_shift():
    seen = Seen("sigmoid", "shift")
    seen.add(torch.tensor([[0.5], [1.0]]))
    assert seen.added() == pytest.approx(0.25 / 1.25 - 1)


def test_later_data_below_the_minimum_are_cut_at_zero():
    units = Units("layer", (2,), sign="shift")
    units.look(torch.tensor([[-1.0, 2.0], [0.0, 3.0]]))
    later = Shifted(np.float32([[-5, 2.5]]), *units.shifts().values())
    np.testing.assert_array_equal(later[:], [[0, 0.5]])


def test_what_was_seen_goes_on_to_the_last_bit():
    batches = activations((9, 3, 4)).split(2)
    for rule in SIGN_RULES:
        if rule == "error":
            continue
        whole, first, second = (Seen("layer", rule) for _ in range(3))
        for number, batch in enumerate(batches):
            whole.add(batch)
            (first if number < 2 else second).add(batch)
            if number == 1:
                second.go_on(first.running())
        for name, value in whole.running().items():
            np.testing.assert_array_equal(second.running()[name], value)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_activations_that_are_not_finite(bad):
    with pytest.raises(ValueError, match="layer 'conv' has activations that are infinite or NaN"):
        Units("conv", (2,), sign="clip").look(torch.tensor([[1.0, bad]]))


def test_a_shape_that_changes():
    with pytest.raises(ValueError, match=r"layer 'conv' has shape \(2,\) for a sample of one batch and \(3,\)"):
        Units("conv", (2,)).look(torch.ones(4, 3))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.int32, torch.bool])
def test_other_dtypes_become_float32(dtype):
    values = activations((3, 4)).to(dtype)
    assert torch.equal(as_float32(values), values.to(torch.float32))
    assert Units("layer", (4,), sign="clip").look(values)[0].dtype == torch.float32


def test_one_error_for_all_layers():
    layers = [Seen(f"layer{number}.act") for number in range(60)] + [Seen("relu")]
    for number, seen in enumerate(layers[:-1]):
        seen.add(torch.tensor([[4.0, -3.0 - number]]))
    layers[-1].add(torch.tensor([[4.0, 0.0]]))
    assert [seen.refused for seen in layers] == [True] * 60 + [False]
    message = str(refusal(layers))
    assert message.startswith("60 layers have negative activations (in the batches so far)")
    assert "'layer0.act': down to -3; 36.00% of its energy is negative, \"shift\" would take 100.0%" in message
    assert "'layer7.act'" in message
    assert "layer8.act" not in message
    assert "and 52 more" in message
    assert "negative={'layer0.act': \"split\"}" in message
    assert "'relu'" not in message
    assert len(message) < 1600
    assert all(f'"{choice}"' in message for choice in ("split", "shift", "clip"))
    assert str(refusal(layers[1:2])).startswith("a layer has")


def test_the_refused_share_is_of_the_refused_batch():
    seen = Seen("layer")
    seen.add(torch.tensor([[100.0, 0.0]]))
    assert seen.energy == 0, "nothing is summed before it is needed"
    seen.add(torch.tensor([[4.0, -3.0]]))
    assert seen.dropped()["clip"] == pytest.approx(9 / 25)


def test_a_choice_by_layer():
    layers = ["stem", "layer1.0", "layer1.1", "odd[0]"]
    chosen = by_layer(
        "negative", {"layer1.0": "clip", "layer*": "split", "odd[0]": "shift"}, layers, SIGN_RULES, "error"
    )
    assert chosen == {"stem": "error", "layer1.0": "clip", "layer1.1": "split", "odd[0]": "shift"}
    assert by_layer("negative", "clip", layers, SIGN_RULES, "error") == dict.fromkeys(layers, "clip")


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ("drop", ValueError, 'negative must be "error", "clip", "split" or "shift", got \'drop\''),
        ({"stem": "drop"}, ValueError, r"negative\['stem'\] must be"),
        ({"layer.1": "clip"}, ValueError, "negative names 'layer.1', and no layer .*there are layer1 and 1 more"),
        ({3: "clip"}, ValueError, "negative names 3, and no layer"),
        (["clip"], TypeError, "negative is a list"),
        ({"stem": ["clip"]}, ValueError, r"negative\['stem'\] must be .*got \['clip'\]"),
    ],
)
def test_a_choice_that_is_none(value, error, message):
    with pytest.raises(error, match=message):
        by_layer("negative", value, ["stem", "layer1"], SIGN_RULES, "error")


@pytest.mark.parametrize(("values", "said"), [([[-1.0], [-1.0], [0.0]], "take 50.0%"), ([[-1.0], [1.0]], "add 100.0%")])
def test_a_shift_is_said_to_add_energy_or_to_take_it(values, said):
    seen = Seen("gelu")
    seen.add(torch.tensor(values))
    assert f'"shift" would {said}' in str(refusal([seen]))
