"""Exact tests, beside every way of dealing written out."""

import itertools

import numpy as np
import pytest

from cnn_probe.measures.counting.exact import (
    at_least,
    at_most,
    count_rises,
    interval,
    one_of,
    rises_by_chance,
    together,
)


@pytest.mark.parametrize(
    ("values", "levels"),
    [
        ((1, 2, 3, 4), (0, 1, 2, 3)),
        ((1, 2, 3, 4), (2, 0, 1, 1)),
        ((1, 1, 3, 4), (0, 1, 1, 2)),
        ((2, 2, 2), (0, 1, 2)),
        ((0.5, 0.1, 0.5, 0.1, 0.9, 0.5), (0, 0, 1, 2, 2, 2)),
        ((3, 1), (0, 0)),
    ],
)
def test_dealing_counts_as_every_permutation_written_out(values, levels):
    written_out = [count_rises(dealt, levels) for dealt in itertools.permutations(values)]
    chances = rises_by_chance(values, levels)
    assert chances == pytest.approx(np.bincount(written_out, minlength=len(chances)) / len(written_out))
    assert chances.sum() == pytest.approx(1)


def test_many_conditions_are_dealt_without_writing_them_out():
    chances = rises_by_chance(range(12), range(12))  # 479,001,600 ways
    assert chances[-1] * 479_001_600 == pytest.approx(1)
    assert chances @ np.arange(67) == pytest.approx(33), "half of the pairs rise"


def test_a_sum_has_the_chances_of_its_parts_written_out():
    parts = [np.array([0.2, 0.8]), np.array([0.5, 0.0, 0.5]), np.array([0.1, 0.3, 0.6])]
    written_out = np.zeros(6)
    for many in itertools.product(range(2), range(3), range(3)):
        written_out[sum(many)] += np.prod([part[n] for part, n in zip(parts, many, strict=True)])
    whole = together(parts)
    assert whole == pytest.approx(written_out)
    for n in range(6):
        assert at_least(n, whole) == pytest.approx(written_out[n:].sum())
        assert at_most(n, whole) == pytest.approx(written_out[: n + 1].sum())


def test_without_an_effect_5_percent_are_named_or_fewer():
    rng, levels = np.random.default_rng(0), (0, 1, 1, 2)
    chances = []
    for _ in range(2000):
        seeds = rng.integers(0, 5, size=(3, 4))  # with ties
        found = sum(count_rises(values, levels) for values in seeds)
        chances.append(at_least(found, together(rises_by_chance(values, levels) for values in seeds)))
    share = np.mean(np.array(chances) <= 0.05)
    assert 0.02 < share <= 0.055, "the test is of its level, and not without power"


def test_one_of_several_is_as_likely_as_another():
    assert one_of([3, 0, 0, 1]) == pytest.approx([0.5, 0.25, 0, 0.25])


def test_intervals_are_exact_at_the_ends():
    assert interval(0, 5)[0] == 0
    assert interval(5, 5)[1] == 1
    low, high = interval(30, 60)
    assert low == pytest.approx(1 - high)
    assert 0.36 < low < 0.38
