"""Entries hidden from the fit and predicted by it."""

import numpy as np
import pytest

import coupled_nmf.model_selection.holdout as module
from coupled_nmf import (
    Blocks,
    CoupledNMF,
    Holdout,
    HoldoutFit,
    RankFit,
    holdout_entries,
    make_coupled_blocks,
    rank_path,
)
from coupled_nmf.model_selection.holdout import hide, judge

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def X():
    return make_coupled_blocks(100, {"a": 30, "b": 20}, 4, noise=0.2, random_state=0)[0]


@pytest.fixture
def arrays(X):
    return {name: X[name].copy() for name in X.names}


def fit_of(errors):
    """Fits with the given errors by rank."""
    return Holdout(tuple(HoldoutFit(k, i, e, {"a": e}) for k, found in errors.items() for i, e in enumerate(found)))


def test_a_part_of_every_block_is_hidden(arrays):
    hidden = hide(arrays, 0.1, np.random.RandomState(0))
    assert {name: mask.sum() for name, mask in hidden.items()} == {"a": 300, "b": 200}
    again, other = (hide(arrays, 0.1, np.random.RandomState(seed)) for seed in (0, 1))
    assert np.array_equal(hidden["a"], again["a"])
    assert not np.array_equal(hidden["a"], other["a"])


def test_what_is_missing_is_not_hidden(arrays):
    arrays["a"][:, :15] = np.nan
    hidden = hide(arrays, 0.2, np.random.RandomState(0))
    assert not hidden["a"][:, :15].any()
    assert hidden["a"].sum() == 300


@pytest.mark.parametrize("fraction", [0.5, 0.8])
def test_no_row_and_no_column_is_hidden_whole(fraction):
    arrays = {"a": np.ones((12, 3)), "b": np.ones((12, 2))}
    for seed in range(30):
        hidden = hide(arrays, fraction, np.random.RandomState(seed))
        side_by_side = np.hstack(list(hidden.values()))
        assert not side_by_side.all(axis=1).any()
        assert not side_by_side.all(axis=0).any()
        assert side_by_side.any()


def test_a_small_block_has_one_entry_hidden():
    hidden = hide({"a": np.ones((4, 2)), "b": np.ones((4, 9))}, 0.01, np.random.RandomState(0))
    assert [mask.sum() for mask in hidden.values()] == [1, 1]


@pytest.mark.parametrize("block", [np.ones((1, 3)), np.full((4, 2), np.nan)])
def test_a_block_with_nothing_to_hide_is_refused(block):
    with pytest.raises(ValueError, match="Block 'a' has no entry to hide"):
        hide({"a": block}, 0.1, np.random.RandomState(0))


def test_errors_are_those_of_the_hidden_entries_by_block_weight(X, arrays):
    model = CoupledNMF(4, block_weights={"b": 3.0}, random_state=0)
    F = model.fit_transform(X)
    hidden = hide(arrays, 0.1, np.random.RandomState(0))
    found = judge(RankFit(4, 0, 0.0, model, F), 2, arrays, hidden)
    errors, totals = np.zeros(2), np.zeros(2)
    for b, name in enumerate(X.names):
        for i, j in np.argwhere(hidden[name]):
            errors[b] += (X[name][i, j] - F[i] @ model.block_components_[name][:, j]) ** 2
            totals[b] += X[name][i, j] ** 2
    assert (found.rank, found.repeat) == (4, 2)
    assert list(found.block_error) == ["a", "b"]
    assert list(found.block_error.values()) == pytest.approx(list(errors / totals))
    assert found.error == pytest.approx((errors[0] + 3 * errors[1]) / (totals[0] + 3 * totals[1]))


def test_hidden_zeros():
    model = CoupledNMF(1, random_state=0)
    F = model.fit_transform(np.outer([0.0, 1, 2], [0, 1, 1]))
    zeros, ones = np.zeros((3, 3), dtype=bool), np.zeros((3, 3), dtype=bool)
    zeros[0, 0] = ones[1, 1] = True
    fit = RankFit(1, 0, 0.0, model, F)
    assert judge(fit, 0, {"X": np.zeros((3, 3))}, {"X": zeros}).error == 0
    assert judge(fit, 0, {"X": np.zeros((3, 3))}, {"X": ones}).error == np.inf


def test_the_best_rank_has_the_lowest_mean_error():
    found = fit_of({2: [0.5, 0.7], 3: [0.1, 0.3], 4: [0.0, 0.4], 5: [0.05, 0.5]})
    assert found.mean_error == pytest.approx({2: 0.6, 3: 0.2, 4: 0.2, 5: 0.275})
    assert fit_of({5: [0.1], 3: [0.1], 4: [0.2]}).best_rank == 3


