"""Networks that nobody here wrote, random weights: recorded as a plain pass makes it, and left as they were."""

from __future__ import annotations

import copy
import re

import numpy as np
import pytest
import torch
from activations import activations_of
from torch import nn

from cnn_probe import probe
from cnn_probe.probing.recording import prepare, record

models = pytest.importorskip("torchvision.models")
SIZES = {
    "resnet18": 64, "vgg11": 64, "densenet121": 64, "mobilenet_v3_small": 64, "vit_b_16": 224, "convnext_tiny": 64,
    "googlenet": 96, "swin_t": 64, "efficientnet_b0": 64,
}  # fmt: skip
#: Activation functions in one pass, and how many of them go below zero.
COUNTS = {
    "resnet18": (17, 0), "vgg11": (10, 0), "densenet121": (121, 0), "mobilenet_v3_small": (42, 19),
    "vit_b_16": (12, 12), "convnext_tiny": (18, 18), "googlenet": (57, 0), "swin_t": (12, 12),
    "efficientnet_b0": (65, 49),
}  # fmt: skip


def build(name):
    more = {"init_weights": False} if name == "googlenet" else {}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return models.get_model(name, weights=None, **more)


def pictures(name, n=5):
    size = SIZES[name]
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(0))


def plain(network, names, images, batch_size):
    """Outputs of modules (their first use in a pass), by PyTorch's own hooks, batch by batch."""
    kept, found = {}, {name: [] for name in names}

    def keep(name):
        def hook(module, inputs, output):
            kept.setdefault(name, output.clone())

        return hook

    modules = dict(network.named_modules())
    handles = [modules[name].register_forward_hook(keep(name)) for name in names]
    was = [module.training for module in network.modules()]
    with torch.no_grad():
        for batch in images.split(batch_size):
            kept.clear()
            network.eval()(batch)
            for name in names:
                found[name].append(kept[name])
    for handle in handles:
        handle.remove()
    for module, training in zip(network.modules(), was, strict=True):
        module.training = training
    return {name: torch.cat(parts) for name, parts in found.items()}


def traces(network):
    """All that a recording has to leave as it was."""
    state = {name: value.clone() for name, value in network.state_dict().items()}
    hooks = [
        (len(m._forward_hooks), len(m._forward_pre_hooks), len(m._forward_hooks_with_kwargs)) for m in network.modules()
    ]
    modes = [module.training for module in network.modules()]
    grads = [parameter.grad for parameter in network.parameters()]
    return state, hooks, modes, grads, torch.random.get_rng_state(), torch.is_grad_enabled()


def assert_same(before, after):
    for name, value in before[0].items():
        assert torch.equal(value, after[0][name]), name
    assert before[1:4] == after[1:4]
    assert torch.equal(before[4], after[4])
    assert before[5] == after[5]


@pytest.mark.parametrize("name", SIZES)
def test_activations_are_those_of_a_plain_pass_bit_for_bit(name):
    network, images = build(name).train(), pictures(name)
    n_activations, n_negative = COUNTS[name]
    before = traces(network)
    found = activations_of(network, images, pool="whole", negative="split", batch_size=2)
    assert_same(before, traces(network))
    layers = [layer for layer in found if not layer.endswith(" (negative)")]
    assert len(layers) == n_activations
    assert sum(found[f"{layer} (negative)"].any() for layer in layers) == n_negative
    modules = dict(network.named_modules())
    own = [layer for layer in layers if layer in modules]
    assert len(own) >= (8 if name != "googlenet" else 0), "GoogLeNet's are all functions: see below"
    for layer, values in plain(network, own, images, 2).items():
        whole = found[layer] - found[f"{layer} (negative)"]
        np.testing.assert_array_equal(whole, values.flatten(1).numpy(), err_msg=layer)


