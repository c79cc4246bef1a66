from __future__ import annotations

import os
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import EpsImagePlugin, Image
from sklearn.datasets import load_digits

from cnn_probe.data.datasets import DATASETS, _load_torchvision, load_dataset
from cnn_probe.data.images import ImageData, ImageSet


def write_idx(path, array):
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    path.write_bytes(header + array.astype(np.uint8).tobytes())


@pytest.fixture
def tiny_mnist(tmp_path):
    """Files in MNIST's own format, small enough to check every pixel."""
    generator = np.random.default_rng(0)
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    arrays = {}
    for part, n_images in (("train", 7), ("t10k", 3)):
        arrays[part] = (generator.integers(0, 256, (n_images, 28, 28)), generator.integers(0, 10, n_images))
        write_idx(raw / f"{part}-images-idx3-ubyte", arrays[part][0])
        write_idx(raw / f"{part}-labels-idx1-ubyte", arrays[part][1])
    return tmp_path, arrays


def write_images(folder, n_images, *, seed=0, grey=True, size=(12, 10)):
    folder.mkdir(parents=True)
    generator = np.random.default_rng(seed)
    for i in range(n_images):
        shape = size if grey else (*size, 3)
        Image.fromarray(generator.integers(0, 256, shape, dtype=np.uint8)).save(folder / f"{i:02d}.png")


@pytest.mark.parametrize("labels", [np.zeros(2, dtype=np.int64), [0, 1], (0, 1), np.zeros(2), 3])
def test_labels_that_are_no_tensor_are_told_so(labels):
    with pytest.raises(
        TypeError, match=rf"labels must be a Tensor, got {type(labels).__name__}; torch\.as_tensor\(labels"
    ):
        ImageSet(torch.zeros(2, 1, 4, 4), labels)


@pytest.mark.parametrize(
    ("low", "high", "way"),
    [
        (-2.118, 2.64, "look normalised, as for ImageNet: .*Normalize"),
        (-1.0, 1.0, "look normalised"),
        (0.0, 255.0, "divide them by 255"),
        (0.0, 4095.0, "rescale the pixels"),
        (-1e4, 1.0, "rescale the pixels"),
        (0.0, float("inf"), "rescale the pixels"),
    ],
)
def test_pixels_out_of_range_are_told_the_way_back_by_what_they_look_like(low, high, way):
    with pytest.raises(ValueError, match=rf"images must be finite and in \[0, 1\], got .*; .*{way}"):
        ImageSet(torch.linspace(low, high, 16).reshape(1, 1, 4, 4) if high < 1e9 else torch.full((1, 1, 2, 2), high))


@pytest.mark.parametrize(
    ("images", "labels", "complaint"),
    [
        (torch.zeros(2, 28, 28), None, r"images must be a float32 tensor .* got torch.float32 of shape \(2, 28, 28\)"),
        (torch.zeros(2, 1, 4, 4, dtype=torch.float64), None, "images must be a float32 tensor .* got torch.float64"),
        (torch.zeros(0, 1, 4, 4), None, "with at least one image"),
        (torch.full((1, 1, 2, 2), 255.0), None, r"finite and in \[0, 1\], got 255 to 255; divide them by 255"),
        (torch.full((1, 1, 2, 2), -0.1), None, r"finite and in \[0, 1\], got -0.1"),
        (torch.tensor([[[[0.0, float("nan")]]]]), None, "finite"),
        (torch.tensor([[[[0.0, float("inf")]]]]), None, "finite"),
        (torch.zeros(2, 1, 4, 4), torch.zeros(3, dtype=torch.int64), r"labels must be .* \(2,\), .* shape \(3,\)"),
        (torch.zeros(2, 1, 4, 4), torch.zeros(2), "labels must be an int64 tensor .* got torch.float32"),
        (torch.zeros(2, 1, 4, 4), torch.tensor([0, -1]), "labels must count classes from 0, got -1"),
    ],
)
def test_image_set_refuses_what_is_not_images(images, labels, complaint):
    with pytest.raises(ValueError, match=complaint):
        ImageSet(images, labels)


def test_subset_takes_images_and_labels_along(digits):
    picked = digits.test.subset([5, 2])
    assert torch.equal(picked.images, digits.test.images[[5, 2]])
    assert torch.equal(picked.labels, digits.test.labels[[5, 2]])
    mask = np.zeros(len(digits.test), dtype=bool)
    mask[[2, 5]] = True
    assert torch.equal(digits.test.subset(mask).images, digits.test.images[[2, 5]]), "a mask is not a list of 0 and 1"
    assert ImageSet(digits.test.images).subset([0]).labels is None


