"""probe(): a network and images in, one factorization out."""

import copy
import sys

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from cnn_probe import ImageSet, PaperNet, ProbeResult, build_network, load_dataset, probe
from cnn_probe.activations import handover
from cnn_probe.measures.diagnostics import (
    class_use,
    dead_share,
    effective_rank,
    effective_rank_of_energies,
    firing_overlap,
    firing_rates,
    spectra,
    zero_share,
)
from cnn_probe.measures.diagnostics import svd_floor as floor_of
from cnn_probe.probing import probe as probing
from cnn_probe.probing import recording
from coupled_nmf import Blocks, CoupledNMF, make_coupled_blocks

LAYERS = ["relu1", "relu2"]
GPU = torch.device("cuda", 0)


@pytest.fixture(scope="module")
def images():
    return load_dataset("digits").test.subset(list(range(60)))


@pytest.fixture(scope="module")
def network():
    return build_network(1, 28, 10, seed=0)


@pytest.fixture(scope="module")
def result(network, images):
    return probe(network, images, n_components=4, random_state=0)


def test_data_may_come_in_any_of_the_usual_ways(result, network, images):
    pairs = TensorDataset(images.images, images.labels)
    batches = [(images.images[:50], images.labels[:50]), (images.images[50:], images.labels[50:])]
    for data in (pairs, DataLoader(pairs, batch_size=60), batches, images.images, images.images.numpy()):
        found = probe(network, data, n_components=4, random_state=0)
        np.testing.assert_allclose(found.F, result.F, rtol=1e-3, atol=1e-4)
        assert found.accuracy == (None if isinstance(data, torch.Tensor | np.ndarray) else result.accuracy)
    with pytest.raises(TypeError, match=r"data is an ImageData; take \.train or \.test"):
        probe(network, load_dataset("digits"))
    with pytest.raises(ValueError, match="names a layer twice"):
        probe(network, images, layers=["relu1", "relu1"])


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


def test_colour_images_give_a_block_a_channel():
    generator = torch.Generator().manual_seed(0)
    colour = ImageSet(torch.rand(20, 3, 16, 18, generator=generator))
    result = probe(PaperNet(in_channels=3, image_size=(16, 18)), colour, n_components=2)
    assert list(result.shapes) == ["pixels0", "pixels1", "pixels2", "relu1", "relu2"]
    assert result.latent_images.shape == (2, 3, 16, 18)


def test_bad_layers_are_named(network, images):
    with pytest.raises(ValueError, match="relu9"):
        probe(network, images, layers=["relu9"])
    with pytest.raises(ValueError, match=r"(?s)conv1.*clip.*ReLU"):
        probe(network, images, layers=["conv1"])
    assert probe(network, images, layers=["conv1"], negative="clip", n_components=2).layers == ("conv1",)


@pytest.mark.parametrize("n_samples", [9, 1500])
def test_spectra_are_those_of_the_matrix(n_samples):
    X, _, _ = make_coupled_blocks(n_samples, {"a": 9, "b": 6}, 3, noise=0.2, random_state=0)
    found = spectra(X)
    values = found.together
    np.testing.assert_allclose(values, np.linalg.svd(X.to_array(), compute_uv=False), rtol=1e-6)
    np.testing.assert_allclose(found.blocks["b"][:6], np.linalg.svd(X["b"], compute_uv=False), rtol=1e-6)
    centred = np.linalg.svd(X["b"] - X["b"].mean(axis=0), compute_uv=False)
    np.testing.assert_allclose(found.centred["b"][:6], centred, rtol=1e-6)
    u, s, vt = np.linalg.svd(X.to_array(), full_matrices=False)
    best = (u[:, :3] * s[:3]) @ vt[:3]
    expected = np.sum((X.to_array() - best) ** 2) / np.sum(X.to_array() ** 2)
    assert floor_of(values, 3) == pytest.approx(expected)


