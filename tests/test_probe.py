"""probe(): a network and images in, one factorization out."""

import numpy as np
import pytest
import torch
from torch import nn

from cnn_probe import ImageSet, PaperNet, ProbeResult, build_network, load_dataset, probe
from cnn_probe.diagnostics import class_use, effective_rank, firing_overlap, firing_rates, spectra
from cnn_probe.diagnostics import svd_floor as floor_of
from coupled_nmf import Blocks, make_coupled_blocks


@pytest.fixture(scope="module")
def images():
    return load_dataset("digits").test.subset(list(range(60)))


@pytest.fixture(scope="module")
def network():
    return build_network(1, 28, 10, seed=0)


@pytest.fixture(scope="module")
def result(network, images):
    return probe(network, images, n_components=4, random_state=0)


def test_what_is_not_a_tensor_is_named(tmp_path):
    data = load_dataset("digits")
    network = build_network(1, 28, 10, 0)
    with pytest.raises(TypeError, match=r"images must be a Tensor, got ImageData; take \.train or \.test"):
        probe(network, data, layers=["relu1"])
    with pytest.raises(TypeError, match="got ndarray; torch"):
        probe(network, data.test.images.numpy(), layers=["relu1"])
    with pytest.raises(TypeError, match=r"pass \['relu1'\]"):
        probe(network, data.test, layers="relu1")
    with pytest.raises(ValueError, match="names a layer twice"):
        probe(network, data.test, layers=["relu1", "relu1"])


def test_result_holds_patterns_in_the_shapes_of_what_they_stand_for(result, images):
    assert result.F.shape == (60, 4)
    assert result.latent_images.shape == (4, 1, 28, 28)
    assert {name: pattern.shape for name, pattern in result.neuron_patterns.items()} == {
        "relu1": (4, 10, 12, 12),
        "relu2": (4, 20, 4, 4),
    }
    rebuilt = result.F @ result.latent_images.reshape(4, -1)
    error = np.linalg.norm(images.images.reshape(60, -1).numpy() - rebuilt)
    assert error**2 / 60 / 784 == pytest.approx(result.model.block_rmse_["pixels"] ** 2, rel=1e-4)
    assert result.accuracy == pytest.approx(np.mean(result.predictions == images.labels.numpy()))
    assert result.provenance["data"] == images.fingerprint()
    assert result.provenance["seed"] == 0


def test_new_images_get_the_f_that_the_fit_gives_them(result, images):
    np.testing.assert_allclose(result.transform(images.images[:7]), result.F[:7], rtol=1e-3, atol=1e-4)


def test_probing_twice_gives_the_same_bits(result, network, images):
    np.testing.assert_array_equal(probe(network, images, n_components=4, random_state=0).F, result.F)


def test_labels_take_no_part(result, network, images):
    unlabelled = probe(network, images.images, n_components=4, random_state=0)
    np.testing.assert_array_equal(unlabelled.F, result.F)
    assert unlabelled.accuracy is None


def test_save_and_load_without_pickle(result, images, tmp_path):
    result.save(tmp_path / "result")
    again = ProbeResult.load(tmp_path / "result")
    np.testing.assert_array_equal(again.F, result.F)
    assert again.provenance == result.provenance
    assert again.shapes == result.shapes
    np.testing.assert_array_equal(again.transform(images.images[:5]), result.transform(images.images[:5]))
    with pytest.raises(ValueError, match=r"no result\.json"):
        ProbeResult.load(tmp_path)


def test_a_network_of_the_users_own_is_given_again_at_load(images, tmp_path):
    own = nn.Sequential(nn.Conv2d(1, 3, 5), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 24 * 24, 10))
    result = probe(own, images, n_components=2, random_state=0)
    result.save(tmp_path)
    with pytest.raises(ValueError, match="network=your_network"):
        ProbeResult.load(tmp_path).transform(images.images)
    again = ProbeResult.load(tmp_path, network=own)
    np.testing.assert_array_equal(again.transform(images.images), result.transform(images.images))


def test_colour_images_give_a_block_a_channel():
    generator = torch.Generator().manual_seed(0)
    colour = ImageSet(torch.rand(20, 3, 16, 18, generator=generator))
    result = probe(PaperNet(in_channels=3, image_size=(16, 18)), colour, n_components=2)
    assert list(result.shapes) == ["pixels0", "pixels1", "pixels2", "relu1", "relu2"]
    assert result.latent_images.shape == (2, 3, 16, 18)


def test_bad_layers_are_named(network, images):
    with pytest.raises(ValueError, match="relu9"):
        probe(network, images, layers=["relu9"])
    with pytest.raises(ValueError, match=r"conv1.*ReLU.*clip"):
        probe(network, images, layers=["conv1"])
    assert probe(network, images, layers=["conv1"], negative="clip", n_components=2).layers == ("conv1",)


@pytest.mark.parametrize("n_samples", [9, 1500])
def test_spectra_are_those_of_the_matrix(n_samples):
    X, _, _ = make_coupled_blocks(n_samples, {"a": 9, "b": 6}, 3, noise=0.2, random_state=0)
    blocks, values = spectra(X)
    np.testing.assert_allclose(values, np.linalg.svd(X.to_array(), compute_uv=False), rtol=1e-6)
    np.testing.assert_allclose(blocks["b"][:6], np.linalg.svd(X["b"], compute_uv=False), rtol=1e-6)
    u, s, vt = np.linalg.svd(X.to_array(), full_matrices=False)
    best = (u[:, :3] * s[:3]) @ vt[:3]
    expected = np.sum((X.to_array() - best) ** 2) / np.sum(X.to_array() ** 2)
    assert floor_of(values, 3) == pytest.approx(expected)
    assert effective_rank(np.ones(5)) == pytest.approx(5)
    assert effective_rank(np.zeros(5)) == 0


def test_firing_and_use_by_class():
    activations = np.array([[1.0, 0, 0], [1, 1, 0], [0, 1, 0], [0, 2, 0]])
    labels = np.array([0, 0, 1, 1])
    rates = firing_rates(activations, labels, 3)
    np.testing.assert_array_equal(rates, [[1, 0.5, 0], [0, 1, 0], [0, 0, 0]])
    np.testing.assert_array_equal(firing_overlap(rates, 0.4), [[1, 0.5, 0], [0.5, 1, 0], [0, 0, 0]])
    np.testing.assert_allclose(class_use(activations[:, :2], labels, 2), [[1, 0], [0.25, 0.75]])
    assert Blocks({"a": activations}).shape == (4, 3)
