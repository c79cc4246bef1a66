"""``cnn-probe probe``: from a folder of pictures and a network to a page."""

import csv
import json

import numpy as np
import pytest
from pages import SVG, addresses_in, document_in, labels_in, words_of
from PIL import Image

from cnn_probe import ProbeResult, cli


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for name in ("one", "two"):
        (folder / name).mkdir()
        for number in range(9):
            pixels = rng.integers(0, 256, (20 + number, 24, 3), dtype=np.uint8)
            pixels[:, :12] = 200 if name == "one" else 20
            Image.fromarray(pixels).save(folder / name / f"=picture{number}.png")
    return folder


def command(photos, *more, model="own_networks:deep"):
    return ["probe", "--model", model, "--data", str(photos), "--image-size", "16", "--out", "out", *more]


def test_from_a_folder_to_a_page(here, photos, capsys, request):
    asked = command(
        photos, "--ranks", "2,3", "--negative", "split", "--ablate", "10", "--inputs", "8", "--store", "kept"
    )
    assert cli.main(asked) == 0
    page = here / "out" / "index.html"
    found = document_in(page)
    assert labels_in(page) == ["rank 2", "rank 3"]
    for rank, part in zip((2, 3), found["results"], strict=True):
        folder = here / "out" / f"rank-{rank}"
        for name in ("inputs.png", "walk.png", "latent-images.png"):
            assert (folder / name).stat().st_size > 3000
            assert f"rank-{rank}/{name}" in found["about"]["files"]
        result = ProbeResult.load(folder)
        assert result.F.shape == (18, rank)
        assert result.layers == ("1", "3")
        with open(folder / "inputs.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        assert rows[0]["picture"] == "one/=picture0.png"
        assert [row["label"] for row in rows] == ["one"] * 9 + ["two"] * 9
        np.testing.assert_allclose([float(row["factor 1"]) for row in rows], result.F[:, 1], rtol=1e-4, atol=1e-6)
        assert part["ablation"]["layer"] == "3"
        assert part["ablation"]["n_inputs"].sum() == 10
        assert "3 (negative)" in [block["name"] for block in part["blocks"]]
        assert part["inputs"]["names"] == [f"{kind}/=picture{i}.png" for kind in ("one", "two") for i in range(9)]
        np.testing.assert_array_equal(part["inputs"]["F"], result.F.astype(np.float32))
    for said in ("Inside own_networks:deep", "2 classes", "What do the patterns cause?", "when taken out of 3"):
        assert said in words_of(page)
    assert addresses_in(page) == {SVG}
    assert str(photos.parent) not in page.read_text(), "a page has no folders of this machine"
    first = json.loads((here / "out" / "rank-2" / "result.json").read_text())
    capsys.readouterr()
    request.getfixturevalue("undrawn")  # only now: the first time its pictures are looked at
    assert cli.main(asked) == 0, "a second time, from the store"
    again = json.loads((here / "out" / "rank-2" / "result.json").read_text())
    assert first["provenance"] == again["provenance"]
    assert len(list((here / "kept").glob("*/store.json"))) == 1


def test_networks_without_places_and_pictures_that_are_not_factored(here, photos):
    assert cli.main(command(photos, "--ranks", "2", "--inputs", "none", model="own_networks:flat")) == 0
    drawn = {path.name for path in (here / "out" / "rank-2").glob("*.png")}
    answers = ("inputs", "walk", "atlas", "decisions", "units", "residuals")
    assert drawn == {f"{name}.png" for name in answers}, "no latent images"
    (part,) = document_in(here / "out" / "index.html")["results"]
    assert part["factors"]["latent"] is None
    assert part["added"]["values"].shape == (2, 3), "what each factor adds to the outputs"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ([], r"a layer has negative activations .*'3'"),
        (["--negative", "split", "--layers", "relu*"], "there is no layer 'relu*'"),
        (["--negative", "halve"], "'halve' is none of error, clip, split, shift"),
        (["--negative", "9=clip"], "negative names '9', and no layer that is probed fits it; there are 1, 3"),
        (["--negative", "clip", "--ranks", "19"], "--ranks 19 is more than the 18 inputs"),
        (["--negative", "clip", "--inputs", "some"], "--inputs must be all, none, or a number of pixels, got 'some'"),
        (["--negative", "clip", "--device", "nowhere"], "nowhere"),
        (["--weights", "none.pt"], "there is no file none.pt with weights"),
        (["--model", "torchvision:resnet18"], "pass --weights, a file of them, or --random to mean random ones"),
    ],
)
def test_what_cannot_be_is_one_line(here, photos, capsys, more, said):
    assert cli.main(command(photos, *more)) == 2
    error = capsys.readouterr().err
    assert error.startswith("cnn-probe")
    assert said.split(".*")[0] in error
    assert not (here / "out").exists(), "a refused command leaves no folder"
