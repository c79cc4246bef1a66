from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import relu
from torch.overrides import TorchFunctionMode

from cnn_probe.activations.handover import record_tensors
from cnn_probe.activations.layers import default_layers, layer_names
from cnn_probe.activations.recorder import ActivationRecorder, activation_shapes, record_activations
from cnn_probe.networks.paper_net import build_network

IMAGES = torch.rand(11, 1, 28, 28, generator=torch.Generator().manual_seed(0))


def n_hooks(network):
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in network.modules())


class Breaking(nn.Module):
    def forward(self, values):
        raise RuntimeError("injected")


class Shared(nn.Module):
    """One ReLU in two places, as many published networks have it."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.relu = nn.Linear(4, 3), nn.Linear(3, 2), nn.ReLU()
        self.rectify = self.relu

    def forward(self, values):
        return self.relu(self.second(self.relu(self.first(values))))


@pytest.fixture
def network():
    return build_network(1, 28, 10, seed=0)


@pytest.mark.parametrize("batch_size", [1, 4, 11, 500])
def test_activations_equal_a_forward_by_hand(network, batch_size):
    recorded = record_activations(network, IMAGES, ["relu1", "relu2"], batch_size=batch_size)
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
    expected = record_activations(network, IMAGES, ["relu1"])["relu1"]
    channels_last = network.to(memory_format=torch.channels_last)
    actual = record_activations(channels_last, IMAGES.to(memory_format=torch.channels_last), ["relu1"])["relu1"]
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
    record_activations(network, IMAGES, ["relu1"])
    assert n_hooks(network) == 0


def test_no_hook_stays_behind_after_an_error_in_the_middle(network):
    network.pool2 = Breaking()
    with pytest.raises(RuntimeError, match="injected"):
        record_activations(network, IMAGES, ["relu1", "relu2"])
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
    with pytest.raises(RuntimeError, match=r"did not run the layers \['unused'\]"):
        record_activations(network, IMAGES, ["relu1", "unused"])
    with (
        ActivationRecorder(network, ["relu1"]) as recorder,
        pytest.raises(RuntimeError, match="run the network first"),
    ):
        _ = recorder.batch


@pytest.mark.parametrize("name", ["relu", "rectify"])
def test_a_layer_used_twice_is_refused_under_each_of_its_names(name):
    network = Shared()
    with pytest.raises(ValueError, match=f"layer '{name}' runs more than once in a forward pass"):
        record_activations(network, torch.rand(2, 4), [name])
    assert n_hooks(network) == 0


def test_unknown_layers_are_refused_with_near_misses(network):
    with pytest.raises(ValueError, match=r"no layer 'Relu1' \(did you mean 'relu1'.*\); there are conv1, pool1, relu1"):
        record_activations(network, IMAGES, ["Relu1"])
    with pytest.raises(ValueError, match="no layer 'xyz'; there are conv1"):
        record_activations(network, IMAGES, ["xyz"])


def test_bad_requests_are_refused(network):
    with pytest.raises(TypeError, match=r"layers must be a list of names of modules.*; pass \['relu1'\]"):
        record_activations(network, IMAGES, "relu1")
    with pytest.raises(ValueError, match="layers is empty; name some of conv1"):
        record_activations(network, IMAGES, [])
    with pytest.raises(ValueError, match="images is empty"):
        record_activations(network, IMAGES[:0], ["relu1"])
    with pytest.raises(ValueError, match="batch_size must be 1 or more, got 0"):
        record_activations(network, IMAGES, ["relu1"], batch_size=0)
    with pytest.raises(ValueError, match='negative must be "error" or "clip", got \'shift\''):
        record_activations(network, IMAGES, ["relu1"], negative="shift")
    with pytest.raises(TypeError, match=r"copies that a DataParallel makes; pass network\.module"):
        record_activations(nn.DataParallel(network), IMAGES, ["relu1"])


def test_outputs_that_are_not_one_tensor_row_an_image_are_refused():
    recurrent = nn.Sequential(nn.LSTM(4, 3))
    with pytest.raises(TypeError, match="layer '0' returns a tuple, not a tensor"):
        record_activations(recurrent, torch.rand(2, 5, 4), ["0"])
    merged = nn.Sequential(nn.Flatten(0), nn.ReLU())
    with pytest.raises(ValueError, match=r"layer '1' returns shape \(20,\) for 5 images"):
        record_activations(merged, torch.rand(5, 4), ["1"])


def test_negative_activations_are_refused_or_clipped(network):
    with pytest.raises(ValueError, match=r"layer 'conv1' has negative activations, down to -\d.*after its ReLU.*clip"):
        record_activations(network, IMAGES, ["relu1", "conv1"])
    clipped = record_activations(network, IMAGES, ["conv1"], negative="clip")["conv1"]
    with torch.no_grad():
        expected = relu(network.conv1(IMAGES)).flatten(1).numpy()
    np.testing.assert_allclose(clipped, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("negative", ["error", "clip"])
def test_activations_that_are_not_finite_are_refused(network, value, negative):
    with torch.no_grad():
        network.conv2.bias[3] = value
    with pytest.raises(ValueError, match="layer 'relu2' has activations that are infinite or NaN"):
        record_activations(network, IMAGES, ["relu1", "relu2"], negative=negative)


def test_out_is_written_in_place_also_on_disk(network, tmp_path):
    expected = record_activations(network, IMAGES, ["relu1", "relu2"])
    on_disk = np.memmap(tmp_path / "relu1.dat", dtype=np.float32, mode="w+", shape=(11, 1440))
    out = {"relu1": on_disk, "relu2": np.empty((11, 320), np.float32)}
    returned = record_activations(network, IMAGES, ["relu1", "relu2"], batch_size=4, out=out)
    assert returned["relu1"] is on_disk
    assert returned["relu2"] is out["relu2"]
    for name, values in expected.items():
        np.testing.assert_allclose(out[name], values, rtol=1e-5, atol=1e-6)


def test_out_that_does_not_fit_is_refused(network):
    with pytest.raises(ValueError, match=r"out must have one array for each layer, \['relu1'\]; it has \['relu2'\]"):
        record_activations(network, IMAGES, ["relu1"], out={"relu2": np.empty((11, 320), np.float32)})
    for array in (np.empty((10, 1440), np.float32), np.empty((11, 1440))):
        with pytest.raises(ValueError, match=r"out\['relu1'\] must be a float32 array of shape \(11, 1440\), got"):
            record_activations(network, IMAGES, ["relu1"], out={"relu1": array})


def test_progress_counts_images(network):
    calls = []
    record_activations(network, IMAGES, ["relu1"], batch_size=4, progress=lambda *call: calls.append(call))
    assert calls == [(4, 11), (8, 11), (11, 11)]


def test_recording_and_the_dry_run_leave_the_network_as_it_was():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Dropout(), nn.Flatten())
    network[1].eval()
    modes = [module.training for module in network.modules()]
    state = {name: value.clone() for name, value in network.state_dict().items()}
    before = torch.random.get_rng_state()
    shapes = activation_shapes(network, (1, 28, 28), ["4", "2"])
    recorded = record_activations(network, IMAGES, ["4", "2"], batch_size=3)
    assert shapes == {"4": (1352,), "2": (2, 26, 26)}
    assert {name: values.shape for name, values in recorded.items()} == {"4": (11, 1352), "2": (11, 1352)}
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), before), "dropout was active"
    assert n_hooks(network) == 0
    assert all(parameter.grad is None for parameter in network.parameters())


def test_layer_names_and_defaults(network):
    assert layer_names(network) == ["conv1", "pool1", "relu1", "conv2", "pool2", "relu2", "flatten", "fc"]
    assert default_layers(network) == ["relu1", "relu2"] == list(network.paper_layers)
    assert layer_names(nn.Sequential(network, nn.Softmax(1)))[-2:] == ["0.fc", "1"]
    with pytest.raises(ValueError, match=r"no nn\.ReLU module .* out of 0, 1"):
        default_layers(nn.Sequential(nn.Linear(2, 2), nn.Sigmoid()))


def test_blocks_of_modules_can_be_probed():
    network = nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(784, 5), nn.ReLU()))
    recorded = record_activations(network, IMAGES, ["1", "1.1"])
    np.testing.assert_array_equal(recorded["1"], recorded["1.1"])
    assert recorded["1"].shape == (11, 5)


class Called(TorchFunctionMode):
    """Notes the names of the functions of PyTorch that are called."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_function__(self, function, types, args=(), kwargs=None):
        self.names.add(function.__name__)
        return function(*args, **(kwargs or {}))


