"""ProbeResult on disk: whole or not there, checked when read, and of one network."""

import copy
import json
from dataclasses import replace

import kills
import numpy as np
import pytest
import torch
from seeded import seeded
from torch import nn

from cnn_probe import ProbeResult, build_network, load_dataset, probe
from cnn_probe.networks.fingerprints import fingerprint
from cnn_probe.networks.paper_net import save_network
from cnn_probe.probing.saved import _read_samples


@pytest.fixture(scope="module")
def images():
    return load_dataset("digits").test.subset(list(range(30)))


@pytest.fixture(scope="module")
def network():
    return build_network(1, 28, 10, seed=0)


@pytest.fixture(scope="module")
def result(network, images):
    return probe(network, images, n_components=3)


@pytest.fixture
def folder(result, tmp_path):
    result.save(tmp_path / "result")
    return tmp_path / "result"


def own_network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(1, 3, 5), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 24 * 24, 10))


def test_save_and_load_without_pickle(result, images, folder, tmp_path):
    again = ProbeResult.load(folder)
    np.testing.assert_array_equal(again.F, result.F)
    np.testing.assert_array_equal(again.predictions, result.predictions)
    np.testing.assert_array_equal(again.labels, result.labels)
    assert again.provenance == result.provenance
    assert again.shapes == result.shapes
    np.testing.assert_array_equal(again.transform(images.images[:5]), result.transform(images.images[:5]))
    with pytest.raises(ValueError, match=r"no result\.json"):
        ProbeResult.load(tmp_path)


def test_a_network_of_the_users_own_is_given_again_at_load(images, tmp_path):
    own = own_network()
    result = probe(own, images, n_components=2)
    result.save(tmp_path)
    with pytest.raises(ValueError, match="network=your_network"):
        ProbeResult.load(tmp_path).transform(images.images)
    again = ProbeResult.load(tmp_path, network=own)
    np.testing.assert_array_equal(again.transform(images.images), result.transform(images.images))


def test_other_weights_are_refused_at_load_with_both_fingerprints(images, tmp_path):
    own = own_network()
    probe(own, images, n_components=2).save(tmp_path)
    other = copy.deepcopy(own)
    with torch.no_grad():
        other[3].bias[0] += 1e-3
    with pytest.raises(ValueError, match=f"{fingerprint(other)}.*{fingerprint(own)}"):
        ProbeResult.load(tmp_path, network=other)


def test_a_network_that_changed_since_is_neither_used_nor_saved(images, tmp_path):
    network = build_network(1, 28, 10, seed=0)
    result = probe(network, images, n_components=2)
    with torch.no_grad():
        network.fc.weight.zero_()
    with pytest.raises(ValueError, match="not the one that was probed"):
        result.transform(images.images)
    with pytest.warns(UserWarning, match="changed since it was probed"):
        result.save(tmp_path)
    assert ProbeResult.load(tmp_path).network is None


@pytest.mark.parametrize(
    "change",
    [
        lambda network: network[0].weight.data.mul_(1 + 1e-6),
        lambda network: network[0].to(torch.float64),
        lambda network: network[0].register_buffer("mean", torch.zeros(1)),
        lambda network: network.register_parameter("scale", nn.Parameter(torch.tensor(1.0, dtype=torch.bfloat16))),
    ],
)
def test_a_fingerprint_changes_with_values_kinds_and_names_alone(change):
    network, changed = own_network(), own_network()
    assert fingerprint(network) == fingerprint(changed)
    changed[1].register_forward_hook(lambda *arguments: None)
    assert fingerprint(network) == fingerprint(changed.eval())
    change(changed)
    assert fingerprint(network) != fingerprint(changed)


