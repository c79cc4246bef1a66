"""Fingerprints of networks: what they tell apart, and that no network is without one."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from cnn_probe import ProbeResult, build_network, load_dataset, probe
from cnn_probe.networks.fingerprints import fingerprint
from cnn_probe.probing.probe import factor
from cnn_probe.probing.recording import prepare, record
from coupled_nmf import CoupledNMF

OLD = "f98932ec6071035c"  # of `filled`, by version 1


@pytest.fixture(scope="module")
def images():
    return load_dataset("digits").test.subset(list(range(30)))


def filled():
    """A network of which nothing is drawn."""
    network = nn.Sequential(nn.Conv2d(1, 3, 5), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 24 * 24, 10))
    network.register_buffer("halves", torch.tensor([1.5, -2], dtype=torch.bfloat16))
    network.register_buffer("z", torch.tensor(1j))
    for weights in network.parameters():
        nn.init.constant_(weights, 0.25)
    return network


class Settled(nn.Module):
    """A module of the user's, which says of itself what the test gives."""

    def __init__(self, said):
        super().__init__()
        self.said = said

    def extra_repr(self):
        return self.said()


@pytest.mark.parametrize(
    "change",
    [
        lambda network: network.__setitem__(1, nn.Softplus()),
        lambda network: setattr(network[0], "padding", (1, 1)),
        lambda network: setattr(network[0], "stride", (2, 2)),
        lambda network: network.__setitem__(1, nn.Sequential(nn.ReLU())),
        lambda network: network.add_module("last", nn.Identity()),
        lambda network: network.register_buffer("mean", torch.zeros(1), persistent=False),
    ],
)
def test_what_modules_compute_and_all_buffers_count(change):
    network, changed = filled(), filled()
    change(changed)
    assert fingerprint(network) == fingerprint(filled())
    assert fingerprint(network) != fingerprint(changed)


def test_values_of_buffers_that_are_not_saved_count():
    found = set()
    for value in (0.0, 1.0):
        network = filled()
        network.register_buffer("mean", torch.full((2,), value), persistent=False)
        found.add(fingerprint(network))
    assert len(found) == 2


def test_addresses_of_objects_do_not_count_and_a_repr_that_fails_costs_nothing():
    def fail():
        raise RuntimeError("injected")

    assert fingerprint(Settled(lambda: repr(object()))) == fingerprint(Settled(lambda: repr(object())))
    assert fingerprint(Settled(lambda: "a=1")) != fingerprint(Settled(lambda: "a=2"))
    assert fingerprint(Settled(fail)) == fingerprint(Settled(fail))


def quantized(values):
    return torch.quantize_per_tensor(values, 0.1, 0, torch.qint8)


def quantized_by_channel(values):
    return torch.quantize_per_channel(values, torch.full((4,), 0.1), torch.zeros(4).long(), 0, torch.qint8)


KINDS = {
    "coo": torch.Tensor.to_sparse,
    "csr": torch.Tensor.to_sparse_csr,
    "csc": torch.Tensor.to_sparse_csc,
    "bsr": lambda values: values.to_sparse_bsr((2, 2)),
    "bsc": lambda values: values.to_sparse_bsc((2, 2)),
    "bfloat16": torch.Tensor.bfloat16,
    "float8": lambda values: values.to(torch.float8_e4m3fn),
    "bool": torch.Tensor.bool,
    "complex": lambda values: values * 1j,
    "conjugate": lambda values: (values * (1 + 1j)).conj(),
    "quantized": quantized,
    "quantized by channel": quantized_by_channel,
    "expanded": lambda values: values[:1, 1:2].expand(3, 5),
    "jagged": lambda values: torch.nested.nested_tensor([values, values[:2]], layout=torch.jagged),
}


@pytest.mark.filterwarnings("ignore:.*(Sparse|sparse|quantiz|nested)")
@pytest.mark.parametrize("kind", KINDS)
def test_tensors_of_every_kind_count_by_their_values(kind):
    found = []
    for other in (0.0, 0.0, 1.0):
        values = torch.eye(4)
        values[0, 1] = other
        network = nn.Identity()
        network.register_buffer("odd", KINDS[kind](values))
        found.append(fingerprint(network))
    assert found[0] == found[1] != found[2]


