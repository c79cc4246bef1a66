"""Which inputs share a pattern, against slow loops and scikit-learn."""

import csv

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score, roc_auc_score

from cnn_probe.measures.counting.chance import bound_of_largest, of_largest
from cnn_probe.measures.patterns import align, shared_patterns
from cnn_probe.measures.patterns.sharing import N_BINS, mutual_information


@pytest.fixture(scope="module")
def planted():
    """F (120, 3): the first factor is class 0's, the second class 1's, the third everybody's; class 2 has none."""
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 40)
    F = generator.uniform(0, 0.1, (120, 3))
    F[labels == 0, 0] += 1
    F[labels == 1, 1] += 1
    F[:, 2] = 1
    return F, labels


def test_top_inputs_and_prevalence(planted):
    F, _ = planted
    found = shared_patterns(F, n_top=5, shares={"a": [0.1, 0.2, 0.3]})
    share = F / F.sum(axis=1, keepdims=True)
    for factor in range(3):
        assert found.top[factor].tolist() == sorted(range(120), key=lambda i: -share[i, factor])[:5]
        np.testing.assert_allclose(found.top_share[factor], share[found.top[factor], factor])
        assert found.strongest[factor].tolist() == sorted(range(120), key=lambda i: -F[i, factor])[:5]
        np.testing.assert_array_equal(found.strongest_weight[factor], F[found.strongest[factor], factor])
    assert np.any(found.top != found.strongest)
    assert found.table()["top_inputs_by_weight"][2] == "0 1 2 3 4"  # all alike: the first
    np.testing.assert_allclose(found.prevalence[2], 120)
    assert 40 < found.prevalence[0] < 70
    assert found.labels is None
    assert "class" not in found.table().columns
    assert found.table()["share_of_a"] == (0.1, 0.2, 0.3)
    alone = np.zeros((4, 2))
    alone[2, 0] = 3
    assert shared_patterns(alone).prevalence.tolist() == [1, 0]
    assert shared_patterns(alone).top_share[0].tolist() == [1, 0, 0, 0]


def test_a_factor_goes_with_the_class_that_it_prefers(planted, tmp_path):
    F, labels = planted
    found = shared_patterns(F, labels=labels, classes=["a", "b", "c"])
    known, own = found.labels, found.labels.preference
    slow = [[F[labels == c, j].sum() / F[:, j].sum() for c in range(3)] for j in range(3)]
    np.testing.assert_allclose(known.shares_of_classes, slow)
    np.testing.assert_allclose(own.share, np.max(slow, axis=1))
    np.testing.assert_allclose(own.size, 1 / 3)
    np.testing.assert_allclose(own.lift, 3 * own.share)
    np.testing.assert_allclose(own.p_value, [1 / 201, 1 / 201, 1])
    assert known.beyond_chance.tolist() == [True, True, False]
    assert np.all((known.low < own.share) & (own.share < known.high))
    assert np.all((known.high - known.low)[:2] < 0.15)
    assert known.information.p_value[0] == 1 / 201
    assert 0 < known.of_strongest.chance < known.of_strongest.value
    assert [row[-1] for row in found.in_short()[1]] == [
        f"a: {own.share[0]:.0%} (33%)",
        f"b: {own.share[1]:.0%} (33%)",
        "none beyond chance",
    ]
    found.table().to_csv(tmp_path / "a.csv")
    with open(tmp_path / "a.csv") as file:
        assert [row["class"] for row in csv.DictReader(file)][:2] == ["a", "b"]


def test_a_factor_of_a_rare_class_goes_with_that_class_though_most_of_it_lies_in_another():
    """Five times as strong in a class of 10%: two thirds lie in the other, less than permuted labels put there."""
    for seed in range(10):
        generator = np.random.default_rng(seed)
        rare = generator.random(500) < 0.1
        F = generator.exponential(size=(500, 2))
        F[:, 0] *= np.where(rare, 5, 1)
        known = shared_patterns(F, labels=rare.astype(int), classes=["others", "zeros"], seed=seed).labels
        assert known.shares_of_classes[0].argmax() == 0
        assert known.favourites[0] == "zeros"
        assert known.beyond_chance.tolist() == [True, False]
        assert 2.5 < known.preference.lift[0] < 5


