"""Any data as batches: what is fed, shown and a label; what is refused; no more than a few batches at a time."""

import gc
import weakref

import numpy as np
import pytest
import torch
from given_data import LABELS, PICTURES, SAME, SAMPLES, Pairs, Stream, rand
from PIL import Image
from torch import nn
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    DistributedSampler,
    SequentialSampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from cnn_probe.data.batches import as_source
from cnn_probe.data.reading import pick
from cnn_probe.probing.recording import prepare, record


@pytest.mark.parametrize("name", SAME)
def test_the_same_samples_come_of_whatever_holds_them(name):
    source = as_source(SAME[name]())
    for start in (0, 2, 3, 6, 7):  # within and between batches, the last sample, and past it, as after a kill
        batches = list(source.batches(3, start))
        assert sum(batch.n for batch in batches) == 7 - start
        for attribute, expected in (("pictures", PICTURES), ("labels", LABELS)):
            found = [getattr(batch, attribute) for batch in batches]
            assert not found or torch.equal(torch.cat(found), expected[start:])
        assert all(len(batch.inputs) == 1 and torch.equal(batch.inputs[0], batch.pictures) for batch in batches)
    assert source.n == 7
    picked = source.picked([5, 0])
    assert torch.equal(picked.inputs[0], PICTURES[[5, 0]])
    assert picked.labels.tolist() == [2, 0]


def test_batches_are_ragged_at_the_end_alone():
    assert [batch.n for batch in as_source(PICTURES).batches(3)] == [3, 3, 1]
    assert [batch.n for batch in as_source(Pairs(7)).batches(3)] == [3, 3, 1]
    loader = DataLoader(Pairs(7), batch_size=2, drop_last=True)
    assert [batch.n for batch in as_source(loader).batches(3)] == [2, 2, 2]
    drops = DataLoader(Pairs(7), batch_sampler=BatchSampler(SequentialSampler(Pairs(7)), 4, True))
    assert [batch.n for batch in as_source(drops).batches(3)] == [4]


def test_what_has_numbers_is_not_read_before_the_start():
    data = Pairs(50)
    assert [batch.n for batch in as_source(data).batches(8, 37)] == [8, 5]
    assert data.asked == list(range(37, 50))


TOKENS, FLAGS = torch.arange(12).reshape(4, 3), torch.tensor([3, 1, 2, 3])
A, B, CLASSES = rand(4, 5), rand(4, 2), torch.tensor([1, 0, 1, 0])
READINGS = {
    "two inputs": ((A, B), (A, B), {}, None),
    "two inputs and labels": (((A, B), CLASSES), (A, B), {}, CLASSES),
    "two inputs beside labels": ((A, B, CLASSES), (A, B), {}, CLASSES),
    "by name": ({"tokens": TOKENS, "labels": CLASSES}, (), {"tokens": TOKENS}, CLASSES),
    "one label by name": ({"tokens": TOKENS, "label": CLASSES.tolist()}, (), {"tokens": TOKENS}, CLASSES),
    "no labels by name": ({"tokens": TOKENS, "labels": None}, (), {"tokens": TOKENS}, None),
    "by name, beside labels": (({"tokens": TOKENS}, CLASSES), (), {"tokens": TOKENS}, CLASSES),
    "whole numbers last": (((TOKENS, FLAGS),), (TOKENS, FLAGS), {}, None),
    "tokens": (TOKENS, (TOKENS,), {}, None),
    "targets that are no classes": ((A, rand(4)), (A, rand(4)), {}, None),
    "sound": (rand(4, 1, 90), (rand(4, 1, 90),), {}, None),
    "video": ((rand(4, 3, 2, 5, 5), CLASSES), (rand(4, 3, 2, 5, 5),), {}, CLASSES),
}


@pytest.mark.parametrize("name", READINGS)
def test_what_of_a_batch_is_fed_and_what_is_a_label(name):
    given, inputs, keywords, labels = READINGS[name]
    source = as_source([given])
    (batch,) = source.batches(10)
    assert len(batch.inputs) == len(inputs)
    assert all(map(torch.equal, batch.inputs, inputs))
    assert list(batch.keywords) == list(keywords)
    assert all(torch.equal(batch.keywords[key], value) for key, value in keywords.items())
    assert batch.labels is None if labels is None else torch.equal(batch.labels, labels)
    assert (batch.n, batch.pictures) == (4, None)
    assert source.why_no_pictures


def test_samples_of_a_dataset_are_read_as_batches_are():
    data = [(({"a": A[i], "b": B[i]}), 1 - i % 2) for i in range(4)]
    batch = next(as_source(DataLoader(data, batch_size=4)).batches(1))
    assert torch.equal(batch.keywords["a"], A)
    assert batch.labels.tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize("mode", ["L", "RGB", "1", "LA", "RGBA", "P"])
def test_images_of_pillow_become_tensors(mode):
    picture = Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4) * 20).convert(mode)
    grey = mode in ("L", "1", "LA")
    batch = next(as_source(Pairs(2, picture=lambda i: picture)).batches(5))
    assert batch.pictures.shape == (2, 1 if grey else 3, 3, 4)
    expected = np.asarray(picture.convert("L" if grey else "RGB")).reshape(3, 4, -1) / np.float32(255)
    np.testing.assert_array_equal(batch.inputs[0][1].permute(1, 2, 0), expected)


