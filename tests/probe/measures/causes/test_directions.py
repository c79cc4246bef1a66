"""Directions that a factor is held against: the first principal one, shuffled neurons, and draws like the layer."""

import numpy as np
import pytest

from cnn_probe.measures.causes.directions import directions_of, principal_direction


@pytest.mark.parametrize("shape", [(50, 6), (8, 300), (2100, 2050)])
def test_the_principal_direction_is_the_first_singular_vector_of_what_is_centred(shape):
    rng = np.random.default_rng(0)
    direction = rng.normal(size=shape[1])
    direction /= np.linalg.norm(direction)
    rows = 0.1 * rng.normal(size=shape) + 5 * rng.normal(size=(shape[0], 1)) * direction + 3
    found = principal_direction(rows.astype(np.float32))
    assert np.linalg.norm(found) == pytest.approx(1)
    if shape[1] < 1000:
        expected = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)[2][0]
        assert abs(found @ expected) == pytest.approx(1, abs=1e-5)
    assert abs(found @ direction) > 0.98
    np.testing.assert_array_equal(principal_direction(np.ones((5, 3))), np.zeros(3))


def drawn(seed=0, n_shuffles=30):
    generator = np.random.default_rng(7)
    rows = generator.random((50, 8)).astype(np.float32) + 2
    rows[:, 5:] = 1  # what is the same in all inputs is in none of the layer's directions
    H = generator.random((2, 8))
    return H, rows, directions_of(H, rows, [1, 0], n_shuffles, seed)


def test_all_directions_of_a_factor_have_its_norm_and_others_point_with_it():
    H, _, found = drawn()
    kinds = ["factor", *["shuffled"] * 30, *["alike"] * 30, "principal"]
    assert [one.kind for one in found] == kinds * 2
    assert [one.factor for one in found] == [1] * 62 + [0] * 62
    for one in found:
        assert np.linalg.norm(one.vector) == pytest.approx(np.linalg.norm(H[one.factor]))
        if one.kind in ("alike", "principal"):
            assert one.vector @ H[one.factor] > 0
            np.testing.assert_allclose(one.vector[5:], 0, atol=1e-6)
        if one.kind == "shuffled":
            np.testing.assert_array_equal(np.sort(one.vector), np.sort(H[one.factor]))


def test_directions_are_those_of_the_seed_and_differ_from_each_other():
    vectors = [np.stack([one.vector for one in drawn(seed)[2]]) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(vectors[0], vectors[1])
    alike = vectors[0][31:61]
    assert len(np.unique(alike.round(6), axis=0)) == 30
    assert not np.isclose(alike, vectors[2][31:61]).all(axis=1).any()


def test_directions_like_the_layer_have_its_covariance():
    generator = np.random.default_rng(1)
    rows = generator.normal(size=(400, 3)) @ np.array([[3.0, 0, 0], [1, 1, 0], [0, 0, 0.2]]) + 5
    found = directions_of(np.ones((1, 3)), rows, [0], 4000, 0)
    alike = np.stack([one.vector for one in found if one.kind == "alike"])
    own = np.random.default_rng(2).multivariate_normal(np.zeros(3), np.cov(rows.T), size=4000)
    own *= np.sqrt(3) / np.linalg.norm(own, axis=1, keepdims=True)  # of one length, as the others are
    np.testing.assert_allclose(alike.T @ alike / 4000, own.T @ own / 4000, atol=0.06)


def test_a_layer_that_is_the_same_for_all_inputs_has_no_directions_of_its_own():
    found = directions_of(np.ones((1, 3)), np.ones((5, 3)), [0], 2, 0)
    assert [one.vector.any() for one in found if one.kind in ("alike", "principal")] == [False] * 3
