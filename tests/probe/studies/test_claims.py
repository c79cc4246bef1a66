"""Claims against networks of which it is known what they show."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from studied import network_record

from cnn_probe.measures.counting.exact import LEVEL
from cnn_probe.studies import STUDIES
from cnn_probe.studies.claims import Chart, Claim, Tally, falls, fires, recognizes, rises

RANKS = [2, 3]
SEEN = Chart("measures")
ALL = {
    "fraction": 1.0, "n_images": None, "classes": None, "order": "shuffled", "max_steps": None, "shuffle_labels": False,
}  # fmt: skip


def accuracy(record, rank):
    return record.accuracy


def runs_of(*seeds, levels="abcd"):
    """Records by condition, of the accuracies of the conditions in each seed."""
    return {
        label: [network_record(accuracy=values[i]) for values in seeds]
        for i, label in enumerate(levels[: len(seeds[0])])
    }


def judged(claim, records, levels=None):
    found = claim.verdict(records, levels or {label: i for i, label in enumerate(records)}, RANKS)
    assert found["chance"] >= found["least_chance"] - 1e-12
    return found


def test_every_two_levels_are_compared_and_conditions_of_one_level_are_not():
    levels = {"a": 0, "b": 1, "c": 1, "d": 2, "control": 4}
    records = {**runs_of((1, 2, 2.5, 3)), "control": [network_record(accuracy=9)]}
    found = judged(rises("", accuracy, SEEN), records, levels)
    assert (found["holds"], found["comparisons"], found["networks"], found["seeds"]) == (5, 5, 4, 1)
    assert found["chance"] == found["least_chance"] == pytest.approx(1 / 12)
    assert found["verdict"] == "undecided", "one seed cannot say more than 1 in 12"


@pytest.mark.parametrize(
    ("seeds", "verdict"),
    [
        ([(1, 2, 2.5, 3)] * 2, "reproduced"),
        ([(1, 2, 2.5, 3), (1, 2, 2.5, 2.2), (0, 1, 2, 3)], "partly"),
        ([(3, 2, 2.5, 1)] * 2, "not"),
        ([(1, 3, 0, 2), (2, 0, 3, 1)], "undecided"),
        ([(1, 1, 1, 1)] * 9, "undecided"),
    ],
)
def test_a_verdict_needs_what_chance_seldom_does(seeds, verdict):
    levels = {"a": 0, "b": 1, "c": 1, "d": 2}
    assert judged(rises("", accuracy, SEEN), runs_of(*seeds), levels)["verdict"] == verdict
    turned = [tuple(-value for value in values) for values in seeds]
    assert judged(falls("", accuracy, SEEN), runs_of(*turned), levels)["verdict"] == verdict


def test_nothing_is_decided_where_all_networks_learned_little():
    seeds, little = [(1, 2, 2.5, 3)] * 2, {"class_accuracy": {0: 0.3, 1: 0.2}}
    records = runs_of(*seeds)
    assert judged(rises("", accuracy, SEEN), records)["reason"] is None
    some = {label: [replace(run, **little) for run in runs] for label, runs in records.items()}
    found = judged(rises("", accuracy, SEEN), some)
    assert (found["verdict"], found["reason"]) == ("undecided", "all 8 networks learned little")
    assert found["chance"] < LEVEL, "though the counts would decide"
    found = judged(rises("", accuracy, SEEN), {**some, "d": records["d"]})
    assert (found["verdict"], found["reason"], found["little"]) == ("reproduced", None, 6)
    untrained = [replace(run, training={"plan": {**ALL, "max_steps": 0}}) for run in records["a"]]
    found = judged(rises("", accuracy, SEEN), {"a": untrained, **{label: some[label] for label in "bcd"}})
    assert (found["verdict"], found["reason"]) == (
        "undecided",
        "all 6 networks that were meant to learn learned little",
    )
    shared = overlaps(0.6, 0.5)
    assert judged(fires("", "c", [(0, 1)], alike=True), shared, {})["verdict"] == "reproduced"
    shared["s"] = [replace(run, **little) for run in shared["s"]]
    assert judged(fires("", "c", [(0, 1)], alike=True), shared, {})["verdict"] == "undecided"


def test_pairs_are_told_apart_by_what_differs_and_accuracy_is_counted():
    records = runs_of((1, 2, 3), (1, 3, 2))
    found = rises("", lambda record, rank: 0.0, SEEN).verdict(
        records, {"a": 0, "b": 1, "c": 2}, RANKS, "one of them fed"
    )
    assert found["counted"] == "pairs of networks of one seed, one of them fed"
    assert (found["holds"], found["comparisons"], found["more_accurate"]) == (0, 6, 5)
    assert all("better" not in study.differ for study in STUDIES.values()), "accuracy says which is"


@pytest.mark.parametrize(("n", "verdict"), [(3, "undecided"), (4, "undecided"), (5, "reproduced")])
def test_two_conditions_need_five_seeds(n, verdict):
    found = judged(rises("", accuracy, SEEN), runs_of(*[(0, 1)] * n))
    assert (found["verdict"], found["least_chance"]) == (verdict, 0.5**n)


def test_ranks_of_a_network_are_one_network():
    records = runs_of((0, 1), (0, 1), (0, 1))
    found = judged(
        rises("", lambda record, rank: record.accuracy * (1 if rank == 2 else -0.5), SEEN, by_rank=True), records
    )
    assert (found["holds"], found["comparisons"], found["networks"], found["chance"]) == (3, 3, 6, 0.125)
    assert (found["same_ranks"], found["ranks"]) == (1, 2)
    assert judged(rises("", accuracy, SEEN), records)["ranks"] is None


def test_rows_of_conditions_are_not_compared_with_each_other_and_the_less_sure_counts():
    levels = {"a": 0, "b": 1, "c": 3, "d": 4}
    found = judged(rises("", accuracy, SEEN), runs_of(*[(2, 3, 0, 1)] * 5), levels)
    assert (found["holds"], found["comparisons"], found["verdict"]) == (10, 10, "reproduced")
    assert found["chance"] == 0.5**5, "two rows of the same networks would be no more than one"
    found = judged(rises("", accuracy, SEEN), runs_of(*[(2, 3, 1, 0)] * 5), levels)
    assert (found["chance"], found["against"], found["verdict"]) == (1.0, 1.0, "undecided")
    assert [(part["conditions"], part["holds"]) for part in found["parts"]] == [(["a", "b"], 5), (["c", "d"], 0)]


def test_chance_is_that_of_every_dealing_written_out():
    seeds, levels = [(1, 4, 2), (3, 1, 3)], {"a": 0, "b": 1, "c": 2}

    def rise(values):
        return sum(values[j] > values[i] for i in range(3) for j in range(i + 1, 3))

    found = judged(rises("", accuracy, SEEN), runs_of(*seeds), levels)
    ways = [sum(map(rise, dealt)) for dealt in itertools.product(*map(itertools.permutations, seeds))]
    assert found["holds"] == sum(map(rise, seeds))
    assert found["chance"] == pytest.approx(np.mean([way >= found["holds"] for way in ways]))


def ordered(order, *seeds):
    """Records of networks that were trained in an order, and recognize these classes of 10."""
    plans = [{**ALL, "order": list(order), "seed": seed} for seed in range(len(seeds))]
    return [
        network_record(training={"plan": plan}, class_accuracy={c: 0.9 if c in known else 0.1 for c in range(10)})
        for plan, known in zip(plans, seeds, strict=True)
    ]


def test_what_is_recognized_is_asked_of_every_order():
    records = {
        "one": ordered([3, 1], {9}, {9, 3}, {9}),  # the classes that the plan does not name come after, 9 the last
        "two": ordered(range(9, -1, -1), {0}, {0}, {0}),
        "shuffled": [network_record(class_accuracy=dict.fromkeys(range(10), 1.0))],
    }
    last, first = (judged(recognizes("", place), records, {}) for place in (-1, 0))
    assert (last["holds"], last["comparisons"], last["networks"], last["seeds"]) == (6, 6, 6, 3)
    assert last["chance"] == last["least_chance"] == pytest.approx(0.01)
    assert last["verdict"] == "reproduced"
    assert (first["holds"], first["parts"][0]["holds"]) == (1, 1)
    assert first["parts"][1]["order"] == list(range(9, -1, -1))
    assert first["against"] == pytest.approx(7 / 64)
    assert first["verdict"] == "undecided"
    assert judged(recognizes("", 0), {"two": ordered(range(10), *[{9}] * 5)}, {})["verdict"] == "not"


def test_one_order_cannot_tell_an_easy_class_from_the_first():
    found = judged(recognizes("", 0), {"one": ordered(range(10), *[{0}] * 20)}, {})
    assert (found["holds"], found["chance"], found["verdict"]) == (20, 0.1, "undecided")


def test_recognition_by_chance_is_of_its_level():
    """Networks that know some classes, the same in all orders."""
    rng = np.random.default_rng(0)
    chances = []
    for _ in range(300):
        known = [set(rng.choice(10, size=rng.integers(0, 4), replace=False)) for _ in range(2)]
        records = {str(i): ordered(rng.permutation(10).tolist(), *known) for i in range(3)}
        chances.append(judged(recognizes("", 0), records, {})["chance"])
    assert np.mean(np.array(chances) <= 0.05) <= 0.06


def overlapping(value, seeds, plan):
    return [
        network_record(
            training={"plan": {**plan, "seed": s}}, firing_overlap=[[1, value, 0.5], [value, 1, 0.5], [0.5, 0.5, 1]]
        )
        for s in range(seeds)
    ]


def overlaps(ours, shuffled, untrained=None, seeds=5):
    records = {"c": overlapping(ours, seeds, {**ALL, "order": [1, 0]}), "s": overlapping(shuffled, seeds, ALL)}
    if untrained is not None:
        records["u"] = overlapping(untrained, seeds, {**ALL, "max_steps": 0})
    return records


@pytest.mark.parametrize(
    ("records", "alike", "verdict"),
    [
        (overlaps(0.6, 0.5), True, "reproduced"),
        (overlaps(0.6, 0.5), False, "not"),
        (overlaps(0.6, 0.5, seeds=3), True, "undecided"),
        (overlaps(0.5, 0.5), True, "undecided"),
        (overlaps(0.6, 0.5, 0.4), True, "reproduced"),
        (overlaps(0.6, 0.5, 0.7), True, "undecided"),  # as much is shared before any training
        (overlaps(0.3, 0.5, 0.7), False, "reproduced"),
    ],
)
def test_neurons_are_shared_more_than_in_the_other_networks_of_the_seed(records, alike, verdict):
    found = judged(fires("", "c", [(0, 1)], alike=alike), records, {})
    assert found["verdict"] == verdict
    n = len(records["c"])
    assert (found["comparisons"], found["networks"], found["seeds"]) == (n, n * len(records), n)


def test_pairs_of_a_network_are_one_network():
    """Two pairs that always go together are as likely as one."""
    records = overlaps(0.6, 0.5)
    found = judged(fires("", "c", [(0, 1), (1, 0), (0, 2)], alike=True), records, {})
    assert (found["holds"], found["comparisons"], found["verdict"]) == (10, 15, "partly")
    assert found["chance"] == 0.5**5
    assert [(part["pair"], part["holds"], part["chance"]) for part in found["parts"]] == [
        ([0, 1], 5, 0.5**5), ([1, 0], 5, 0.5**5), ([0, 2], 0, 1.0),
    ]  # fmt: skip


def test_without_anything_to_compare_nothing_is_decided():
    alone = {"a": [network_record(training={"plan": {**ALL, "order": [1, 0], "seed": 0}})]}
    nothing = {"a": [network_record(training={"plan": {**ALL, "fraction": 0.5}})]}
    for claim, records in (
        (rises("", accuracy, SEEN), alone), (fires("", "a", [(0, 1)], alike=True), alone), (recognizes("", 0), nothing),
    ):  # fmt: skip
        found = claim.verdict(records, {"a": 0}, RANKS)
        assert (found["verdict"], found["comparisons"], found["chance"]) == ("undecided", 0, 1.0)


def test_a_verdict_that_is_beyond_chance_but_not_of_most_is_undecided():
    tally = Tally(4, 10, 10, 10, 0.001, 0.4, 1e-9)
    assert Claim("", "", "", lambda *given: tally, SEEN).verdict({}, {}, RANKS)["verdict"] == "undecided"


def test_claims_fit_the_data_and_the_study():
    digits, clothes = tuple("0123456789"), ("shirt", "coat", "bag", "boot")
    for study in STUDIES.values():
        texts = [claim.text for claim in study.claims(digits)]
        assert len(set(texts)) == len(texts), study.name
    assert len(STUDIES["order"].claims(digits)) > len(STUDIES["order"].claims(clothes))
    layers = [claim.text for claim in STUDIES["order"].claims(clothes) if "dead" in claim.text or "zero" in claim.text]
    assert len(layers) == 4, "zeros and dead neurons, of each layer"
