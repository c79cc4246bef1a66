"""Labels that look wrong: planted ones are found; scores against slow loops and scikit-learn."""

from collections import Counter

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import NMF
from sklearn.metrics import average_precision_score

from cnn_probe.measures.counting.cross_validation import cross_validated
from cnn_probe.measures.labels.errors import average_precision, found_among_first, judge_labels, label_errors

CLASSES = tuple("abc")


@pytest.fixture(scope="module")
def probabilities():
    """Of 60 inputs and three classes, with labels that are wrong for six of them."""
    generator = np.random.default_rng(0)
    truth = np.tile(np.arange(3), 20)
    found = generator.dirichlet(np.ones(3), 60) + 4 * np.eye(3)[truth]
    labels = truth.copy()
    labels[:6] = (truth[:6] + 1) % 3
    return found / found.sum(axis=1, keepdims=True), labels


@pytest.fixture(scope="module")
def digits():
    """Pixels (600, 64), F (600, 12) and labels of digits, 30 of which are wrong."""
    pixels, truth = load_digits(return_X_y=True)
    pixels, truth = pixels[:600], truth[:600]
    generator = np.random.default_rng(0)
    wrong = np.zeros(600, dtype=bool)
    wrong[generator.choice(600, 30, replace=False)] = True
    labels = np.where(wrong, (truth + generator.integers(1, 10, 600)) % 10, truth)
    F = NMF(12, init="nndsvd", max_iter=2000, tol=1e-3).fit_transform(pixels)
    return pixels, F, labels, wrong


def test_scores_against_a_slow_loop(probabilities):
    p, labels = probabilities
    found = judge_labels(p, labels, CLASSES, "network", True)
    usual = [p[labels == c, c].mean() for c in range(3)]
    for i, label in enumerate(labels):
        others = [p[i, c] for c in range(3) if c != label]
        assert found.self_confidence[i] == p[i, label]
        assert found.margin[i] == pytest.approx((p[i, label] - max(others) + 1) / 2)
        assert found.suggested[i] == p[i].argmax()
        confident = [c for c in range(3) if p[i, c] >= usual[c]]
        assert found.suspect[i] == (bool(confident) and max(confident, key=lambda c: p[i, c]) != label)
    assert set(np.argsort(found.self_confidence)[:6]) == set(range(6))
    assert found.suspect[:6].sum() >= 4
    assert not found.suspect[6:].any()


def test_the_table_has_the_likeliest_first_and_why(probabilities):
    p, labels = probabilities
    table = label_errors(labels, network=p, F=np.eye(3)[p.argmax(axis=1)], classes=CLASSES)["network"].table()
    assert set(table["input"][:6]) == set(range(6))
    assert table["self_confidence"] == tuple(sorted(table["self_confidence"]))
    assert table["label_of_most_others"][:6] == table["suggested"][:6]
    assert "spread" not in table.columns


def test_why_is_what_the_others_with_the_strongest_factor_have():
    generator = np.random.default_rng(0)
    F, labels = generator.uniform(size=(40, 6)), generator.integers(3, size=40)
    F[0] = [0, 0, 0, 0, 0, 9]
    F[1:, 5] = 0
    F[7:9] = 0
    pattern = label_errors(labels, network=np.eye(3)[labels], F=F)["network"].pattern
    strongest = F.argmax(axis=1)
    assert (pattern.majority[0], pattern.n_others[0]) == (-1, 0)
    assert pattern.factor[7:9].tolist() == pattern.majority[7:9].tolist() == [-1, -1]
    for i in {*range(1, 40)} - {7, 8}:
        others = Counter(labels[j] for j in range(40) if j not in (i, 7, 8) and strongest[j] == strongest[i])
        assert pattern.n_others[i] == sum(others.values())
        assert others[pattern.majority[i]] == max(others.values())
        assert pattern.share[i] == pytest.approx(max(others.values()) / sum(others.values()))
    table = label_errors(labels, network=np.eye(3)[labels], F=F)["network"].table()
    assert table["label_of_most_others"][table["input"].index(0)] is None


@pytest.mark.parametrize("unseen", [True, False])
def test_each_source_says_whether_it_saw_the_inputs(digits, unseen):
    pixels, F, labels, _ = digits
    some = slice(0, 150)
    found = label_errors(
        labels[some], F=F[some], pixels=pixels[some].reshape(-1, 8, 8), network=np.full((150, 10), 0.1), unseen=unseen
    )
    assert list(found) == ["factors", "network", "pixels"]
    assert [found[source].out_of_sample for source in found] == [True, unseen, True]


