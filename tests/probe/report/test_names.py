"""Every name is text, everywhere: in figures, on pages, in file names."""

from __future__ import annotations

import io
import os
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
import torch
from pages import document_in, texts_in, words_of
from PIL import Image
from studied import network_record
from torch import nn

from cnn_probe import ImageSet, ask, cli, probe
from cnn_probe.report import figures, publish
from cnn_probe.report.lettering import letter_all
from cnn_probe.report.pages import save_page
from cnn_probe.system.names import file_name, shown, shown_all

HOSTILE = [
    "US$", "$x", "$x$", r"\frac", r"$\frac$", "a_{b", "<b>", "</table><script>alert(1)</script>", "{{ 7 }}", "&amp;",
    "caf\udce9", "\ud800", "two\nlines", "tab\t", "bell\x07", "nul\x00", "\u202egnp.tac", "zero\u200bwidth", "_hidden",
    "猫", "\u2a6d", "\U0001f600", "e\u0301", "é", "", " ", "a  b", "x" * 10_000, "x" * 10_001, "..", "../up", "con",
    "A", "a", "\u0301" * 50, "%s", "a (b",
]  # fmt: skip


def test_a_name_that_can_be_seen_stays_as_it_is():
    for name in ("T-shirt/top", "US$", r"\frac", "<b>", "class by class", "{0–4}", "猫", "\U0001f600"):
        assert shown(name) == name


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_what_is_shown_is_one_line_that_can_be_printed_and_written(name):
    text = shown(name)
    assert 0 < len(text) <= 40
    assert text.isprintable()
    assert text.strip() == text
    assert text.encode("utf-8")


def test_names_that_differ_look_different():
    for width in (10, 40):
        texts = shown_all([*HOSTILE, r"caf\xe9"], width=width)
        assert len(set(texts)) == len(texts)


def test_file_names_differ_and_suit_every_file_system():
    names = [*HOSTILE, "class by class", "class-by-class", "class  by class"]
    files = [file_name(name) for name in names]
    assert len({file.lower() for file in files}) == len(names)
    for file in files:
        assert set(file) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
        assert 0 < len(file) <= 50
    assert file_name("class by class") == "class-by-class"


def draw(figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=40)
    return file.getvalue()


def record(rng):
    accuracies = dict.fromkeys(range(len(HOSTILE)), 0.9) | {0: 0.1}
    values = {layer: sorted(rng.random(5), reverse=True) for layer in ("relu1", "relu2")}
    return network_record(class_accuracy=accuracies, singular_values=values)


def test_every_figure_can_be_drawn_with_any_names():
    rng = np.random.default_rng(0)
    records = {name: [record(rng), record(rng)] for name in HOSTILE[:20]}
    n = len(HOSTILE)
    in_order = replace(record(rng), training={"plan": {"classes": None, "order": list(range(n))}})
    two = [rng.random((n, n)), rng.random((n, n))]
    drawn = [
        figures.error_curves(records, [2, 3]),
        figures.spectrum(records, "relu1"),
        figures.latent_images(rng.random((7, 1, 8, 8)), rng.random((7, n)), HOSTILE),
        figures.firing_maps(dict(zip(HOSTILE[:2], two, strict=True)), HOSTILE),
        figures.class_overlap(dict(zip(HOSTILE[10:12], two, strict=True)), HOSTILE),
        *(figures.feature_maps(name, rng.random((2, 3, 4, 4))) for name in HOSTILE[1:12:3]),
        figures.firing_groups(dict(zip(HOSTILE[:2], two, strict=True)), HOSTILE),
        figures.neuron_maps(dict.fromkeys(HOSTILE[2:6], two[0]), "$layer"),
        figures.recognized_classes({name: [in_order] for name in HOSTILE}, HOSTILE),
    ]
    for figure in drawn:
        assert len(draw(figure)) > 2000


def test_users_settings_of_matplotlib_do_not_make_mathematics_of_a_name():
    with mpl.rc_context({"text.parse_math": True, "text.usetex": False, "axes.formatter.use_mathtext": True}):
        _, style = letter_all(["$x"])
    assert (style["parse_math"], style["usetex"]) == (False, False)


def test_curves_have_units():
    records = {"a": [record(np.random.default_rng(0))]}
    for figure in (figures.error_curves(records, [2, 3]), figures.spectrum(records, "relu1")):
        assert all(ax.get_xlabel() and ax.get_ylabel() for ax in figure.axes)


