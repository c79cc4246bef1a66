from __future__ import annotations

import numpy as np
import pytest
import torch
from activations import activations_of
from torch import nn
from torch.nn.functional import relu

from cnn_probe import probe
from cnn_probe.activations.recorder import ActivationRecorder
from cnn_probe.networks.paper_net import build_network

IMAGES = torch.rand(11, 1, 28, 28, generator=torch.Generator().manual_seed(0))


def n_hooks(network):
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in network.modules())


class Breaking(nn.Module):
    def forward(self, values):
        raise RuntimeError("injected")


@pytest.fixture
def network():
    return build_network(1, 28, 10, seed=0)


@pytest.mark.parametrize("batch_size", [1, 4, 11, 500])
def test_activations_equal_a_forward_by_hand(network, batch_size):
    recorded = activations_of(network, IMAGES, ["relu1", "relu2"], batch_size=batch_size)
    with torch.no_grad():
        first = network.relu1(network.pool1(network.conv1(IMAGES)))
        second = network.relu2(network.pool2(network.conv2(first)))
    assert list(recorded) == ["relu1", "relu2"]
    for name, expected in (("relu1", first), ("relu2", second)):
        assert recorded[name].dtype == np.float32
        np.testing.assert_allclose(recorded[name], expected.numpy().reshape(11, -1), rtol=1e-5, atol=1e-6)
    column = np.ravel_multi_index((7, 3, 5), (10, 12, 12))
    assert recorded["relu1"][2, column] == pytest.approx(float(first[2, 7, 3, 5]), rel=1e-5)


def test_flattening_does_not_depend_on_the_memory_format(network):
    expected = activations_of(network, IMAGES, ["relu1"])["relu1"]
    channels_last = network.to(memory_format=torch.channels_last)
    actual = activations_of(channels_last, IMAGES.to(memory_format=torch.channels_last), ["relu1"])["relu1"]
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


def test_later_in_place_operations_cannot_change_the_record():
    network = nn.Sequential(nn.Linear(4, 3), nn.ReLU(inplace=True))
    values = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))
    with ActivationRecorder(network, ["0", "1"]) as recorder:
        output = network(values)
        record = recorder.batch
    expected = nn.functional.linear(values, network[0].weight, network[0].bias).detach()
    assert (expected < 0).any(), "the test needs a value that the ReLU changes"
    assert torch.equal(record["0"], expected)
    output.zero_() if not output.requires_grad else output.data.zero_()
    assert torch.equal(record["1"], expected.clamp(min=0))
    assert not record["1"].requires_grad


def test_every_forward_pass_replaces_the_record(network):
    with ActivationRecorder(network, ["relu2", "relu1"]) as recorder:
        network(IMAGES[:3])
        first = recorder.batch
        network(IMAGES[3:5])
        second = recorder.batch
    assert list(second) == ["relu2", "relu1"]
    assert (len(first["relu1"]), len(second["relu1"])) == (3, 2)


def test_no_hook_stays_behind(network):
    with ActivationRecorder(network, ["relu1", "relu2"]):
        assert n_hooks(network) == 3
    assert n_hooks(network) == 0
    activations_of(network, IMAGES, ["relu1"])
    assert n_hooks(network) == 0


def test_no_hook_stays_behind_after_an_error_in_the_middle(network):
    network.pool2 = Breaking()
    with pytest.raises(RuntimeError, match="injected"):
        activations_of(network, IMAGES, ["relu1", "relu2"])
    assert n_hooks(network) == 0
    assert network.training, "the network's mode was not put back"


def test_a_failed_forward_pass_does_not_pass_for_a_record(network):
    with ActivationRecorder(network, ["relu1", "relu2"]) as recorder:
        network(IMAGES)
        working, network.pool2 = network.pool2, Breaking()
        with pytest.raises(RuntimeError, match="injected"):
            network(IMAGES)
        with pytest.raises(RuntimeError, match=r"did not run the layers \['relu2'\]"):
            _ = recorder.batch
        network.pool2 = working
        network(IMAGES)
        assert set(recorder.batch) == {"relu1", "relu2"}, "a failed pass must not disturb the next"


def test_layers_that_did_not_run_are_named(network):
    network.unused = nn.ReLU()
    with pytest.raises(ValueError, match="the forward pass does not run the layer 'unused'"):
        activations_of(network, IMAGES, ["relu1", "unused"])
    with (
        ActivationRecorder(network, ["relu1"]) as recorder,
        pytest.raises(RuntimeError, match="run the network first"),
    ):
        _ = recorder.batch


class Forked(nn.Module):
    """Runs its second layer for bright batches alone."""

    def __init__(self):
        super().__init__()
        self.always, self.bright = nn.Linear(4, 3), nn.Sequential(nn.Linear(3, 3), nn.ReLU())

    def forward(self, x):
        y = self.always(x)
        return self.bright(y) if x.mean() > 0.5 else y


def test_a_layer_that_some_batches_alone_run_is_refused_with_the_batch_that_did_not():
    inputs = torch.cat([torch.full((5, 4), 0.9), torch.full((3, 4), 0.1), torch.full((2, 4), 0.9)])
    with pytest.raises(
        ValueError, match=r"the batch of inputs 5 to 9 did not run the layers \['bright.1'\]"
    ) as refused:
        probe(Forked(), inputs, n_components=2, layers=["bright.1"], inputs=False, batch_size=5)
    assert "leave such layers out by layers=" in str(refused.value)
    assert "run the network first" not in str(refused.value)
    with pytest.raises(ValueError, match=r"does not run the layer 'bright.1' for the first inputs.*; leave it out"):
        probe(Forked(), inputs * 0.1, n_components=2, layers=["bright.1"], inputs=False, batch_size=5)


