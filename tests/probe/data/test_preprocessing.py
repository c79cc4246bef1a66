"""What the network is fed is made of pictures: by transforms as they are, given batches, tensors or images."""

import pytest
import torch
from given_data import LABELS, Pairs, rand
from torch.utils.data import DataLoader, TensorDataset
from torchvision import transforms
from torchvision.models import ResNet18_Weights
from torchvision.transforms import v2

from cnn_probe import ImageSet
from cnn_probe.data.batches import as_source
from cnn_probe.data.preprocessing import Preprocessing

MEAN, DEVIATION = [0.4, 0.5, 0.6], [0.2, 0.3, 0.4]
EIGHT_BITS = (rand(7, 3, 12, 10) * 255).round() / 255  # what a Pillow image can hold
NORMAL = transforms.Normalize(MEAN, DEVIATION)


def given_one(picture):
    assert picture.ndim == 3
    return NORMAL(picture)


TRANSFORMS = {
    "normalize": NORMAL,
    "in place": transforms.Normalize(MEAN, DEVIATION, inplace=True),
    "of one": given_one,
    "of an image": transforms.Compose([transforms.ToTensor(), NORMAL]),
    "second version": v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, DEVIATION)]),
    "as a tuple": lambda pictures: (NORMAL(pictures),),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_pictures_stay_and_what_is_fed_is_made_of_them(name):
    source = as_source(TensorDataset(EIGHT_BITS, LABELS), TRANSFORMS[name])
    batches = list(source.batches(3))
    assert torch.equal(torch.cat([batch.pictures for batch in batches]), EIGHT_BITS)
    assert torch.equal(torch.cat([batch.labels for batch in batches]), LABELS)
    fed = torch.cat([batch.inputs[0] for batch in batches])
    torch.testing.assert_close(fed, NORMAL(EIGHT_BITS), rtol=1e-6, atol=1e-6)
    assert source.why_no_pictures == ""
    assert torch.equal(source.picked([6]).inputs[0], fed[6:])


def test_the_transform_of_torchvisions_weights_works_as_it_is():
    transform = ResNet18_Weights.DEFAULT.transforms()
    batch = next(as_source(EIGHT_BITS[:2], transform).batches(2))
    assert torch.equal(batch.inputs[0], transform(EIGHT_BITS[:2]))
    assert batch.inputs[0].shape == (2, 3, 224, 224)


def test_grey_images_and_several_inputs():
    grey = EIGHT_BITS[:, :1]
    batch = next(as_source(grey, transforms.ToTensor()).batches(7))
    assert torch.equal(batch.inputs[0], grey)
    batch = next(as_source(grey, lambda picture: (picture.flip(-1), picture.mean((1, 2, 3)))).batches(7))
    assert torch.equal(batch.inputs[1], grey.mean((1, 2, 3)))
    assert torch.equal(batch.inputs[0], grey.flip(-1))


def test_a_pillow_image_has_the_nearest_of_8_bits():
    near = torch.full((2, 1, 3, 3), 0.9999)
    assert torch.equal(next(as_source(near, transforms.ToTensor()).batches(2)).inputs[0], torch.ones(2, 1, 3, 3))


def test_the_first_batch_decides_how_a_function_is_called():
    seen = []

    def once(pictures):
        seen.append(tuple(pictures.shape))
        if pictures.ndim == 4:
            raise TypeError("one, please")
        return pictures

    list(as_source(EIGHT_BITS[:4], once).batches(2))
    assert seen == [(2, 3, 12, 10), *[(3, 12, 10)] * 4]


def fails_later(pictures):
    if pictures.max() > 0.5:
        raise RuntimeError("too bright")
    return pictures


def interrupt(pictures):
    raise KeyboardInterrupt


def full(pictures):
    raise MemoryError


WRONG = {
    "says all": (
        transforms.Normalize([1, 2], [1, 2]),
        "samples 0 on, shape .7, 3, 12, 10.* Given all of them: .*given one: .*given a Pillow image of one: TypeError",
    ),
    "fewer rows": (lambda pictures: pictures[:3], r"a row for each of 7 pictures, got shape \(3, 3, 12, 10\)"),
    "an extra axis": (lambda pictures: pictures[None], r"got shape \(1, 7, 3"),
    "no tensor": (lambda pictures: pictures.numpy(), "got a ndarray"),
    "none": (lambda pictures: None, "got a NoneType"),
    "nothing": (lambda pictures: (), "got nothing"),
    "one of two": (lambda pictures: (pictures, 3), "got a int"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_makes_nothing_that_can_be_fed_is_one_error(name):
    preprocess, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        list(as_source(EIGHT_BITS, preprocess).batches(7))


def test_a_failure_in_the_middle_names_the_samples():
    pictures = torch.zeros(6, 3, 2, 2)
    pictures[5] = 1
    with pytest.raises(ValueError, match=r"samples 4 on, .*too bright") as error:
        list(as_source(pictures, fails_later).batches(2))
    assert "given one" not in str(error.value), "the way is settled by then"


@pytest.mark.parametrize(("preprocess", "kind"), [(interrupt, KeyboardInterrupt), (full, MemoryError)])
def test_what_is_no_failure_of_the_function_comes_out(preprocess, kind):
    with pytest.raises(kind):
        Preprocessing(preprocess)(EIGHT_BITS, "samples 0 on")


def test_nothing_made_holds_a_graph():
    layer = torch.nn.Conv2d(3, 2, 1)
    assert not next(as_source(EIGHT_BITS, layer).batches(7)).inputs[0].requires_grad


def test_preprocess_is_for_pictures():
    with pytest.raises(ValueError, match=r"takes pictures in .0, 1., .* the network is fed 2 inputs"):
        list(as_source([(EIGHT_BITS, EIGHT_BITS)], NORMAL).batches(2))


def test_random_preprocessing_is_found_out():
    source = as_source(ImageSet(EIGHT_BITS), lambda pictures: pictures + torch.rand(1))
    with torch.random.fork_rng(), pytest.raises(ValueError, match="something else of the same pictures each time"):
        source.fingerprint()


def test_a_dataset_of_bytes_is_fed_what_is_made_of_pictures():
    data = Pairs(5, picture=lambda i: torch.full((3, 2, 2), 51 * i, dtype=torch.uint8))
    batches = list(as_source(DataLoader(data, batch_size=2), lambda pictures: -pictures).batches(9))
    expected = torch.arange(5) * 51 / 255
    torch.testing.assert_close(torch.cat([batch.inputs[0] for batch in batches])[:, 0, 0, 0], -expected)