def save_as_before(result, folder):
    """Write a result as version 0.1.0 did."""
    folder.mkdir()
    result.model.save(folder / "model.npz")
    np.savez(folder / "samples.npz", F=result.F, predictions=result.predictions, labels=result.labels)
    save_network(result.network, folder / "network.pt")
    provenance = {name: value for name, value in result.provenance.items() if name != "network"}
    provenance["parameters"] = {**provenance["parameters"], "negative": "error"}
    header = {"format": "cnn_probe result 1", "shapes": result.shapes, "layers": result.layers}
    (folder / "result.json").write_text(json.dumps({**header, "provenance": provenance}))


def test_results_of_the_old_format_load_and_are_replaced(result, images, tmp_path):
    folder = tmp_path / "old"
    save_as_before(result, folder)
    again = ProbeResult.load(folder, network=build_network(1, 28, 10, seed=5))  # of which it knows no fingerprint
    np.testing.assert_array_equal(again.F, result.F)
    (folder / "notes.npz").write_bytes(b"the user's own")
    result.save(folder)
    assert not {"model.npz", "samples.npz", "network.pt"} & {path.name for path in folder.iterdir()}
    assert (folder / "notes.npz").exists()
    np.testing.assert_array_equal(ProbeResult.load(folder).transform(images.images[:5]), result.F[:5])


def test_a_save_that_is_killed_anywhere_leaves_the_old_result_or_the_new_one(result, tmp_path):
    changed = replace(result, F=result.F + 1, predictions=None, network=None)
    changed.save(tmp_path / "changed")
    result.save(tmp_path / "result")
    code = f"""
import kills
from pathlib import Path
from cnn_probe import ProbeResult
base = Path({str(tmp_path)!r})
old, new = ProbeResult.load(base / "result"), ProbeResult.load(base / "changed")
old.save(base / "both")

def save():
    new.save(base / "both")

def check():
    there = ProbeResult.load(base / "both")
    is_new = there.F[0, 0] == new.F[0, 0]
    assert (there.predictions is None) == (there.network is None) == is_new, "a mixture"
    found.append(bool(is_new))
    if not is_new:
        return
    if len(found) < 2 or not found[-2]:
        print("turned")

found = []
print(kills.each(save, check), set(found), sorted(p.name.split("-")[0] for p in (base / "both").iterdir()))
"""
    turned, last = kills.run(code).splitlines()
    assert turned == "turned", "the new result appears at once, and stays"
    n_kills, rest = last.split(" ", 1)
    assert int(n_kills) > 15, "two parts and the manifest are written, flushed and renamed"
    assert rest == "{False, True} ['.cnn', 'model', 'result.json', 'samples']", "nothing else is left behind"


