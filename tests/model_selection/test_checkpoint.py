"""Calls that fit many models go on after an interruption, to the same bits."""

import shutil
import sys

import kills
import numpy as np
import pandas as pd
import pytest
from oracles import RowSource
from places import emulate
from scipy.sparse import csr_array

from coupled_nmf import Blocks, CoupledNMF, holdout_entries, make_coupled_blocks, rank_path, stability
from coupled_nmf.data.checks import read_X
from coupled_nmf.data.digests import digest_of

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def X():
    return make_coupled_blocks(60, {"a": 12, "b": 9}, 3, noise=0.2, random_state=0)[0]


class Fits:
    """An estimator that counts the fits that it begins, and presses Ctrl-C in one of them."""

    def __init__(self, press_in=None, **params):
        self.n, self._press_in = 0, press_in

        def hear(info):
            self.n += info.iteration == 1
            if self.n == self._press_in and info.iteration == 2:
                raise KeyboardInterrupt

        self.estimator = CoupledNMF(**{"random_state": 7, "max_iter": 8, "tol": 0, **params}, callbacks=hear)


CALLS = {
    "rank_path": lambda X, **how: rank_path(X, [2, 3], 2, **how),
    "stability": lambda X, **how: stability(X, [2, 3], n_init=2, **how),
    "holdout_entries": lambda X, **how: holdout_entries(X, [2, 3], n_repeats=2, **how),
}
VARIANTS = {
    "hals": {},
    "kullback-leibler": {"solver": "mu", "beta_loss": "kullback-leibler"},
    "compressed": {"init": "compressed"},
    "fixed": {"fixed_components": np.ones((1, 21)), "block_weights": "balanced", "alpha_F": 0.01},
}


def bits_of(found):
    """All that a result holds but its times."""
    rows = [{name: value for name, value in row.items() if name != "seconds"} for row in found.rows()]
    fits = [fit for fit in getattr(found, "by_rank", None) or found.fits if hasattr(fit, "model")]
    arrays = [fit.model.components_.tobytes() for fit in fits] + [fit.F.tobytes() for fit in fits if hasattr(fit, "F")]
    return rows, arrays, [fit.model.objective_history_ for fit in fits]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("call", CALLS)
def test_an_interrupted_call_goes_on_to_the_same_bits(call, variant, X, tmp_path):
    params = VARIANTS[variant]
    if call == "holdout_entries" and variant == "compressed":
        pytest.skip("what is hidden leaves gaps, which a compressed start does not take")
    run, whole, first, second, third = CALLS[call], Fits(**params), Fits(3, **params), Fits(**params), Fits(**params)
    expected = bits_of(run(X, estimator=whole.estimator))
    assert whole.n == 4
    with pytest.raises(KeyboardInterrupt) as interrupt:
        run(X, estimator=first.estimator, checkpoint=tmp_path / "new" / "folder")
    assert first.n == 3
    assert "fits are kept in" in interrupt.value.__notes__[0]
    told = []
    found = run(
        X, estimator=second.estimator, checkpoint=str(tmp_path / "new" / "folder"), progress=lambda *n: told.append(n)
    )
    assert bits_of(found) == expected
    assert second.n == 2, "the two that were finished are not made again"
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert bits_of(run(X, estimator=third.estimator, checkpoint=tmp_path / "new" / "folder")) == expected
    assert third.n == 0


def test_a_model_that_is_taken_is_as_one_that_was_fitted(X, tmp_path):
    made, taken = (rank_path(X, [3], estimator=Fits().estimator, checkpoint=tmp_path).fits[0] for _ in range(2))
    fitted, other = vars(made.model), vars(taken.model)
    assert set(fitted) == set(other)
    assert taken.seconds == made.seconds
    assert callable(taken.model.callbacks)
    np.testing.assert_array_equal(taken.F, taken.model.transform(X))
    np.testing.assert_array_equal(taken.model.partial_fit(X).components_, made.model.partial_fit(X).components_)


def test_fits_serve_a_call_that_asks_for_more(X, tmp_path):
    rank_path(X, [2, 3], 2, estimator=Fits().estimator, checkpoint=tmp_path)
    more_ranks, more_starts = Fits(), Fits()
    expected = rank_path(X, [2, 3, 4], 2, estimator=Fits().estimator)
    found = rank_path(X, [2, 3, 4], 2, estimator=more_ranks.estimator, checkpoint=tmp_path)
    assert bits_of(found) == bits_of(expected)
    assert more_ranks.n == 2
    rank_path(X, [2], 5, estimator=more_starts.estimator, checkpoint=tmp_path)
    assert more_starts.n == 3, "of the first rank the seeds are the same"