def test_effective_ranks_are_entropies_of_values_and_of_energies():
    for measure in (effective_rank, effective_rank_of_energies):
        assert measure(np.ones(5)) == pytest.approx(5)
        assert measure(np.zeros(5)) == 0
        assert measure(np.array([3.0, 0.0])) == 1
    values = np.array([3.0, 1.0])
    for measure, (p, q) in ((effective_rank, (0.75, 0.25)), (effective_rank_of_energies, (0.9, 0.1))):
        assert measure(values) == pytest.approx(p**-p * q**-q)


def test_zeros_and_dead_units_are_counted():
    activations = np.array([[1.0, 0, 0], [0, 0, 2]], dtype=np.float32)
    assert zero_share(activations) == pytest.approx(4 / 6)
    assert dead_share(activations) == pytest.approx(1 / 3)


def test_firing_and_use_by_class():
    activations = np.array([[1.0, 0, 0], [1, 1, 0], [0, 1, 0], [0, 2, 0]])
    labels = np.array([0, 0, 1, 1])
    rates = firing_rates(activations, labels, 3)
    np.testing.assert_array_equal(rates, [[1, 0.5, 0], [0, 1, 0], [0, 0, 0]])
    np.testing.assert_array_equal(firing_overlap(rates, 0.4), [[1, 0.5, 0], [0.5, 1, 0], [0, 0, 0]])
    np.testing.assert_allclose(class_use(activations[:, :2], labels, 2), [[1, 0], [0.25, 0.75]])
    assert Blocks({"a": activations}).shape == (4, 3)


def recorded(network, images):
    return recording.record(recording.prepare(network, images, layers=LAYERS, pool="whole")).X


@pytest.fixture
def handed_over(monkeypatch):
    """The CPU stands in for a GPU, and NumPy for CuPy; which tensors were handed over."""
    tensors = []

    def hand_over(tensor):
        tensors.append(tensor)
        return np.from_dlpack(tensor)

    monkeypatch.setattr(recording, "stays_on", lambda device: True)
    monkeypatch.setattr(recording, "has_room", lambda device, n_bytes: True)
    monkeypatch.setattr(recording, "hand_over", hand_over)
    return tensors


class OnDevice(np.ndarray):
    """Stands in for a CuPy array: it has to be fetched."""

    __cuda_array_interface__ = None

    def get(self):
        return np.array(self)


class ModelOnDevice(CoupledNMF):
    """What it learns and returns is on the device."""

    def _fit(self, *arguments, **options):
        found = super()._fit(*arguments, **options)
        self.components_ = self.components_.view(OnDevice)
        return found.view(OnDevice)

    def transform(self, X):
        return super().transform(X).view(OnDevice)


def test_blocks_that_stay_are_the_tensors_themselves(network, images, handed_over, monkeypatch):
    X = recorded(network, images)
    assert X.names == ("pixels", "relu1", "relu2")
    for name, tensor in zip(X.names, handed_over, strict=True):
        assert np.shares_memory(X[name], tensor.numpy()), f"{name} was copied on the way"
        assert tensor.is_contiguous()
        assert not tensor.requires_grad
    monkeypatch.setattr(recording, "stays_on", lambda device: False)
    on_host = recorded(network, images)
    assert len(handed_over) == 3
    for name in X.names:
        np.testing.assert_array_equal(X[name], on_host[name])


def test_channels_of_colour_images_stay_as_rows_of_their_own(handed_over):
    colour = torch.rand(20, 3, 16, 18, generator=torch.Generator().manual_seed(0))
    X = recorded(PaperNet(in_channels=3, image_size=(16, 18)), ImageSet(colour))
    assert all(tensor.is_contiguous() for tensor in handed_over)
    np.testing.assert_array_equal(X["pixels1"], colour[:, 1].flatten(1))


def test_probing_where_activations_stay_finds_the_same(result, network, images, handed_over):
    stayed = probe(network, images, n_components=4, random_state=0)
    assert len(handed_over) == 3
    np.testing.assert_array_equal(stayed.F, result.F)
    np.testing.assert_array_equal(stayed.transform(images.images[:5]), result.transform(images.images[:5]))


