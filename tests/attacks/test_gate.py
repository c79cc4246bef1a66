"""What reaches compiled code is what was checked: a fault outside the package is an error, and never a crash."""

import itertools
import warnings
from functools import partial

import numpy as np
import pytest
import scipy.sparse as sp
from trials import KULLBACK_LEIBLER, LOSSES, said_by, say_unless_refused

from coupled_nmf import BiCrossValidation, Blocks, CoupledNMF, holdout_entries, rank_path, stability

N, M = 30, 20


def damaged(kind):
    """A sparse array (N, M) of each kind of damage."""
    whole = np.ones((N, M))
    if kind.startswith("coo"):
        array = sp.coo_array(whole)
        which, number = {"row far": (0, 10**6), "row": (0, N), "column": (1, M), "below": (1, -1)}[kind[4:]]
        array.coords[which][:5] = number
    elif kind == "lil column":
        array = sp.lil_array(whole)
        array.rows[3][0] = M + 5
    elif kind == "lil lengths":
        array = sp.lil_array(whole)
        array.rows[3].append(2)
    elif kind == "dok":
        array = sp.dok_array((N, M))
        array[0, 0] = 1.0
        array._dict[(N + 7, M + 7)] = 1.0
    elif kind == "dia":
        array = sp.dia_array(whole)
        array.offsets = array.offsets[:-1]
    elif kind == "bsr":
        array = sp.bsr_array(whole, blocksize=(2, 2))
        array.indices[0] = M
    else:
        form, which = kind.split()
        array = sp.csr_array(whole) if form == "csr" else sp.csc_array(whole)
        if which == "numbers":
            array.indices[7] = 10**6
        elif which == "negative":
            array.indices[7] = -3
        elif which == "begin":
            array.indptr[5] = 10**6
        elif which == "end":
            array.indptr[-1] = -1
        else:
            array.data = array.data[:-10]
    return array


DAMAGES = [
    "coo row far", "coo row", "coo column", "coo below", "lil column", "lil lengths", "dok", "dia", "bsr",
    *(f"{form} {which}" for form in ("csr", "csc") for which in ("numbers", "negative", "begin", "end", "short")),
]  # fmt: skip


def damage_sparse_arrays():
    """Of each kind, at each place where X comes in."""
    warnings.simplefilter("ignore")  # of convergence
    whole = np.ones((N, M))
    model = CoupledNMF(2).fit(whole)
    divergence = CoupledNMF(2, **KULLBACK_LEIBLER).fit(whole)
    entries = {
        "fit": lambda X: CoupledNMF(2).fit(X),
        "partial_fit": lambda X: CoupledNMF(2).partial_fit(X),
        "transform": model.transform,
        "score": divergence.score,
        "component_shares": model.component_shares,
        "BiCrossValidation": lambda X: BiCrossValidation()(model, X),
        "Blocks": lambda X: Blocks({"a": X, "b": whole}),
        "samples": lambda X: Blocks({"a": X, "b": np.ones((40, 3))}, samples={"a": range(30)}),
        "rank_path": lambda X: rank_path(X, [2]),
        "holdout_entries": lambda X: holdout_entries(X, [2]),
        "stability": lambda X: stability(X, [2]),
    }
    for kind in DAMAGES:
        for name, call in entries.items():
            X = damaged(kind)
            say_unless_refused((kind, name), partial(call, X), "sparse array with indices that cannot be")


def test_damaged_sparse_arrays_are_refused_wherever_they_come_in():
    assert said_by(damage_sparse_arrays) == ""


def test_damage_done_after_blocks_were_made_is_found_where_rows_are_taken():
    A = sp.coo_array(np.ones((N, M)))
    X = Blocks({"a": A, "b": np.ones((N, 3))})
    A.coords[1][:5] = M
    for use in (lambda: X[:5], lambda: X[np.arange(5)], lambda: CoupledNMF(2).fit(X)):
        with pytest.raises(ValueError, match="column numbers go from 0 to 20, of 0 to 19"):
            use()


def test_more_columns_than_an_int32_can_number_are_refused():
    wide = sp.csr_array((np.ones(1), np.array([2**31], np.int64), np.array([0, 1], np.int64)), shape=(1, 2**31 + 5))
    with pytest.raises(ValueError, match="columns, and 2147483647 are the most"):
        CoupledNMF(1).fit(wide)


def disturb_x():
    """Change a sparse X in a callback of a fit, and the shape of a dense one."""
    dense = np.random.default_rng(0).uniform(0.5, 1, (N, M))
    dense[::3, ::2] = 0
    for (loss, parameters), wrap in itertools.product(LOSSES.items(), (lambda X: X, lambda X: Blocks({"a": X}))):
        array = sp.csr_array(dense)
        X = wrap(array)
        array.data[:7] = 0  # stored zeros, which eliminate_zeros takes out, moving all that comes after them
        expected = CoupledNMF(2, random_state=0, **parameters).fit(X).components_

        def disturb(info, array=array):
            array.eliminate_zeros()
            array.indices[:] = 10**6

        model = CoupledNMF(2, random_state=0, callbacks=disturb, **parameters).fit(X)
        np.testing.assert_array_equal(model.components_, expected, err_msg=f"{loss}, {type(X).__name__}")

    X = np.random.default_rng(0).uniform(0.5, 1, (N, M))
    expected = CoupledNMF(2, random_state=0).fit(X).components_
    changed = X.copy()

    def reshape(info):
        changed.shape = (M, N)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of NumPy, for setting a shape
        model = CoupledNMF(2, random_state=0, callbacks=reshape).fit(changed)
    np.testing.assert_array_equal(model.components_, expected, err_msg="reshaped")


