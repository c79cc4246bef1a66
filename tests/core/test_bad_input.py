"""Parameters that cannot be, and large and small values from every start; `test_extreme_input` has data."""

import numpy as np
import pytest

from coupled_nmf import Blocks, CoupledNMF

GOOD = np.ones((6, 4))


@pytest.mark.parametrize(("dtype", "size"), [("f", 1e-15), ("f", 1e15), ("d", 1e-90), ("d", 1e90)])
@pytest.mark.parametrize("init", ["random", "compressed", "nndsvda"])
def test_large_and_small_values_are_fitted_as_others_are(dtype, size, init):
    X = np.random.RandomState(0).uniform(size=(300, 40)).astype(dtype)
    scores = [
        CoupledNMF(4, init=init, max_iter=50, tol=0, random_state=0).fit(scaled).score(scaled)
        for scaled in (X, X * X.dtype.type(size))
    ]
    assert scores[1] == pytest.approx(scores[0], abs=2e-3)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"solver": "cd"}, "solver"),
        ({"init": "best"}, "init"),
        ({"backend": "tpu"}, "backend"),
        ({"max_iter": 0}, "max_iter"),
        ({"inner_sweeps": 0}, "inner_sweeps"),
        ({"blocks": {"a": 4, "b": 0}}, r"blocks\['b'\] is 0"),
        ({"blocks": {"a": 2.5, "b": 1.5}}, r"blocks\['a'\] is 2.5"),
        ({"init": "custom"}, "needs H"),
        ({"init": "custom", "solver": "mu"}, "needs F and H"),
    ],
)
def test_parameters(params, message):
    with pytest.raises(ValueError, match=message):
        CoupledNMF(**{"n_components": 2, **params}).fit(GOOD)


@pytest.mark.parametrize("method", ["transform", "score", "component_shares"])
@pytest.mark.parametrize("params", [{"beta_loss": "foo"}, {"alpha_F": -1.0}, {"n_jobs": "two"}])
def test_parameters_that_are_set_after_the_fit(params, method):
    model = CoupledNMF(2, random_state=0, tol=0, max_iter=5).fit(GOOD).set_params(**params)
    with pytest.raises(ValueError, match=f"The '{next(iter(params))}' parameter of CoupledNMF must be"):
        getattr(model, method)(GOOD)


def test_inverse_transform_names_what_differs_from_the_fit():
    model = CoupledNMF(2, random_state=0).fit(Blocks({"a": GOOD, "b": GOOD}))
    with pytest.raises(ValueError, match="unknown block 'z'"):
        model.inverse_transform(np.ones((1, 2)), block="z")
    with pytest.raises(ValueError, match="the model has 2 components"):
        model.inverse_transform(np.ones((1, 3)))


@pytest.mark.parametrize("step", ["fit", "partial_fit"])
@pytest.mark.parametrize(("dtype", "weight"), [("f", 1e-45), ("d", 5e-324)])
@pytest.mark.parametrize("loss", [{}, {"solver": "mu"}, {"solver": "mu", "beta_loss": "kullback-leibler"}])
def test_a_penalty_that_overflows_beside_a_small_block_weight(step, dtype, weight, loss):
    X = Blocks({name: np.random.RandomState(0).uniform(size=(20, 6)).astype(dtype) for name in "ab"})
    model = CoupledNMF(2, block_weights={"a": weight, "b": 1.0}, alpha_F=0.1, random_state=0, **loss)
    with pytest.raises(ValueError, match=r"alpha_H.* over block_weights, of which the smallest is .* too large"):
        getattr(model, step)(X)
    assert not hasattr(model, "components_")
    model.set_params(block_weights={"a": 0.0, "b": 1.0})
    assert np.isfinite(getattr(model, step)(X).components_).all()
