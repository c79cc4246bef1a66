"""What probe() refuses at once, says while it works, and leaves alone."""

import signal

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from torch import nn

from cnn_probe import ImageSet, ProbeResult, build_network, load_dataset, probe
from cnn_probe.probing import probe as probing
from coupled_nmf import CoupledNMF


@pytest.fixture(scope="module")
def images():
    return load_dataset("digits").test.subset(list(range(40)))


@pytest.fixture(scope="module")
def network():
    return build_network(1, 28, 10, seed=0)


@pytest.fixture
def unrecorded(monkeypatch):
    """Recording fails: what is refused must be refused before it."""

    def record(*arguments, **options):
        raise AssertionError("the network was run over the images before the error was seen")

    monkeypatch.setattr(probing, "record", record)


@pytest.mark.parametrize("at", [1, 3])
def test_an_interrupt_in_the_fit_comes_out(network, images, at):
    def interrupt(what, done, total):
        if (what, done) == ("fitting", at):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        probe(network, images, n_components=3, progress=interrupt)


def test_an_interrupt_in_the_second_start_does_not_leave_the_first(network, images):
    def interrupt(what, done, total):
        if what == "fitting" and done > 200:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        probe(network, images, n_components=3, n_init=2, init="random", progress=interrupt)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"solver": "halls"}, "'solver' parameter"),
        ({"init": "compresed"}, "'init' parameter"),
        ({"init": "custom"}, "init='custom' starts from factors that are given"),
        ({"max_iter": 0}, "'max_iter' parameter"),
        ({"n_init": 0}, "'n_init' parameter"),
        ({"n_components": 0}, "'n_components' parameter"),
        ({"n_components": "ten"}, "'n_components' parameter"),
        ({"n_components": 41}, "n_components=41 is more than the 40 inputs"),
        ({"n_components": 10**9}, "n_components=1000000000 is more than the 40 inputs"),
        ({"random_state": -1}, "'random_state' parameter"),
        ({"block_weights": {"relu3": 2.0}}, r"unknown blocks \['relu3'\]"),
        ({"block_weights": [1.0, 1.0]}, "2 entries for 3 blocks"),
        ({"block_weights": [1.0, -1.0, 1.0]}, "not negative"),
    ],
)
def test_parameters_are_checked_before_anything_is_recorded(network, images, unrecorded, parameters, message):
    with pytest.raises(ValueError, match=message):
        probe(network, images, **parameters)


def test_a_rank_above_what_pixels_and_neurons_hold_is_refused(unrecorded):
    small = nn.Sequential(nn.Flatten(), nn.Linear(4, 2), nn.ReLU())
    with pytest.raises(ValueError, match="n_components=7 is more than the 6 pixels and neurons"):
        probe(small, torch.rand(50, 1, 2, 2, generator=torch.Generator().manual_seed(0)), n_components=7)


@pytest.mark.parametrize("rank", [1, 2, 40, np.int64(3)])
@pytest.mark.parametrize("init", ["random", "nndsvd", "uniform", "compressed"])
def test_parameters_that_can_be_are_not_refused(rank, init):
    estimator = CoupledNMF(rank, init=init, solver="mu" if init == "uniform" else "hals")
    probing.refuse(estimator, 40, {"pixels": (28, 28), "relu": (10, 12, 12)})


@pytest.mark.parametrize(
    ("layers", "found"),
    [
        (nn.ReLU(), "got a ReLU"),
        (nn.ModuleDict({"relu1": nn.ReLU()}), "got a ModuleDict"),
        ({"relu1": 1}, "got a dict"),
        (["relu1", nn.ReLU()], "among them is a ReLU"),
        ([int], "among them is the type int"),
        ([["relu1"]], "among them is a list"),
        (b"relu1", "got a bytes"),
        (5, "got a int"),
    ],
)
def test_layers_that_cannot_be_are_one_error_that_says_what_they_are(network, images, unrecorded, layers, found):
    with pytest.raises(TypeError, match=rf"layers must be names of modules, .*{found}"):
        probe(network, images, layers=layers)


def test_names_may_come_from_anything_that_gives_them(network, images):
    found = [
        probe(network, images, layers=layers, n_components=2)
        for layers in (["relu2"], ("relu2",), iter(["relu2"]), np.array(["relu2"]), {"relu2": 0}.keys())
    ]
    assert {result.layers for result in found} == {("relu2",)}