def test_sparse_entries_count_once_summed():
    twice = torch.sparse_coo_tensor([[0, 0]], [1.0, 2.0], (3,), check_invariants=True)
    networks = [nn.Identity(), nn.Identity()]
    for network, values in zip(networks, (twice, torch.tensor([3.0, 0, 0]).to_sparse()), strict=True):
        network.register_buffer("adjacency", values)
    assert fingerprint(networks[0]) == fingerprint(networks[1])


def test_tensors_without_bytes_count_by_shape_and_dtype():
    found = [nn.Linear(2, width, device="meta", dtype=dtype) for width in (1, 2) for dtype in (None, torch.float64)]
    assert len({fingerprint(network) for network in found}) == 4
    assert fingerprint(nn.LazyLinear(3)) == fingerprint(nn.LazyLinear(3))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_packed_weights_count():
    found = []
    for value in (1.0, 1.0, 2.0):
        network = nn.Sequential(nn.Linear(2, 2))
        for weights in network.parameters():
            nn.init.constant_(weights, value)
        found.append(fingerprint(torch.ao.quantization.quantize_dynamic(network, {nn.Linear}, dtype=torch.qint8)))
    assert found[0] == found[1] != found[2]


def test_a_fingerprint_of_version_1_tells_weights_but_not_what_modules_compute():
    network = filled()
    assert fingerprint(network, like=OLD) == OLD
    assert fingerprint(network, like=fingerprint(network)) == fingerprint(network)
    network[1] = nn.Softplus()
    assert fingerprint(network, like=OLD) == OLD
    nn.init.zeros_(network[0].bias)
    assert fingerprint(network, like=OLD) != OLD


def test_results_that_know_a_fingerprint_of_version_1_load_with_their_network_alone(images, tmp_path):
    network = build_network(1, 28, 10, seed=0)
    result = probe(network, images, n_components=2)
    result.save(tmp_path)
    header = json.loads((tmp_path / "result.json").read_text())
    old = fingerprint(network, like=OLD)
    header["provenance"]["network"] = old
    (tmp_path / "result.json").write_text(json.dumps(header))
    again = ProbeResult.load(tmp_path)
    np.testing.assert_array_equal(again.transform(images), result.transform(images))
    other = build_network(1, 28, 10, seed=1)
    with pytest.raises(ValueError, match=f"{fingerprint(other, like=old)}, that of the probed one {old}"):
        ProbeResult.load(tmp_path, network=other)


def test_a_network_with_a_sparse_buffer_is_probed_saved_and_known_again(images, tmp_path):
    network = filled()
    network.register_buffer("adjacency", torch.eye(3).to_sparse())
    result = probe(network, images, layers=["1"], n_components=2)
    result.save(tmp_path)
    again = ProbeResult.load(tmp_path, network=network)
    np.testing.assert_array_equal(again.transform(images), result.transform(images))


def test_a_result_knows_the_network_and_images_that_were_recorded_not_what_became_of_them(images):
    network, own = filled(), images.subset(list(range(20)))
    before = fingerprint(network), own.fingerprint()

    def spoil(what, done, total):
        if what == "fitting":
            network[0].weight.data.zero_()
            own.images.zero_()

    result = probe(network, own, layers=["1"], n_components=2, progress=spoil)
    assert (result.provenance["network"], result.provenance["data"]) == before
    with pytest.raises(ValueError, match="not the one that was probed"):
        result.transform(images)


def test_ranks_of_one_recording_are_of_one_network(images):
    network = filled()
    recorded = record(prepare(network, images, layers=["1"]))
    nn.init.zeros_(network[0].weight)
    found = [factor(recorded, CoupledNMF(k, random_state=0)).provenance["network"] for k in (1, 2)]
    assert found == [fingerprint(filled())] * 2
