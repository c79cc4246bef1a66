"""Going on from the last fit, and ending early: warm starts, Ctrl-C, callbacks."""

import numpy as np
import pytest
from oracles import CASES

from coupled_nmf import Blocks, CoupledNMF, make_coupled_blocks, rank_path
from coupled_nmf.backends.cpu.losses.frobenius import Frobenius
from coupled_nmf.backends.cpu.stand_in import StandInObjective
from coupled_nmf.backends.cuda.frobenius import DeviceFrobenius
from coupled_nmf.backends.cuda.stand_in import DeviceStandIn
from coupled_nmf.backends.dask.objective import DaskObjective
from coupled_nmf.fit import best_fit
from coupled_nmf.problem.solvers import SOLVERS

quiet = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
each_loss = pytest.mark.parametrize(("solver", "loss"), CASES)

# The readings whose moves Ctrl-C may meet, on each place.
FROBENIUS = {"cpu": Frobenius, "emulated": DeviceFrobenius, "gpu": DeviceFrobenius, "cluster": DaskObjective}
STAND_IN = {"cpu": StandInObjective, "emulated": DeviceStandIn, "gpu": DeviceStandIn, "cluster": StandInObjective}


@pytest.fixture(scope="module")
def X():
    return make_coupled_blocks(80, {"a": 12, "b": 9}, 3, noise=0.2, random_state=0)[0]


def ctrl_c(iteration):
    """A callback that presses Ctrl-C at its n-th call."""
    calls = []

    def press(info):
        calls.append(info)
        if len(calls) == iteration:
            raise KeyboardInterrupt

    return press


@quiet
@each_loss
def test_a_warm_start_goes_on(X, solver, loss):
    model = CoupledNMF(4, solver=solver, beta_loss=loss, max_iter=30, tol=0, random_state=0, warm_start=True)
    errors = [model.fit(X).reconstruction_err_ for _ in range(4)]
    assert np.all(np.diff(errors) <= 1e-9 * errors[0]), f"√J rose: {errors}"
    assert errors[-1] < errors[0], "there was something left to gain"
    cold = model.set_params(warm_start=False).fit(X).reconstruction_err_
    assert cold == errors[0], "and without it a fit starts afresh"


@pytest.mark.not_emulated
@quiet
@each_loss
def test_a_warm_start_from_the_end_stays_there(X, solver, loss):
    model = CoupledNMF(3, solver=solver, beta_loss=loss, max_iter=5000, tol=1e-9, random_state=0, warm_start=True)
    first, n_first = model.fit(X).reconstruction_err_, model.n_iter_
    assert model.set_params(tol=1e-4).fit(X).reconstruction_err_ == pytest.approx(first, rel=1e-3)
    assert model.n_iter_ < n_first / 2


@quiet
def test_components_of_another_shape_are_no_warm_start(X):
    warm = CoupledNMF(4, random_state=0, warm_start=True).fit(X)
    for params, data in ({"n_components": 3}, X), ({"n_components": 4}, X.select(["a"])):
        fresh = CoupledNMF(**params, random_state=0).fit(data)
        np.testing.assert_array_equal(warm.set_params(**params).fit(data).components_, fresh.components_)
        warm.set_params(n_components=4).fit(X)


@quiet
@each_loss
def test_zeros_are_no_warm_start(X, solver, loss):
    params = {"solver": solver, "beta_loss": loss, "random_state": 0}
    fresh = CoupledNMF(3, **params).fit(X)
    warm = CoupledNMF(3, warm_start=True, **params).fit(Blocks({name: 0 * X[name] for name in X}))
    np.testing.assert_array_equal(warm.fit(X).components_, fresh.components_)
    warm.components_ = fresh.components_ * (np.arange(3) != 1)[:, None]
    assert warm.fit(X).reconstruction_err_ == pytest.approx(fresh.reconstruction_err_, rel=0.05)


@quiet
def test_a_start_that_is_given_is_not_passed_over_by_a_warm_start(X):
    model = CoupledNMF(4, random_state=0, warm_start=True).fit(X)
    with pytest.raises(ValueError, match="a start of your own needs init='custom'"):
        model.fit(X, H=np.ones((4, 21)))
    H = np.random.RandomState(0).uniform(size=(4, 21))
    model.set_params(init="custom", max_iter=1, tol=0).fit(X, H=H)
    expected = CoupledNMF(4, init="custom", max_iter=1, tol=0).fit(X, H=H)
    np.testing.assert_array_equal(model.components_, expected.components_)


@each_loss
@pytest.mark.parametrize("iteration", [2, 7])
def test_ctrl_c_leaves_a_fitted_model_and_says_so(X, solver, loss, iteration):
    model = CoupledNMF(3, solver=solver, beta_loss=loss, random_state=0, tol=0, callbacks=[ctrl_c(iteration)])
    with pytest.warns(UserWarning, match=f"interrupted, and is fitted to iteration {iteration}"):
        F = model.fit_transform(X)
    assert model.n_iter_ == len(model.objective_history_) == iteration
    np.testing.assert_array_equal(F, model.transform(X))
    whole = CoupledNMF(3, solver=solver, beta_loss=loss, random_state=0, tol=0, max_iter=iteration).fit(X)
    np.testing.assert_array_equal(model.components_, whole.components_)


