"""A folder of results whose page, figures and numbers tell a seed: all have to tell the same."""

import json

from matplotlib.figure import Figure
from studied import network_record


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
