"""Restarts compared by their components."""

import itertools

import numpy as np
import pytest

from coupled_nmf import Blocks, CoupledNMF, make_coupled_blocks, stability
from coupled_nmf.model_selection.stability import matched_cosines

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def X():
    return make_coupled_blocks(150, {"a": 30, "b": 20}, 4, noise=0.2, random_state=1)[0]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_near_one_up_to_the_planted_rank_and_lower_above(seed):
    X, _, _ = make_coupled_blocks(150, {"a": 30, "b": 20}, 4, noise=0.2, random_state=seed)
    rows = {row["rank"]: row for row in stability(X, range(2, 7), n_init=5, random_state=0).rows()}
    for rank in (2, 3, 4):
        assert rows[rank]["least_similarity"] > 0.98, rank
    for rank in (5, 6):
        assert rows[rank]["similarity"] < 0.96, rank
        assert rows[rank]["least_similarity"] < 0.9, rank


def test_components_are_matched_for_the_largest_sum():
    rng = np.random.RandomState(0)
    a, b = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in rng.uniform(size=(2, 5, 7)))
    best = max(sum(a[i] @ b[j] for i, j in enumerate(order)) for order in itertools.permutations(range(5)))
    assert matched_cosines(a, b).sum() == pytest.approx(best)
    np.testing.assert_allclose(matched_cosines(a, a[::-1]), 1)


def test_what_is_reported_belongs_to_the_best_restart(X):
    seen = []
    found = stability(X, [3, 6], n_init=3, random_state=0, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(i, 6) for i in range(1, 7)]
    for one in found.by_rank:
        assert one.component_similarity.shape == (one.rank,)
        assert one.least_similarity == one.component_similarity.min()
        assert one.model.components_.shape == (one.rank, 50)
        assert one.objective == pytest.approx(one.model.reconstruction_err_**2)
    assert found.by_rank[0].objective > found.by_rank[1].objective


def test_components_of_zeros_are_like_none():
    one = stability(np.zeros((8, 4)), [2], n_init=2, random_state=0).by_rank[0]
    np.testing.assert_array_equal(one.model.components_, 0)
    np.testing.assert_array_equal(one.component_similarity, 0)


def test_blocks_count_by_their_weights(X):
    """A block of weight 0 says nothing, however differently its components come out."""
    noise = np.random.RandomState(0).uniform(size=(150, 30))
    with_noise = Blocks({"a": X["a"], "b": X["b"], "noise": 100 * noise})
    weighted = CoupledNMF(block_weights={"noise": 0.0})
    alone, among = (stability(data, [4], n_init=3, estimator=e, random_state=0) for data, e in
                    ((X, None), (with_noise, weighted)))  # fmt: skip
    assert alone.by_rank[0].similarity == pytest.approx(among.by_rank[0].similarity, abs=1e-2)


def test_the_seed_stands_in_place_of_the_estimators(X):
    base = CoupledNMF(random_state=5)
    own, same, other = (stability(X, [6], n_init=2, estimator=base, random_state=seed).rows() for seed in (None, 5, 6))
    assert own == same
    assert own != other
    assert base.random_state == 5


def test_the_table(X):
    found = stability(X, [2, 3], n_init=2, random_state=0)
    frame = pytest.importorskip("pandas").DataFrame(found.rows())
    assert frame.equals(found.to_pandas())
    assert list(frame) == ["rank", "similarity", "least_similarity", "objective"]
    lines = repr(found).splitlines()
    assert lines[0].split() == list(frame)
    assert [line.split()[0] for line in lines[1:]] == ["2", "3"]
    assert len({len(line) for line in lines}) == 1


@pytest.mark.parametrize("n_init", [1, 2.5])
def test_bad_requests(X, n_init):
    with pytest.raises(ValueError, match=f"n_init is {n_init}; restarts are compared"):
        stability(X, [2], n_init=n_init)
    with pytest.raises(ValueError, match="each once"):
        stability(X, [2, 2])
    with pytest.raises(TypeError, match="instance of CoupledNMF"):
        stability(X, [2], estimator="nmf")
