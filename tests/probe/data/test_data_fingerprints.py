"""Fingerprints of data: of what is fed, wherever batches end; another value, label or preprocessing is another one."""

from functools import partial

import numpy as np
import pytest
import torch
from given_data import LABELS, PICTURES, SAME, Again, Pairs, Stream, rand
from torch.utils.data import DataLoader, TensorDataset
from torchvision.transforms import Compose, Normalize

from cnn_probe import ImageSet
from cnn_probe.data import batches as batches_module
from cnn_probe.data.batches import as_source


def fingerprint(data, preprocess=None):
    found = as_source(data, preprocess).fingerprint()
    assert len(found) == 16
    assert int(found, 16) >= 0
    return found


def test_it_does_not_tell_where_batches_end():
    found = {fingerprint(make()) for name, make in SAME.items() if name != "images"}
    assert len(found) == 1, "datasets, streams, loaders and lists of the same samples are the same"
    assert fingerprint(SAME["images"]()) == ImageSet(PICTURES, LABELS).fingerprint()


TEXTS = ["a", "bc", "", "d"]
CUT = {
    "names": [{"x": rand(4, 3), "y": torch.arange(4)}],
    "inside": [((rand(4, 3), [rand(4, 2), {"z": rand(4)}]), LABELS[:4])],
    "of each sample": [{"x": rand(4, 3), "texts": TEXTS}],
    "once a batch": [{"x": rand(4, 3), "scale": torch.tensor(2.0), "mode": "train", "none": None}],
    "of another dtype": [(rand(4, 3).bfloat16(), rand(4) > 0.5)],
}


@pytest.mark.parametrize("name", CUT)
def test_it_is_the_same_however_batches_are_cut(name):
    (whole,) = CUT[name]
    found = {fingerprint([batches_module.rows_of(whole, 4, slice(a, b)) for a, b in parts]) for parts in (
        [(0, 4)], [(0, 2), (2, 4)], [(0, 3), (3, 4)], [(0, 1), (1, 2), (2, 4)])}  # fmt: skip
    assert len(found) == 1


def changed():
    """Batches that differ in one thing each."""
    x, y = rand(4, 3), LABELS[:4]
    yield [(x, y)]
    yield [(x + 1e-7, y)]
    yield [(x, torch.tensor([0, 1, 2, 1]))]
    yield [x]
    yield [(x.flip(0), y)]
    yield [(x.double(), y)]
    yield [(x[:, None], y)]
    yield [(x.reshape(2, 6), y[:2])]
    yield [((x, x), y)]
    yield [{"x": x, "labels": y}]
    yield [{"y": x, "labels": y}]
    yield [{"x": x, "scale": 2}]
    yield [{"x": x, "scale": 2.0}]
    yield [{"x": x, "scale": "2"}]
    yield [{"x": x, "texts": ["a", "b", "c", "d"]}]
    yield [{"x": x, "texts": ["ab", "", "c", "d"]}]
    yield [{"x": x[:2], "scale": 2}, {"x": x[2:], "scale": 3}]
    yield [((x, x[:, :1]), y)]
    yield [((x, (x[:, :1],)), y)]


def test_whatever_changes_changes_it():
    data = list(changed())
    found = [fingerprint(given) for given in data]
    same = [(i, j) for i in range(len(data)) for j in range(i) if found[i] == found[j]]
    assert same == []


def test_the_last_sample_counts_as_the_first():
    for at in (0, 99, 199):
        other = rand(200, 3)
        other[at, 2] += 1e-6
        for wrap in (TensorDataset, lambda x: x, lambda x: x.numpy(), lambda x: Again(x.split(7)), Stream):
            assert fingerprint(wrap(other)) != fingerprint(wrap(rand(200, 3)))


def half(pictures):
    return pictures / 2


class Tuned:
    """Says nothing of itself, as most functions that are objects."""

    def __init__(self, scale):
        self.scale = scale

    def __call__(self, pictures):
        return pictures * self.scale


COLOURS = rand(9, 3, 4, 4)


@pytest.mark.parametrize("data", [ImageSet(COLOURS), COLOURS, DataLoader(TensorDataset(COLOURS), batch_size=2)])
def test_preprocessing_counts_by_what_it_does_and_says(data):
    ways = [
        None,
        Normalize([0.5] * 3, [0.5] * 3),
        Normalize([0.5] * 3, [0.25] * 3),
        Compose([Normalize([0.5] * 3, [0.5] * 3)]),
        half,
        lambda pictures: pictures / 3,
        Tuned(2),
        Tuned(3),
        partial(torch.mul, other=0.25),
    ]
    found = [fingerprint(data, way) for way in ways]
    assert len(set(found)) == len(found)
    assert fingerprint(data, lambda x: x / 2) == fingerprint(data, half), "a name is no behaviour"
    assert fingerprint(data, Tuned(2)) == found[6], "an address is none, either"
    assert fingerprint(data, Compose([lambda x: x / 2])) == fingerprint(data, Compose([lambda x: 0.5 * x]))


def test_preprocessing_is_asked_for_a_few_pictures_alone():
    seen = []

    def counting(pictures):
        seen.append(len(pictures))
        return pictures

    for data in (COLOURS.repeat(30, 1, 1, 1), ImageSet(COLOURS.repeat(30, 1, 1, 1)), Again(COLOURS.split(3))):
        seen.clear()
        fingerprint(data, counting)
        assert seen == [8, 8], "twice, since what is random must not go unseen"


def test_preprocessing_of_the_same_pictures_is_the_same_in_batches_of_any_size():
    normal = Normalize([0.5] * 3, [0.5] * 3)
    found = {fingerprint(DataLoader(TensorDataset(COLOURS), batch_size=size), normal) for size in (1, 3, 8, 9)}
    assert found == {fingerprint(COLOURS, normal)}


def test_a_dataset_is_read_once():
    data = Pairs(130)
    fingerprint(data)
    assert data.asked == list(range(130))


def test_memory_maps_are_read_in_slices(tmp_path, monkeypatch):
    array = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (300, 4))
    array[:] = rand(300, 4)
    array.flush()
    found = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert fingerprint(found) == fingerprint(rand(300, 4))
    assert isinstance(found[:3], np.memmap)
    most = max(batch.inputs[0].untyped_storage().nbytes() for batch in as_source(found).batches(10))
    assert most == 10 * 4 * 4
