"""``cnn-probe probe``: from a folder of pictures and a network to a page."""

import csv
import json

import numpy as np
import pytest
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


def test_from_a_folder_to_a_page(here, photos, capsys):
    asked = command(
        photos, "--ranks", "2,3", "--negative", "split", "--ablate", "10", "--inputs", "8", "--store", "kept"
    )
    assert cli.main(asked) == 0
    page = (here / "out" / "index.html").read_text()
    for rank in (2, 3):
        folder = here / "out" / f"rank-{rank}"
        for name in ("inputs.png", "walk.png", "latent-images.png"):
            assert (folder / name).stat().st_size > 3000
            assert f'src="rank-{rank}/{name}"' in page
        result = ProbeResult.load(folder)
        assert result.F.shape == (18, rank)
        assert result.layers == ("1", "3")
        with open(folder / "inputs.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        assert rows[0]["picture"] == "one/=picture0.png"
        assert [row["label"] for row in rows] == ["one"] * 9 + ["two"] * 9
        np.testing.assert_allclose([float(row["factor 1"]) for row in rows], result.F[:, 1], rtol=1e-4, atol=1e-6)
    for said in ("What taking a factor out of 3 does", "3 (negative)", "Inside own_networks:deep", "2 classes"):
        assert said in page
    assert "http" not in page
    first = json.loads((here / "out" / "rank-2" / "result.json").read_text())
    capsys.readouterr()
    assert cli.main(asked) == 0, "a second time, from the store"
    again = json.loads((here / "out" / "rank-2" / "result.json").read_text())
    assert first["provenance"] == again["provenance"]
    assert len(list((here / "kept").glob("*/store.json"))) == 1


def test_networks_without_places_and_pictures_that_are_not_factored(here, photos):
    assert cli.main(command(photos, "--ranks", "2", "--inputs", "none", model="own_networks:flat")) == 0
    drawn = {path.name for path in (here / "out" / "rank-2").glob("*.png")}
    answers = ("inputs", "walk", "atlas", "decisions", "units", "residuals")
    assert drawn == {f"{name}.png" for name in answers}, "no latent images"
    assert "What each factor adds to the outputs" in (here / "out" / "index.html").read_text()


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
    ],
)
def test_what_cannot_be_is_one_line(here, photos, capsys, more, said):
    assert cli.main(command(photos, *more)) == 2
    error = capsys.readouterr().err
    assert error.startswith("cnn-probe")
    assert said.split(".*")[0] in error
    assert not (here / "out").exists(), "a refused command leaves no folder"
