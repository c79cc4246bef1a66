"""Networks of a study beside each other: compared from what is kept, once, and nothing trained or fitted again."""

import pytest
from pages import cards_in, document_in

from cnn_probe.report import publish
from cnn_probe.runs import study_pairs
from cnn_probe.runs.study_pairs import compare_pairs, pairs_of
from cnn_probe.runs.study_run import Teller
from cnn_probe.studies import STUDIES, Settings, measuring
from cnn_probe.studies.runner import run_studies

SETTINGS = Settings(ranks=(3, 2), seeds=(1, 0), max_iter=5)
PAIRS = [
    ("trained on 25%, seed 1", "trained on 100%, seed 1"),
    ("trained on {0}, seed 1", "trained on 100%, seed 1"),
    ("trained on class by class, seed 1", "trained on 100%, seed 1"),
    ("trained on 100%, seed 1", "untrained, seed 1"),
]


@pytest.fixture(scope="module")
def data(few_digits):
    return few_digits


@pytest.fixture(scope="module")
def compared(data, tmp_path_factory):
    out, quiet = tmp_path_factory.mktemp("compared"), lambda what, done, total: None
    studies = [STUDIES[name] for name in ("fraction", "classes", "order", "untrained", "scaling", "steps")]
    results = run_studies(studies, data, SETTINGS, out, tell_more=Teller(True, quiet))
    compare_pairs(results, data, SETTINGS, out, images=True, progress=quiet)
    return out, results


def test_the_worst_trained_stands_beside_the_best_and_the_trained_beside_the_untrained(compared, data):
    pairs = pairs_of(compared[1], data, SETTINGS)
    assert [(a.name, b.name) for a, b in pairs] == PAIRS
    assert {one.case.plan.seed for pair in pairs for one in pair} == {1}, "the first seed that was asked for"
    assert [a.record.untrained for a, _ in pairs] == [False] * 4
    assert len({a.case for a, _ in pairs}) == 4


def test_the_page_shows_what_is_matched_lost_and_new(compared, unrendered):
    out, results = compared
    page = publish(results, out)
    found = {one["label"]: one["comparison"] for one in document_in(page)["results"]}
    said = {label: comparison["with"] for label, comparison in found.items() if comparison}
    assert said == {
        "trained on 100%, seed 1": "untrained, seed 1",
        "trained on 25%, seed 1": "trained on 100%, seed 1",
        "trained on {0}, seed 1": "trained on 100%, seed 1",
        "trained on class by class, seed 1": "trained on 100%, seed 1",
    }, "each by one name, whichever study compares it"
    assert set(said.values()) <= set(found), "they can be shown"
    one = found["trained on 25%, seed 1"]
    factors = one["factors"]
    assert (
        sorted(f for f in factors["a"] if f is not None)
        == sorted(f for f in factors["b"] if f is not None)
        == [0, 1, 2]
    )
    assert sum(one["counts"].values()) == len(factors["verdict"])
    assert (one["n_own"], one["n_across"]) == (3, 4)
    assert sum(card["question"] == "What differs from the other network?" for card in cards_in(page)) == 4
    assert all(one["comparison"] is None for one in document_in(publish(results, out, images=False))["results"])


def test_what_is_compared_stays_and_what_is_damaged_or_of_another_network_is_made_anew(compared, data, monkeypatch):
    out, results = compared
    made = []
    monkeypatch.setattr(measuring, "train_network", lambda *given: pytest.fail("a network was trained"))
    monkeypatch.setattr(
        study_pairs, "probed_again", lambda shelf, case, record: made.append(case) or again(shelf, case, record)
    )
    files = sorted((out / "networks").glob("*.compared"))
    before = {file: file.read_bytes() for file in files}
    assert len(files) == 4

    def once_more(images=True):
        made.clear()
        compare_pairs(results, data, SETTINGS, out, images=images, progress=lambda what, done, total: None)
        return len(made)

    assert once_more() == 0
    files[0].write_bytes(before[files[0]][:-30])
    assert once_more() == 2, "the two of that pair"
    files[1].write_bytes(before[files[2]])
    assert once_more() == 2, "another pair's"
    assert {file: file.read_bytes() for file in files} == before, "to the bit"
    assert once_more(images=False) > 2, "a page without images may show none"


again = study_pairs.probed_again
