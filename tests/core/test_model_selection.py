"""Many ranks and restarts on one X."""

import numpy as np
import pytest

from coupled_nmf import CoupledNMF, make_coupled_blocks, rank_path

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def X():
    return make_coupled_blocks(6000, {"a": 150, "b": 60}, 6, noise=0.3, random_state=0)[0]


@pytest.mark.not_emulated
@pytest.mark.parametrize("init", ["auto", "random"])
def test_every_fit_is_a_fitted_model_and_the_best_is_kept(X, init):
    seen = []
    base = CoupledNMF(init=init, random_state=0)
    path = rank_path(X, [3, 6], n_init=2, estimator=base, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [(row["rank"], row["restart"]) for row in path.rows()] == [(3, 0), (3, 1), (6, 0), (6, 1)]
    assert base.random_state == 0
    assert not hasattr(base, "components_")
    for fit in path.fits:
        assert fit.objective == pytest.approx(fit.model.reconstruction_err_**2)
        assert path.best[fit.rank].objective <= fit.objective
        np.testing.assert_array_equal(fit.model.transform(X), fit.F)
    assert path.models[6].n_components_ == 6
    assert path.best[6].rmse < path.best[3].rmse


def test_it_ends_where_a_single_fit_does(X):
    fit = rank_path(X, [6], estimator=CoupledNMF(random_state=0)).fits[0]
    single = CoupledNMF(6, random_state=0).fit(X)
    assert fit.objective == pytest.approx(single.reconstruction_err_**2, rel=5e-3)


def test_seeds_decide_and_tables_agree(X):
    first, again = (rank_path(X, [2, 3], estimator=CoupledNMF(random_state=5)) for _ in range(2))
    assert [fit.objective for fit in first.fits] == [fit.objective for fit in again.fits]
    frame = pytest.importorskip("pandas").DataFrame(first.rows())
    assert frame.equals(first.to_pandas())
    assert list(frame) == ["rank", "restart", "objective", "rmse", "n_iter", "seconds", "rmse_a", "rmse_b"]
    assert len(repr(first).splitlines()) == 3


def test_a_two_dimensional_array_with_blocks_and_mu():
    X = np.random.RandomState(0).uniform(size=(30, 8))
    base = CoupledNMF(blocks={"a": 5, "b": 3}, solver="mu", random_state=0)
    path = rank_path(X, [1, 2], estimator=base)
    assert path.models[2].transform(X).shape == (30, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([],), "ranks is"),
        (([2, 2],), "each once"),
        (([0],), "1 or more"),
        ((3,), "list of whole numbers"),
        (([2.5],), "list of whole numbers"),
        (([True],), "list of whole numbers"),
        (([2], 0), "n_init is 0"),
    ],
)
def test_bad_requests(X, arguments, message):
    with pytest.raises(ValueError, match=message):
        rank_path(X, *arguments)
    with pytest.raises(TypeError, match=r"instance of CoupledNMF, as in CoupledNMF\(\)"):
        rank_path(X, [2], estimator=CoupledNMF)
    with pytest.raises(ValueError, match="init='custom'"):
        rank_path(X, [2], estimator=CoupledNMF(init="custom"))


@pytest.mark.parametrize("init", ["compressed", "nndsvd", "nndsvda"])
def test_a_start_that_takes_no_gaps_is_refused_as_by_a_fit(init):
    X = np.random.default_rng(0).uniform(size=(20, 8))
    X[3, 4] = np.nan
    with pytest.raises(ValueError, match=f"init='{init}' needs X without missing entries"):
        rank_path(X, [1, 2], estimator=CoupledNMF(init=init, random_state=0))


def test_what_one_rank_cannot_be_fitted_with_is_refused_before_any_is_fitted():
    X, done = np.random.default_rng(0).uniform(size=(20, 8)), []
    with pytest.raises(ValueError, match=r"init='nndsvda' needs n_components <= min\(n_samples, n_features\) = 8"):
        rank_path(X, [2, 9], estimator=CoupledNMF(init="nndsvda"), progress=lambda *some: done.append(some))
    assert not done
    with pytest.raises(ValueError, match="X has no observed entry"):
        rank_path(np.full((4, 3), np.nan), [2], estimator=CoupledNMF(random_state=0))


def test_each_fit_of_a_path_warns_once():
    X = np.random.default_rng(0).uniform(size=(20, 8))
    with pytest.warns(UserWarning, match="alpha_F is above 0 and alpha_H is 0") as caught:
        rank_path(X, [1, 2], estimator=CoupledNMF(alpha_F=0.01, alpha_H=0.0, random_state=0))
    assert sum("alpha_F" in str(one.message) for one in caught) == 2
