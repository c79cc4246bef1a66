"""Factors matched one to one: against a search through all assignments, and what chance reaches."""

import itertools

import numpy as np
import pytest

from cnn_probe.measures.comparing.matching import assign, match, matched_cosines


@pytest.fixture
def F():
    return np.random.default_rng(0).exponential(size=(150, 4)) ** 2


def test_a_factorization_against_itself_permuted_is_matched_at_1(F):
    order = np.array([2, 0, 3, 1])
    found = match(F, 7.0 * F[:, order])
    assert found.pairs == tuple((int(factor), place) for place, factor in sorted(enumerate(order), key=lambda p: p[1]))
    np.testing.assert_allclose(found.cosines, 1.0)
    assert found.lost == found.new == ()
    table = found.table()
    assert table["status"] == ("matched",) * 4
    assert max(table["threshold"]) < 0.9
    assert min(table["chance"]) > 0.2


def test_a_factor_that_was_deleted_is_lost_and_back_it_is_new(F):
    found = match(F, F[:, [3, 0, 1]])
    assert (found.lost, found.new) == ((2,), ())
    assert np.isnan(found.cosines[2])
    assert found.pairs == ((0, 1), (1, 2), (3, 0))
    back = match(F[:, [3, 0, 1]], F)
    assert (back.lost, back.new) == ((), (2,))
    table = back.table()
    assert table["status"][-1] == "new"
    assert table["a"][-1] is None
    assert table["b"][-1] == 2


def test_a_factor_replaced_by_noise_is_lost_and_new(F):
    other = F.copy()
    other[:, 1] = np.random.default_rng(1).permutation(F[:, 1])
    found = match(F, other)
    assert (found.lost, found.new) == ((1,), (1,))
    assert found.cosines[1] < found.threshold[1] < 1


def test_the_assignment_is_the_best_of_all():
    generator = np.random.default_rng(0)
    for k_a, k_b in ((4, 4), (3, 5), (5, 3)):
        similarity = generator.uniform(size=(k_a, k_b))
        tall = similarity if k_a <= k_b else similarity.T
        best = max(
            sum(tall[row, column] for row, column in enumerate(chosen))
            for chosen in itertools.permutations(range(tall.shape[1]), len(tall))
        )
        assigned = assign(similarity)
        rows = np.flatnonzero(assigned >= 0)
        assert similarity[rows, assigned[rows]].sum() == pytest.approx(best)
        assert len(set(assigned[rows])) == len(rows) == min(k_a, k_b)


def test_chance_is_what_each_factor_reaches_with_shuffled_rows_and_noise_does_not_pass(F):
    F = F.copy()
    F[:, 2] = 1.0 + 0.1 * F[:, 2]  # in all inputs, and so like what is in many
    found = match(F, F, n_shuffles=400)
    generator = np.random.default_rng(5)
    slow = np.quantile([matched_cosines(F, F[generator.permutation(len(F))]) for _ in range(400)], 0.95, axis=0)
    np.testing.assert_allclose(found.chance_a, slow, atol=0.06)
    assert found.chance_a[2] > 0.9 > 0.7 > found.chance_a[[0, 1, 3]].max()
    np.testing.assert_allclose(found.threshold, (1 + np.maximum(found.chance_a, found.chance_b)) / 2)
    shuffled = [F[generator.permutation(len(F))] for _ in range(50)]
    assert np.sum([match(F, other, threshold=0.0).matched for other in shuffled]) <= 20  # of 200, at a level of 5%
    assert np.sum([match(F, other).matched for other in shuffled]) <= 2


def test_a_match_is_the_same_from_either_side(F):
    G = np.random.default_rng(2).uniform(0.5, 1.0, size=F.shape) * F[:, [1, 2, 3, 0]]
    there, back = match(F, G, threshold=0.9), match(G, F, threshold=0.9)
    assert there.pairs == tuple(sorted((a, b) for b, a in back.pairs))
    assert there.lost == back.new
    np.testing.assert_array_equal(there.back, back.assigned)
    assert match(F, G, threshold=0.9999).pairs == ()


def test_the_same_seed_gives_the_same_chance(F):
    np.testing.assert_array_equal(match(F, F).shuffled, match(F, F).shuffled)
    assert not np.array_equal(match(F, F).shuffled, match(F, F, random_state=1).shuffled)


def test_components_are_averaged_with_F_block_by_block(F):
    generator = np.random.default_rng(3)
    H_a = {"pixels": generator.uniform(size=(4, 9)), "a only": generator.uniform(size=(4, 3))}
    H_b = {"pixels": generator.uniform(size=(4, 9)), "relu": generator.uniform(size=(4, 5))}
    H_a["relu"] = generator.uniform(size=(4, 5))
    G = generator.uniform(size=F.shape)

    def cosine(x, y):
        return x @ y / np.sqrt((x @ x) * (y @ y))

    matching = match(F, G, H_a=H_a, H_b=H_b)
    assert (matching.blocks, match(F, G).blocks) == (("pixels", "relu"), ())
    found = matching.similarity
    for a, b in np.ndindex(4, 4):
        of_blocks = [cosine(H_a[name][a], H_b[name][b]) for name in ("pixels", "relu")]
        assert found[a, b] == pytest.approx((cosine(F[:, a], G[:, b]) + np.mean(of_blocks)) / 2)


def test_a_factor_of_zeros_is_like_none_and_scale_does_not_matter(F):
    other = F * np.array([1e-200, 1.0, 1e200, 0.0])
    found = match(F, other)
    assert found.pairs == ((0, 0), (1, 1), (2, 2))
    assert found.lost == (3,)
    assert found.similarity[3, 3] == 0


def test_what_cannot_be_matched_is_refused(F):
    for arguments, said in (
        ({"F_b": F[:9]}, "150 samples and F_b has 9"),
        ({"F_b": -F}, "F_b must be finite and non-negative"),
        ({"F_b": F[:, 0]}, "two dimensions"),
        ({"n_shuffles": 5}, "n_shuffles must be 20 or more"),
        ({"threshold": 1.5}, "threshold must be from 0 to 1"),
        ({"H_a": {"x": F.T}}, "both be given"),
        ({"H_a": {"x": F.T}, "H_b": {"y": F.T}}, "no block of H_a"),
        ({"H_a": {"x": F.T[:2]}, "H_b": {"x": F.T}}, "2 and 4 components"),
    ):
        with pytest.raises(ValueError, match=said):
            match(**{"F_a": F, "F_b": F, **arguments})
