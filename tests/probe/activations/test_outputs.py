"""Ways into what a layer returns, and which modules are activation functions."""

import pytest
import torch
from torch import nn

from cnn_probe.activations.passes.functions import ACTIVATION_MODULES
from cnn_probe.activations.passes.outputs import leaves, read_path, written


@pytest.mark.parametrize(
    ("text", "path"),
    [("[0]", (0,)), ("[-1].out", (-1, "out")), ("['a.b'][c d]", ("a.b", "c d")), ("", ()), ("[*]", None), (".1", None)],
)
def test_paths_are_read(text, path):
    assert read_path(text) == path
    if path:
        assert read_path(written(path)) == path


def test_containers_too_deep_are_left_alone():
    value = torch.zeros(1)
    for _ in range(6):
        value = [value]
    ((path, inner),) = leaves(value)
    assert len(path) == 4
    assert isinstance(inner, list)


def test_activation_modules_are_elementwise():
    assert {nn.ReLU, nn.GELU, nn.PReLU, nn.Hardswish} <= set(ACTIVATION_MODULES)
    assert not {nn.Softmax, nn.MultiheadAttention} & set(ACTIVATION_MODULES)
