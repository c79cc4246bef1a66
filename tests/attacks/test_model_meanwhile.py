"""A model that is set by hand, refitted, saved or asked while it learns is whole, or refused."""

import threading
import time
from functools import partial

import numpy as np
import pytest
from trials import LOSSES, said_by, say_unless_refused

from coupled_nmf import BiCrossValidation, CoupledNMF

N, M = 30, 20


def set_components_by_hand():
    """To what does not fit, and to another order in memory."""
    X = np.random.default_rng(0).uniform(0.5, 1, (N, M))
    for loss, parameters in LOSSES.items():
        model = CoupledNMF(2, max_iter=5, tol=0, warm_start=True, **parameters).fit(X)
        H = model.components_
        uses = {
            "transform": model.transform,
            "score": model.score,
            "component_shares": model.component_shares,
            "BiCrossValidation": partial(BiCrossValidation(), model),
            "partial_fit": model.partial_fit,
            "warm start": model.fit,
        }
        for wrong in (H[:, :-4], np.hstack([H, H]), H[:1], H.astype(int), -H, np.full_like(H, np.nan), H.ravel(), None):
            for name, use in uses.items():
                model.components_ = wrong
                say_unless_refused((loss, name, np.shape(wrong)), partial(use, X), "as this model learned; fit it anew")
                if model.components_ is not wrong:
                    print(loss, name, np.shape(wrong), "were replaced")

        found = []
        for order in "CF":
            model = CoupledNMF(3, random_state=0, warm_start=True, max_iter=3, tol=0, **parameters).fit(X)
            model.components_ = np.array(model.components_, order=order)
            found.append([model.transform(X), *model.component_shares(X).values(), model.fit(X).components_])
            model.components_ = np.array(model.components_, order=order)
            found[-1].append(model.partial_fit(X).components_)
        for plain, fortran in zip(*found, strict=True):
            np.testing.assert_array_equal(plain, fortran, err_msg=loss)


def test_components_set_by_hand_are_refused_or_read_in_any_order():
    assert said_by(set_components_by_hand) == ""


def test_a_masked_start_is_refused():
    X = np.ones((N, M))
    H = np.ma.masked_array(np.ones((2, M)), np.eye(2, M))
    with pytest.raises(ValueError, match="H has negative or non-finite entries"):
        CoupledNMF(2, init="custom").fit(X, H=H)


def refit():
    """To another width, while callbacks use what was there."""
    rng = np.random.default_rng(0)
    wide = rng.uniform(0.1, 1, (50, 3000))
    narrow = wide[:, :10]
    for loss, parameters in LOSSES.items():
        model = CoupledNMF(3, max_iter=4, tol=0, random_state=0, **parameters).fit(narrow)
        expected, shares = model.transform(narrow), model.component_shares(narrow)["X"]
        heard = []

        def during(info, model=model, expected=expected, shares=shares, heard=heard):
            heard.append(np.array_equal(model.transform(narrow), expected))
            heard.append(np.array_equal(model.component_shares(narrow)["X"], shares))
            for name in ("transform", "score", "component_shares"):
                say_unless_refused((name, info.iteration), partial(getattr(model, name), wide), "has 3000 features")

        model.set_params(callbacks=during).fit(wide)
        assert heard == [True] * 8, (loss, heard)
        assert model.transform(wide).shape == (50, 3), loss


def test_a_refit_to_another_width_leaves_transform_what_was_there():
    assert said_by(refit) == ""


def test_a_first_fit_shows_nothing_until_it_is_done(tmp_path):
    model = CoupledNMF(2)
    seen = []
    model.set_params(callbacks=lambda info: seen.append([name for name in vars(model) if name.endswith("_")]))
    model.fit(np.ones((N, M)))
    assert seen
    assert not any(seen)


def test_what_a_callback_gives_the_model_stays():
    X = np.random.default_rng(0).uniform(0.5, 1, (N, M))
    model = CoupledNMF(2, max_iter=3, tol=0, random_state=0)

    def note(info):
        model.trace_ = [info.objective] if info.iteration == 1 else [*model.trace_, info.objective]

    for seed in range(2):  # the second time there is one of the fit before
        model.set_params(callbacks=note, random_state=seed).fit(X)
        assert model.trace_ == model.objective_history_
    trace = model.trace_
    model.set_params(callbacks=lambda info: setattr(model, "components_", None)).fit(X)
    assert model.components_.shape == (2, M), "what the fit found is the fit's"
    assert model.trace_ is trace
    model.set_params(callbacks=()).set_components(np.ones((2, M)))
    assert not hasattr(model, "trace_"), "nor is anything else of a fit there"


def test_save_in_a_callback_writes_the_model_that_was_there(tmp_path):
    X = np.random.default_rng(0).uniform(0.5, 1, (N, M))
    model = CoupledNMF(2, random_state=0).fit(X[:, :12])
    before = model.components_
    model.set_params(callbacks=lambda info: model.save(tmp_path / "model")).fit(X)
    saved = CoupledNMF.load(tmp_path / "model")
    assert saved.layout_.sizes == (12,)
    np.testing.assert_array_equal(saved.components_, before)


def test_one_estimator_learns_once_at_a_time():
    X = np.random.default_rng(0).uniform(0.5, 1, (200, M))
    model = CoupledNMF(3, max_iter=50, tol=0, random_state=0)
    expected = model.fit(X).components_
    refused = []

    def learn():
        try:
            model.fit(X)
        except RuntimeError as error:
            refused.append(str(error))

    model.set_params(callbacks=lambda info: time.sleep(0.001))
    threads = [threading.Thread(target=learn) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 3
    assert "is learning already" in refused[0]
    np.testing.assert_array_equal(model.components_, expected)
    assert model.set_params(callbacks=()).fit(X).n_iter_ == 50, "and it can learn again"


@pytest.mark.parametrize("method", ["fit", "fit_transform", "partial_fit"])
def test_a_callback_cannot_make_its_own_estimator_learn(method):
    X = np.ones((N, M))
    model = CoupledNMF(2)
    model.set_params(callbacks=lambda info: getattr(model, method)(X))
    with pytest.raises(RuntimeError, match="one of its callbacks"):
        model.fit(X)
    assert model.set_params(callbacks=()).fit(X).n_iter_ > 0
