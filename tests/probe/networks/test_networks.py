from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d, linear, max_pool2d

from cnn_probe.networks import paper_net
from cnn_probe.networks.calling import device_of
from cnn_probe.networks.paper_net import (
    PaperNet,
    build_network,
    load_network,
    rescaled,
    save_network,
)


def test_forward_is_the_papers_formula():
    network = build_network(1, 28, 10, seed=0)
    images = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    weights = dict(network.named_parameters())
    first = max_pool2d(conv2d(images, weights["conv1.weight"], weights["conv1.bias"]), 2).clamp(min=0)
    second = max_pool2d(conv2d(first, weights["conv2.weight"], weights["conv2.bias"]), 2).clamp(min=0)
    logits = linear(second.flatten(1), weights["fc.weight"], weights["fc.bias"])
    torch.testing.assert_close(network(images), logits)
    assert (first[0].numel(), second[0].numel()) == (1440, 320), "the paper's layers have 1,440 and 320 neurons"


@pytest.mark.parametrize("factor", [0.5, 8.0, 3.0])
def test_a_rescaled_network_computes_the_same_with_a_first_layer_that_is_scaled(factor):
    network = build_network(1, 28, 10, seed=0)
    images = torch.rand(5, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    heard = {}

    def listen(module, inputs, output):
        heard[module] = output

    scaled = rescaled(network, factor)
    for one in (network, scaled):
        for layer in (one.relu1, one.relu2):
            layer.register_forward_hook(listen)
    outputs, others = network(images), scaled(images)
    if factor == 3:
        torch.testing.assert_close(others, outputs)
    else:
        assert torch.equal(others, outputs), "powers of two round nothing"
        assert torch.equal(heard[scaled.relu2], heard[network.relu2])
    torch.testing.assert_close(heard[scaled.relu1], factor * heard[network.relu1])
    assert torch.equal(network.conv1.weight, build_network(1, 28, 10, seed=0).conv1.weight), "it is a copy"


def test_weights_are_named_as_in_the_state():
    assert PaperNet.weight_names == tuple(PaperNet().state_dict())


def test_layers_have_the_agreed_names_in_the_papers_order():
    names = [name for name, _ in PaperNet().named_children()]
    assert names == ["conv1", "pool1", "relu1", "conv2", "pool2", "relu2", "flatten", "fc"]
    assert PaperNet.paper_layers == ("relu1", "relu2")


@pytest.mark.parametrize(("in_channels", "image_size", "n_classes"), [(1, 16, 2), (3, (32, 32), 10), (1, (17, 40), 5)])
def test_config_rebuilds_the_network(in_channels, image_size, n_classes):
    network = PaperNet(in_channels, image_size, n_classes)
    height, width = network.config["image_size"]
    assert PaperNet(**network.config)(torch.zeros(2, in_channels, height, width)).shape == (2, n_classes)


def test_bad_shapes_are_refused():
    for image_size in (15, (28, 15)):
        with pytest.raises(ValueError, match=r"image_size must be at least 16×16 .* enlarge the images"):
            PaperNet(image_size=image_size)
    with pytest.raises(ValueError, match="n_classes must be 1 or more, got 1 and 0"):
        PaperNet(n_classes=0)
    with pytest.raises(ValueError, match=r"takes images of shape \(1, 28, 28\), got \(3, 28, 28\)"):
        PaperNet()(torch.zeros(2, 3, 28, 28))


def test_the_seed_alone_sets_the_weights():
    torch.manual_seed(123)
    before = torch.random.get_rng_state()
    first, again, other = (build_network(1, 28, 10, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), before), "the global generator moved"
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not torch.equal(first.conv1.weight, other.conv1.weight)


def test_the_weights_are_those_that_pytorch_draws_by_itself():
    for seed, config in ((0, (1, 28, 10)), (2**64 - 1, (3, (20, 24), 4)), (np.int64(7), (1, 16, 2))):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(seed))
            expected = PaperNet(*config).state_dict()
        built = build_network(*config, seed=seed)
        assert all(torch.equal(values, expected[name]) for name, values in built.state_dict().items())
        assert all(weights.requires_grad and weights.device.type == "cpu" for weights in built.parameters())


def test_networks_built_in_threads_have_the_weights_of_their_seeds():
    before = torch.random.get_rng_state()
    alone = [build_network(1, 16, 4, seed=seed).fc.weight for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        built = pool.map(lambda i: build_network(1, 16, 4, seed=i % 4).fc.weight, range(200))
        different = [i for i, weight in enumerate(built) if not torch.equal(weight, alone[i % 4])]
    assert not different
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, True, "0", None])
def test_seeds_that_are_none_are_refused(seed):
    with pytest.raises(ValueError, match="seed must be a whole number from 0 to 18446744073709551615, got"):
        build_network(1, 28, 10, seed=seed)


def test_a_saved_network_comes_back_whole(tmp_path):
    network = build_network(3, (20, 24), 4, seed=5)
    path = tmp_path / "new folder" / "network.pt"
    save_network(network, path)
    before = torch.random.get_rng_state()
    loaded = load_network(path)
    assert torch.equal(torch.random.get_rng_state(), before), "loading moved the global generator"
    assert loaded.config == network.config
    images = torch.rand(2, 3, 20, 24, generator=torch.Generator().manual_seed(0))
    assert torch.equal(loaded(images), network(images))


def test_files_that_are_not_networks_are_refused(tmp_path):
    contents = {
        "empty.pt": None,
        "text.pt": b"these are not weights",
        "tensor.pt": torch.zeros(3),
        "other.pt": {"config": {"in_channels": 1}, "weights": {}},
        "weights.pt": {"config": PaperNet().config, "weights": {}},
        "code.pt": nn.Linear(2, 2),
    }
    for name, content in contents.items():
        if isinstance(content, bytes | None):
            (tmp_path / name).write_bytes(content or b"")
        else:
            torch.save(content, tmp_path / name)
        with pytest.raises(ValueError, match=rf"{name} does not hold a network written by save_network"):
            load_network(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        load_network(tmp_path / "nowhere.pt")
    with pytest.raises(TypeError, match="network must be a PaperNet, got Linear"):
        save_network(nn.Linear(2, 2), tmp_path / "linear.pt")


def test_device_of_a_network_without_parameters_is_the_cpu():
    assert device_of(nn.ReLU()) == torch.device("cpu") == device_of(PaperNet())
    assert device_of(nn.Linear(2, 2, device="meta")) == torch.device("meta")


@pytest.mark.parametrize("crafted", ["a size", "a view"])
def test_a_file_that_asks_for_memory_beyond_its_own_is_refused_before_any_is_taken(tmp_path, monkeypatch, crafted):
    network = build_network(1, 28, 10, seed=0)
    config, weights = {**network.config}, network.state_dict()
    config["image_size"] = (2**16, 2**16)
    if crafted == "a view":
        n_features = 20 * ((2**16 - 12) // 4) ** 2
        weights["fc.weight"] = torch.zeros(1, 1).expand(10, n_features)
    torch.save({"config": config, "weights": weights}, tmp_path / "network.pt")
    monkeypatch.setattr(paper_net, "build_network", lambda *given, **named: pytest.fail("it was built"))
    with pytest.raises(ValueError, match="does not hold a network written by save_network"):
        load_network(tmp_path / "network.pt")
