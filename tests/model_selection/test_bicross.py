"""Bi-cross-validation: entries held out by row and by column."""

import pickle

import numpy as np
import pytest
from scipy.optimize import nnls
from sklearn.base import clone
from sklearn.decomposition import NMF
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from coupled_nmf import BiCrossValidation, CoupledNMF, make_coupled_blocks
from coupled_nmf.model_selection.bicross import deal_columns

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def X():
    return make_coupled_blocks(60, {"a": 5, "b": 4}, 2, noise=0.3, random_state=0)[0]


@pytest.fixture(scope="module")
def model(X):
    return CoupledNMF(2, block_weights={"b": 3.0}, random_state=0).fit(X[:40])


@pytest.mark.parametrize("seed", range(4))
def test_it_finds_the_planted_rank_where_the_plain_score_takes_the_largest(seed):
    X, _, _ = make_coupled_blocks(90, {"a": 30, "b": 20}, 4, noise=0.3, random_state=seed)
    ranks = {"n_components": [2, 3, 4, 5, 6, 8]}
    chosen = {
        scoring: GridSearchCV(CoupledNMF(random_state=0, n_jobs=1), ranks, scoring=scoring, cv=3).fit(X).best_params_
        for scoring in (BiCrossValidation(), None)
    }
    assert chosen == {BiCrossValidation(): {"n_components": 4}, None: {"n_components": 8}}


def test_it_is_what_leaving_out_column_by_column_gives(X, model):
    test, H = X[40:].to_array(), model.components_
    alpha = np.repeat([1.0, 3.0], [5, 4])
    error = 0.0
    for j in range(9):
        kept = np.arange(9) != j
        root = np.sqrt(alpha[kept])
        F = np.array([nnls((H[:, kept] * root).T, row[kept] * root)[0] for row in test])
        error += alpha[j] * np.sum((test[:, j] - F @ H[:, j]) ** 2)
    expected = 1 - error / np.sum(alpha * test**2)
    assert BiCrossValidation(n_folds=9)(model, X[40:]) == pytest.approx(expected, rel=1e-6)


def test_folds_share_every_block_out_evenly():
    sizes = {"a": 13, "b": 7, "c": 1, "d": 2}
    pieces = deal_columns(sizes, 5, 0)
    for block, size in sizes.items():
        of_block = [piece.columns for piece in pieces if piece.block == block]
        assert sorted(np.concatenate(of_block)) == list(range(size))
        assert max(map(len, of_block)) <= -(-size // 5)
    in_fold = [sum(len(piece.columns) for piece in pieces if piece.fold == fold) for fold in range(5)]
    assert sorted(in_fold) == [4, 4, 5, 5, 5]
    other = deal_columns(sizes, 5, 1)
    assert [list(piece.columns) for piece in pieces] != [list(piece.columns) for piece in other]


def test_blocks_and_one_array_score_the_same(X, model):
    flat = CoupledNMF(2, blocks={"a": 5, "b": 4}, block_weights={"b": 3.0}, random_state=0).fit(X[:40].to_array())
    scorer = BiCrossValidation(n_folds=3)
    assert scorer(flat, X[40:].to_array()) == pytest.approx(scorer(model, X[40:]), rel=1e-9)
    assert scorer(model, X[40:].select(["b"])) < 1


def test_it_leaves_the_model_as_it_was(X, model):
    before = pickle.dumps(model)
    score = BiCrossValidation()(model, X[40:])
    assert pickle.dumps(model) == before
    scorer = pickle.loads(pickle.dumps(BiCrossValidation()))
    assert scorer(model, X[40:]) == score
    assert BiCrossValidation(random_state=1)(model, X[40:]) != score


def test_in_a_pipeline_the_steps_before_transform_X(X):
    array, scorer = X.to_array(), BiCrossValidation(n_folds=3)
    scaler = MaxAbsScaler().fit(array[:40])
    alone = CoupledNMF(2, random_state=0).fit(scaler.transform(array[:40]))
    pipeline = make_pipeline(MaxAbsScaler(), CoupledNMF(2, random_state=0)).fit(array[:40])
    assert scorer(pipeline, array[40:]) == scorer(alone, scaler.transform(array[40:]))
    search = GridSearchCV(pipeline, {"couplednmf__n_components": [1, 2]}, scoring=scorer, cv=2).fit(array)
    assert np.all(search.cv_results_["mean_test_score"] < 1)
    assert scorer(make_pipeline(alone), array[40:]) == scorer(alone, array[40:])


def test_a_search_is_scored_by_what_it_found(X):
    array, scorer = X.to_array(), BiCrossValidation(3, 0)
    for one, name in ((CoupledNMF(random_state=0), "n_components"), (None, "couplednmf__n_components")):
        one = one or make_pipeline(MaxAbsScaler(), CoupledNMF(random_state=0))
        search = GridSearchCV(one, {name: [1, 2]}, scoring=scorer, cv=2)
        nested = cross_val_score(search, array, scoring=scorer, cv=2)
        assert np.isfinite(nested).all()
        search.fit(array[:40])
        assert scorer(search, array[40:]) == scorer(search.best_estimator_, array[40:])
        if name == "n_components":
            assert scorer(make_pipeline(search), array[40:]) == scorer(search.best_estimator_, array[40:])
    with pytest.raises(TypeError, match="or a search that has refitted either"):
        scorer(clone(search).set_params(refit=False).fit(array[:40]), array[40:])


def test_zeros_are_explained(X, model):
    zeros = np.zeros((4, 9))
    assert BiCrossValidation()(CoupledNMF(2, random_state=0).fit(X.to_array()), zeros) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_folds": 1}, "n_folds is 1; give a whole number of folds"),
        ({"n_folds": 2.5}, r"n_folds is 2\.5; give a whole number of folds"),
        ({"random_state": None}, "random_state is None; give a whole number from 0"),
        ({"random_state": -1}, "random_state is -1; give a whole number from 0"),
    ],
)
def test_bad_parameters(arguments, message):
    with pytest.raises(ValueError, match=message):
        BiCrossValidation(**arguments)


def test_bad_requests(X, model):
    with pytest.raises(ValueError, match="X has 9 columns, but n_folds is 10; ask for fewer folds"):
        BiCrossValidation(n_folds=10)(model, X)
    with pytest.raises(TypeError, match="scores a CoupledNMF, or a Pipeline that ends with one"):
        BiCrossValidation()(NMF(2), X)
    with pytest.raises(NotFittedError):
        BiCrossValidation()(CoupledNMF(2), X)
    with pytest.raises(ValueError, match="Negative values"):
        BiCrossValidation()(model, -X.to_array())
