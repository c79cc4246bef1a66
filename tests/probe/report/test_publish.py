"""A folder shows one run: no page of one stands beside figures or numbers of another."""

from __future__ import annotations

import kills
from seed_pages import draw_seed, results_of

from cnn_probe.report import publish, study_figures


def test_a_killed_rerun_with_other_settings_leaves_the_old_page_whole_or_none(tmp_path):
    code = f"""
import kills
from pathlib import Path
from cnn_probe.report import publish, study_figures
from seed_pages import draw_seed, results_of, shows
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