def test_results_are_on_the_host(result, network, images, handed_over, monkeypatch, tmp_path):
    monkeypatch.setattr(probing, "CoupledNMF", ModelOnDevice)
    fetched = probe(network, images, n_components=4, random_state=0)
    found = {"F": fetched.F, "components": fetched.model.components_, "latent images": fetched.latent_images}
    found |= fetched.neuron_patterns | {"transform": fetched.transform(images.images[:5])}
    for name, array in found.items():
        assert type(array) is np.ndarray, f"{name} is a {type(array).__name__}"
    np.testing.assert_array_equal(fetched.F, result.F)
    np.testing.assert_array_equal(fetched.latent_images, result.latent_images)
    fetched.save(tmp_path)
    np.testing.assert_array_equal(ProbeResult.load(tmp_path).F, result.F)


def test_bytes_of_what_would_stay_are_those_of_the_blocks(network, images, handed_over, monkeypatch):
    asked = []
    monkeypatch.setattr(recording, "has_room", lambda device, n_bytes: bool(asked.append(n_bytes)))
    X = recorded(network, images)
    assert asked == [sum(X[name].nbytes for name in X.names)]
    assert not handed_over, "without room, nothing is handed over"


def test_without_cupy_activations_come_to_the_host_with_one_warning(network, images, monkeypatch):
    monkeypatch.setattr(recording, "device_of", lambda network: GPU)
    monkeypatch.setitem(sys.modules, "cupy", None)  # the import fails
    with pytest.warns(UserWarning, match=r'on cuda:0, but CuPy .*pip install "cupy-cuda13x\[ctk\]".*cuda12') as heard:
        X = recorded(network, images)
    assert len(heard) == 1
    assert type(X["relu1"]) is np.ndarray


def test_without_room_activations_come_to_the_host_with_one_warning(network, images, monkeypatch):
    monkeypatch.setattr(recording, "device_of", lambda network: GPU)
    monkeypatch.setattr(handover, "has_cupy", lambda: True)
    monkeypatch.setattr(handover, "free_bytes", lambda device: 1_000_000)
    with pytest.warns(UserWarning, match=r"take 0\.000611 GB, more than 50% of the 0\.001 GB .*on cuda:0") as heard:
        X = recorded(network, images)
    assert len(heard) == 1
    assert type(X["relu1"]) is np.ndarray


def test_half_of_the_free_memory_is_room(monkeypatch):
    monkeypatch.setattr(handover, "free_bytes", lambda device: 1000)
    assert handover.has_room(GPU, 500)
    with pytest.warns(UserWarning, match="probe fewer images or layers"):
        assert not handover.has_room(GPU, 501)


def test_a_network_on_the_cpu_needs_no_cupy(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert not handover.stays_on(torch.device("cpu"))


@pytest.mark.gpu
def test_activations_stay_on_the_gpu(result, network, images, monkeypatch, tmp_path):
    if not torch.cuda.is_available():
        pytest.skip("no NVIDIA GPU here")
    cupy = pytest.importorskip("cupy")
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)  # convolutions as exact as on the CPU
    on_gpu, on_cpu = copy.deepcopy(network).cuda(), recorded(network, images)
    tensor = torch.rand(3, 4, device="cuda")
    assert handover.hand_over(tensor).data.ptr == tensor.data_ptr(), "it was copied on the way"
    X = recorded(on_gpu, images)
    for name in X.names:
        assert isinstance(X[name], cupy.ndarray), f"{name} came to the host"
        np.testing.assert_allclose(X[name].get(), on_cpu[name], rtol=1e-4, atol=1e-5)
    found = probe(on_gpu, images, n_components=4, random_state=0)
    assert type(found.F) is type(found.latent_images) is np.ndarray
    assert found.model.rmse_ == pytest.approx(result.model.rmse_, rel=0.01)  # the same quality from another start
    np.testing.assert_allclose(found.transform(images.images[:7]), found.F[:7], rtol=1e-3, atol=1e-4)
    found.save(tmp_path)
    np.testing.assert_array_equal(ProbeResult.load(tmp_path).F, found.F)