def test_a_layer_that_is_dead_has_a_spectrum_without_curve():
    records = {"a": [network_record(singular_values={"relu1": [0.0, 0.0, 0.0]})]}
    assert draw(figures.spectrum(records, "relu1"))


def test_letters_that_the_font_lacks_come_from_another_or_are_written_out():
    texts, style = letter_all(["\u2a6d"])  # STIX has it, which comes with Matplotlib
    assert texts == ["\u2a6d"]
    assert len(style["fontfamily"]) == len(mpl.rcParams["font.family"]) + 1
    assert letter_all(["\U00013000"])[0] in (["\U00013000"], [r"\U00013000"])
    assert letter_all(["plain"])[1]["fontfamily"] == mpl.rcParams["font.family"]


def test_the_page_of_studies_takes_any_names(tmp_path):
    rng = np.random.default_rng(0)
    records = {name: [record(rng).to_json()] for name in HOSTILE}
    verdict = {"claim": HOSTILE[7], "counted": HOSTILE[10], "holds": 1, "comparisons": 2, "verdict": "not"}
    verdict |= {"test": HOSTILE[7], "chance": 0.5, "least_chance": 0.5, "networks": 2, "little": 0}
    study = {"title": HOSTILE[7], "verdicts": [verdict], "records": records, "paper_accuracy": {}, "figures": []}
    results = {
        "provenance": {
            "dataset": "caf\udce9 <b>", "data": "0", "classes": HOSTILE, "versions": {"a": "<i>"}, "test_images": 2,
            "settings": {"ranks": [2, 3], "seeds": [0], "epochs": 1, "solver": "hals"},
        },
        "finding": HOSTILE[7], "evidence": [], "quality": [], "scaling": [],
        "studies": {HOSTILE[7]: study},
    }  # fmt: skip
    page = publish(results, tmp_path)
    text, found = page.read_text(encoding="utf-8"), document_in(page)
    assert [one["label"] for one in found["studies"][0]["conditions"]] == shown_all(HOSTILE)
    assert "caf\\xe9 <b>" in words_of(page)
    for name in texts_in(found):
        assert name.isprintable(), "all of it can be seen"
    for bad in ("<script>alert", "<i>", "caf\\xe9 <b>", "\u202e", "\x07"):
        assert bad not in text.partition("<body>")[2]


def test_the_page_of_a_result_takes_any_names(tmp_path):
    n = len(HOSTILE)
    images = ImageSet(torch.rand(2 * n, 1, 4, 4, generator=torch.Generator().manual_seed(0)), torch.arange(2 * n) % n)
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, n))
    asked = ask(probe(network, images, n_components=3), images, labels=images.labels.numpy(), class_names=HOSTILE)
    page = save_page(asked, tmp_path / "page.html", title="caf\udce9 <b>")
    text, found = page.read_text(encoding="utf-8"), document_in(page)
    assert found["results"][0]["classes"]["names"] == [name and shown(name, 300) for name in HOSTILE]
    assert "caf\\xe9 <b>" in words_of(page)
    for name in texts_in(found):
        assert name.isprintable(), "all of it can be seen"
        assert len(name) <= 300 or name.startswith("data:image/")
    for bad in ("caf\\xe9 <b>", "<script>alert", "\u202e", "\x07", "x" * 301):
        assert bad not in text.partition("<body>")[2]


def test_a_study_of_class_folders_with_any_names_ends_in_a_page(tmp_path):
    rng = np.random.default_rng(0)
    for name in (b"US$", b"$x$", rb"\frac", b"a_{b", b"<b>", b"caf\xe9", "猫".encode(), b"x" * 200, b"two\nlines"):
        folder = os.path.join(os.fsencode(tmp_path), b"data", name)
        os.makedirs(folder)
        for number in range(4):
            pixels = rng.integers(0, 256, (12, 12), dtype=np.uint8)
            Image.fromarray(pixels).save(os.path.join(os.fsdecode(folder), f"{number}.png"))
    arguments = ["study", "order", "--data", "folder", "--data-root", str(tmp_path / "data")]
    arguments += ["--ranks", "2", "--seeds", "0", "--epochs", "1", "--max-iter", "2", "--out", str(tmp_path / "out")]
    assert cli.main(arguments) == 0
    found = document_in(tmp_path / "out" / "index.html")
    assert all(study["conditions"] for study in found["studies"])
    drawn = {f"figures/{path.name}" for path in (tmp_path / "out" / "figures").glob("*.png")}
    assert drawn
    assert drawn == {file for file in found["about"]["files"] if file.startswith("figures/")}
