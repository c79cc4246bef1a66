"""Which outputs a forward pass makes, by what names, and on which axes samples and channels are."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import pytest
import torch
from torch import nn
from torch.nn import functional

from cnn_probe.activations.passes.hooks import OutputHooks, PassHooks
from cnn_probe.activations.passes.outputs import Output
from cnn_probe.activations.passes.selection import select
from cnn_probe.activations.passes.tracing import trace


@pytest.fixture(autouse=True)
def seeded():
    """Weights of networks: by chance a small one gives nothing but zeros, which tells no edit from none."""
    torch.manual_seed(0)


def rows(n, *shape):
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(n))


def traced(network, *shape):
    return trace(network, [(lambda n=n: network(rows(n, *shape)), n) for n in (2, 3)])


def by_name(network, *shape):
    return {one.output.name: one for one in traced(network, *shape)}


class Functional(nn.Module):
    """Activation functions in every guise that a forward can call them in."""

    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.act = nn.Linear(4, 6), nn.Linear(6, 6), nn.ReLU()

    def forward(self, x):
        x = functional.relu(self.fc1(x))
        x = torch.relu(self.fc2(x))
        x = self.fc2(x).relu()
        x = self.fc2(x).clamp(min=0)
        x = torch.clamp(self.fc2(x), -1, 1)  # no activation function
        x = functional.gelu(x)
        functional.relu_(x)
        return self.act(self.act(x))


def test_functions_are_named_by_the_module_that_calls_them_and_modules_that_are_ones_are_not_heard_twice():
    names = [one.output.name for one in select(Functional(), traced(Functional(), 4)).chosen]
    assert names == ["relu", "relu_1", "relu_2", "clamp", "gelu", "relu_3", "act", "act_1"]


class Pair(NamedTuple):
    first: torch.Tensor
    second: torch.Tensor


@dataclasses.dataclass
class Record:
    hidden: torch.Tensor
    more: dict


class Nested(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.record = nn.LSTM(4, 3, batch_first=True), Wrapping()

    def forward(self, x):
        return self.record(self.lstm(x)[0])


class Wrapping(nn.Module):
    def forward(self, x):
        return Record(x.relu(), {"pair": Pair(x, x + 1), "note": "none"})


def test_what_is_nested_is_reached_by_a_path():
    network = Nested()
    found = by_name(network, 5, 4)
    assert found["lstm[0]"].shape == (5, 3)
    assert found["record['hidden']"].fault == ""
    assert found["record['more']['note']"].fault == "it returns a str, not a tensor"
    for path in ("record['more']['pair']['second']", "record.more.pair.second", "record[more].pair['second']"):
        (one,) = select(network, list(found.values()), [path]).chosen
        assert one.output.path == ("more", "pair", "second")
    (one,) = select(network, list(found.values()), ["lstm[1][-1]"]).chosen
    assert one.output.path == (1, 1)
    with pytest.raises(ValueError, match=r"layer 'lstm' does not return one tensor; take one of .*'lstm\[0\]'"):
        select(network, list(found.values()), ["lstm"])


def test_the_axis_of_the_samples_is_found_where_two_passes_tell_it():
    found = by_name(nn.Sequential(nn.Flatten(2), Swap(), nn.ReLU()), 5, 4, 2)
    assert found["2"].output.sample_axis == 1
    assert found["2"].shape == (5, 8)
    with_state = by_name(nn.Sequential(nn.LSTM(4, 3, batch_first=True)), 5, 4)
    assert (with_state["0[1][0]"].output.sample_axis, with_state["0[1][0]"].shape) == (1, (1, 3))
    flat = by_name(nn.Sequential(nn.Flatten(0), nn.ReLU()), 4)
    assert flat["1"].fault == "no axis of it counts the samples ((8,) for 2 samples and (12,) for 3 samples)"


class Swap(nn.Module):
    def forward(self, x):
        return x.transpose(0, 1)


class Mixed(nn.Module):
    """Channels second after a convolution, last after a linear layer, and functions between."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.fc, self.conv1d = (
            nn.Conv2d(3, 5, 3),
            nn.BatchNorm2d(5),
            nn.Linear(4, 7),
            nn.Conv1d(3, 6, 3),
        )

    def forward(self, x):
        pixels = functional.relu(self.norm(self.conv(x)))
        tokens = functional.gelu(self.fc(pixels))
        sound = functional.silu(self.conv1d(x.flatten(2)))
        return pixels.sum() + tokens.sum() + sound.sum()


def test_channels_are_where_the_layer_before_has_them():
    found = by_name(Mixed(), 3, 6, 6)
    axes = {name: found[name].output.channel_axis for name in ("conv", "relu", "fc", "gelu", "silu")}
    assert axes == {"conv": 1, "relu": 1, "fc": 3, "gelu": 3, "silu": 1}


def test_an_activation_is_recorded_as_a_plain_pass_makes_it_also_where_it_is_overwritten_later():
    network = Functional()
    outputs = [one.output for one in select(network, traced(network, 4)).chosen]
    x = rows(5, 4)
    hooks = OutputHooks(network, outputs)
    hooks.add()
    try:
        with torch.no_grad():
            end = network(x)
    finally:
        hooks.remove()
    kept = hooks.outputs()
    with torch.no_grad():
        first = functional.relu(network.fc1(x))
        fourth = network.fc2(network.fc2(torch.relu(network.fc2(first))).relu()).clamp(min=0)
        gelu = functional.gelu(network.fc2(fourth).clamp(-1, 1))
    for name, expected in {"relu": first, "clamp": fourth, "gelu": gelu, "relu_3": gelu.relu(), "act_1": end}.items():
        assert torch.equal(kept[name], expected), name