def test_unknown_layers_are_refused_with_near_misses(network):
    with pytest.raises(ValueError, match=r"no layer 'Relu1' \(did you mean 'relu1'.*\); there are conv1, pool1, relu1"):
        activations_of(network, IMAGES, ["Relu1"])
    with pytest.raises(ValueError, match="no layer 'xyz'; there are conv1"):
        activations_of(network, IMAGES, ["xyz"])


def test_bad_requests_are_refused(network):
    with pytest.raises(ValueError, match="layers is empty; name some of conv1"):
        activations_of(network, IMAGES, [])
    with pytest.raises(ValueError, match="samples"):
        activations_of(network, IMAGES[:0], ["relu1"])
    with pytest.raises(ValueError, match="batch_size must be 1 or more, or None, got 0"):
        activations_of(network, IMAGES, ["relu1"], batch_size=0)
    with pytest.raises(ValueError, match=r'negative must be "error", "clip", "split" or "shift", got \'drop\''):
        activations_of(network, IMAGES, ["relu1"], negative="drop")
    with pytest.raises(ValueError, match=r'pool must be "auto", "whole".*, got \'sum\''):
        activations_of(network, IMAGES, ["relu1"], pool="sum")
    with pytest.raises(ValueError, match=r"negative names 'relu9', and no layer .* fits it; there are relu1"):
        activations_of(network, IMAGES, ["relu1"], negative={"relu9": "clip"})
    with pytest.raises(TypeError, match=r"network must be a torch\.nn\.Module, got the type ReLU"):
        activations_of(nn.ReLU, IMAGES)


@pytest.mark.parametrize("wrap", [nn.DataParallel, torch.compile], ids=["parallel", "compiled"])
def test_what_runs_a_network_is_unwrapped(network, wrap):
    expected = activations_of(network, IMAGES)
    found = activations_of(wrap(network), IMAGES)
    assert list(found) == ["relu1", "relu2"]
    np.testing.assert_array_equal(found["relu2"], expected["relu2"])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_inputs_are_cast_to_the_networks_numbers(network, dtype):
    expected = activations_of(network, IMAGES)["relu2"]
    found = activations_of(network.to(dtype), IMAGES)["relu2"]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0.05, atol=0.02)


def test_torchscript_is_refused_with_what_to_give():
    with pytest.warns((DeprecationWarning, FutureWarning)):
        scripted = torch.jit.script(nn.Sequential(nn.Flatten(), nn.Linear(784, 3), nn.ReLU()))
    with pytest.raises(TypeError, match=r"network is TorchScript, .*; give the module that it was made from"):
        activations_of(scripted, IMAGES)


def test_outputs_that_are_not_one_tensor_row_an_image_are_refused():
    recurrent = nn.Sequential(nn.Flatten(2), nn.LSTM(4, 3))
    with pytest.raises(ValueError, match=r"layer '1' does not return one tensor; take one of what is in it: '1\[0\]'"):
        activations_of(recurrent, torch.rand(2, 5, 2, 2), ["1"])
    merged = nn.Sequential(nn.Flatten(0), nn.ReLU())
    with pytest.raises(ValueError, match=r"layer '1' cannot be recorded: no axis of it counts .*\(\(8,\) for 2"):
        activations_of(merged, torch.rand(5, 4), ["1"])


def test_negative_activations_are_refused_or_clipped(network):
    with pytest.raises(ValueError, match=r"(?s)a layer has negative.*'conv1': down to -\d.*%.*clip.*ReLU"):
        activations_of(network, IMAGES, ["relu1", "conv1"])
    clipped = activations_of(network, IMAGES, ["conv1"], negative="clip")["conv1"]
    with torch.no_grad():
        expected = relu(network.conv1(IMAGES)).flatten(1).numpy()
    np.testing.assert_allclose(clipped, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("negative", ["error", "clip"])
def test_activations_that_are_not_finite_are_refused(network, value, negative):
    with torch.no_grad():
        network.conv2.bias[3] = value
    with pytest.raises(ValueError, match="layer 'relu2' has activations that are infinite or NaN"):
        activations_of(network, IMAGES, ["relu1", "relu2"], negative=negative)


def test_progress_counts_images(network):
    calls = []
    activations_of(network, IMAGES, ["relu1"], batch_size=4, progress=lambda *call: calls.append(call))
    assert calls == [(4, 11), (8, 11), (11, 11)]


def test_recording_and_the_dry_run_leave_the_network_as_it_was():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Dropout(), nn.Flatten())
    network[1].eval()
    modes = [module.training for module in network.modules()]
    state = {name: value.clone() for name, value in network.state_dict().items()}
    before = torch.random.get_rng_state()
    recorded = activations_of(network, IMAGES, ["4", "2"], batch_size=3)
    assert {name: values.shape for name, values in recorded.items()} == {"4": (11, 1352), "2": (11, 1352)}
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), before), "dropout was active"
    assert n_hooks(network) == 0
    assert all(parameter.grad is None for parameter in network.parameters())


def test_blocks_of_modules_can_be_probed():
    network = nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(784, 5), nn.ReLU()))
    recorded = activations_of(network, IMAGES, ["1", "1.1"])
    np.testing.assert_array_equal(recorded["1"], recorded["1.1"])
    assert recorded["1"].shape == (11, 5)


def test_a_part_that_is_compiled_is_recorded_as_it_is_written(network):
    expected = activations_of(network, IMAGES)["relu2"]
    inside = nn.Sequential(torch.compile(network), nn.Softmax(1))
    np.testing.assert_array_equal(activations_of(inside, IMAGES, ["*relu2"])["0._orig_mod.relu2"], expected)
