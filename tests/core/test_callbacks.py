"""scikit-learn's own callbacks hear of a fit as the project's do."""

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from coupled_nmf import CoupledNMF, make_coupled_blocks

pytest.importorskip("sklearn.callback", reason="scikit-learn before 1.9 has no callbacks")


class Recorder:
    """Notes what it is told; asks to stop after ``stop_after`` iterations."""

    max_propagation_depth = None

    def __init__(self, stop_after=None):
        self.stop_after, self.begun, self.ended, self.scores, self.calls = stop_after, 0, 0, [], []

    def setup(self, estimator, context):
        self.calls.append("setup")

    def on_fit_task_begin(self, estimator, context):
        self.begun += context.task_name == "iteration"

    def on_fit_task_end(self, estimator, context, *, X=None, fitted_estimator=None):
        if context.task_name != "iteration":
            return False
        self.ended += 1
        self.scores.append(fitted_estimator.score(X))
        return self.ended == self.stop_after

    def teardown(self, estimator, context):
        self.calls.append("teardown")


@pytest.fixture(scope="module")
def X():
    return make_coupled_blocks(60, {"a": 8, "b": 5}, 3, noise=0.1, random_state=0)[0]


def test_they_hear_of_every_iteration_with_a_fitted_estimator(X):
    recorder = Recorder()
    model = CoupledNMF(3, random_state=0).set_callbacks(recorder).fit(X)
    assert recorder.ended == model.n_iter_
    assert recorder.scores[-1] == pytest.approx(model.score(X), abs=1e-3)
    assert recorder.scores[0] < recorder.scores[-1]
    assert recorder.calls == ["setup", "teardown"]
    expected = CoupledNMF(3, random_state=0).fit(X)
    np.testing.assert_array_equal(model.components_, expected.components_)


def test_one_that_asks_to_stop_stops_the_fit(X):
    recorder = Recorder(stop_after=2)
    assert CoupledNMF(3, random_state=0, tol=0).set_callbacks(recorder).fit(X).n_iter_ == 2
    assert recorder.calls == ["setup", "teardown"]


def test_they_are_torn_down_after_an_error(X):
    recorder = Recorder()

    def broken(info):
        raise RuntimeError("broken callback")

    with pytest.raises(RuntimeError, match="broken callback"):
        CoupledNMF(3, random_state=0, callbacks=[broken]).set_callbacks(recorder).fit(X)
    assert recorder.calls == ["setup", "teardown"]


@pytest.mark.parametrize("outer", ["pipeline", "grid search"])
def test_they_pass_through_meta_estimators(X, outer):
    recorder, inner = Recorder(), CoupledNMF(3, random_state=0, max_iter=4, tol=0)
    if outer == "pipeline":
        make_pipeline(StandardScaler(with_mean=False), inner).set_callbacks(recorder).fit(X.to_array())
        assert recorder.ended == 4
    else:
        GridSearchCV(inner, {"n_components": [2, 3]}, cv=2).set_callbacks(recorder).fit(X.to_array())
        assert recorder.ended == 5 * 4, "two ranks in two folds, and the best again on all"