def to_another_device(names):
    return names & {"cpu", "numpy", "__array__", "__dlpack__", "tolist"}


@pytest.mark.parametrize("batch_size", [1, 4, 500])
def test_tensors_on_the_networks_device_hold_what_the_arrays_do(network, batch_size):
    calls = []
    tensors = record_tensors(
        network, IMAGES, ["relu2", "relu1"], batch_size=batch_size, progress=lambda *call: calls.append(call)
    )
    arrays = record_activations(network, IMAGES, ["relu2", "relu1"], batch_size=batch_size)
    assert list(tensors) == ["relu2", "relu1"]
    for name, tensor in tensors.items():
        assert (tensor.dtype, tensor.device, tensor.is_contiguous()) == (torch.float32, IMAGES.device, True)
        np.testing.assert_array_equal(tensor, arrays[name])
    assert calls[-1] == (11, 11)


def test_tensors_are_recorded_without_a_visit_to_the_host(network):
    with Called() as of_tensors:
        record_tensors(network, IMAGES, ["relu1", "relu2"], batch_size=4)
    with Called() as of_arrays:
        record_activations(network, IMAGES, ["relu1", "relu2"], batch_size=4)
    assert not to_another_device(of_tensors.names)
    assert to_another_device(of_arrays.names), "the test sees no visit where there is one"


def test_tensors_are_checked_as_arrays_are(network):
    with pytest.raises(ValueError, match="layer 'conv1' has negative activations"):
        record_tensors(network, IMAGES, ["relu1", "conv1"])
    assert record_tensors(network, IMAGES, ["conv1"], negative="clip")["conv1"].min() == 0
    with pytest.raises(ValueError, match="images is empty"):
        record_tensors(network, IMAGES[:0], ["relu1"])
    network.pool2 = Breaking()
    with pytest.raises(RuntimeError, match="injected"):
        record_tensors(network, IMAGES, ["relu1", "relu2"])
    assert n_hooks(network) == 0
