"""What the cards say follows from what was computed: how much, beside what, by which rule."""

import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from made_pages import answers, compared_with, page
from pages import document_in

from cnn_probe.measures.labels.errors import label_errors
from cnn_probe.measures.residuals import Residuals, fence
from cnn_probe.report.document.cards import verdicts
from cnn_probe.report.document.cards.of_inputs import labels_card, unexplained_card
from cnn_probe.report.document.ends import telling_decisions
from cnn_probe.report.document.of_result import result_part


@pytest.fixture(scope="module")
def asked():
    return answers(4, wrong=9)


@pytest.fixture(scope="module")
def part(asked):
    return result_part(asked, full=True, comparison=compared_with(asked, answers(3, seed=1), "the other"))


def card(part, question):
    (found,) = [one for one in part["cards"] if one["question"].startswith(question)]
    return found


def test_patterns_are_said_to_go_with_a_class_by_how_much(asked, part):
    said, known = card(part, "Which inputs share"), asked.patterns.labels.preference
    assert said["number"] == f"{(known.p_value < 0.05).sum()} of 4"
    assert "the median" not in said["answer"], "none goes with a class"
    assert "of all 4 together: where none goes with a class, any is counted in 5% of cases" in said["sure"]
    assert "single pixels" in said["cannot"]
    F = asked.result.F.copy()
    F[asked.labels == 2, 3] *= 3
    of_more = replace(asked, result=replace(asked.result, F=F))
    known, said = of_more.patterns.labels.preference, verdicts._shared(of_more)
    goes = known.p_value < 0.05
    assert 0 < goes.sum() < 4
    assert said["number"] == f"{goes.sum()} of 4"
    assert f"the median of them has {np.median(known.lift[goes]):.1f} times as much of its class" in said["answer"]
    steps = known.p_value / part["beyond_chance"]["least_p"]
    np.testing.assert_allclose(steps, np.rint(steps), err_msg="p goes in steps of its least")
    assert steps.min() >= 1 - 1e-9


def test_the_rule_by_which_a_pattern_comes_again_is_the_one_that_is_applied(asked, part):
    found = asked.stability
    rule = np.concatenate([found.threshold_starts, found.threshold_halves])
    assert f"here {rule.min():.2f} to {rule.max():.2f}." in card(part, "Do the patterns come")["sure"]


def test_with_few_columns_coming_again_is_said_to_mean_little(asked, part):
    few = {**part, "blocks": [{"n_features": 11}]}
    assert "With 11 columns, patterns of random numbers" in verdicts._again(asked.stability, few)["cannot"]
    assert "random numbers" not in card(part, "Do the patterns come")["cannot"]


def test_without_halves_patterns_that_come_out_of_the_starts_are_counted(asked, part):
    found = asked.stability
    without = replace(found, halves=found.halves[:0], threshold_halves=np.full(4, np.nan))
    said = verdicts._again(without, part)
    assert said["number"] == f"{np.sum(np.all(found.starts >= found.threshold_starts, axis=0))} of 4"
    assert "other starts and 0 halves" in said["answer"]


def residual_card(left, names=None):
    left = np.asarray(left, float)
    residuals = Residuals((), left, left[:, None], left, left[:, None], left[:, None], left[:, None], np.ones(1))
    part = {"worst": residuals.worst(1) * 0, "inputs": {"names": names}}
    return unexplained_card(SimpleNamespace(residuals=residuals), part)


def test_an_input_stands_out_or_none_does():
    even = np.linspace(0.1, 0.2, 21)
    said = residual_card(even)
    assert said["question"] == "Which inputs are explained least?"
    assert said["number"] == "none stands out"
    assert said["answer"] == "Most is unexplained of #20: 20%; the median input has 15%. None of 21 stands out."
    assert f"more than {fence(even):.0%} unexplained stands out" in said["sure"]
    said = residual_card([*even, 0.9, np.nan], names=["cat/a.png"])
    assert said["number"] == "#21 (cat/a.png)"
    assert said["answer"] == "90% of it is unexplained; the median input has 15%. 1 of 22 stands out."
    said = residual_card([0.5, 0.5, 0.5])
    assert said["number"] == "none stands out"
    assert said["answer"] == "Most is unexplained of #0: 50%; the median input has 50%. None of 3 stands out."
    assert "too many alike" in said["sure"]


