"""The studies, the page and the command line, on a few small images."""

import json
from dataclasses import replace

import numpy as np
import pytest

from cnn_probe import cli
from cnn_probe.datasets import load_dataset
from cnn_probe.report import draw_figures, write_page
from cnn_probe.studies import STUDIES, Settings, run_studies, runner
from cnn_probe.studies.claims import fires, recognizes, rises

SETTINGS = Settings(ranks=(2, 3), seeds=(0, 1), max_iter=5)


@pytest.fixture(scope="module")
def data():
    full = load_dataset("digits")
    return replace(full, train=full.train.subset(list(range(130))), test=full.test.subset(list(range(50))))


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("study")
    return out, run_studies(list(STUDIES.values()), data, SETTINGS, out)


def test_every_condition_has_one_record_a_seed(finished):
    out, results = finished
    for name, labels in {
        "fraction": ["25%", "50%", "75%", "100%"],
        "classes": ["{0}", "{0–4}", "{5–9}", "all"],
        "order": ["class by class", "shuffled"],
    }.items():
        records = results["studies"][name]["records"]
        assert list(records) == labels
        for runs in records.values():
            assert [run["training"]["plan"]["seed"] for run in runs] == [0, 1]
            assert set(runs[0]["fits"]) == {"2", "3"}
            assert runs[0]["fits"]["3"]["relative_error"] >= runs[0]["svd_floor"]["3"]
    assert len(list((out / "networks").glob("*.json"))) == 8 * 2, "networks that studies share are trained once"


def test_resume_trains_nothing_again_and_gives_the_same(finished, data, monkeypatch):
    out, results = finished

    def must_not_run(*args):
        raise AssertionError("a finished network was measured again")

    monkeypatch.setattr(runner, "measure_network", must_not_run)
    again = run_studies(list(STUDIES.values()), data, SETTINGS, out, resume=True)
    assert json.loads(json.dumps(again)) == json.loads(json.dumps(results))
    with pytest.raises(AssertionError, match="measured again"):
        run_studies([STUDIES["order"]], data, replace(SETTINGS, max_iter=6), out, resume=True)


def test_an_interrupted_study_keeps_what_is_finished(data, tmp_path):
    def interrupt(what, done, total):
        if what == "network" and done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_studies([STUDIES["order"]], data, SETTINGS, tmp_path, progress=interrupt)
    assert len(list((tmp_path / "networks").glob("*.json"))) == 1


def test_page_and_figures_are_drawn(finished, data):
    out, results = finished
    drawn = draw_figures(results, data.class_names, out)
    page = write_page(results, drawn, out).read_text()
    files = [file for pairs in drawn.values() for file, _ in pairs]
    assert len(files) == 11
    for file in files:
        assert (out / file).stat().st_size > 5000
        assert f'src="{file}"' in page
    assert "http" not in page, "the page must work offline"
    assert "\\x" not in page, "what the page says itself is no name, and needs no escapes"


@pytest.mark.parametrize(
    ("values", "verdict"), [((1, 2, 2.5, 3), "reproduced"), ((1, 2, 0, 3), "partly"), ((3, 2, 2, 1), "not")]
)
def test_a_claim_is_judged_between_neighbouring_levels_only(values, verdict):
    records = {label: [{"value": value}] for label, value in zip("abcd", values, strict=True)}
    claim = rises("it rises", lambda record, rank: record["value"])
    judged = claim.verdict(records, {"a": 0, "b": 1, "c": 1, "d": 2}, [10])
    assert judged["comparisons"] == 4
    assert judged["verdict"] == verdict


def test_claims_on_single_classes_count_networks_and_pairs():
    overlap = np.array([[1, 0.9, 0.1], [0.9, 1, 0.4], [0.1, 0.4, 1]])
    runs = [{"class_accuracy": {"0": 0.2, "1": 0.9, "2": 0.0}, "firing_overlap": overlap.tolist()}] * 2
    judged = {
        "alike": fires("", "c", [(0, 1), (1, 0)], alike=True),
        "different": fires("", "c", [(0, 2)], alike=False),
        "the median pair is neither": fires("", "c", [(1, 2)], alike=True),
        "recognized": recognizes("", "c", 1),
        "not recognized": recognizes("", "c", 0),
    }
    found = {name: claim.verdict({"c": runs}, {"c": 0}, [10]) for name, claim in judged.items()}
    assert {name: (v["holds"], v["comparisons"], v["verdict"]) for name, v in found.items()} == {
        "alike": (4, 4, "reproduced"),
        "different": (2, 2, "reproduced"),
        "the median pair is neither": (0, 2, "not"),
        "recognized": (2, 2, "reproduced"),
        "not recognized": (0, 2, "not"),
    }


def test_claims_on_digits_are_left_out_for_other_classes():
    digits, clothes = tuple("0123456789"), ("shirt", "coat")
    assert len(STUDIES["order"].claims(digits)) > len(STUDIES["order"].claims(clothes)) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "mnits"], "mnits"),
        (["--data", "mnist", "--data-root", "nowhere"], "nowhere"),
        (["--ranks", "0"], "a rank is 1 or more"),
    ],
)
def test_command_line_says_what_is_wrong(arguments, message, tmp_path, capsys):
    assert cli.main(["study", "order", *arguments, "--out", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err


def test_an_output_that_cannot_be_written_is_found_first(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert cli.main(["run", "--out", str(tmp_path / "file" / "below")]) == 2
    assert "choose another folder" in capsys.readouterr().err