def test_a_fit_that_does_not_settle_warns(network, images):
    with pytest.warns(ConvergenceWarning, match="stopped at max_iter=2"):
        result = probe(network, images, n_components=3, max_iter=2)
    assert result.provenance["parameters"]["n_iter"] == 2


def test_progress_tells_recording_from_fitting(network, images):
    told = []
    result = probe(network, images, n_components=3, n_init=2, init="random", progress=lambda *now: told.append(now))
    assert told[0] == ("recording", 40, 40)
    fitting = [done for what, done, total in told[1:] if (what, total) == ("fitting", 400)]
    assert len(fitting) == len(told) - 1
    assert fitting == sorted(fitting)
    assert fitting[0] == 1
    assert 201 in fitting, "the second start goes on where the first would have ended"
    assert fitting[-1] == 400
    assert result.model.callbacks == (), "a result holds nothing of its caller's"
    np.testing.assert_array_equal(probe(network, images, n_components=3, n_init=2, init="random").F, result.F)


def test_weights_of_blocks_and_starts_reach_the_fit(network, images):
    plain = probe(network, images, n_components=3)
    pixels = probe(network, images, n_components=3, block_weights={"pixels": 1000.0})
    assert pixels.model.block_relative_error_["pixels"] < plain.model.block_relative_error_["pixels"]
    assert pixels.provenance["parameters"]["block_weights"] == {"pixels": 1000.0, "relu1": 1.0, "relu2": 1.0}
    assert probe(network, images, n_components=3, n_init=3, init="random").model.n_init == 3


class Returning(nn.Module):
    """What it returns of its logits is the test's choice."""

    def __init__(self, network, returned):
        super().__init__()
        self.network, self.returned = network, returned

    def forward(self, images):
        return self.returned(self.network(images))


@pytest.mark.parametrize(
    ("returned", "named"),
    [
        (lambda logits: (logits, logits), "a tuple"),
        (lambda logits: {"logits": logits}, "a dict"),
        (lambda logits: logits[:, :, None, None], r"float32 of shape \(3, 10, 1, 1\)"),
        (lambda logits: logits.sum(dim=1), r"float32 of shape \(3,\)"),
        (lambda logits: logits[:, :1], r"float32 of shape \(3, 1\)"),
        (lambda logits: logits.argmax(dim=1, keepdim=True), r"int64 of shape \(3, 1\)"),
        (lambda logits: None, "a NoneType"),
    ],
)
def test_outputs_that_are_no_scores_cost_the_predictions_alone(network, images, tmp_path, returned, named):
    odd = Returning(network, returned)
    with pytest.warns(UserWarning, match=rf"returns {named} for 3 inputs, .*pass predict=") as heard:
        result = probe(odd, images, n_components=2)
    assert len(heard) == 1
    assert result.predictions is None
    assert result.accuracy is None
    result.save(tmp_path)
    assert ProbeResult.load(tmp_path, network=odd).predictions is None
    np.testing.assert_array_equal(result.F, probe(network, images, n_components=2).F)


@pytest.mark.parametrize("as_array", [False, True])
def test_labels_come_from_any_output_by_predict(network, images, as_array):
    def predict(output):
        labels = output["logits"].argmax(dim=1)
        return labels.numpy().astype(np.int32) if as_array else labels

    many = ImageSet(images.images.repeat(15, 1, 1, 1), images.labels.repeat(15))  # more than one batch
    result = probe(Returning(network, lambda logits: {"logits": logits}), many, n_components=2, predict=predict)
    expected = probe(network, many, n_components=2)
    np.testing.assert_array_equal(result.predictions, expected.predictions)
    assert len(result.predictions) == 600
    assert result.predictions.dtype == np.int64
    assert result.accuracy == expected.accuracy


@pytest.mark.parametrize(
    ("predict", "named"),
    [
        (lambda logits: logits, r"float.* of shape \(3, 10\)"),
        (lambda logits: logits.bfloat16().amax(dim=1), r"float64 of shape \(3,\)"),
        (lambda logits: logits.argmax(dim=1)[:-1], r"int64 of shape \(2,\)"),
        (lambda logits: 3, r"int64 of shape \(\)"),
        (lambda logits: ["a"] * len(logits), r"<U1 of shape \(3,\)"),
    ],
)
def test_labels_that_cannot_be_are_refused_before_the_fit(network, images, monkeypatch, predict, named):
    monkeypatch.setattr(probing, "factor", None)
    with pytest.raises(ValueError, match=rf"predict must return 3 labels for a batch of 3 inputs, .*returned {named}"):
        probe(network, images, predict=predict)
