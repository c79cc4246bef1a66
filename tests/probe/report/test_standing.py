"""A folder of both commands: each page stays, or one line says what became of it."""

from __future__ import annotations

import re
from pathlib import Path

import kills
import pytest
from seed_pages import draw_seed, results_of

from cnn_probe.report import publish, study_figures
from cnn_probe.report.pages import Telling, put_results
from cnn_probe.runs.run import mark_of_run


@pytest.fixture(autouse=True)
def _small_figures(monkeypatch):
    monkeypatch.setitem(study_figures.DRAWINGS, "seed", draw_seed)


def write_run(out, notice=None, **other):
    """The page of a run that has no results yet: which page it is does not hang on them."""
    request = {"dataset": "digits", "epochs": 1, "data": "0", "solver": "hals", "init": "auto", "max_iter": 9, **other}
    return put_results(out, [], Telling("A run", ["Of digits."], []), mark_of_run(request), notice)


def links(page):
    return re.findall('<a href="([^"]*)">the page of a (run|study)</a>', page.read_text())


def kind_of(page):
    return re.search('<meta name="cnn-probe" content="(run|study) ', page.read_text())[1]


def names(out):
    return sorted(path.name for path in out.glob("*.html"))


def test_a_run_in_the_folder_of_a_study_keeps_its_page_and_the_way_back_does(tmp_path):
    heard = []
    publish(results_of(20), tmp_path, notice=heard.append)
    study = (tmp_path / "index.html").read_text()
    assert heard == []
    index = write_run(tmp_path, heard.append)
    assert len(heard) == 1
    assert "is the page of a run now; what it was is study.html" in heard[0]
    assert links(index) == [("study.html", "study")]
    assert links(tmp_path / "study.html") == [("index.html", "run")]
    assert re.sub("<nav.*</nav>", "", (tmp_path / "study.html").read_text()) == re.sub("<nav.*</nav>", "", study)
    assert (tmp_path / "figures" / "fraction-first.png").exists(), "its figures are its own"
    assert (tmp_path / "results.json").exists()
    write_run(tmp_path, heard.append)
    assert len(heard) == 1, "the page of a run is that of the same run"

    publish(results_of(20), tmp_path, notice=heard.append)
    assert len(heard) == 2
    assert "is the page of a study now; what it was is run.html" in heard[1]
    assert (kind_of(index), names(tmp_path)) == ("study", ["index.html", "run.html"]), "one page of each kind"
    assert links(index) == [("run.html", "run")]
    assert links(tmp_path / "run.html") == [("index.html", "study")]


@pytest.mark.parametrize(("other", "what"), [({"max_iter": 8}, "settings"), ({"data": "1"}, "data")])
def test_a_page_of_another_run_goes_with_a_word_wherever_it_stands(tmp_path, other, what):
    heard = []
    write_run(tmp_path)
    index = write_run(tmp_path, heard.append, **other)
    assert len(heard) == 1
    assert f"held the page of a run of other {what}; it is replaced" in heard[0]
    publish(results_of(20), tmp_path)
    write_run(tmp_path, heard.append)
    assert f"held the page of a run of other {what}; it is replaced" in heard[1]
    assert "study.html" in heard[2]
    assert (kind_of(index), names(tmp_path)) == ("run", ["index.html", "study.html"])


def test_a_study_of_other_settings_takes_the_page_that_was_put_aside_away(tmp_path):
    publish(results_of(20), tmp_path)
    index, heard = write_run(tmp_path), []
    publish(results_of(30), tmp_path, notice=heard.append)
    assert "held a page of other settings" in heard[0]
    assert "what it was is run.html" in heard[1]
    assert names(tmp_path) == ["index.html", "run.html"], "study.html would show figures of another study"
    assert "seed 30," in index.read_text()


def test_pages_of_others_are_kept_under_a_free_name(tmp_path):
    heard = []
    for name in ("index.html", "run.html", "earlier.html"):
        (tmp_path / name).write_text(f"the user's own {name}")
    write_run(tmp_path, heard.append)
    assert "what it was is earlier-2.html" in heard[0]
    publish(results_of(20), tmp_path, notice=heard.append)
    assert "what it was is run-2.html" in heard[1]
    assert links(tmp_path / "index.html") == [("run-2.html", "run")]
    for name, was in (("run.html", "run.html"), ("earlier.html", "earlier.html"), ("earlier-2.html", "index.html")):
        assert (tmp_path / name).read_text() == f"the user's own {was}"


def test_pages_of_an_earlier_version_are_known_by_their_pictures(tmp_path):
    heard = []
    (tmp_path / "index.html").write_text('<img src="seed-0/rank-2/examples.png">')
    write_run(tmp_path, heard.append)
    assert "held the page of a run of an earlier version; it is replaced" in heard[0]
    (tmp_path / "index.html").write_text('<img src="figures/order-rmse.png">')
    write_run(tmp_path, heard.append)
    assert "what it was is study.html" in heard[1]


def test_whenever_a_change_of_pages_is_killed_both_are_there(tmp_path):
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import kills
from pathlib import Path
from cnn_probe.report import publish, study_figures
from seed_pages import draw_seed, results_of
from test_standing import kind_of, names, write_run
study_figures.DRAWINGS["seed"] = draw_seed
out, found = Path({str(tmp_path)!r}), set()
publish(results_of(20), out)

def check():
    kinds = {{kind_of(page) for page in out.glob("*.html")}}
    assert "study" in kinds
    found.add("run" in kinds)
    for page in out.glob("*.html"):
        if kind_of(page) == "run":
            page.unlink()
    publish(results_of(20), out)
    assert names(out) == ["index.html"], "it does not heal"

print(kills.each(lambda: write_run(out), check) > 4, found)
"""
    assert kills.run(code).split(" ", 1) == ["True", "{False, True}\n"]
