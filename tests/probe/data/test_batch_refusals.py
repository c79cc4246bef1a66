"""Data that cannot be read again and again, and batches that are none: one error, before the network is run."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from given_data import LABELS, PICTURES, SAMPLES, Again, Pairs, Stream, rand
from torch.utils.data import DataLoader, Dataset, TensorDataset

from cnn_probe import ImageData, ImageSet
from cnn_probe.data.batches import as_source


class Kept:
    """Gives the one iterator that it has."""

    def __init__(self):
        self.batches = iter([PICTURES])

    def __iter__(self):
        return self.batches


class Endless(Dataset):
    def __getitem__(self, index):
        return PICTURES[0]


IMAGES = ImageSet(PICTURES, LABELS)
DATA = {
    "a generator": (TypeError, lambda: (part for part in PICTURES), "a generator, which can be read once"),
    "an iterator": (TypeError, lambda: iter([PICTURES]), "a list_iterator, which can be read once"),
    "a map": (TypeError, lambda: map(torch.abs, [PICTURES]), "a map, which can be read once"),
    "one iterator": (TypeError, Kept, "a Kept, which can be read once"),
    "a loader's iterator": (TypeError, lambda: iter(DataLoader(Pairs(3))), "can be read once"),
    "a stream of one": (TypeError, lambda: Stream(iter(SAMPLES)), "a Stream, which can be read once"),
    "a loader of such": (TypeError, lambda: DataLoader(Stream(iter(SAMPLES))), "a DataLoader, which can be read once"),
    "a number": (TypeError, lambda: 3, "a int, which gives no batches"),
    "a class": (TypeError, lambda: Again, "a type, which gives no batches"),
    "a name": (TypeError, lambda: "photos", r"a str; for a folder of pictures give PictureFolder\("),
    "a path": (TypeError, lambda: Path("photos"), r"a \w+Path; for a folder of pictures give PictureFolder\("),
    "a mapping": (TypeError, lambda: {"x": PICTURES}, "a dict; give a tensor"),
    "all of a data set": (TypeError, lambda: ImageData("d", IMAGES, IMAGES, ("a", "b", "c")), r"take \.train"),
    "no length": (TypeError, Endless, "a Dataset without a length; give it __len__"),
    "objects": (TypeError, lambda: np.array([[None], [3]]), "an array of object; give one of numbers"),
    "X and y": (TypeError, lambda: (PICTURES, LABELS), r"a tuple .* is one batch.*TensorDataset\(\*data\)"),
    "arrays X and y": (TypeError, lambda: [PICTURES.numpy(), LABELS.numpy()], "a list .* is one batch"),
    "one dimension": (ValueError, lambda: torch.ones(3), r"samples \(n, \.\.\.\), got shape \(3,\)"),
    "nothing": (ValueError, lambda: torch.ones(0, 3), r"got shape \(0, 3\)"),
}


@pytest.mark.parametrize("name", DATA)
def test_data_that_cannot_be(name):
    kind, make, message = DATA[name]
    with pytest.raises(kind, match=f"^data .*{message}"):
        as_source(make())


def test_other_arguments_that_cannot_be():
    with pytest.raises(TypeError, match="preprocess must be a function of pictures, got a float"):
        as_source(PICTURES, 0.5)
    source = as_source(PICTURES, torch.neg)
    assert as_source(source, torch.neg) is source
    with pytest.raises(ValueError, match="which has its own preprocess"):
        as_source(source, torch.abs)
    for size in (0, 2.5, True):
        with pytest.raises(ValueError, match="batch_size must be 1 or more"):
            source.batches(size)


BATCHES = {
    "fewer labels": (ValueError, (rand(4, 2), LABELS[:3]), r"one class for each of 4 samples, got shape \(3,\)"),
    "several labels": (ValueError, {"x": rand(7, 2), "labels": rand(7, 2) > 0}, r"got shape \(7, 2\)"),
    "labels below zero": (ValueError, (rand(7, 2), LABELS - 1), "counted from 0, got -1; leave the labels out"),
    "labels that are no numbers": (ValueError, {"x": rand(4, 2), "label": rand(4)}, "whole numbers, got float32"),
    "inputs that differ": (ValueError, ((rand(4, 2), rand(3, 2)), LABELS[:4]), "'input 0': 4, 'input 1': 3"),
    "inputs inside that differ": (ValueError, (rand(4, 2), (rand(4, 2), [rand(3, 2)])), r"\[1\]\[0\]': 3"),
    "names that differ": (ValueError, {"x": rand(4, 2), "y": rand(2, 2)}, "'x': 4, 'y': 2"),
    "no sample": (ValueError, rand(0, 2), "is empty; leave it out"),
    "no tensor": (TypeError, ["a", None], "it is str, NoneType"),
    "an empty tuple": (TypeError, (), "it is nothing"),
    "only a scalar": (TypeError, torch.tensor(1.0), "it is Tensor"),
    "a sample": (TypeError, SAMPLES[1], r"ends in the number 1, as a sample does.*DataLoader\(samples"),
}


@pytest.mark.parametrize("name", BATCHES)
def test_batches_that_cannot_be_are_named(name):
    kind, given, message = BATCHES[name]
    with pytest.raises(kind, match=message):
        list(as_source([given]).batches(10))


@pytest.mark.parametrize("name", sorted(BATCHES.keys() - {"labels that are no numbers"}))
def test_the_place_of_a_batch_that_cannot_be_is_named(name):
    kind, given, _ = BATCHES[name]
    before = (rand(5, 2), torch.arange(5)) if "labels" in name else rand(5, 2)
    with pytest.raises(kind, match="samples 5 on"):
        list(as_source([before, given]).batches(10))


def test_labels_are_given_for_all_or_none():
    with pytest.raises(ValueError, match="samples 7 on have no labels, unlike those before"):
        list(as_source([(PICTURES, LABELS), PICTURES]).batches(3))
    with pytest.raises(ValueError, match="samples 7 on have labels, unlike those before"):
        list(as_source([PICTURES, (PICTURES, LABELS)]).batches(3))


def test_a_length_that_lies():
    with pytest.raises(ValueError, match=r"says that it has 9 samples, and fails when asked .* no 7"):
        list(as_source(Pairs(7, says=9)).batches(4))

    class Counted(Stream):
        def __len__(self):
            return 5

    with pytest.raises(ValueError, match="says that it has 5 samples, or had, and gave 6 or more"):
        list(as_source(Counted(SAMPLES)).batches(3))
    with pytest.raises(ValueError, match="says that it has 5 samples, or had, and gave 2;"):
        list(as_source(Counted(SAMPLES[:2])).batches(3))


def test_passes_that_do_not_agree():
    given = [PICTURES, PICTURES]
    source = as_source(given)
    assert source.n is None
    assert sum(batch.n for batch in source.batches(1)) == 14
    assert source.n == 14
    given.pop()
    with pytest.raises(ValueError, match="has 14 samples, or had, and gave 7; several passes"):
        list(source.batches(1))
    with pytest.raises(ValueError, match="from sample 9 on, and gave 7; it has changed"):
        list(source.batches(1, 9))


@pytest.mark.parametrize("loads", [False, True])
def test_samples_that_change_from_pass_to_pass(loads):
    generator = torch.Generator().manual_seed(0)
    data = Pairs(6, picture=lambda i: torch.rand(1, 2, 2, generator=generator))
    source = as_source(DataLoader(data, batch_size=2) if loads else data)
    next(source.batches(3))
    with pytest.raises(ValueError, match=r"another sample 0 than in an earlier pass.*shuffles it, or changes it"):
        source.fingerprint()


def test_samples_without_order_are_found_out():
    class Shuffled(Again):
        def __iter__(self):
            self.given = self.given[1:] + self.given[:1]
            return iter(self.given)

    source = as_source(Shuffled([rand(2, 3, seed=seed) for seed in range(4)]))
    next(source.batches(1))
    with pytest.raises(ValueError, match="another sample 0"):
        next(source.batches(1))


def test_what_is_in_no_batch_cannot_be_picked():
    with pytest.raises(ValueError, match="data has no sample 8; it gave 7"):
        as_source([PICTURES]).picked([8, 1])


def test_pictures_that_are_none_say_why():
    reasons = {
        r"from -0\.4\d* to 0\.4\d*$": PICTURES - 0.5,
        "to 255; divide them by 255": torch.cat([PICTURES * 200, torch.full((1, 1, 2, 2), 255.0)]),
        "from .* to inf": torch.cat([PICTURES, torch.full((1, 1, 2, 2), float("inf"))]),
        "is fed int64 of shape": PICTURES.long(),
        "is fed float32 of shape": PICTURES[0],
        "fed 2 inputs": [(PICTURES, PICTURES)],
    }
    for why, data in reasons.items():
        source = as_source(data)
        assert next(source.batches(8)).pictures is None
        assert re.search(why, source.why_no_pictures)
        with pytest.raises(ValueError, match=f"from before any normalisation; .*{why}"):
            list(as_source(data, torch.neg).batches(8))


def test_pictures_with_nan_are_refused_by_name_and_other_inputs_left_to_the_network():
    broken = PICTURES.clone()
    broken[5, 0, 0, 0] = float("nan")
    for preprocess in (None, torch.neg):
        with pytest.raises(ValueError, match="a picture of samples 4 on holds NaN, number 1 of the batch"):
            list(as_source(TensorDataset(broken), preprocess).batches(2))
    assert len(list(as_source(broken.flatten(1)).batches(2))) == 4
    assert len(list(as_source(broken - 0.5).batches(2))) == 4