def damaged(content):
    """Contents that a file may be left with: cut anywhere, empty, other bytes."""
    yield b""
    yield from (content[: len(content) * part // 7] for part in range(1, 7))
    yield content[:-1]
    yield content + b"\0"
    yield bytes(len(content))
    yield content[: len(content) // 2] + bytes([content[len(content) // 2] ^ 1]) + content[len(content) // 2 + 1 :]


@pytest.mark.parametrize("part", ["model", "samples", "network"])
def test_a_damaged_part_is_one_error_that_names_it(folder, part):
    (path,) = folder.glob(f"{part}-*")
    content = path.read_bytes()
    for bad in damaged(content):
        path.write_bytes(bad)
        with pytest.raises(ValueError, match=rf"{path.name} is damaged .*made anew"):
            ProbeResult.load(folder)
    path.unlink()
    with pytest.raises(ValueError, match=rf"{path.name} cannot be read"):
        ProbeResult.load(folder)


@pytest.mark.parametrize("part", ["model.npz", "samples.npz", "network.pt"])
def test_a_damaged_part_of_the_old_format_is_one_error_that_names_it(result, tmp_path, part):
    save_as_before(result, tmp_path / "old")
    path = tmp_path / "old" / part
    content = path.read_bytes()
    other = b"\x80\x04." + content[3:]  # the beginning of a pickle
    for bad in (b"", content[: len(content) // 2], content[:-30], other):
        path.write_bytes(bad)
        with pytest.raises(ValueError, match=part):
            ProbeResult.load(tmp_path / "old")


def test_a_damaged_manifest_is_one_error_that_names_it(folder):
    path = folder / "result.json"
    header = json.loads(path.read_text())
    cut = [path.read_bytes()[:n] for n in (0, 1, 50, 300, -1)]
    whole = [b"[]", b"null", b"{}", b"\xff\xfe", json.dumps({**header, "format": "another"}).encode()]
    wrong = {
        "parts": [None, [], {}, {"model.npz": "../../etc"}, {**header["parts"], "samples.npz": 5}],
        "shapes": [None, [], {"pixels": 3}, {"pixels": [0]}, {**header["shapes"], "relu1": [10, 12, 11]}],
        "layers": [None, ["relu3"], [["relu1"]], 4, [{**header["layers"][0], "pool": "sum"}]],
        "provenance": [None, {}, {"parameters": None}],
    }
    for name, values in wrong.items():
        whole += [json.dumps({**header, name: value}).encode() for value in values]
    for content in cut + whole:
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"result\.json|has format") as error:
            ProbeResult.load(folder)
        assert str(folder) in str(error.value)


def test_parts_of_two_results_are_refused(result, network, images, tmp_path):
    larger = probe(network, images, n_components=4)
    for name, one in {"model of another": result, "samples of another": larger}.items():
        mixed = replace(one, F=(larger if one is result else result).F)
        mixed.save(tmp_path / name)
        with pytest.raises(ValueError, match="mixes two results"):
            ProbeResult.load(tmp_path / name)
    replace(result, labels=result.labels[:-1]).save(tmp_path / "labels")
    with pytest.raises(ValueError, match=r"samples-.*labels is int64 of shape \(29,\)"):
        ProbeResult.load(tmp_path / "labels")


def test_a_result_without_predictions_stays_so(result, folder):
    replace(result, predictions=None).save(folder)
    again = ProbeResult.load(folder)
    assert again.predictions is None
    assert again.accuracy is None
    assert "accuracy" not in repr(again)


def test_of_a_crafted_archive_nothing_is_unpacked_but_what_is_a_results(tmp_path, monkeypatch):
    np.savez(tmp_path / "samples.npz", F=np.ones((3, 2)), huge=np.ones(5))
    read, unpack = [], np.lib.npyio.NpzFile.__getitem__
    monkeypatch.setattr(
        np.lib.npyio.NpzFile, "__getitem__", lambda self, name: (read.append(name), unpack(self, name))[1]
    )
    assert list(_read_samples(tmp_path / "samples.npz")) == read == ["F"]
    np.savez_compressed(tmp_path / "samples.npz", F=np.ones((3000, 2)))
    with pytest.raises(ValueError, match="larger, unpacked"):
        _read_samples(tmp_path / "samples.npz")
    assert read == ["F"]


def test_outputs_that_are_not_the_labels_classes_have_no_accuracy(images):
    network = seeded(nn.Flatten(), nn.Linear(images.images[0].numel(), 8), nn.ReLU(), nn.Linear(8, 1000))
    result = probe(network, images, n_components=2)
    assert result.predictions is not None
    assert result.accuracy is None
    assert "accuracy" not in repr(result)


def test_pictures_that_are_not_as_those_that_were_probed_are_refused(result):
    grey = "those that were probed have 1 of 28×28; give such"
    for pictures, called in (
        (torch.rand(2, 3, 28, 28), "3 channels of 28×28"),
        (torch.rand(2, 1, 30, 30), "1 channel of 30×30"),
    ):
        with pytest.raises(ValueError, match=f"data has pictures of {called}, and {grey}"):
            result.transform(pictures)
    with pytest.raises(ValueError, match=grey):
        result.where(torch.rand(2, 3, 28, 28))
