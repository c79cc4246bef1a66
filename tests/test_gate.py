"""What reaches compiled code is what was checked: a fault outside the package is an error, and never a crash.

What may crash runs in a process of its own.
"""

import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest
import scipy.sparse as sp

from coupled_nmf import Blocks, CoupledNMF

N, M = 30, 20
KULLBACK_LEIBLER = {"solver": "mu", "beta_loss": "kullback-leibler"}


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


def outcome(code):
    """What code that may crash says, in a process of its own."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ended by {done.returncode}: {done.stderr[-2000:]}"
    return done.stdout


def test_damaged_sparse_arrays_are_refused_wherever_they_come_in():
    code = """
import sys, warnings
import numpy as np
from sklearn.exceptions import NotFittedError
import test_gate
from coupled_nmf import Blocks, CoupledNMF, holdout_entries, rank_path, stability

warnings.simplefilter("ignore")
whole = np.ones((test_gate.N, test_gate.M))
model = CoupledNMF(2).fit(whole)
divergence = CoupledNMF(2, **test_gate.KULLBACK_LEIBLER).fit(whole)
entries = {
    "fit": lambda X: CoupledNMF(2).fit(X),
    "partial_fit": lambda X: CoupledNMF(2).partial_fit(X),
    "transform": model.transform,
    "score": divergence.score,
    "Blocks": lambda X: Blocks({"a": X, "b": whole}),
    "samples": lambda X: Blocks({"a": X, "b": np.ones((40, 3))}, samples={"a": range(30)}),
    "rank_path": lambda X: rank_path(X, [2]),
    "holdout_entries": lambda X: holdout_entries(X, [2]),
    "stability": lambda X: stability(X, [2]),
}
for kind in test_gate.DAMAGES:
    for name, call in entries.items():
        try:
            call(test_gate.damaged(kind))
            print(kind, name, "ACCEPTED")
        except ValueError as error:
            if "sparse array with indices that cannot be" not in str(error):
                print(kind, name, repr(error)[:200])
