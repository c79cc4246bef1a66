"""Factors that come out again, and such as do not: planted ones, and fits repeated by hand."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from cnn_probe.measures.comparing.matching import match
from cnn_probe.measures.comparing.stability import factor_stability, refits
from coupled_nmf import Blocks, CoupledNMF, make_coupled_blocks, rank_path


def collinear(seed):
    """Five factors; the components of the last two, which are in all inputs, differ by a fifth."""
    generator = np.random.default_rng(seed)
    F, H = generator.gamma(0.3, size=(200, 5)), generator.gamma(0.3, size=(5, 60))
    F[:, 3:] = generator.uniform(0.4, 2.0, size=(200, 2))
    H[4] = H[3] * generator.uniform(0.8, 1.2, size=60)
    X = F @ H
    X = np.maximum(X + 0.05 * X.mean() * generator.normal(size=X.shape), 0)
    return F, Blocks({"pixels": X[:, :40], "relu": X[:, 40:]})


@pytest.fixture(scope="module")
def planted():
    X, _, _ = make_coupled_blocks(80, {"pixels": 30, "relu": 20}, 3, noise=0.1, random_state=0)
    model = CoupledNMF(3, random_state=0)
    return X, model, model.fit_transform(X)


@pytest.mark.parametrize("seed", [0, 2, 3, 4])  # of 1 their sum is found each time, and one is marked
def test_two_collinear_factors_are_marked_and_no_other(seed):
    truth, X = collinear(seed)
    model = CoupledNMF(5, random_state=0, max_iter=1000)
    F = model.fit_transform(X)
    found = factor_stability(X, model, F, n_starts=6, n_splits=3)
    own = match(truth, F).assigned
    assert found.holds[own].tolist() == [True, True, True, False, False]
    assert found.mean_starts[own[:3]].min() > 0.99
    table = found.table()
    assert [table["verdict"][factor] for factor in own[:3]] == ["holds"] * 3
    assert "holds" not in {table["verdict"][factor] for factor in own[3:]}


def test_what_is_beyond_the_rank_of_X_does_not_come_out_again():
    X, truth, _ = make_coupled_blocks(80, {"pixels": 30, "relu": 20}, 3, noise=0.3, random_state=0)
    model = CoupledNMF(4, random_state=0)
    F = model.fit_transform(X)
    found = factor_stability(X, model, F, n_starts=5, n_splits=3)
    (beyond,) = match(F, truth).lost
    assert [name for factor, name in enumerate(found.verdicts) if factor != beyond] == ["holds"] * 3
    assert found.verdicts[beyond] == "does not come out again"


def test_similarities_are_those_of_fits_made_by_hand(planted):
    X, model, F = planted
    found = factor_stability(X, model, F, n_starts=2, n_splits=1, random_state=3)
    assert found.starts.shape == found.halves.shape == (2, 3)
    generator = np.random.default_rng(3)
    for row in found.starts:
        other = fit(X, generator).F
        cosines = [max(_cosine(F[:, j], other[:, i]) for i in range(3)) for j in range(3)]  # of so clear ones
        np.testing.assert_allclose(row, cosines, atol=1e-6)
    order = generator.permutation(80)
    first, second = np.sort(order[:40]), np.sort(order[40:])
    for row, (fitted, compared) in zip(found.halves, ((first, second), (second, first)), strict=True):
        other = fit(X[fitted], generator).model.transform(X[compared])
        cosines = [max(_cosine(F[compared, j], other[:, i]) for i in range(3)) for j in range(3)]
        np.testing.assert_allclose(row, cosines, atol=1e-6)


def fit(X, generator, **parameters):
    return rank_path(X, [3], estimator=CoupledNMF(random_state=int(generator.integers(2**31)), **parameters)).fits[0]


def _cosine(x, y):
    return x @ y / np.sqrt((x @ x) * (y @ y))


def test_thresholds_are_halfway_between_chance_and_1(planted):
    X, model, F = planted
    found = factor_stability(X, model, F, n_starts=1, n_splits=1)
    others = refits(X, model, 1)
    np.testing.assert_allclose(found.threshold_starts, match(F, others[0]).threshold)
    assert np.all(found.threshold_halves > found.threshold_starts - 0.1)


def test_the_weights_are_those_of_the_fit_and_the_model_stays_as_it_was(planted):
    X, _, _ = planted
    model = CoupledNMF(3, random_state=0, block_weights="balanced")
    F = model.fit_transform(X)
    before = {name: np.copy(value) for name, value in model.block_components_.items()}
    (other,) = refits(X, model, 1, random_state=2)
    weights = dict(zip(X.names, model.block_weights_.tolist(), strict=True))
    np.testing.assert_array_equal(other, fit(X, np.random.default_rng(2), block_weights=weights).F)
    factor_stability(X, model, F, n_starts=1, n_splits=1)
    assert model.random_state == 0
    assert model.block_weights == "balanced"
    for name, value in before.items():
        np.testing.assert_array_equal(model.block_components_[name], value)


def test_after_a_start_that_was_given_the_others_have_their_own(planted):
    X, _, _ = planted
    model = CoupledNMF(3, random_state=0, init="custom")
    F = model.fit_transform(X, H=np.random.default_rng(0).uniform(size=(3, 50)).astype(X.dtype))
    first, second = refits(X, model, 2)
    assert not np.array_equal(first, second)
    assert factor_stability(X, model, F, n_starts=2, n_splits=1).starts.shape == (2, 3)
    with pytest.raises(NotFittedError):
        refits(X, CoupledNMF(3), 1)


def test_progress_is_told_and_an_interrupt_comes_out(planted):
    X, model, F = planted
    told = []
    factor_stability(X, model, F, n_starts=2, n_splits=1, progress=lambda *at: told.append(at))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]

    def interrupt(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        factor_stability(X, model, F, progress=interrupt)


def test_one_kind_alone(planted):
    X, model, F = planted
    found = factor_stability(X, model, F, n_starts=0, n_splits=2)
    assert found.starts.shape == (0, 3)
    assert np.isnan(found.mean_starts).all()
    assert found.holds.all()
    assert found.verdicts == ("holds",) * 3
    assert len(found.table()) == 3


def test_without_halves_of_the_inputs_nothing_is_said_to_hold():
    """Factors of random numbers come out of other starts, here all of them."""
    X = Blocks({"a": np.random.default_rng(0).exponential(size=(60, 6))})
    model = CoupledNMF(6, random_state=0)
    found = factor_stability(X, model, model.fit_transform(X), n_starts=2, n_splits=0)
    assert found.again.tolist().count(1) > 3
    assert not found.holds.any()
    assert "holds" not in found.verdicts
    assert found.verdicts.count("comes out of other starts") == found.again.tolist().count(1)


def test_what_cannot_be_is_refused(planted):
    X, model, F = planted
    for arguments, said in (
        ({"F": F[:5]}, r"F has shape \(5, 3\), but X has 80"),
        ({"n_starts": 0, "n_splits": 0}, "not both 0"),
        ({"X": X[:5], "F": F[:5]}, "half of 5 inputs"),
    ):
        with pytest.raises(ValueError, match=said):
            factor_stability(**{"X": X, "model": model, "F": F, **arguments})
