"""Each bad input raises one error that names the argument, what was found and what to do."""

import numpy as np
import pytest

from coupled_nmf import Blocks, CoupledNMF

GOOD = np.ones((6, 4))


def with_entry(value):
    X = np.ones((6, 4))
    X[2, 3] = value
    return X


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (with_entry(-1), "Negative values in data passed to CoupledNMF.*row 2"),
        (with_entry(np.inf), "contains infinity.*row 2"),
        (with_entry(1e300), "too large"),
        (GOOD + 1j, "Complex data not supported"),
        (np.full((3, 2), "a"), "could not convert|dtype='numeric'|to numeric"),
        (np.ones((0, 4)), "0 sample"),
        (np.ones((4, 0)), "0 feature"),
        (np.ones(4), "Expected 2D array"),
        (np.ones((2, 2, 2)), "Found array with dim 3"),
        (Blocks({"a": GOOD, "b": with_entry(-2)}), "Negative values.*block 'b', row 2"),
        (Blocks({"a": np.ones((0, 2))}), "0 sample"),
    ],
)
def test_data(X, message):
    with pytest.raises(ValueError, match=message):
        CoupledNMF(2, random_state=0).fit(X)
    model = CoupledNMF(2, random_state=0).fit(Blocks({"a": GOOD, "b": GOOD}) if isinstance(X, Blocks) else GOOD)
    with pytest.raises(ValueError, match=message):
        model.transform(X)


def test_values_that_overflow_in_float32_are_refused():
    X = np.random.RandomState(0).uniform(size=(30, 8)).astype(np.float32)
    for size in (1e25, 1e30, 1e35):
        for solver in ("hals", "mu"):
            with pytest.raises(ValueError, match="scale X down"), np.errstate(all="ignore"):
                CoupledNMF(2, solver=solver, random_state=0).fit(X * np.float32(size))


@pytest.mark.parametrize(("dtype", "size"), [("f", 1e-15), ("f", 1e15), ("d", 1e-90), ("d", 1e90)])
@pytest.mark.parametrize("init", ["random", "compressed", "nndsvda"])
def test_large_and_small_values_are_fitted_as_others_are(dtype, size, init):
    X = np.random.RandomState(0).uniform(size=(300, 40)).astype(dtype)
    scores = [
        CoupledNMF(4, init=init, max_iter=50, tol=0, random_state=0).fit(scaled).score(scaled)
        for scaled in (X, X * X.dtype.type(size))
    ]
    assert scores[1] == pytest.approx(scores[0], abs=2e-3)


def test_a_list_of_arrays_is_pointed_to_blocks():
    with pytest.raises(TypeError, match="X is a list of 2-D arrays"):
        CoupledNMF(2).fit([GOOD, GOOD])


def test_a_dict_is_pointed_to_blocks():
    with pytest.raises(TypeError, match=r"X is a dict; for several blocks pass Blocks\(X\)"):
        CoupledNMF(2).fit({"a": GOOD})


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ({}, "one or more"),
        ({"a": GOOD, "b": np.ones((5, 4))}, "different numbers of rows: {'a': 6, 'b': 5}"),
        ({"a": np.ones(6)}, "'a' has shape"),
        ({"a": np.ones((6, 2, 2))}, "Flatten"),
        ({"a": np.full((6, 2), "x")}, "dtype"),
        ({"a": GOOD * 1j}, "real numbers"),
        ({"a": np.ones((6, 0))}, "0 feature"),
        ({3: GOOD}, "non-empty string"),
    ],
)
def test_blocks(blocks, message):
    with pytest.raises(ValueError, match=message):
        Blocks(blocks)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_components": 0}, "n_components"),
        ({"solver": "cd"}, "solver"),
        ({"init": "best"}, "init"),
        ({"backend": "tpu"}, "backend"),
        ({"max_iter": 0}, "max_iter"),
        ({"tol": -1}, "tol"),
        ({"inner_sweeps": 0}, "inner_sweeps"),
        ({"n_jobs": 0}, "n_jobs=0"),
        ({"blocks": {"a": 3}}, "add up to 3 columns, but X has 4"),
        ({"blocks": {"a": 4, "b": 0}}, r"blocks\['b'\] is 0"),
        ({"blocks": {"a": 2.5, "b": 1.5}}, r"blocks\['a'\] is 2.5"),
        ({"block_weights": {"z": 1.0}}, "unknown blocks"),
        ({"block_weights": [1.0, 2.0]}, "2 entries for 1 blocks"),
        ({"block_weights": [-1.0]}, "not negative"),
        ({"init": "custom"}, "needs H"),
        ({"init": "custom", "solver": "mu"}, "needs F and H"),
    ],
)
def test_parameters(params, message):
    with pytest.raises(ValueError, match=message):
        CoupledNMF(**{"n_components": 2, **params}).fit(GOOD)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ({"H": np.ones((3, 4))}, "H has shape"),
        ({"H": -np.ones((2, 4))}, "negative or non-finite"),
        ({"H": np.ones((2, 4)), "F": np.ones((5, 2))}, "F has shape"),
    ],
)
def test_custom_start(start, message):
    with pytest.raises(ValueError, match=message):
        CoupledNMF(2, init="custom").fit(GOOD, **start)
    with pytest.raises(ValueError, match="needs init='custom'"):
        CoupledNMF(2).fit(GOOD, **start)


def test_transform_names_what_differs_from_the_fit():
    model = CoupledNMF(2, random_state=0).fit(Blocks({"a": GOOD, "b": GOOD}))
    with pytest.raises(ValueError, match="unknown blocks"):
        model.transform(Blocks({"c": GOOD}))
    with pytest.raises(ValueError, match="'a' has 3 features, but the model was fitted with 4"):
        model.transform(Blocks({"a": GOOD[:, :3]}))
    with pytest.raises(ValueError, match="unknown block 'z'"):
        model.inverse_transform(np.ones((1, 2)), block="z")
    with pytest.raises(ValueError, match="the model has 2 components"):
        model.inverse_transform(np.ones((1, 3)))


def test_blocks_given_twice():
    with pytest.raises(ValueError, match="leave out one"):
        CoupledNMF(2, blocks={"a": 4}).fit(Blocks({"a": GOOD}))
