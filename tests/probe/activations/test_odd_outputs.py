"""Networks whose layers, or whose ends, put out what is no plain array: one error or warning, which names it."""

import warnings

import numpy as np
import pytest
import torch
from activations import activations_of
from torch import nn

from cnn_probe import ImageSet, probe

IMAGES = torch.rand(503, 1, 4, 4, generator=torch.Generator().manual_seed(0))


class Through(nn.Module):
    """A layer that computes whatever it is given."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def network_of(function):
    """One whose layer "odd" computes a function of its rows, and goes on without it."""

    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.odd, self.fc = Through(function), nn.Linear(16, 3)

        def forward(self, images):
            rows = images.flatten(1)
            self.odd(rows)
            return self.fc(rows)

    return Odd()


def nested(rows):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are a prototype, PyTorch says
        return torch.nested.nested_tensor(list(rows))


def masked(rows):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.masked.masked_tensor(rows, rows > 0.5)


ODD = {
    "empty": lambda rows: rows[:, :0],
    "sparse": lambda rows: rows.to_sparse(),
    "nested": nested,
    "quantized": lambda rows: torch.quantize_per_tensor(rows, 0.1, 0, torch.quint8),
    "complex": lambda rows: torch.complex(rows, rows),
    "meta": lambda rows: rows.to("meta"),
}


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", ODD)
def test_a_layer_that_puts_out_no_plain_array_is_named(kind):
    network = network_of(ODD[kind])
    for how in ({}, {"inputs": False}):
        message = f"layer 'odd' cannot be recorded: it returns a tensor that is {kind}; choose another layer"
        with pytest.raises(ValueError, match=message):
            probe(network, IMAGES[:9], layers=["odd"], n_components=2, **how)


def test_a_layer_whose_width_depends_on_the_batch_is_not_broadcast():
    network = network_of(lambda rows: rows[:, : 12 if len(rows) > 10 else 1])
    with pytest.raises(ValueError, match=r"layer 'odd' has shape \(1,\) for a sample of one .* and \(12,\) for one"):
        activations_of(network, IMAGES, ["odd"])


def test_a_layer_of_another_shape_for_some_batches_is_named():
    network = network_of(lambda rows: rows[:, : len(rows)])
    with pytest.raises(ValueError, match=r"its shape depends on the batch \(\(2, 2\) for 2 samples and \(3, 3\) for 3"):
        probe(network, IMAGES[:9], layers=["odd"], n_components=1)


class Ending(nn.Module):
    """A network of one layer, whose end is what a function makes of the scores."""

    def __init__(self, function):
        super().__init__()
        self.relu, self.function = nn.ReLU(), function

    def forward(self, images):
        return self.function(self.relu(images.flatten(1))[:, :3])


@pytest.mark.parametrize(
    "end",
    [lambda s: s.to(torch.float8_e4m3fn), lambda s: s.to_sparse(), nested, lambda s: s.to("meta"), masked],
    ids=["float8", "sparse", "nested", "meta", "masked"],
)
def test_odd_ends_of_a_network_cost_the_predictions_alone(end):
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        result = probe(Ending(end), ImageSet(IMAGES[:9]), n_components=2)
    told = [str(warning.message) for warning in heard if "no predictions; pass predict=" in str(warning.message)]
    assert result.F.shape == (9, 2)
    if result.predictions is None:
        assert len(told) == 1
        assert told[0].startswith("The network returns ")
    else:
        np.testing.assert_array_equal(result.predictions, IMAGES[:9].flatten(1)[:, :3].argmax(1))