def test_fingerprint_sees_every_pixel_and_label(digits):
    images, labels = digits.test.images, digits.test.labels
    one_pixel, one_label = images.clone(), labels.clone()
    one_pixel[17, 0, 3, 4] += 0.001
    one_label[17] = (one_label[17] + 1) % 10
    sets = [
        ImageSet(images, labels),
        ImageSet(one_pixel, labels),
        ImageSet(images, one_label),
        ImageSet(images),
        ImageSet(images.reshape(-1, 1, 14, 56), labels),
    ]
    assert len({part.fingerprint() for part in sets}) == len(sets)
    assert ImageSet(images.clone(), labels.clone()).fingerprint() == digits.test.fingerprint()
    changed = ImageData("digits", digits.train, sets[1], digits.class_names)
    assert changed.fingerprint() != digits.fingerprint() == load_dataset("digits").fingerprint()


def test_image_data_refuses_parts_that_do_not_fit():
    small, large = (ImageSet(torch.zeros(1, 1, size, size), torch.tensor([2])) for size in (16, 28))
    with pytest.raises(ValueError, match=r"train images are \(1, 16, 16\) but test images \(1, 28, 28\)"):
        ImageData("x", small, large, ("a", "b", "c"))
    with pytest.raises(ValueError, match="class_names has 2 names, but there is a label 2"):
        ImageData("x", small, small, ("a", "b"))


def test_class_indices_takes_names_and_labels(digits):
    assert digits.class_indices(["9", 0, "9"]) == (9, 0, 9)
    with pytest.raises(ValueError, match=r"digits has no class 'nine', -1, 10; its classes are 0, 1, .*, 9$"):
        digits.class_indices(["nine", 3, -1, 10])


def test_digits_hold_all_of_scikit_learns_images_once(digits):
    assert (len(digits.train), len(digits.test)) == (1347, 450)
    assert (digits.in_channels, digits.image_size, digits.n_classes) == (1, (28, 28), 10)
    assert digits.class_names == tuple("0123456789")
    both = torch.cat([digits.train.labels, digits.test.labels])
    np.testing.assert_array_equal(np.bincount(both), np.bincount(load_digits().target))
    shares = np.bincount(digits.test.labels) / np.bincount(both)
    assert np.all(np.abs(shares - 0.25) < 0.01), f"the split is not stratified: {shares}"

    first_zeros = torch.from_numpy(load_digits().images[load_digits().target == 0][:44] / 16).float()
    native = load_dataset("digits", image_size=8)
    zeros = native.test.images[native.test.labels == 0, 0]
    assert not torch.equal(zeros, first_zeros), "the images held out must be drawn, not the first of each class"
    pixels = torch.cat([native.train.images, native.test.images]).flatten(1).numpy()
    np.testing.assert_array_equal(
        np.sort(pixels @ np.arange(1, 65)), np.sort((load_digits().data / 16).astype(np.float32) @ np.arange(1, 65))
    )


def test_mnist_files_are_read_pixel_by_pixel(tiny_mnist):
    root, arrays = tiny_mnist
    data = load_dataset("mnist", root)
    for part, name in ((data.train, "train"), (data.test, "t10k")):
        images, labels = arrays[name]
        np.testing.assert_allclose(part.images[:, 0].numpy() * 255, images, atol=1e-4)
        np.testing.assert_array_equal(part.labels, labels)
    assert data.class_names == tuple("0123456789")
    assert load_dataset("mnist", str(root), image_size=(14, 20)).train.images.shape == (7, 1, 14, 20)


def test_mnist_itself(mnist_root):
    data = load_dataset("mnist", mnist_root)
    assert (len(data.train), len(data.test)) == (60_000, 10_000)
    assert data.train.images.mean() == pytest.approx(0.1307, abs=1e-3)
    assert data.train.images.std() == pytest.approx(0.3081, abs=1e-3)
    assert np.bincount(data.test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


class FakeCifar:
    """What torchvision's CIFAR10 offers: uint8 NumPy data with channels last, and a list of targets."""

    classes = ("airplane", "cat")

    def __init__(self, root, train, download):
        self.data = np.random.default_rng(int(train)).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
        self.targets = [0, 1, 1, 0]


def test_colour_data_put_channels_second(tmp_path):
    data = _load_torchvision("cifar10", FakeCifar, "", tmp_path, False, None)
    assert (data.in_channels, data.image_size, data.class_names) == (3, (32, 32), ("airplane", "cat"))
    expected = FakeCifar(None, train=True, download=False).data[2, 5, 7] / 255
    np.testing.assert_allclose(data.train.images[2, :, 5, 7], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("mnist", "MNIST/raw/train-images-idx3-ubyte"),
        ("fashion-mnist", "FashionMNIST/raw/train-images-idx3-ubyte"),
        ("cifar10", "cifar-10-batches-py/data_batch_1"),
    ],
)
def test_missing_data_say_where_they_were_looked_for(tmp_path, name, file):
    with pytest.raises(FileNotFoundError, match=rf"no {name} data: .*{file}.*download=True to fetch it"):
        load_dataset(name, tmp_path)