def test_images_of_pillow_that_make_no_batch():
    sizes = Pairs(4, picture=lambda i: Image.new("L", (4, 4 + i)))
    with pytest.raises(ValueError, match=r"several sizes.*transform.*PictureFolder\(folder, size\)"):
        list(as_source(sizes).batches(4))
    with pytest.raises(ValueError, match="more than 8 bits a pixel"):
        list(as_source(Pairs(2, picture=lambda i: Image.new("I;16", (4, 4)))).batches(4))


def test_bytes_are_shown_in_0_to_1_and_fed_as_they_are():
    whole = torch.arange(256, dtype=torch.uint8).reshape(4, 1, 8, 8)
    batch = next(as_source(whole).batches(4))
    assert torch.equal(batch.inputs[0], whole)
    assert torch.equal(batch.pictures, whole.float() / 255)
    assert next(as_source(whole, lambda pictures: pictures).batches(4)).inputs[0].max() == 1


ARRAYS = {
    "float64": PICTURES.double().numpy(),
    "backwards": PICTURES.numpy()[::-1],
    "big-endian": PICTURES.numpy().astype(">f4"),
    "not writable": np.broadcast_to(PICTURES.numpy()[:1], (7, 1, 2, 2)),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_of_any_layout(name):
    array = ARRAYS[name]
    batches = list(as_source(array).batches(3))
    np.testing.assert_array_equal(torch.cat([batch.inputs[0] for batch in batches]), array)
    assert {batch.pictures.dtype for batch in batches} == {torch.float32}


def test_what_a_network_writes_into_its_input_is_not_the_users_nor_shown():
    class InPlace(nn.Module):
        def __init__(self):
            super().__init__()
            self.relu = nn.ReLU(inplace=True)

        def forward(self, x):
            return self.relu(x.sub_(0.5)).flatten(1)

    for make in (torch.Tensor, TensorDataset, lambda data: [data], lambda data: data.numpy()):
        data = PICTURES.clone()
        X = record(prepare(InPlace(), make(data), layers=["relu"])).X
        assert torch.equal(data, PICTURES)
        np.testing.assert_array_equal(X["pixels"], PICTURES.flatten(1))
        np.testing.assert_array_equal(X["relu"], (PICTURES - 0.5).clamp(min=0).flatten(1))


def test_the_users_random_state_is_left_alone():
    for data in (TensorDataset(PICTURES), Stream(SAMPLES), DataLoader(TensorDataset(PICTURES))):
        state = torch.random.get_rng_state()
        list(as_source(data).batches(3))
        assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize("loads", [False, True])
def test_fifty_thousand_samples_are_never_held(loads):
    alive, most = weakref.WeakSet(), []

    def picture(i):
        made = torch.zeros(1, 2, 2)
        alive.add(made)
        return made

    data = Pairs(50_000, picture=picture)
    n = 0
    gc.collect()
    for batch in as_source(DataLoader(data, batch_size=500) if loads else data).batches(500):
        alive.add(batch.inputs[0])
        alive.add(batch.pictures)
        most.append(len(alive))
        n += batch.n
    assert n == 50_000
    assert max(most) < 1_500


def test_an_interrupt_comes_out():
    def interrupt(i):
        if i == 5:
            raise KeyboardInterrupt
        return torch.zeros(1, 2, 2)

    for data in (Pairs(9, picture=interrupt), DataLoader(Pairs(9, picture=interrupt))):
        with pytest.raises(KeyboardInterrupt):
            as_source(data).fingerprint()


SHUFFLING = {
    "shuffle": lambda: DataLoader(Pairs(9), shuffle=True),
    "subset": lambda: DataLoader(Pairs(9), sampler=SubsetRandomSampler(range(4))),
    "weights": lambda: DataLoader(Pairs(9), sampler=WeightedRandomSampler([1.0] * 9, 9)),
    "batches": lambda: DataLoader(Pairs(9), batch_sampler=BatchSampler(SubsetRandomSampler(range(9)), 2, False)),
    "distributed": lambda: DataLoader(Pairs(9), sampler=DistributedSampler(Pairs(9), 2, 0, shuffle=True)),
}


@pytest.mark.parametrize("name", SHUFFLING)
def test_loaders_that_shuffle_are_refused(name):
    with pytest.raises(ValueError, match=r"shuffles.*shuffle=False, or its dataset"):
        as_source(SHUFFLING[name]())


def test_a_loader_in_order_of_its_own_is_taken():
    rest = DataLoader(Pairs(9), sampler=DistributedSampler(Pairs(9), 2, 1, shuffle=False), batch_size=4)
    assert [batch.labels.tolist() for batch in as_source(rest).batches(1)] == [[1, 0, 2, 1], [0]]


def test_samples_that_are_picked_hold_no_batches_and_what_is_not_of_samples_stays_as_it_is():
    batches = [{"x": torch.arange(20.0).reshape(10, 2) + 20 * i, "mask": None, "causal": False} for i in range(4)]
    found = as_source(batches).picked([31, 2, 2, 17])
    assert found.keywords["x"][:, 0].tolist() == [62, 4, 4, 34]
    assert found.keywords["mask"] is None
    assert found.keywords["causal"] is False
    loader = DataLoader(TensorDataset(torch.rand(300, 3), torch.arange(300) % 2), batch_size=30)
    raw = pick(loader, [0, 31, 299])
    assert all(part.untyped_storage().nbytes() == part.nbytes for part in raw)