@pytest.mark.parametrize("n_held", [3, 5, 10, 100])
def test_the_interval_of_a_class_share_holds_for_factors_of_few_inputs_too(n_held):
    """Of factors that so few of 300 inputs hold, each input of class 0 with a chance of 0.8."""
    generator, held = np.random.default_rng(0), []
    labels = np.arange(300) % 2
    for _ in range(150):
        F, own = 1e-5 * generator.random((300, 1)), generator.random(n_held) < 0.8
        inputs = [*generator.permutation(150)[: own.sum()] * 2, *generator.permutation(150)[: (~own).sum()] * 2 + 1]
        F[inputs] = generator.exponential(size=(n_held, 1)) + 0.5
        known = shared_patterns(F, labels=labels, n_permutations=20).labels
        truth = [0.8, 0.2][known.preference.favourite[0]]
        held.append(known.low[0] <= truth <= known.high[0])
        assert known.high[0] - known.low[0] > 0.05
    assert np.mean(held) > 0.9


def test_a_factor_of_no_input_prefers_no_class():
    found = shared_patterns([[1.0, 0.0], [2.0, 0.0], [1.0, 0.0]], labels=[0, 0, 1])
    assert found.labels.favourites[1] is None
    assert not found.labels.beyond_chance[1]
    assert found.table()["class"][1] is None


def test_without_a_link_nothing_stands_out(planted):
    """Of two factors and permuted labels, in about 5% of cases is any said to go with a class."""
    F, labels = planted
    named, p_values = 0, []
    for seed in range(60):
        shuffled = np.random.default_rng(seed).permutation(labels)
        known = shared_patterns(F[:, :2], labels=shuffled, n_permutations=50, seed=seed).labels
        named += known.beyond_chance.any()
        p_values += [*known.information.p_value]
    assert named < 9
    assert 0.3 < np.mean(p_values) < 0.7
    assert np.mean(np.array(p_values) < 0.1) < 0.3


def test_information_is_scikit_learns(planted):
    F, labels = planted
    found = shared_patterns(F, labels=labels)
    share = F / F.sum(axis=1, keepdims=True)
    edges = np.quantile(share[:, 1], np.arange(1, N_BINS) / N_BINS)
    expected = mutual_info_score(labels, np.digitize(share[:, 1], edges)) / np.log(2)
    np.testing.assert_allclose(found.labels.information.value[1], expected)
    strongest = mutual_info_score(labels, share.argmax(axis=1)) / np.log(2)
    np.testing.assert_allclose(found.labels.of_strongest.value, strongest)
    codes = np.random.default_rng(0).integers(4, size=(120, 5))
    slow = [mutual_info_score(labels, column) / np.log(2) for column in codes.T]
    np.testing.assert_allclose(mutual_information(codes, labels, 4, 3), slow)


def test_the_same_seed_gives_the_same(planted):
    F, labels = planted
    first, second, other = (shared_patterns(F, labels=labels, seed=seed).labels for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.information.chance, second.information.chance)
    assert np.any(first.information.chance != other.information.chance)


@pytest.mark.parametrize(
    ("F", "more", "says"),
    [
        ([[-1.0]], {}, "F must have finite numbers from 0 on"),
        ([1.0], {}, r"F must have shape \(n_inputs, k\)"),
        ([[1.0]], {"labels": [1, 2]}, "labels must be one an input, 1 of them"),
        ([[1.0]], {"labels": [0.5]}, "whole numbers or text"),
        ([[1.0]], {"labels": [3], "classes": ["a"]}, "from 0 to 0"),
        ([[1.0]], {"shares": {"a": [1, 2]}}, "one number a factor"),
        ([[1.0]], {"labels": [1], "n_permutations": 0}, "n_permutations must be 1 or more"),
        ([[1.0]], {"n_top": 0}, "n_top"),
    ],
)
def test_what_does_not_fit_is_refused(F, more, says):
    with pytest.raises(ValueError, match=says):
        shared_patterns(F, **more)