@pytest.mark.parametrize("name", ["relu", "relu_3", "act", "act_1"])
def test_the_network_goes_on_with_what_an_edit_gives_also_in_place(name):
    network = Functional()
    outputs = {one.output.name: one.output for one in traced(network, 4)}
    hooks = OutputHooks(network, [outputs[name], outputs["act_1"]], edits={name: torch.zeros_like})
    hooks.add()
    try:
        with torch.no_grad():
            end = network(rows(3, 4))
    finally:
        hooks.remove()
    assert torch.equal(end, torch.zeros_like(end)) == (name != "relu")
    if name == "relu":
        x = torch.zeros(3, 6)
        with torch.no_grad():
            x = torch.relu(network.fc2(x))
            x = network.fc2(network.fc2(x).relu()).clamp(min=0)
            assert torch.equal(end, functional.gelu(network.fc2(x).clamp(-1, 1)).relu())


def test_an_edit_of_what_is_passed_through_leaves_what_it_came_from():
    class Skip(nn.Module):
        def __init__(self):
            super().__init__()
            self.drop = nn.Dropout()

        def forward(self, x):
            return x + self.drop(x)

    network = Skip().eval()
    hooks = OutputHooks(network, [Output("drop", "drop")], edits={"drop": torch.zeros_like})
    hooks.add()
    x = rows(3, 4)
    try:
        assert torch.equal(network(x), x)
    finally:
        hooks.remove()


def test_an_edit_reaches_into_what_is_nested_and_leaves_the_rest():
    network = Nested()
    (one,) = select(network, traced(network, 5, 4), ["record.more.pair.second"]).chosen
    hooks = OutputHooks(network, [one.output], edits={one.output.name: torch.zeros_like})
    hooks.add()
    try:
        record = network(rows(2, 5, 4))
    finally:
        hooks.remove()
    assert torch.equal(record.more["pair"].second, torch.zeros(2, 5, 3))
    assert torch.equal(record.hidden, record.more["pair"].first.relu())


def test_requests_by_type_function_and_pattern():
    network = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Sequential(nn.Linear(6, 3), nn.Tanh()))
    found = traced(network, 4)

    def names(layers):
        return [one.output.name for one in select(network, found, layers).chosen]

    assert names(None) == ["1", "2.1"]
    assert names(nn.Linear) == names(lambda name, module: isinstance(module, nn.Linear)) == ["0", "2.0"]
    assert names(["2.*", "1", nn.Linear]) == ["2.0", "2.1", "1", "0"]
    assert names("2.1") == ["2.1"]
    for layers, said in {
        ("2.3",): r"no layer '2\.3' \(did you mean '2\.1'",
        (nn.Conv2d,): "no module that runs is a Conv2d; there are Linear, ReLU, Sequential, Tanh",
        (lambda name, module: False,): "says yes to no module; there are 0, 1, 2.0",
        (): "layers is empty; name some of 0, 1",
        ("1", "1"): "names a layer twice: '1'",
    }.items():
        with pytest.raises(ValueError, match=said):
            select(network, found, layers)
    for layers in (3, {"1": 2}, network, [network], [3], [int]):
        with pytest.raises(TypeError, match="layers must be names of modules"):
            select(network, found, layers)


def test_a_pattern_means_every_use_and_what_cannot_be_recorded_is_skipped_with_its_reason():
    network = Functional()
    found = traced(network, 4)
    assert [one.output.name for one in select(network, found, ["rel*"]).chosen] == [
        "relu",
        "relu_1",
        "relu_2",
        "relu_3",
    ]
    odd = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Flatten(0), nn.Sigmoid())
    selection = select(odd, traced(odd, 4))
    assert [one.output.name for one in selection.chosen] == ["1"]
    assert selection.skipped == {"3": "no axis of it counts the samples ((6,) for 2 samples and (9,) for 3 samples)"}
    with pytest.raises(ValueError, match="layer '3' cannot be recorded: no axis of it counts the samples"):
        select(odd, traced(odd, 4), ["3"])


def test_a_shared_module_answers_to_each_of_its_names():
    network = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    network.alias = network[1]
    network.forward = lambda x: network[1](network[0](network[1](network[0](x))))
    found = traced(network, 4)
    (one,) = select(network, found, ["alias"]).chosen
    assert (one.output.name, one.output.use) == ("1", 0)
    assert [one.output.name for one in select(network, found).chosen] == ["1", "1_1"]


def test_a_pass_that_fails_leaves_no_hook_and_no_mode():
    network = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        trace(network, [(lambda: network(rows(2, 9)), 2)])
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
    assert not any(module._forward_hooks_with_kwargs for module in network.modules())
    heard = []
    hooks = PassHooks(network, lambda *call: heard.append(call), functions=True)
    hooks.add()
    hooks.remove()
    network(rows(2, 4))
    assert not heard
    assert network.training