def changed(X):
    b = X["b"].copy()
    b[-1, -1] += 1e-9
    return Blocks({"a": X["a"], "b": b})


OTHERS = {
    "an entry": (changed, {}),
    "the names": (lambda X: Blocks({"a": X["a"], "c": X["b"]}), {}),
    "one array": (lambda X: X.to_array(), {"blocks": {"a": 12, "b": 9}}),
    "float32": (lambda X: Blocks({name: X[name].astype(np.float32) for name in X.names}), {}),
    "tol": (lambda X: X, {"tol": 1e-9}),
    "a seed": (lambda X: X, {"random_state": 8}),
    "what is fixed": (lambda X: X, {"fixed_components": np.ones((1, 21))}),
    "a penalty": (lambda X: X, {"alpha_H": {"a": 0.1}, "alpha_F": 0.1}),
}


@pytest.mark.parametrize("what", OTHERS)
def test_fits_of_other_data_or_parameters_are_not_taken(what, X, tmp_path):
    change, params = OTHERS[what]
    rank_path(X, [2], estimator=Fits().estimator, checkpoint=tmp_path)
    (tmp_path / "mine.txt").write_text("left alone")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    other, expected = Fits(**params), Fits(**params)
    found = rank_path(change(X), [2], estimator=other.estimator, checkpoint=tmp_path)
    assert other.n == 1
    assert bits_of(found) == bits_of(rank_path(change(X), [2], estimator=expected.estimator))
    assert {path: path.read_bytes() for path in before} == before


def polars_frame(H):
    return pytest.importorskip("polars").DataFrame(H, schema=[f"feature{number}" for number in range(21)])


