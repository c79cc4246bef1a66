"""What is drawn for each row is the same whoever draws it, and in which parts."""

import itertools

import numpy as np
import pytest

from coupled_nmf.problem.draws import DRAWN, DrawnF, RowSample

PARTS = [0, 1, 7, 8, 9, 4095, 4096, 4097, 9000, 12_345]


@pytest.mark.parametrize("share", [1, 2, 7, 8])
def test_a_sample_is_made_of_those_of_its_parts(share):
    sample = RowSample(share, seed=3)
    whole = sample.of(slice(0, PARTS[-1]))
    parts = [sample.of(slice(a, b)) + a for a, b in itertools.pairwise(PARTS)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    groups = whole // share
    np.testing.assert_array_equal(groups, np.arange(len(whole)))
    assert len(whole) in (PARTS[-1] // share, -(-PARTS[-1] // share))


def test_every_place_is_drawn_about_as_often_and_the_seed_decides():
    drawn = [RowSample(8, seed).of(slice(0, 80_000)) % 8 for seed in (0, 1)]
    for places in drawn:
        np.testing.assert_allclose(np.bincount(places, minlength=8), 1250, atol=150)
    assert np.mean(drawn[0] == drawn[1]) == pytest.approx(1 / 8, abs=0.02)


@pytest.mark.parametrize("value", [None, 0.3])
def test_rows_of_an_f_are_those_of_the_whole(value):
    drawn = DrawnF(np.ones(3), np.dtype(np.float32), value=value, seed=5).scaled(np.array([2.0]))
    whole = drawn.rows(slice(0, PARTS[-1]))
    assert whole.dtype == np.float32
    for a, b in itertools.pairwise(PARTS):
        np.testing.assert_array_equal(drawn.rows(slice(a, b)), whole[a:b])
    if value is None:
        halved = whole / [2, 1, 1]
        assert np.all((halved >= 0) & (halved < 1))
        np.testing.assert_allclose(halved.mean(axis=0), 0.5, atol=0.02)
        assert not np.array_equal(halved[:DRAWN], halved[DRAWN : 2 * DRAWN])
    else:
        np.testing.assert_array_equal(whole, np.broadcast_to(np.float32([0.6, 0.3, 0.3]), whole.shape))