@pytest.mark.filterwarnings("ignore:NOTE:UserWarning")
@pytest.mark.parametrize("name", ["resnet18", "densenet121", "googlenet", "convnext_tiny"])
def test_names_are_those_of_torchvision(name):
    extraction = pytest.importorskip("torchvision.models.feature_extraction")
    network = build(name).eval()
    _, nodes = extraction.get_graph_node_names(network)
    chosen = [layer.name for layer in prepare(network, pictures(name), negative="split", inputs=False).layers]
    assert len(chosen) > 10
    assert chosen == [node for node in nodes if re.search(r"relu|block\.4$", node)]


@pytest.mark.filterwarnings("ignore:NOTE:UserWarning")
@pytest.mark.parametrize(
    ("name", "layers"), [("densenet121", ["relu"]), ("googlenet", ["conv1.relu", "inception4a.branch3.1.relu"])]
)
def test_functional_activations_are_those_of_torchvisions_own_extraction(name, layers):
    extraction = pytest.importorskip("torchvision.models.feature_extraction")
    network, images = build(name).eval(), pictures(name, 3)
    extractor = extraction.create_feature_extractor(network, return_nodes=layers)
    with torch.no_grad():
        expected = extractor(images)
    found = activations_of(network, images, layers, batch_size=3)
    for layer in layers:
        np.testing.assert_array_equal(found[layer], expected[layer].flatten(1).numpy(), err_msg=layer)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "vit_b_16"])
def test_a_failure_in_the_middle_leaves_no_trace(name):
    network = build(name).train()
    last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
    calls = []

    def fail(module, inputs):
        calls.append(module)
        if len(calls) == 4:  # two passes look, one asks for predictions, then the recording begins
            raise RuntimeError("injected")

    handle = last.register_forward_pre_hook(fail)
    before = traces(network)
    with pytest.raises(RuntimeError, match="injected"):
        record(prepare(network, pictures(name), negative="split", batch_size=2))
    assert_same(before, traces(network))
    handle.remove()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", ["resnet18", "vit_b_16", "convnext_tiny"])
def test_a_probe_ends_in_places_and_repeats_to_the_bit(name):
    network, images = build(name), pictures(name, 6)
    results = [probe(network, images, n_components=2, inputs=16, negative="split", max_iter=20) for _ in range(2)]
    np.testing.assert_array_equal(results[0].F, results[1].F)
    np.testing.assert_allclose(results[0].transform(images), results[0].F, rtol=1e-4, atol=1e-5)
    where = results[0].where(images[:2], 1)
    assert where.min() >= 0
    assert where.shape == {"resnet18": (2, 2, 2), "vit_b_16": (2, 197), "convnext_tiny": (2, 2, 2)}[name]