HOLDERS = {
    "an array": lambda H: H,
    "lists": lambda H: H.tolist(),
    "a mapping": lambda H: {"b": H[:, 12:], "a": H[:, :12]},
    "Blocks": lambda H: Blocks({"a": H[:, :12], "b": H[:, 12:]}),
    "a frame": lambda H: pd.DataFrame(H),
    "a frame of two levels": lambda H: pd.concat({"a": pd.DataFrame(H[:, :12]), "b": pd.DataFrame(H[:, 12:])}, axis=1),
    "a frame of polars": polars_frame,
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_fits_with_other_components_fixed_are_not_taken_whatever_holds_them(holder, X, tmp_path):
    H = np.random.default_rng(0).uniform(0.5, 1, (12, 21))
    other = H.copy()
    other[6, 10] += 0.25  # in the middle, which a frame's text leaves out
    for fixed, n in ((H, 1), (other, 1), (H, 0)):
        fits = Fits(fixed_components=HOLDERS[holder](fixed), max_iter=2)
        found = rank_path(X, [13], estimator=fits.estimator, checkpoint=tmp_path).fits[0].model
        assert fits.n == n
        np.testing.assert_array_equal(found.components_[:12], fixed)
    again = Fits(fixed_components=H, max_iter=2)
    rank_path(X, [13], estimator=again.estimator, checkpoint=tmp_path)
    assert again.n == 0, "the same numbers are the same fit"


class Holding(CoupledNMF):
    """A subclass with a parameter of its own."""

    def __init__(self, n_components=10, *, held=None, random_state=None, max_iter=2, tol=0):
        super().__init__(n_components, random_state=random_state, max_iter=max_iter, tol=tol)
        self.held = held


@pytest.mark.parametrize(
    ("held", "message"),
    [
        (object(), "held is a builtins.object, by which a checkpoint cannot tell fits apart"),
        ({"a": [1, b"1"]}, r"held\['a'\]\[1\] is a builtins.bytes"),
        ({1: 2.0}, "held is a builtins.dict"),
        (Blocks({"a": np.ones((2, 2))}), "held is a coupled_nmf.data.blocks.Blocks"),
        (np.array([object()]), "held is a numpy.ndarray"),
    ],
    ids=["object", "bytes", "numbers for keys", "Blocks", "array of objects"],
)
def test_what_a_fit_cannot_be_told_by_is_refused_before_the_fit(held, message, X, tmp_path):
    with pytest.raises(TypeError, match=message):
        rank_path(X, [2], estimator=Holding(held=held, random_state=0), checkpoint=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_a_subclass_holds_tells_its_fits_apart(X, tmp_path):
    values = [None, True, 0.5, "text", [1, 2], (1, 2, 3), {"a": [1, None]}, np.ones(3), np.ones((3, 1)), np.float32(3)]
    for n, held in enumerate(values, start=1):
        for _ in range(2):
            rank_path(X, [2], estimator=Holding(held=held, random_state=0), checkpoint=tmp_path)
            assert len(list(tmp_path.glob("*.json"))) == n, held


def test_what_no_bit_depends_on_may_differ(X, tmp_path):
    rank_path(X, [2], estimator=Fits().estimator, checkpoint=tmp_path)
    for params in ({"n_jobs": 1}, {"verbose": 1}, {"max_iter": np.int64(8)}):
        other = Fits(**params)
        rank_path(X, np.array([2]), estimator=other.estimator, checkpoint=tmp_path)
        assert other.n == 0, params


def test_names_of_columns_are_those_of_the_x_that_is_given(tmp_path):
    array = np.random.RandomState(0).uniform(size=(30, 4))
    for names in ("abcd", "wxyz"):
        path = rank_path(pd.DataFrame(array, columns=list(names)), [2], estimator=Fits().estimator, checkpoint=tmp_path)
        assert list(path.models[2].feature_names_in_) == list(names)


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".json"])
@pytest.mark.parametrize("damage", ["cut", "emptied", "of another shape", "gone", "a letter"])
def test_what_is_damaged_is_made_anew_and_named(damage, suffix, X, tmp_path):
    expected = bits_of(rank_path(X, [2, 3], estimator=Fits().estimator, checkpoint=tmp_path))
    other = tmp_path / "other"
    rank_path(X[:50], [4], estimator=Fits().estimator, checkpoint=other)
    (file, *_), (foreign,) = sorted(tmp_path.glob(f"*{suffix}")), other.glob(f"*{suffix}")
    content = file.read_bytes()
    if damage == "gone":
        file.unlink()
    else:
        middle = len(content) // 2
        spoilt = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        file.write_bytes(
            {"cut": content[:middle], "emptied": b"", "a letter": spoilt}.get(damage, foreign.read_bytes())
        )
    again, last = Fits(), Fits()
    if (damage, suffix) == ("gone", ".json"):  # then nothing says that the fit was finished
        found = rank_path(X, [2, 3], estimator=again.estimator, checkpoint=tmp_path)
    else:
        with pytest.warns(UserWarning, match=f"{file.name} is (damaged|missing).*made anew"):
            found = rank_path(X, [2, 3], estimator=again.estimator, checkpoint=tmp_path)
    assert again.n == 1
    assert bits_of(found) == expected
    assert bits_of(rank_path(X, [2, 3], estimator=last.estimator, checkpoint=tmp_path)) == expected
    assert last.n == 0


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"format": "coupled_nmf checkpoint 2", "seconds": 1.0, "digests": 3}', "NaN"]
)
def test_a_manifest_of_another_shape_is_made_anew(text, X, tmp_path):
    rank_path(X, [2], estimator=Fits().estimator, checkpoint=tmp_path)
    (manifest,) = tmp_path.glob("*.json")
    manifest.write_text(text)
    with pytest.warns(UserWarning, match="json is damaged"):
        rank_path(X, [2], estimator=Fits().estimator, checkpoint=tmp_path)


def test_a_kill_at_any_write_of_a_fit_costs_that_fit_at_most(tmp_path):
    code = f"""
import shutil, sys, warnings
from pathlib import Path
import kills
from coupled_nmf import CoupledNMF, make_coupled_blocks, rank_path

warnings.filterwarnings("error")
X, _, _ = make_coupled_blocks(30, {{"a": 6}}, 2, noise=0.2, random_state=0)
folder, copy = Path({str(tmp_path / "folder")!r}), Path({str(tmp_path / "copy")!r})
fits, counts = [], set()
count = lambda info: fits.append(1) if info.iteration == 1 else None
estimator = CoupledNMF(random_state=0, n_jobs=1, max_iter=500, callbacks=count)

def run(checkpoint):
    fits.clear()
    return rank_path(X, [2], estimator=estimator, checkpoint=checkpoint).fits[0]

expected = run(None).F.tobytes()
rank_path(X, [1], estimator=estimator, checkpoint=folder)

def check():
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    assert run(copy).F.tobytes() == expected
    counts.add(len(fits))
    run(copy)
    assert not fits

print(kills.each(lambda: run(folder), check), *sorted(counts))
"""
    n_kills, *counts = kills.run(code).split()
    assert int(n_kills) >= 6, "three files are written and renamed"
    assert counts == ["0", "1"]