def test_a_damaged_file_counts_as_missing(tiny_mnist):
    root, _ = tiny_mnist
    (root / "MNIST" / "raw" / "train-images-idx3-ubyte").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match="missing or damaged"):
        load_dataset("mnist", root)


def test_a_failed_download_says_so(tmp_path):
    class Unreachable:
        def __init__(self, root, train, download):
            raise OSError("Error downloading train:\nTried here, got:\nno name\nTried there, got:\nno route to host\n")

    with pytest.raises(ConnectionError, match=r"downloading cifar10 into .* failed: no route to host$"):
        _load_torchvision("cifar10", Unreachable, "", tmp_path, True, None)


def test_bad_requests_are_refused(tmp_path):
    with pytest.raises(ValueError, match="unknown data set 'minst'; there are digits, mnist, fashion-mnist"):
        load_dataset("minst")
    for name in sorted(set(DATASETS) - {"digits"}):
        with pytest.raises(ValueError, match=rf"data set '{name}' is read from a folder: pass it as root"):
            load_dataset(name)
    with pytest.raises(ValueError, match="image_size must be at least 1 pixel and at most 4096, got 0"):
        load_dataset("digits", image_size=0)


@pytest.mark.parametrize("test_name", ["test", "val", "valid", "validation"])
def test_folder_with_a_split_of_its_own(tmp_path, test_name):
    for part, n_images in (("train", 4), (test_name, 2)):
        for seed, animal in enumerate(("cat", "dog")):
            write_images(tmp_path / part / animal, n_images, seed=seed)
    data = load_dataset("folder", tmp_path, image_size=(12, 10))
    assert (data.class_names, len(data.train), len(data.test)) == (("cat", "dog"), 8, 4)
    assert data.train.labels.tolist() == [0] * 4 + [1] * 4
    stored = np.asarray(Image.open(tmp_path / "train" / "dog" / "01.png"))
    np.testing.assert_allclose(data.train.images[5, 0].numpy() * 255, stored, atol=1e-4)
    assert load_dataset("folder", tmp_path).image_size == (28, 28)


def test_folder_without_a_split_holds_out_a_fifth_of_each_class(tmp_path):
    for seed, (animal, n_images) in enumerate((("cat", 10), ("dog", 20), ("eel", 2))):
        write_images(tmp_path / animal, n_images, seed=seed)
    data, again = (load_dataset("folder", tmp_path) for _ in range(2))
    assert np.bincount(data.train.labels).tolist() == [8, 16, 1]
    assert np.bincount(data.test.labels).tolist() == [2, 4, 1]
    assert data.fingerprint() == again.fingerprint()


def test_one_coloured_image_makes_all_of_them_three_channels(tmp_path):
    write_images(tmp_path / "train" / "cat", 2)
    write_images(tmp_path / "train" / "dog", 2)
    write_images(tmp_path / "test" / "cat", 1)
    write_images(tmp_path / "test" / "dog", 1)
    assert load_dataset("folder", tmp_path).in_channels == 1
    Image.open(tmp_path / "train" / "cat" / "00.png").convert("RGB").save(tmp_path / "train" / "cat" / "00.png")
    assert load_dataset("folder", tmp_path).in_channels == 1, "grey stored as RGB is still grey"
    Image.new("RGB", (12, 10), (200, 10, 10)).save(tmp_path / "test" / "dog" / "red.png")
    assert load_dataset("folder", tmp_path).in_channels == 3


def test_bad_folders_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="must hold a folder of images for each class"):
        load_dataset("folder", tmp_path / "nowhere")
    write_images(tmp_path / "cat", 2)
    with pytest.raises(ValueError, match="must hold two class folders or more, found only 'cat'"):
        load_dataset("folder", tmp_path)
    write_images(tmp_path / "dog", 1)
    with pytest.raises(ValueError, match="class 'dog' has one image"):
        load_dataset("folder", tmp_path)
    (tmp_path / "dog" / "broken.png").write_bytes(b"not an image")
    with pytest.raises(ValueError, match=r"cannot read the image .*broken\.png"):
        load_dataset("folder", tmp_path)
    Image.fromarray(np.full((9, 9), 40_000, dtype=np.uint16)).save(tmp_path / "dog" / "broken.png")
    with pytest.raises(ValueError, match=r"broken\.png has more than 8 bits a pixel"):
        load_dataset("folder", tmp_path)