def test_a_detector_is_probed_by_its_backbone_and_what_counts_boxes_is_left_out():
    detection = pytest.importorskip("torchvision.models.detection")
    network = detection.fasterrcnn_mobilenet_v3_large_320_fpn(weights=None, weights_backbone=None)
    images = torch.rand(3, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with pytest.warns(UserWarning, match="The network returns a list for 3 inputs, not a score for each class"):
        result = probe(network, images, n_components=2, negative="split", inputs=False, max_iter=20, batch_size=3)
    assert result.predictions is None
    assert any(name.startswith("backbone") for name in result.layers)
    boxes = {name: why for name, why in result.skipped.items() if name.startswith("roi_heads")}
    assert boxes
    assert all("no axis of it counts the samples" in why for why in boxes.values())
    with pytest.raises(ValueError, match=r"layer 'roi_heads.*' cannot be recorded"):
        prepare(network, images, layers=[next(iter(boxes))], inputs=False)


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode = nn.Sequential(nn.Conv2d(1, 4, 3, stride=2), nn.ELU(), nn.Conv2d(4, 2, 3), nn.Tanh())
        self.decode = nn.Sequential(nn.ConvTranspose2d(2, 4, 3), nn.ReLU(), nn.ConvTranspose2d(4, 1, 4, stride=2))

    def forward(self, images):
        return self.decode(self.encode(images)).sigmoid()


def test_an_autoencoder_has_layers_and_no_predictions():
    images = torch.rand(8, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match=r"(?s)2 layers have negative activations.*'encode\.1'.*'encode\.3'"):
        probe(Autoencoder(), images)
    with pytest.warns(UserWarning, match="no predictions"):
        result = probe(Autoencoder(), images, n_components=2, negative={"encode.*": "shift"})
    assert result.layers == ("encode.1", "encode.3", "decode.1", "sigmoid")
    assert set(result.minima) == {"encode.1", "encode.3"}
    np.testing.assert_allclose(result.transform(images), result.F, rtol=1e-4, atol=1e-5)


class Untraceable(nn.Module):
    """A forward that depends on values: torch.fx refuses it."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(12, 5)

    def forward(self, x):
        held = torch.relu(self.fc(x))
        return held * 2 if float(held.sum()) > 0 else held


def test_a_network_that_cannot_be_traced_is_probed_as_one_that_can():
    network, x = Untraceable(), torch.rand(9, 12, generator=torch.Generator().manual_seed(0))
    with pytest.raises(TypeError, match="Proxy"):
        torch.fx.symbolic_trace(network)
    found = activations_of(network, x, batch_size=4)["relu"]
    with torch.no_grad():
        expected = torch.cat([torch.relu(network.fc(part)) for part in x.split(4)])
    np.testing.assert_array_equal(found, expected.numpy())


class Tagger(nn.Module):
    """Tokens in, two inputs by name, an LSTM inside."""

    def __init__(self):
        super().__init__()
        self.embed, self.lstm, self.head = nn.Embedding(20, 6), nn.LSTM(6, 4), nn.Linear(5, 3)

    def forward(self, tokens, length):
        states, _ = self.lstm(self.embed(tokens).transpose(0, 1))
        return self.head(torch.cat([states[-1], length[:, None]], dim=1))


def test_tokens_in_two_inputs_and_an_lstm_whose_samples_are_second():
    generator = torch.Generator().manual_seed(0)
    tokens, length = torch.randint(0, 20, (11, 7), generator=generator), torch.rand(11, generator=generator)
    network = Tagger()
    data = [{"tokens": tokens[:6], "length": length[:6]}, {"tokens": tokens[6:], "length": length[6:]}]
    result = probe(network, data, layers=["lstm[0]"], negative="split", pool="whole", n_components=2, inputs=False)
    (layer,) = result.how
    assert (layer.output.sample_axis, layer.shape) == (1, (7, 4))
    assert result.predictions.shape == (11,)
    with torch.no_grad():
        states, _ = network.lstm(network.embed(tokens).transpose(0, 1))
    expected = states.transpose(0, 1).flatten(1).numpy()
    X = record(prepare(network, data, layers=["lstm[0]"], negative="split", pool="whole", inputs=False)).X
    np.testing.assert_allclose(X["lstm[0]"] - X["lstm[0] (negative)"], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("make", [nn.DataParallel, torch.compile, lambda network: network.double()])
def test_what_a_network_is_wrapped_in_changes_nothing(make):
    network, images = build("resnet18"), pictures("resnet18", 3)
    expected = activations_of(copy.deepcopy(network), images, ["layer4.1.relu_1"])
    found = activations_of(make(network), images, ["layer4.1.relu_1"])
    np.testing.assert_allclose(found["layer4.1.relu_1"], expected["layer4.1.relu_1"], rtol=1e-3, atol=1e-4)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_torchvision_transform_works_as_it_is():
    images = torch.rand(4, 3, 100, 80, generator=torch.Generator().manual_seed(0))
    transform = models.ResNet18_Weights.DEFAULT.transforms()
    network = build("resnet18")
    result = probe(network, images, preprocess=transform, n_components=2, inputs=20, layers=["layer4*relu"])
    with torch.no_grad():
        expected = network.eval()(transform(images)).argmax(dim=1)
    np.testing.assert_array_equal(result.predictions, expected)
    assert result.shapes["pixels0"] == (20, 20)
