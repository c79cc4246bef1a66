"""A folder shows one run: no page of one stands beside figures or numbers of another."""

from __future__ import annotations

import json
from pathlib import Path

import kills
from matplotlib.figure import Figure
from studied import network_record

from cnn_probe.report import publish, study_figures


def results_of(seed):
    """Results whose page and figures tell the seed."""
    settings = {"ranks": [2], "seeds": [seed], "epochs": 1, "solver": "hals"}
    origin = {
        "dataset": "digits",
        "data": "0",
        "classes": ["a", "b"],
        "versions": {},
        "settings": settings,
        "test_images": 9,
    }
    study = {"title": "A study", "verdicts": [], "paper_accuracy": {}, "figures": ["seed"]}
    study["records"] = {"all": [network_record().to_json()]}
    said = {"finding": "No control was run.", "evidence": [], "quality": [], "scaling": []}
    return {"provenance": origin, **said, "studies": {"fraction": study}}


def draw_seed(material):
    """Two small figures, as many pixels wide as the seed says."""
    seed = material.settings["seeds"][0]
    for stem in ("first", f"last-{seed}"):
        yield stem, "a caption", Figure(figsize=(seed / 110, 0.1))


def shows(out):
    """Return which seed the page shows; None if there is no page. What stands beside it must be of that seed."""
    page = out / "index.html"
    if not page.exists():
        return None
    seeds = json.loads((out / "results.json").read_text())["provenance"]["settings"]["seeds"]
    assert f"seed {seeds[0]}," in page.read_text()
    for stem in ("first", f"last-{seeds[0]}"):
        content = (out / "figures" / f"fraction-{stem}.png").read_bytes()
        assert int.from_bytes(content[16:20], "big") == seeds[0], "a figure of another run"
        assert content.endswith(b"IEND\xaeB`\x82"), "a figure that is cut"
        drawing = (out / "figures" / f"fraction-{stem}.svg").read_text()
        width = float(drawing.partition('width="')[2].partition("pt")[0])
        assert round(width * 110 / 72) == seeds[0], "of the same run"
        assert drawing.endswith("</svg>\n")
    return seeds[0]


def test_a_killed_rerun_with_other_settings_leaves_the_old_page_whole_or_none(tmp_path):
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import kills
from pathlib import Path
from cnn_probe.report import publish, study_figures
from test_publish import draw_seed, results_of, shows
study_figures.DRAWINGS["seed"] = draw_seed
out, found = Path({str(tmp_path)!r}), set()
publish(results_of(20), out)

def check():
    found.add(shows(out))
    publish(results_of(20), out)
    assert shows(out) == 20, "it does not heal"

print(kills.each(lambda: publish(results_of(30), out), check), found == {{20, 30, None}})
"""
    n_kills, as_wanted = kills.run(code).split()
    assert int(n_kills) >= 15, "six files are written, and two or more removed"
    assert as_wanted == "True"


def test_figures_that_the_page_does_not_name_go_and_strangers_stay(tmp_path, monkeypatch):
    monkeypatch.setitem(study_figures.DRAWINGS, "seed", draw_seed)
    publish(results_of(20), tmp_path)
    (tmp_path / "figures" / "my-own.png").write_bytes(b"mine")
    heard = []
    publish(results_of(30), tmp_path, notice=heard.append)
    assert len(heard) == 1
    assert "held a page of other settings" in heard[0]
    found = {path.name for path in (tmp_path / "figures").iterdir()}
    made = {f"fraction-{stem}.{kind}" for stem in ("first", "last-30") for kind in ("png", "svg")}
    assert found == {*made, "my-own.png"}
    before = (tmp_path / "figures" / "fraction-first.svg").read_bytes()
    publish(results_of(30), tmp_path, notice=heard.append)
    assert len(heard) == 1, "the same data and settings: nothing to say"
    assert (tmp_path / "figures" / "fraction-first.svg").read_bytes() == before, "the same figure, the same file"