def test_ranks_of_an_array_are_whole_numbers_of_python(X):
    found = holdout_entries(X, np.arange(2, 4), n_repeats=1, random_state=0)
    assert type(found.best_rank) is int
    path = rank_path(X, np.arange(2, 4), estimator=CoupledNMF(max_iter=5, random_state=0))
    assert {type(rank) for rank in path.models} == {int}
    with pytest.raises(ValueError, match="give a list of whole numbers"):
        rank_path(X, np.array([2.0]))


def test_the_table():
    found = fit_of({2: [0.5, 0.75], 3: [0.125, 0.25]})
    frame = pytest.importorskip("pandas").DataFrame(found.rows())
    assert frame.equals(found.to_pandas())
    assert list(frame) == ["rank", "repeat", "error", "error_a"]
    assert [line.split() for line in repr(found).splitlines()][:2] == [["rank", "repeat", "error"], ["2", "0", "0.5"]]
    assert len(repr(found).splitlines()) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fraction": 0}, "fraction is 0; give the part"),
        ({"fraction": 1.0}, r"fraction is 1\.0; give the part"),
        ({"fraction": "half"}, "fraction is 'half'; give the part"),
        ({"n_repeats": 0}, "n_repeats is 0; give a whole number"),
        ({"n_repeats": 1.5}, r"n_repeats is 1\.5; give a whole number"),
        ({"ranks": [2, 2]}, "each once"),
        ({"estimator": CoupledNMF(init="custom")}, "init='custom'"),
    ],
)
def test_bad_requests(X, arguments, message):
    with pytest.raises(ValueError, match=message):
        holdout_entries(X, **{"ranks": [2]} | arguments)
    with pytest.raises(TypeError, match="instance of CoupledNMF"):
        holdout_entries(X, [2], estimator=CoupledNMF)


@pytest.mark.parametrize("init", ["compressed", "nndsvd", "nndsvda"])
def test_a_start_that_takes_no_gaps_is_refused_before_any_work(X, init, monkeypatch):
    monkeypatch.setattr(module, "arrays_of", None)
    with pytest.raises(ValueError, match=f"estimator has init='{init}', which needs X without missing entries"):
        holdout_entries(X, [1, 2], estimator=CoupledNMF(init=init))


# From here on, the fits themselves, on X with missing entries.


@pytest.mark.parametrize("seed", range(3))
def test_it_finds_the_planted_rank(seed):
    X, _, _ = make_coupled_blocks(100, {"a": 30, "b": 20}, 4, noise=0.2, random_state=seed)
    found = holdout_entries(X, [2, 3, 4, 5, 6, 8], n_repeats=2, random_state=0)
    assert found.best_rank == 4
    assert found.mean_error[8] > 1.2 * found.mean_error[4]


def test_all_fits_are_there_and_the_hidden_entries_are_those_of_the_repeat(X):
    seen, kept = [], {name: X[name].copy() for name in X.names}
    base = CoupledNMF(block_weights="balanced", random_state=5)
    found = holdout_entries(
        X, [3, 4], n_repeats=2, estimator=base, progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [(fit.rank, fit.repeat) for fit in found.fits] == [(3, 0), (4, 0), (3, 1), (4, 1)]
    assert found.fits[0].error != found.fits[2].error
    assert all(np.array_equal(X[name], kept[name]) for name in X.names)
    assert base.random_state == 5
    again, other = (
        holdout_entries(X, [3, 4], n_repeats=2, estimator=base, random_state=seed).rows() for seed in (5, 6)
    )
    assert found.rows() == again
    assert found.rows() != other


def test_one_array_with_blocks_is_the_same_as_blocks(X):
    base = CoupledNMF(blocks={"a": 30, "b": 20})
    flat = holdout_entries(X.to_array(), [4], n_repeats=1, estimator=base, random_state=0)
    assert flat.fits[0].block_error == pytest.approx(
        holdout_entries(X, [4], n_repeats=1, random_state=0).fits[0].block_error, rel=1e-6
    )
    assert base.blocks == {"a": 30, "b": 20}


def test_missing_entries_stay_missing(X):
    holes = Blocks({"a": np.where(np.random.RandomState(0).uniform(size=(100, 30)) < 0.2, np.nan, X["a"]), "b": X["b"]})
    found = holdout_entries(holes, [2, 4], n_repeats=1, random_state=0)
    assert found.best_rank == 4
    assert np.isfinite(found.fits[1].error)


def test_float32_is_kept(X, monkeypatch):
    seen = []

    def watched(left, *args, **kwargs):
        seen.append(left.dtype)
        return rank_path(left, *args, **kwargs)

    monkeypatch.setattr(module, "rank_path", watched)
    holdout_entries(X.to_array().astype(np.float32), [2], n_repeats=1, random_state=0)
    assert seen == [np.float32]
