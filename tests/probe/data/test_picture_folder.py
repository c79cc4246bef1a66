"""Folders of pictures, read one by one: sizes, classes, turned and grey ones; what cannot be read is named."""

import os
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Subset

from cnn_probe import PictureFolder
from cnn_probe.data import picture_folder
from cnn_probe.data.batches import as_source


def picture(height=12, width=16, channels=3, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    return Image.fromarray(pixels if channels == 3 else pixels[..., 0])


def fill(folder, names, **how):
    for seed, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(seed=seed, **how).save(path)
    return folder


FLAT = ["b.png", "a.PNG", "c.bmp"]
CLASSES = ["cat/1.png", "cat/2.png", "ant/x.png"]


def test_a_flat_folder_has_names_in_order_and_no_labels(tmp_path):
    fill(tmp_path, FLAT)
    (tmp_path / ".hidden.png").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "empty").mkdir()
    data = PictureFolder(tmp_path, (12, 16))
    assert data.names == ("a.PNG", "b.png", "c.bmp")
    assert (data.labels, data.class_names, len(data)) == (None, (), 3)
    assert repr(data) == "PictureFolder(3 pictures, 3×12×16)"
    for i, seed in enumerate((1, 0, 2)):  # of their own size, to the bit
        expected = np.asarray(picture(seed=seed)).transpose(2, 0, 1) / np.float32(255)
        np.testing.assert_array_equal(data[i], expected)
    with pytest.raises(IndexError):
        data[3]


def test_folders_are_classes(tmp_path):
    data = PictureFolder(fill(tmp_path, CLASSES), 8)
    assert (data.class_names, data.labels) == (("ant", "cat"), (0, 1, 1))
    assert data.names == ("ant/x.png", "cat/1.png", "cat/2.png")
    assert data[2][1] == 1
    batches = list(as_source(data).batches(2))
    assert torch.equal(torch.cat([batch.labels for batch in batches]), torch.tensor([0, 1, 1]))
    assert torch.cat([batch.pictures for batch in batches]).shape == (3, 3, 8, 8)
    assert repr(data) == "PictureFolder(3 pictures of 2 classes, 3×8×8)"


@pytest.mark.parametrize(("height", "width"), [(20, 40), (40, 20), (30, 30), (5, 10)])
@pytest.mark.parametrize("size", [10, (10, 10), (4, 12)])
def test_the_shorter_side_is_made_to_fit_and_the_middle_cut_out(tmp_path, height, width, size):
    ramp = np.linspace(0, 255, width).round().astype(np.uint8)
    Image.fromarray(np.tile(ramp, (height, 1))).save(tmp_path / "ramp.png")
    found = PictureFolder(tmp_path, size, channels=1)[0]
    sides = (size, size) if isinstance(size, int) else size
    assert found.shape == (1, *sides)
    scale = max(sides[0] / height, sides[1] / width)
    seen = sides[1] / scale / width  # the part of the width that is left
    centre = (np.arange(sides[1]) + 0.5) / sides[1] * seen + (1 - seen) / 2
    expected = np.interp(centre, (np.arange(width) + 0.5) / width, ramp / 255)
    inner = slice(1, -1)  # at the ends, filters differ
    np.testing.assert_allclose(found[0].mean(0)[inner], expected[inner], atol=0.02)


def test_grey_pictures_have_three_channels_unless_one_is_asked_for(tmp_path):
    fill(tmp_path, ["a.png"], channels=1)
    colours, grey = PictureFolder(tmp_path, (12, 16))[0], PictureFolder(tmp_path, (12, 16), channels=1)[0]
    assert torch.equal(colours, grey.expand(3, -1, -1))
    assert grey.shape == (1, 12, 16)


@pytest.mark.parametrize("mode", ["P", "RGBA", "LA", "CMYK", "1"])
def test_pictures_of_any_kind_are_read_as_colours(tmp_path, mode):
    made = picture(6, 6).convert(mode)
    made.save(tmp_path / "a.tif")
    expected = np.asarray(made.convert("RGB")).transpose(2, 0, 1) / np.float32(255)
    np.testing.assert_array_equal(PictureFolder(tmp_path, 6)[0], expected)


