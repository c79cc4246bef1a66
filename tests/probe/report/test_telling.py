"""What a page says besides its results: where it comes from, how to go on, what lies beside it."""

import copy

import pytest
from pages import document_in
from seed_pages import results_of
from studied import network_record

from cnn_probe.report.pages import Shown, Telling, document_of
from cnn_probe.report.publish import publish, telling_of


def about_of(shown=(), **told):
    return document_of(shown, Telling("A title", [], **{"facts": [], **told}))["about"]


@pytest.mark.parametrize(
    ("command", "full"),
    [
        ("cnn-probe run --out a", "cnn-probe run --out a --full --resume"),
        ("cnn-probe probe --resume", "cnn-probe probe --resume --full"),
        ("cnn-probe probe --out a--full", "cnn-probe probe --out a--full --full --resume"),
        ("cnn-probe run --full", None),
        ("cnn-probe study all", None),
        ("cnn-probe", None),
        (None, None),
    ],
)
def test_the_command_that_asks_for_all_of_it(command, full):
    assert about_of(command=command)["full"] == full


def test_figures_that_are_there_as_svg_too_are_told_of():
    assert about_of(files=["results.json", "figures/a.png"])["vectors"]
    assert not about_of(files=["results.json"])["vectors"]


def shown_of(name, **provenance):
    part = {"n": 9, "ablation": None, "settled": True, "no_accuracy": None, "provenance": provenance}
    return Shown(name, name, part)


def test_what_all_results_share_is_told_once():
    both = [shown_of("one", network="deep", seed=0), shown_of("other", network="deep", seed=1)]
    assert about_of(both)["facts"] == [
        ["network", "deep"],
        ["one: seed of the factorization", "0"],
        ["other: seed of the factorization", "1"],
    ]
    assert about_of(both[:1])["facts"] == [["network", "deep"], ["seed of the factorization", "0"]]
    told = about_of(both, facts=[("data", "digits")])["facts"]
    assert told[:2] == [["data", "digits"], ["each network shown: network", "deep"]]
    assert about_of([shown_of("one", network="deep")], facts=[("network", "deep")])["facts"] == [["network", "deep"]]


def test_durations_that_happen_to_be_equal_are_still_told_of_each():
    both = [shown_of(name) for name in ("one", "other")]
    for one in both:
        one.part["seconds"] = {"answers": 0.52}
    assert about_of(both)["facts"] == [[f"{name}: durations", "answers 0.5 s"] for name in ("one", "other")]


def test_durations_are_of_each_network_once(tmp_path):
    results = results_of(3)
    one = {**network_record().to_json(), "key": "a", "seconds": 1.5}
    study = results["studies"]["fraction"]
    study["records"] = {"all": [one]}
    assert dict(telling_of(results, tmp_path).facts)["durations"] == "a network, trained and measured: 1.5 s"
    study["records"] = {"all": [one, {**copy.deepcopy(one), "key": "b", "seconds": 1000}], "again": [one]}
    said = dict(telling_of(results, tmp_path).facts)["durations"]
    assert said.startswith("2 networks, trained and measured: from 1.5 to 1000.0 s each, 1,002 s one after the other")


def test_where_no_untrained_network_is_shown_none_is_said_to_be(tmp_path):
    results = results_of(3)
    study = results["studies"]["fraction"]
    study["figures"], study["records"]["all"][0]["training"]["plan"]["max_steps"] = [], 0
    document = document_in(publish(results, tmp_path))
    assert document["results"] == [], "an untrained network was measured, and nothing kept of its patterns"
    assert "some stand beside it here" not in str(document["about"]["limits"])
    assert telling_of(results, tmp_path).untrained == "cnn-probe study untrained measures some"


def test_what_a_page_lacks_is_told_for_the_shell_and_for_python():
    limits = " ".join(about_of([shown_of("one")])["limits"])
    assert "--against random" in limits
    assert "save_page(..., comparison=)" in limits
    assert "--ablate" in limits
    assert "save_page(..., ablation=)" in limits