def test_planted_errors_are_found(digits):
    pixels, F, labels, wrong = digits
    for source, found in label_errors(labels, F=F, pixels=pixels).items():
        precision, recall = found_among_first(found.self_confidence, wrong)
        assert precision == recall > 0.7, source
        assert average_precision(found.self_confidence, wrong) > 0.7, source
        assert average_precision(found.margin, wrong) > 0.7, source
        assert wrong[found.suspect].mean() > 0.4, source


def test_nothing_judges_an_input_that_it_was_trained_on():
    """By noise, which in-sample would be learned by heart: the given label is no likelier than another one."""
    generator = np.random.default_rng(0)
    labels = np.arange(200) % 2
    p, _ = cross_validated(generator.normal(size=(200, 100)), labels, n_classes=2)
    assert np.mean(p[np.arange(200), labels]) == pytest.approx(0.5, abs=0.07)
    np.testing.assert_allclose(p.sum(axis=1), 1)


def test_repeats_give_a_spread(digits):
    _, F, labels, _ = digits
    runs = [cross_validated(F, labels, n_classes=10, seed=seed)[0] for seed in (3, 4)]
    p, spread = cross_validated(F, labels, n_classes=10, n_repeats=2, seed=3)
    np.testing.assert_allclose(p, (runs[0] + runs[1]) / 2)
    own = [run[np.arange(600), labels] for run in runs]
    np.testing.assert_allclose(spread, np.abs(own[0] - own[1]) / np.sqrt(2), atol=1e-12)
    assert label_errors(labels, F=F, n_repeats=2, seed=3)["factors"].table()["spread"][0] >= 0


def test_folds_are_fewer_for_small_classes_and_empty_classes_have_probability_zero():
    labels = np.array([0, 0, 0, 2, 2, 2])
    p, spread = cross_validated(np.arange(6.0)[:, None], labels, n_classes=4)
    assert p[:, [1, 3]].max() == 0
    assert spread is None
    with pytest.raises(ValueError, match="class 1 has a single input"):
        cross_validated(np.arange(4.0)[:, None], np.array([0, 0, 0, 1]), n_classes=2)
    with pytest.raises(ValueError, match="2 folds, 1 repeat and 2 classes"):
        cross_validated(np.arange(4.0)[:, None], np.zeros(4, dtype=int), n_classes=1)


def test_average_precision_is_scikit_learns_also_with_ties():
    generator = np.random.default_rng(0)
    for _ in range(20):
        score, wrong = generator.integers(8, size=50).astype(float), generator.uniform(size=50) < 0.2
        assert average_precision(score, wrong) == pytest.approx(average_precision_score(wrong, -score))
    assert average_precision(np.arange(50.0), np.arange(50) < 5) == 1


def test_found_among_first():
    wrong = np.array([True, False, True, False])
    assert found_among_first([1, 2, 3, 4], wrong) == (0.5, 0.5)
    assert found_among_first([1, 2, 3, 4], wrong, 3) == (2 / 3, 1)
    assert found_among_first([1, 1, 1, 1], wrong, 1) == (0.5, 0.25)
    for given in ([0.1, 0.2], [0.1] * 4):
        with pytest.raises(ValueError, match="wrong must be a boolean for each"):
            found_among_first(given, [0, 1, 0, 0])
    with pytest.raises(ValueError, match="got 1 NaN"):
        average_precision([0.1, np.nan], [True, False])
    with pytest.raises(ValueError, match="n must be from 1 to 4"):
        found_among_first([1, 2, 3, 4], wrong, 5)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({}, "at least one of F, network and pixels"),
        ({"network": [[2.0, -1], [0, 1], [1, 0]]}, "give softmax"),
        ({"network": [[1.0], [1], [1]]}, r"must have shape \(3, 2\)"),
        ({"F": [[1.0], [1]]}, "factors must have a row for each of 3 labels"),
        ({"pixels": np.full((3, 2), np.nan)}, "finite"),
    ],
)
def test_what_does_not_fit_is_refused(more, says):
    with pytest.raises(ValueError, match=says):
        label_errors([0, 0, 1], **more)