@pytest.mark.parametrize(("orientation", "turns", "mirrored"), [(1, 0, 0), (3, 2, 0), (6, 3, 0), (8, 1, 0), (2, 0, 1)])
def test_pictures_are_turned_as_the_camera_was(tmp_path, orientation, turns, mirrored):
    exif = Image.Exif()
    exif[0x0112] = orientation
    taken = picture(8, 8)
    taken.save(tmp_path / "a.png", exif=exif)
    expected = np.rot90(np.asarray(taken)[:, ::-1] if mirrored else np.asarray(taken), turns)
    np.testing.assert_array_equal(PictureFolder(tmp_path, 8)[0] * 255, expected.transpose(2, 0, 1))


def deep_png(path, kind, channels):
    """A PNG of 16 bits, which Pillow does not write."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = (b"\0" + bytes(range(8 * channels))) * 4
    header = struct.pack(">IIBBBBB", 4, 4, 16, kind, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )


def deep_tiff(path):
    """A TIFF of 16 bits a colour."""
    ends = 8 + 2 + 12 * 9 + 4
    tags = [(256, 3, 1, 4), (257, 3, 1, 4), (258, 3, 3, ends), (259, 3, 1, 1), (262, 3, 1, 2), (273, 4, 1, ends + 6),
            (277, 3, 1, 3), (278, 3, 1, 4), (279, 4, 1, 96)]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    path.write_bytes(
        b"II*\0" + struct.pack("<IH", 8, 9) + entries + bytes(4) + struct.pack("<3H", 16, 16, 16) + bytes(96)
    )


DEEP = {
    "a.png": lambda path: deep_png(path, 2, 3),
    "alpha.png": lambda path: deep_png(path, 6, 4),
    "grey and alpha.png": lambda path: deep_png(path, 4, 2),
    "grey.png": lambda path: deep_png(path, 0, 1),
    "a.tif": deep_tiff,
    "a.ppm": lambda path: path.write_bytes(b"P6 4 4 65535\n" + bytes(96)),
}


@pytest.mark.parametrize("name", DEEP)
def test_colours_of_16_bits_are_refused_not_cut(tmp_path, name):
    DEEP[name](tmp_path / name)
    with pytest.raises(ValueError, match=rf"{name} has (16 bits a colour|more than 8 bits a pixel)"):
        PictureFolder(tmp_path, 4)[0]


def test_a_file_that_is_no_picture_is_named_when_its_turn_comes(tmp_path):
    fill(tmp_path, ["a.png", "c.png"])
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:100])
    data = PictureFolder(tmp_path, 4)
    assert data[0].shape == data[2].shape
    with pytest.raises(ValueError, match=r"cannot read the image .*b\.png"):
        list(as_source(data).batches(2))
    (tmp_path / "c.png").unlink()
    with pytest.raises(ValueError, match=r"cannot read the image .*c\.png: it is no file"):
        data[2]
    with pytest.raises(ValueError, match=r"cannot read the image .*c\.png: it is no file"):
        data.fingerprint()


def test_several_pictures_in_one_file_are_refused(tmp_path):
    picture().save(tmp_path / "a.tif", save_all=True, append_images=[picture(seed=1)])
    with pytest.raises(ValueError, match=r"a\.tif has 2 pictures in it"):
        PictureFolder(tmp_path, 4)[0]


def test_files_are_opened_one_by_one(tmp_path, monkeypatch):
    fill(tmp_path, FLAT)
    read = []
    real = picture_folder.read_image
    monkeypatch.setattr(picture_folder, "read_image", lambda path, *how: read.append(path.name) or real(path, *how))
    source = as_source(PictureFolder(tmp_path, 4))
    assert read == []
    assert next(source.batches(1, 2)).n == 1
    assert source.picked([0]).n == 1
    assert read == ["c.bmp", "a.PNG"]


FOLDERS = {
    "nothing there": ([], FileNotFoundError, r"no pictures \(.jpg, .* lie in"),
    "no pictures": (["a.txt"], FileNotFoundError, r"no pictures \(.jpg, .* lie in"),
    "only hidden": ([".a.png", ".b/c.png"], FileNotFoundError, r"no pictures \(.jpg, .* lie in"),
    "a folder too deep": (["train/cat/a.png", "test/cat/a.png"], FileNotFoundError, r"holds the folders test, train"),
    "both": (["a.png", "cat/b.png"], ValueError, r"holds pictures, and folders of pictures \(cat\)"),
    "deeper than classes": (["cat/a.png", "cat/more/b.png"], ValueError, r"class folder cat holds .* \(more\)"),
    "an empty class": (["cat/a.png", "dog/a.txt"], FileNotFoundError, "no images lie directly in dog; add some"),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_folders_that_cannot_be(tmp_path, name):
    files, kind, message = FOLDERS[name]
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        picture().save(tmp_path / file) if file.endswith("png") else (tmp_path / file).write_text("")
    with pytest.raises(kind, match=message) as error:
        PictureFolder(tmp_path, 4)
    assert str(tmp_path) in str(error.value)


def test_links_that_lead_nowhere(tmp_path):
    fill(tmp_path, ["a.png"])
    os.symlink(tmp_path / "round", tmp_path / "round")
    assert PictureFolder(tmp_path, 4).names == ("a.png",)
    os.symlink(tmp_path / "b.png", tmp_path / "b.png")
    with pytest.raises(ValueError, match=r"b\.png: it is no file"):
        PictureFolder(tmp_path, 4)[1]
    os.unlink(tmp_path / "b.png")
    os.symlink(tmp_path, tmp_path / "itself")
    with pytest.raises(ValueError, match=r"holds pictures, and folders of pictures \(itself\)"):
        PictureFolder(tmp_path, 4)


def test_a_folder_that_is_none(tmp_path):
    picture().save(tmp_path / "a.png")
    for path in (tmp_path / "there is none", tmp_path / "a.png"):
        with pytest.raises(FileNotFoundError, match="is no folder"):
            PictureFolder(path)
    with pytest.raises(ValueError, match="name it in full"):
        PictureFolder("~nobody-of-this-name/photos")


@pytest.mark.parametrize("size", [0, -1, 5000, True, 1.5, None, (4,), (4, 4, 4), (4, 0), "4"])
def test_sizes_that_cannot_be(tmp_path, size):
    with pytest.raises(ValueError, match="size must be 1 to 4096 pixels, or a height and a width, got"):
        PictureFolder(fill(tmp_path, ["a.png"]), size)
    with pytest.raises(ValueError, match="channels must be 1"):
        PictureFolder(tmp_path, channels=4)


def test_the_fingerprint_is_of_names_sizes_and_bytes_without_decoding(tmp_path, monkeypatch):
    fill(tmp_path, CLASSES)
    found = [PictureFolder(tmp_path, 8).fingerprint(), PictureFolder(tmp_path, 9).fingerprint()]
    found.append(PictureFolder(tmp_path, 8, channels=1).fingerprint())
    monkeypatch.setattr(picture_folder, "read_image", None)
    assert as_source(PictureFolder(tmp_path, 8)).fingerprint() == found[0]
    again = fill(tmp_path / "elsewhere", CLASSES)
    assert PictureFolder(again, 8).fingerprint() == found[0], "where the folder lies does not count"
    picture(seed=9).save(again / "cat" / "2.png")
    found.append(PictureFolder(again, 8).fingerprint())
    (again / "cat" / "2.png").rename(again / "cat" / "3.png")
    found.append(PictureFolder(again, 8).fingerprint())
    (again / "cat" / "3.png").rename(again / "ant" / "3.png")
    found.append(PictureFolder(again, 8).fingerprint())
    (again / "cat").rename(again / "dog")
    found.append(PictureFolder(again, 8).fingerprint())
    assert len(set(found)) == len(found)


def test_a_part_of_a_folder_counts_by_what_is_read(tmp_path):
    data = PictureFolder(fill(tmp_path, CLASSES), 8)
    part, other = as_source(Subset(data, [0, 2])), as_source(Subset(data, [0, 1]))
    assert part.fingerprint() != other.fingerprint()
    assert part.fingerprint() == as_source([tuple(_both(data, [0, 2]))]).fingerprint()


def _both(data, numbers):
    yield torch.stack([data[number][0] for number in numbers])
    yield torch.tensor([data[number][1] for number in numbers])