def test_auc_is_scikit_learns_also_with_ties():
    generator = np.random.default_rng(0)
    values = generator.integers(5, size=(200, 4)).astype(float)
    concepts = generator.uniform(size=(200, 3)) < [0.1, 0.5, 0.9]
    found = align(values, concepts, ["x", "y", "z"])
    slow = [[roc_auc_score(concept, column) for concept in concepts.T] for column in values.T]
    np.testing.assert_allclose(found.auc, slow)
    table = found.table()
    assert len(table) == 12
    assert table["concept"][3:5] == ("x", "y")
    assert table["number"][4:6] == (0, 1)
    assert table["auc"][5] == found.auc[1, 1]


def test_the_standard_error_of_an_auc_is_its_spread():
    """Over many samples of two exponentials, for which Hanley and McNeil's formula is exact."""
    generator = np.random.default_rng(0)
    concepts = (np.arange(42) < 30)[:, None]
    runs = [
        align(generator.exponential(np.where(concepts, 2.0, 1.0)), concepts, n_permutations=20) for _ in range(1000)
    ]
    areas = np.array([run.auc[0, 0] for run in runs])
    assert np.mean(areas) == pytest.approx(2 / 3, abs=0.01)
    assert np.mean([run.standard_error[0, 0] for run in runs]) == pytest.approx(np.std(areas), rel=0.1)


def test_the_best_of_many_reaches_more_by_chance():
    generator = np.random.default_rng(0)
    concepts = generator.uniform(size=(100, 1)) < 0.2
    values = generator.normal(size=(100, 100))
    one, many = align(values[:, :1], concepts), align(values, concepts)
    assert 0.55 < one.by_chance[0, 0] < many.by_chance[0, 0] < 0.9


@pytest.mark.parametrize("n_concepts", [1, 20])
def test_of_concepts_that_nothing_knows_any_is_above_chance_in_a_twentieth_of_cases(n_concepts):
    generator, found = np.random.default_rng(0), []
    for seed in range(120):
        concepts = generator.random((80, n_concepts)) < generator.uniform(0.05, 0.5, n_concepts)
        values = generator.exponential(size=(80, 5)) * (generator.random((80, 5)) < [1, 1, 0.5, 0.2, 0.05])
        one = align(values, concepts, n_permutations=40, seed=seed)
        found.append(one.above_chance.any())
        np.testing.assert_array_equal(one.auc > one.by_chance, one.above_chance)
    assert 0 < np.sum(found) < 13


@pytest.mark.parametrize("n_permutations", [1, 19, 20, 39, 40, 99, 199, 200])
def test_what_has_to_be_exceeded_is_what_p_values_go_by(n_permutations):
    largest = np.random.default_rng(0).permutation(n_permutations) / 3
    values = np.r_[largest, largest + 0.1, largest - 0.1]
    np.testing.assert_array_equal(values > bound_of_largest(largest), of_largest(values, largest) < 0.05)


def test_a_concept_that_a_factor_knows_is_above_chance_among_many():
    generator = np.random.default_rng(0)
    concepts, values = generator.random((200, 40)) < 0.1, generator.exponential(size=(200, 10))
    values[:, 3] += 2 * concepts[:, 7]
    values[:, 4] *= ~concepts[:, 8]  # missing where there is the concept: not what is asked
    found = align(values, concepts)
    assert np.argwhere(found.above_chance).tolist() == [[3, 7]]
    assert found.p_value[3, 7] == 1 / 201
    assert found.auc[4, 8] == 0


def test_a_concept_of_all_or_none_has_no_auc():
    found = align([[1.0], [2.0]], [[True, False], [True, False]])
    assert np.isnan(found.auc).all()
    assert np.isnan(found.standard_error).all()
    assert found.table()["above_chance"] == (False, False)
    with pytest.raises(ValueError, match="must be booleans"):
        align([[1.0], [2.0]], [[1], [0]])
    with pytest.raises(ValueError, match="n_permutations must be 20 or more, or nothing is above chance, got 19"):
        align([[1.0], [2.0]], [[True], [False]], n_permutations=19)
    with pytest.raises(ValueError, match="finite"):
        align([[np.nan], [2.0]], [[True], [False]])