def test_train_and_test_folders_must_have_the_same_classes(tmp_path):
    for part, animals in (("train", ("cat", "dog", "eel")), ("test", ("cat", "dog"))):
        for animal in animals:
            write_images(tmp_path / part / animal, 1)
    with pytest.raises(ValueError, match="must hold the same classes; only one has eel"):
        load_dataset("folder", tmp_path)


def not_an_image(kind, path):
    """Put what is no image, or none that can be used, in a path."""
    picture = Image.effect_noise((64, 64), 50)
    if kind == "a bomb":
        picture.save(path)
        header = bytearray(path.read_bytes())
        header[16:24] = (60_000).to_bytes(4, "big") * 2  # width and height, as a PNG says them
        path.write_bytes(header[:29] + zlib.crc32(header[12:29]).to_bytes(4, "big") + header[33:])
    elif kind == "cut":
        picture.save(path)
        path.write_bytes(path.read_bytes()[:-700])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("a picture of a cat")
    elif kind == "a loop":
        path.symlink_to(path)
    elif kind == "a pipe":
        os.mkfifo(path)
    else:
        frames = [Image.new("L", (9, 9), grey) for grey in (10, 200)]
        frames[0].save(path.with_suffix(".gif"), save_all=True, append_images=frames[1:])
        path.with_suffix(".gif").rename(path)


@pytest.mark.parametrize("kind", ["a bomb", "cut", "empty", "text", "a loop", "a pipe", "animated"])
def test_files_that_are_no_images_are_named(tmp_path, kind):
    for animal in ("cat", "dog"):
        write_images(tmp_path / animal, 3)
    not_an_image(kind, tmp_path / "dog" / "zebra.png")
    with pytest.raises(ValueError, match=r"zebra\.png"):
        load_dataset("folder", tmp_path)


def test_what_is_no_picture_format_is_not_run_whatever_its_name(tmp_path, monkeypatch):
    for animal in ("cat", "dog"):
        write_images(tmp_path / animal, 3)
    Image.new("RGB", (9, 9)).save(tmp_path / "zebra.eps")
    (tmp_path / "zebra.eps").rename(tmp_path / "dog" / "zebra.png")
    monkeypatch.setattr(EpsImagePlugin.EpsImageFile, "_open", lambda self: pytest.fail("it was opened"))
    with pytest.raises(ValueError, match=r"cannot read the image .*zebra\.png: cannot identify"):
        load_dataset("folder", tmp_path)


def test_what_macos_puts_beside_images_is_left_out(tmp_path):
    for animal in ("cat", "dog"):
        write_images(tmp_path / animal, 3)
    (tmp_path / "dog" / "._0.png").write_bytes(b"\0\5\x16\7")
    assert len(load_dataset("folder", tmp_path).train) == 4


def test_a_home_that_there_is_not_is_named():
    with pytest.raises(ValueError, match="root ~nosuchuser/x cannot be: "):
        load_dataset("folder", "~nosuchuser/x")


def test_one_pixel_is_an_image(tmp_path):
    for animal in ("cat", "dog"):
        write_images(tmp_path / animal, 3)
    Image.new("L", (1, 1), 7).save(tmp_path / "dog" / "small.png")
    assert len(load_dataset("folder", tmp_path).train) == 5


def test_a_folder_is_looked_at_no_deeper_than_its_classes(tmp_path, monkeypatch):
    """--data-root / would walk the whole disk."""
    looked = []
    listdir = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: (looked.append(os.fspath(path)), listdir(path))[1])
    write_images(tmp_path / "usr" / "share" / "icons" / "cat", 2)
    (tmp_path / "home").mkdir()
    with pytest.raises(FileNotFoundError, match="the images directly in it; it holds home, usr"):
        load_dataset("folder", tmp_path)
    assert set(looked) == {str(tmp_path), str(tmp_path / "home"), str(tmp_path / "usr")}


def test_classes_that_hold_folders_are_refused(tmp_path):
    for animal in ("cat", "dog"):
        write_images(tmp_path / animal, 2)
    write_images(tmp_path / "dog" / "small", 2)
    with pytest.raises(ValueError, match="class folder dog holds images and folders"):
        load_dataset("folder", tmp_path)