@pytest.mark.parametrize("solver", sorted(SOLVERS))
def test_ctrl_c_before_the_first_iteration_has_ended_comes_out(X, solver, monkeypatch, place):
    def press(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(FROBENIUS[place], "move_both", press)
    model = CoupledNMF(3, solver=solver, random_state=0)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    assert not hasattr(model, "components_")


def test_ctrl_c_within_an_iteration_leaves_the_one_before(X, monkeypatch, place):
    calls, move_both = [], FROBENIUS[place].move_both

    def press(self, *arguments):
        moved = move_both(self, *arguments)  # and not decided
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return moved

    expected = CoupledNMF(3, random_state=0, tol=0, max_iter=5).fit(X)
    monkeypatch.setattr(FROBENIUS[place], "move_both", press)
    model = CoupledNMF(3, random_state=0, tol=0)
    with pytest.warns(UserWarning, match="fitted to iteration 5"):
        model.fit(X)
    assert model.objective_history_ == expected.objective_history_
    np.testing.assert_array_equal(model.components_, expected.components_)


def test_ctrl_c_among_several_starts_keeps_the_best_so_far(X, monkeypatch):
    starts, find_start = [], best_fit.find_start

    def press(*arguments):
        starts.append(1)
        if len(starts) == 3:
            raise KeyboardInterrupt
        return find_start(*arguments)

    two = CoupledNMF(3, n_init=2, random_state=0, tol=0, max_iter=5).fit(X)
    monkeypatch.setattr(best_fit, "find_start", press)
    model = CoupledNMF(3, n_init=5, random_state=0, tol=0, max_iter=5)
    with pytest.warns(UserWarning, match="interrupted"):
        model.fit(X)
    np.testing.assert_array_equal(model.components_, two.components_)
    worse = CoupledNMF(3, n_init=5, random_state=0, tol=0, max_iter=5, callbacks=[ctrl_c(6)])
    starts.clear()
    with pytest.warns(UserWarning, match="interrupted"):
        worse.fit(X)
    assert worse.n_iter_ == 5, "the second start, one iteration old, is the worse"


@quiet
def test_no_callbacks_may_be_none(X):
    found = [CoupledNMF(3, callbacks=none, random_state=0, max_iter=3).fit(X).components_ for none in (None, ())]
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("wrong", [[3], [print, None], ["stop"]])
def test_callbacks_that_cannot_be_called_are_named(X, wrong):
    with pytest.raises(TypeError, match=f"callbacks holds {wrong[-1]!r}; each is called with an IterationInfo"):
        CoupledNMF(3, callbacks=wrong).fit(X)


def test_one_callback_needs_no_list(X):
    seen = []
    CoupledNMF(3, callbacks=seen.append, random_state=0).fit(X)
    assert [info.iteration for info in seen] == list(range(1, len(seen) + 1))
    with pytest.raises(
        ValueError, match="'callbacks' parameter of CoupledNMF must be an array-like, a callable or None"
    ):
        CoupledNMF(3, callbacks="stop").fit(X)


@each_loss
def test_a_warm_start_learns_columns_that_the_last_fit_saw_as_zeros(X, solver, loss):
    dead, params = X.to_array(), {"solver": solver, "beta_loss": loss, "random_state": 0, "max_iter": 500}
    full = dead.copy()
    dead[:, 0] = 0
    warm = CoupledNMF(3, warm_start=True, **params).fit(dead).fit(full)
    assert warm.reconstruction_err_ < 1.1 * CoupledNMF(3, **params).fit(full).reconstruction_err_


def test_a_fit_that_fails_leaves_the_model_as_it_was(X):
    model = CoupledNMF(3, random_state=0).fit(X)
    before = model.transform(X)
    bad = Blocks({"b": X["b"], "a": -X["a"]})
    with pytest.raises(ValueError, match="Negative values"):
        model.fit(bad)
    np.testing.assert_array_equal(model.transform(X), before)


@quiet
def test_an_error_in_a_callback_comes_out_as_it_is(X):
    def fail(info):
        raise RuntimeError("of the user's own")

    with pytest.raises(RuntimeError, match="of the user's own"):
        CoupledNMF(3, callbacks=[fail]).fit(X)


def test_an_interrupt_before_the_loop_on_x_comes_out(monkeypatch, place):
    """The compressed start has iterations of its own, of which nothing could be kept."""
    X, _, _ = make_coupled_blocks(400, {"a": 60, "b": 40}, 3, noise=0.1, random_state=0)
    moved = STAND_IN[place].move_h
    calls = iter(range(100))

    def interrupted(self, *arguments):
        if next(calls) == 4:
            raise KeyboardInterrupt
        return moved(self, *arguments)

    monkeypatch.setattr(STAND_IN[place], "move_h", interrupted)
    with pytest.raises(KeyboardInterrupt):
        CoupledNMF(3, init="compressed", random_state=0).fit(X)


def test_an_interrupt_comes_out_of_a_path():
    def interrupt(info):
        if info.iteration == 3:
            raise KeyboardInterrupt

    X, _, _ = make_coupled_blocks(60, {"a": 8, "b": 5}, 3, noise=0.1, random_state=0)
    with pytest.raises(KeyboardInterrupt):
        rank_path(X, [2, 3], estimator=CoupledNMF(callbacks=interrupt, random_state=0))


def test_penalties_that_leave_nothing_are_said():
    X, _, _ = make_coupled_blocks(60, {"a": 8, "b": 5}, 3, noise=0.1, random_state=0)
    with pytest.warns(UserWarning, match="Nothing is left of F"):
        CoupledNMF(3, alpha_F=1e4, l1_ratio=1, random_state=0).fit(X)