"""
    assert outcome(f"import sys; sys.path.insert(0, {str(__file__.rsplit('/', 1)[0])!r})\n{code}") == ""


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


@pytest.mark.parametrize("parameters", [{}, KULLBACK_LEIBLER], ids=["frobenius", "kullback-leibler"])
def test_what_a_callback_does_to_x_does_not_reach_a_fit_under_way(parameters):
    dense = np.random.default_rng(0).uniform(0.5, 1, (N, M))
    dense[::3, ::2] = 0
    for X in (sp.csr_array(dense), Blocks({"a": sp.csr_array(dense)})):
        array = X if not isinstance(X, Blocks) else X["a"]
        array.data[:7] = 0  # stored zeros, which eliminate_zeros takes out, moving all that comes after them
        expected = CoupledNMF(2, random_state=0, **parameters).fit(X).components_

        def disturb(info, array=array):
            array.eliminate_zeros()
            array.indices[:] = 10**6

        model = CoupledNMF(2, random_state=0, callbacks=disturb, **parameters).fit(X)
        np.testing.assert_array_equal(model.components_, expected)


def test_an_array_that_is_reshaped_during_the_fit_is_read_as_it_was():
    X = np.random.default_rng(0).uniform(0.5, 1, (N, M))
    expected = CoupledNMF(2, random_state=0).fit(X).components_
    changed = X.copy()

    def reshape(info):
        changed.shape = (M, N)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of NumPy, for setting a shape
        model = CoupledNMF(2, random_state=0, callbacks=reshape).fit(changed)
    np.testing.assert_array_equal(model.components_, expected)


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


@pytest.mark.parametrize("looks", [0, 1, 3])
@pytest.mark.parametrize("change", CHANGES)
def test_a_source_that_changes_is_an_error_that_names_it(change, looks):
    array = np.random.default_rng(0).uniform(0.5, 1, (N, M))
    taller = np.vstack([array, array[:2]])
    for wrap in (
        lambda source: source,
        lambda source: Blocks({"a": array, "b": source}),
        lambda source: Blocks({"a": taller, "b": source}, samples={"b": range(N)}),
    ):
        for parameters in ({}, KULLBACK_LEIBLER):
            model = CoupledNMF(2, tol=0, max_iter=9, **parameters)
            with pytest.raises(ValueError, match=r"(X|Block 'b'|A block) gives .* shape \(30, 20\), as it said"):
                model.fit(wrap(Source(array, CHANGES[change], looks)))
            assert not hasattr(model, "components_")


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


@pytest.mark.parametrize("parameters", [{}, KULLBACK_LEIBLER], ids=["frobenius", "kullback-leibler"])
def test_components_set_by_hand_that_do_not_fit_are_refused(parameters):
    X = np.random.default_rng(0).uniform(0.5, 1, (N, M))
    model = CoupledNMF(2, max_iter=5, tol=0, **parameters).fit(X)
    H = model.components_
    uses = {
        "transform": lambda: model.transform(X),
        "score": lambda: model.score(X),
        "partial_fit": lambda: model.partial_fit(X),
        "warm start": lambda: model.set_params(warm_start=True).fit(X),
    }
    for wrong in (H[:, :-4], np.hstack([H, H]), H[:1], H.astype(int), -H, np.full_like(H, np.nan), H.ravel(), None):
        for name, use in uses.items():
            model.components_ = wrong
            with pytest.raises(ValueError, match="as this model learned; fit it anew"):
                use()
            assert model.components_ is wrong, name


@pytest.mark.parametrize("parameters", [{}, KULLBACK_LEIBLER], ids=["frobenius", "kullback-leibler"])
def test_the_order_of_components_in_memory_does_not_matter(parameters):
    X = np.random.default_rng(0).uniform(0.5, 1, (N, M))
    model = CoupledNMF(3, random_state=0, warm_start=True, max_iter=3, tol=0, **parameters)
    found = []
    for order in "CF":
        model.fit(X)
        model.components_ = np.array(model.components_, order=order)
        found.append((model.transform(X), model.fit(X).components_))
        model.components_ = np.array(model.components_, order=order)
        found[-1] += (model.partial_fit(X).components_,)
        del model.components_, model._stream
    for plain, fortran in zip(*found, strict=True):
        np.testing.assert_array_equal(plain, fortran)


def test_a_masked_start_is_refused():
    X = np.ones((N, M))
    H = np.ma.masked_array(np.ones((2, M)), np.eye(2, M))
    with pytest.raises(ValueError, match="H has negative or non-finite entries"):
        CoupledNMF(2, init="custom").fit(X, H=H)


@pytest.mark.parametrize("parameters", [{}, KULLBACK_LEIBLER], ids=["frobenius", "kullback-leibler"])
def test_a_refit_to_another_width_leaves_transform_what_was_there(parameters):
    rng = np.random.default_rng(0)
    wide = rng.uniform(0.1, 1, (50, 3000))
    narrow = wide[:, :10]
    model = CoupledNMF(3, max_iter=4, tol=0, random_state=0, **parameters).fit(narrow)
    expected, heard = model.transform(narrow), []

    def during(info):
        heard.append(np.array_equal(model.transform(narrow), expected))
        with pytest.raises(ValueError, match="has 3000 features"):
            model.transform(wide)

    model.set_params(callbacks=during).fit(wide)
    assert heard == [True] * 4
    assert model.transform(wide).shape == (50, 3)


def test_a_first_fit_shows_nothing_until_it_is_done(tmp_path):
    model = CoupledNMF(2)
    seen = []
    model.set_params(callbacks=lambda info: seen.append([name for name in vars(model) if name.endswith("_")]))
    model.fit(np.ones((N, M)))
    assert seen
    assert not any(seen)


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