def test_what_a_callback_does_to_x_does_not_reach_a_fit_under_way():
    assert said_by(disturb_x) == ""


class Source:
    """An array outside memory, of which every read after the first looks gives ``then``."""

    def __init__(self, array, then, looks):
        self.array, self.then, self.left = array, then, looks
        self.shape, self.dtype = array.shape, array.dtype

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        self.left -= 1
        return self.array[rows] if self.left >= 0 else self.then(self.array[rows])


CHANGES = {
    "fewer rows": lambda x: x[:-1],
    "no rows": lambda x: x[:0],
    "more rows": lambda x: np.vstack([x, x]),
    "fewer columns": lambda x: x[:, :-3],
    "more columns": lambda x: np.hstack([x, x]),
    "another dimension": lambda x: x[..., None],
    "flat": lambda x: x.ravel(),
    "None": lambda x: None,
    "text": lambda x: x.astype(str),
    "a scalar": lambda x: 1.0,
    "sparse of another width": lambda x: sp.csr_array(x[:, :-1]),
}


def change_sources():
    """Fit, and look at, sources that give something else after some reads, alone and as blocks."""
    array = np.random.default_rng(0).uniform(0.5, 1, (N, M))
    taller = np.vstack([array, array[:2]])
    wraps = {
        "alone": lambda source: source,
        "a block": lambda source: Blocks({"a": array, "b": source}),
        "a partial block": lambda source: Blocks({"a": taller, "b": source}, samples={"b": range(N)}),
    }
    fitted = {name: CoupledNMF(2, tol=0, max_iter=2).fit(wrap(array)) for name, wrap in wraps.items()}
    message = r"(X|Block 'b'|A block) gives .* shape \(30, 20\), as it said"
    for (change, then), looks, (name, wrap) in itertools.product(CHANGES.items(), (0, 1, 3), wraps.items()):
        for loss, parameters in LOSSES.items():
            model = CoupledNMF(2, tol=0, max_iter=9, **parameters)
            X = wrap(Source(array, then, looks))
            say_unless_refused((change, looks, name, loss), partial(model.fit, X), message)
            if hasattr(model, "components_"):
                print(change, looks, name, loss, "is learned")
        if looks == 0:
            X = wrap(Source(array, then, looks))
            for use in (
                fitted[name].transform,
                fitted[name].component_shares,
                partial(BiCrossValidation(), fitted[name]),
            ):
                say_unless_refused((change, name, use), partial(use, X), message)


def test_a_source_that_changes_is_an_error_that_names_it():
    assert said_by(change_sources) == ""


@pytest.mark.parametrize("change", CHANGES)
def test_rows_that_are_taken_of_a_source_that_changes_are_looked_at(change):
    array = np.random.default_rng(0).uniform(0.5, 1, (N, M))
    source = Source(array, CHANGES[change], 0)
    for X in (Blocks({"a": array, "b": source}), Blocks({"a": array, "b": source}, samples={"b": range(N)})):
        for rows, n in ((slice(0, 10), 10), (slice(None, None, 1), 30), (slice(20, 99), 10), (np.arange(3, 8), 5)):
            with pytest.raises(ValueError, match=rf"(B|A b)lock.* gives .* shape \({n}, 20\), as it"):
                X[rows].to_array()
        with pytest.raises(ValueError, match=r"(B|A b)lock.* gives .* shape \(30, 20\), as it"):
            X.to_array()
    with pytest.raises(ValueError, match=r"^Block 'b' gives .* for 10 of its rows, and not real numbers of shape"):
        Blocks({"b": source})[0:10]
    with pytest.raises(ValueError, match=r"^Block 'b' gives .* for all of its rows, and not real numbers of shape"):
        Blocks({"b": source}).to_array()


def test_masked_rows_of_a_source_are_missing_entries_side_by_side_too():
    array = np.random.default_rng(0).uniform(0.5, 1, (N, M))
    source = Source(array, lambda x: np.ma.masked_array(x, x > 0.9), 0)
    np.testing.assert_array_equal(Blocks({"b": source}).to_array(), np.where(array > 0.9, np.nan, array))


def test_sources_of_sparse_rows_and_of_masked_rows_are_read():
    array = np.random.default_rng(0).uniform(0.5, 1, (N, M))
    array[:, ::3] = 0
    model = CoupledNMF(2, random_state=0)
    expected = model.fit(array).components_
    for kind in (sp.csr_array, sp.csc_matrix, sp.coo_array):
        found = model.fit(Source(array, kind, 0))
        np.testing.assert_allclose(found.components_, expected, rtol=1e-6)
        both = model.fit(Blocks({"a": Source(array, kind, 0), "b": array})).components_
        np.testing.assert_allclose(both, model.fit(Blocks({"a": array, "b": array})).components_, rtol=1e-6)
    gappy = np.where(array > 0.9, np.nan, array)
    masked = model.fit(Source(array, lambda x: np.ma.masked_array(x, x > 0.9), 0)).components_
    np.testing.assert_allclose(masked, model.fit(Source(gappy, lambda x: x, 0)).components_)
