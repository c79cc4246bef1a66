"""What the head says of a layer that is put together from factors, beside an SVD: against dense matrices."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from torch import nn

from cnn_probe import ask, probe
from cnn_probe.measures import spectrum
from cnn_probe.measures.causes.agreement import HeadAgreement, head_agreement

IMAGES = torch.rand(60, 3, 6, 6, generator=torch.Generator().manual_seed(0))
LABELS = np.arange(60) % 3


def network(activation, *end):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return nn.Sequential(nn.Conv2d(3, 4, 3), activation, *end)


def flat(activation):
    return network(activation, nn.Flatten(), nn.Linear(64, 3))


def averaged(activation):
    return network(activation, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))


@pytest.mark.parametrize(
    ("made", "how"),
    [
        (flat(nn.ReLU()), {}),
        (averaged(nn.ReLU()), {"pool": "mean"}),
        (flat(nn.GELU()), {"negative": "split"}),
        (flat(nn.GELU()), {"negative": "shift"}),
        (averaged(nn.GELU()), {"negative": "shift", "pool": "mean"}),
    ],
    ids=["whole", "mean", "split", "shift", "shifted mean"],
)
def test_classes_are_those_of_dense_reconstructions(made, how):
    result = probe(made, IMAGES, n_components=3, **how)
    answers = ask(result, IMAGES, labels=LABELS)
    found, head = answers.head_agreement, answers.head
    names = [name for name in answers.X.names if name.startswith("1")]
    stacked = np.concatenate([np.asarray(answers.X[name]) for name in names], axis=1).astype(np.float64)
    own = np.concatenate([result.model.block_components_[name] for name in names], axis=1)
    weights = np.concatenate([head.weights, -head.weights][: len(names)], axis=1)
    bias = head.bias + (head.weights @ result.minima["1"] if result.minima else 0)
    U, s, Vt = np.linalg.svd(stacked, full_matrices=False)
    np.testing.assert_array_equal(found.own, result.predictions)
    np.testing.assert_array_equal(found.factors, np.argmax(result.F @ own @ weights.T + bias, axis=1))
    best = (U[:, :3] * s[:3]) @ Vt[:3]
    np.testing.assert_array_equal(found.svd, np.argmax(best @ weights.T + bias, axis=1))
    np.testing.assert_array_equal(found.labels, LABELS)
    assert (found.layer, found.rank) == ("1", 3)


def test_the_table_says_how_often_and_how_sure():
    own, factors = np.array([0, 1, 2, 1]), np.array([0, 1, 2, 0])
    found = HeadAgreement("relu", 2, own, factors, own, labels=np.array([0, 1, 1, 0]))
    table = found.table()
    assert table["of"] == ("network", "factors", "SVD")
    assert table["agreement"] == (1, 0.75, 1)
    assert table["accuracy"] == (0.5, 0.75, 0.5)
    for row, (k, low, high) in enumerate(
        [(2, "accuracy low", "accuracy high"), (3, "low", "high"), (4, "low", "high")]
    ):
        interval = binomtest(k, 4).proportion_ci(0.95, method="exact")
        assert (table[low][row], table[high][row]) == pytest.approx((interval.low, interval.high))
    assert "accuracy" not in replace(found, labels=None).table().columns


def test_without_a_head_or_its_classes_there_is_none():
    result = probe(flat(nn.ReLU()), IMAGES, n_components=2)
    assert ask(result, IMAGES).head_agreement.labels is None
    assert ask(result, IMAGES, labels=LABELS + 5).head_agreement.labels is None, "no output is class 7"
    tanh = network(nn.ReLU(), nn.Flatten(), nn.Linear(64, 3), nn.Tanh())
    assert ask(probe(tanh, IMAGES, n_components=2, layers=["1"]), IMAGES).head_agreement is None
    one = network(nn.ReLU(), nn.Flatten(), nn.Linear(64, 1))
    with pytest.warns(UserWarning, match="no predictions"):
        single = probe(one, IMAGES, n_components=2)
    assert ask(single, IMAGES).head_agreement is None


def test_of_a_layer_that_explains_itself_all_classes_agree():
    """As many factors as channels, and the SVD's: nothing is lost."""
    result = probe(averaged(nn.ReLU()), IMAGES, n_components=4, pool="mean", inputs=False, max_iter=2000, tol=1e-7)
    found = ask(result, IMAGES).head_agreement
    assert np.mean(found.svd == found.own) == 1


@pytest.mark.parametrize(("shape", "exact"), [((90, 40), 3000), ((40, 90), 3000), ((90, 70), 30), ((5, 8), 3000)])
def test_right_vectors_give_the_best_approximation(monkeypatch, shape, exact):
    monkeypatch.setattr(spectrum, "ENTRIES", 7 * shape[1])
    generator = np.random.default_rng(0)
    X = generator.uniform(size=(shape[0], 6)) @ generator.uniform(size=(6, shape[1])) * 9
    X += generator.uniform(size=shape)
    rows = spectrum.Rows(*shape, lambda some: X[some])
    U, s, Vt = np.linalg.svd(X, full_matrices=False)
    for rank in (1, 4, 7):
        V = spectrum.right_vectors(rows, rank, exact=exact)
        k = min(rank, *shape)
        assert V.shape == (shape[1], k)
        np.testing.assert_allclose(V.T @ V, np.eye(k), atol=1e-10)
        whole = exact > min(shape)  # the randomized one comes close
        found, least = np.sum((X - X @ V @ V.T) ** 2), np.sum(s[k:] ** 2)
        assert found == pytest.approx(least, rel=1e-9 if whole else 1e-4, abs=1e-9)
        if whole:
            np.testing.assert_allclose(X @ V @ V.T, (U[:, :k] * s[:k]) @ Vt[:k], atol=1e-6)


def test_a_large_layer_gives_what_a_small_one_does():
    result = probe(flat(nn.ReLU()), IMAGES, n_components=3)
    answers = ask(result, IMAGES)
    randomized = head_agreement(result, answers.head, answers.X, exact=10)
    np.testing.assert_array_equal(randomized.svd, answers.head_agreement.svd)
    np.testing.assert_array_equal(randomized.own, answers.head_agreement.own)