def tiled(X):
    return read_X(CoupledNMF(), X, reset=True)


def test_the_digest_sees_every_entry_and_how_it_is_stored(X):
    a, rng = X["a"], np.random.RandomState(0)
    rows = csr_array(np.where(a > 1, a, 0))
    spoilt = rows.copy()
    spoilt.data[-1] += 1
    moved = rows.copy()
    moved.indices[-1] = (set(range(12)) - set(moved.indices[moved.indptr[-2] :])).pop()
    moved.sort_indices()
    there = {"b": np.arange(0, 60, 2)}
    later = {"b": np.arange(1, 60, 2)}
    half = {"a": a, "b": rows[::2]}
    last = a.copy()
    last[-1, -1] = np.nan
    forms = [
        a, last, a[:-1], a[:, ::-1], a.astype(np.float32), rows, spoilt, moved, rows.toarray(), RowSource(a),
        Blocks({"a": a}), Blocks({"X": a, "b": a}), Blocks(half, samples=there), Blocks(half, samples=later),
        Blocks({"X": a[:, :5], "Y": a[:, 5:]}), rng.permutation(a),
    ]  # fmt: skip
    digests = [digest_of(tiled(form)) for form in forms]
    assert len(set(digests)) == len(forms)
    assert digest_of(tiled(np.asfortranarray(a))) == digests[0]
    assert digest_of(tiled(RowSource(a.copy()))) == digests[9]


@pytest.mark.parametrize("form", ["sparse", "lacking", "outside memory"])
def test_other_forms_of_x_go_on_too(form, X, tmp_path):
    data = {
        "sparse": Blocks({"a": csr_array(np.where(X["a"] > 1, X["a"], 0)), "b": X["b"]}),
        "lacking": Blocks({"a": X["a"], "b": X["b"][:40]}, samples={"b": range(40)}),
        "outside memory": Blocks({"a": RowSource(X["a"]), "b": X["b"]}),
    }[form]
    with pytest.raises(KeyboardInterrupt):
        rank_path(data, [2, 3], estimator=Fits(2).estimator, checkpoint=tmp_path)
    second = Fits()
    found = rank_path(data, [2, 3], estimator=second.estimator, checkpoint=tmp_path)
    assert second.n == 1
    assert bits_of(found) == bits_of(rank_path(data, [2, 3], estimator=Fits().estimator))


def test_cupy_arrays_come_back_as_such(X, tmp_path, monkeypatch):
    emulate(monkeypatch)
    cupy = sys.modules["cupy"]
    there = Blocks({name: cupy.asarray(X[name]) for name in X.names})
    made, taken = (
        rank_path(there, [2], estimator=Fits(max_iter=3).estimator, checkpoint=tmp_path).fits[0] for _ in range(2)
    )
    for one, other in ((made.F, taken.F), (made.model.components_, taken.model.components_)):
        assert type(one) is type(other)
        np.testing.assert_array_equal(one.get(), other.get())


@pytest.mark.parametrize("call", CALLS)
def test_a_checkpoint_needs_a_seed_and_a_folder(call, X, tmp_path):
    for seed in (None, np.random.RandomState(0), True):
        with pytest.raises(ValueError, match="checkpoint needs a whole number as random_state"):
            CALLS[call](X, estimator=CoupledNMF(random_state=seed), checkpoint=tmp_path)
    with pytest.raises(TypeError, match="checkpoint is 3; give the path of a folder"):
        CALLS[call](X, estimator=CoupledNMF(random_state=0), checkpoint=3)
    file = tmp_path / "file"
    file.write_text("here")
    with pytest.raises(ValueError, match="is a file; give the path of a folder"):
        CALLS[call](X, estimator=CoupledNMF(random_state=0), checkpoint=file)


def test_a_seed_that_is_given_beside_the_estimator_serves(X, tmp_path):
    for call in (stability, holdout_entries):
        first, second = Fits(random_state=None), Fits(random_state=None)
        for fits in (first, second):
            call(X, [2], estimator=fits.estimator, random_state=3, checkpoint=tmp_path / call.__name__)
        assert (first.n > 0, second.n) == (True, 0)
    shutil.rmtree(tmp_path / "stability")