@pytest.mark.parametrize("left", [np.geomspace(1e-7, 0.99, 21), np.linspace(0.8, 0.99, 21), [1e-30, 1e-20, 0.9]])
def test_where_nothing_could_stand_out_that_is_said_and_no_part_above_all(left):
    assert 1 <= fence(np.asarray(left)) < np.inf
    said = residual_card(left)
    assert said["number"] == "none stands out"
    assert "even an input of which nothing is explained would not stand out" in said["sure"]
    assert max(map(int, re.findall(r"(\d+)%", str(said)))) <= 100


def test_labels_are_named_by_the_best_source_that_has_not_seen_them(asked, part):
    found, said = asked.label_errors, card(part, "Which labels")
    assert not found["network"].out_of_sample
    right = {source: np.mean(found[source].suggested == asked.labels) for source in ("factors", "pixels")}
    best = max(right, key=right.get)
    assert said["number"] == f"{found[best].suspect.sum()} of 90"
    assert f"by the {best} (confident learning), by which, out of sample, {right[best]:.0%} of" in said["answer"]
    together = np.all([one.suspect for one in found.values()], axis=0).sum()
    guess = np.bincount(asked.labels).max() / 90
    assert f"Always naming the commonest class would get {guess:.0%}. All 3 sources" in said["answer"]
    rates = [[one.suspect[asked.labels == c].mean() for c in range(3)] for one in found.values()]
    expected = np.sum(np.prod(rates, axis=0) * np.bincount(asked.labels))
    assert f"All 3 sources (factors, network, pixels) agree on {together}, and" in said["answer"]
    assert f"would on about {expected:.1f} if each suspected as many of each class at random." in said["answer"]
    assert "by heart" in said["sure"]
    unseen = replace(asked, unseen=True)
    said = labels_card(unseen, {"network": unseen.label_errors["network"]})
    assert "suspected by the network" in said["answer"]
    assert "agree" not in said["answer"]
    assert "by heart" not in said["sure"]


def test_what_a_card_says_is_on_the_page_to_its_end(asked, part):
    long = max(len(one["answer"]) for one in part["cards"])
    assert long > 300
    (found,) = document_in(page({"a": part}).html)["results"]
    assert found["cards"] == part["cards"]


def test_a_source_that_knows_no_more_than_a_guess_is_said_to_say_nothing():
    """Labels of 95% and 5% of which no source knows anything."""
    generator = np.random.default_rng(0)
    labels = (generator.random(300) < 0.05).astype(int)
    found = label_errors(labels, F=generator.exponential(size=(300, 4)), pixels=generator.random((300, 6)))
    said = labels_card(SimpleNamespace(labels=labels, unseen=True), found)["answer"]
    assert "That is not clearly less: what it suspects says nothing of the labels." in said
    assert "agree" not in said, "by what says nothing of the labels"
    known = label_errors(labels, F=np.eye(2)[labels])
    assert "not clearly less" not in labels_card(SimpleNamespace(labels=labels, unseen=True), known)["answer"]


def test_what_only_one_network_has_is_not_said_to_be_lost(part):
    said, counts = card(part, "What differs"), part["comparison"]["counts"]
    assert said["number"] == f"{counts['lost']} only here, {counts['new']} only there"
    assert "(there: the other)" in said["answer"]
    assert "lost" not in str(said)


def test_a_mistake_is_taken_apart_without_names_of_classes(asked):
    named = telling_decisions(asked)
    assert "the clearest against its label" in named.values()
    assert telling_decisions(replace(asked, class_names=None)) == named
    assert "the clearest against its label" not in telling_decisions(replace(asked, labels=asked.labels + 1)).values()
