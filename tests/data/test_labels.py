"""Labels of the samples: they travel with Blocks, come back with F, and tell where rows are not of the same samples."""

import copy
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, KFold, train_test_split
from sklearn.pipeline import FeatureUnion, make_pipeline

from coupled_nmf import Blocks, CoupledNMF, make_coupled_blocks, rank_path

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

MADE, _, _ = make_coupled_blocks(20, {"rna": 6, "atac": 5}, 3, noise=0.1, random_state=0)
CELLS = pd.Index([f"cell{i}" for i in range(20)], name="cell")


def frame(name="rna", index=CELLS, rows=slice(None)):
    return pd.DataFrame(MADE[name][rows], index=None if index is None else index[rows])


def estimator(**params):
    return CoupledNMF(2, max_iter=3, tol=0, random_state=0, **params).set_output(transform="pandas")


TIMES = pd.DatetimeIndex(pd.date_range("2020-01-01", periods=20).to_numpy(), name="day")
LEVELS = pd.MultiIndex.from_product([["a", "b"], range(10)], names=["patient", "visit"])
EVENS, ODDS = np.arange(0, 20, 2), np.arange(1, 20, 2)
LABELLED = {
    "all frames": (lambda: Blocks({"rna": frame(), "atac": frame("atac")}), CELLS),
    "beside an array": (lambda: Blocks({"rna": MADE["rna"], "atac": frame("atac")}), CELLS),
    "beside labels that pandas gives": (lambda: Blocks({"rna": frame(index=None), "atac": frame("atac")}), CELLS),
    "beside frames that some have": (
        lambda: Blocks({"rna": frame(rows=EVENS), "atac": frame("atac")}, samples={"rna": EVENS}),
        CELLS,
    ),
    "put together": (
        lambda: Blocks(
            {"rna": frame(rows=ODDS), "atac": frame("atac", rows=EVENS)}, samples={"rna": ODDS, "atac": EVENS}
        ),
        CELLS,
    ),
    "put together, in any order of the rows": (
        lambda: Blocks(
            {"rna": frame(rows=np.arange(15)[::-1]), "atac": frame("atac", rows=np.arange(5, 20))},
            samples={"rna": np.arange(15)[::-1], "atac": np.arange(20) >= 5},
        ),
        CELLS,
    ),
    "several levels, put together": (
        lambda: Blocks(
            {"rna": frame(index=LEVELS, rows=ODDS), "atac": frame("atac", LEVELS, EVENS)},
            samples={"rna": ODDS, "atac": EVENS},
        ),
        LEVELS,
    ),
    "times": (lambda: Blocks({"rna": frame(index=TIMES), "atac": frame("atac", TIMES)}), TIMES),
    "labels twice": (lambda: Blocks({"rna": frame(index=CELLS[[0, 0] * 10])}), CELLS[[0, 0] * 10]),
    "those that pandas gives": (lambda: Blocks({"rna": frame(index=None)}), pd.RangeIndex(20)),
}
each_labelled = pytest.mark.parametrize(("make", "index"), LABELLED.values(), ids=LABELLED)


@each_labelled
def test_labels_travel_with_blocks(make, index):
    X = make()
    pd.testing.assert_index_equal(X.index, index)
    mask = np.arange(20) % 3 == 0
    for rows in (
        slice(2, 9),
        slice(None, None, -2),
        [3, 1, 1],
        np.array([-1, 4]),
        mask,
        mask.tolist(),
        [],
        (mask, ...),
    ):
        chosen = np.arange(20)[rows[0] if isinstance(rows, tuple) else rows]
        pd.testing.assert_index_equal(X[rows].index, index[chosen], exact="equiv")
        pd.testing.assert_index_equal(X[rows][::-1].index, index[chosen][::-1], exact="equiv")
    for again in (X.select(X.names[::-1]), copy.copy(X), pickle.loads(pickle.dumps(X))):
        pd.testing.assert_index_equal(again.index, index)
    train, test = train_test_split(X, random_state=0)
    assert sorted(train.index.append(test.index)) == sorted(index)


@each_labelled
@pytest.mark.filterwarnings("ignore:No sample has blocks of more")
def test_labels_come_back_with_F(make, index):
    X, model = make(), estimator()
    F = model.fit_transform(X)
    pd.testing.assert_index_equal(F.index, index)
    assert list(F.columns) == ["couplednmf0", "couplednmf1"]
    plain = CoupledNMF(2, max_iter=3, tol=0, random_state=0).fit_transform(X)
    assert isinstance(plain, np.ndarray)
    np.testing.assert_array_equal(F.to_numpy(), plain)
    pd.testing.assert_frame_equal(model.transform(X[4:9]), F[4:9], rtol=1e-6)
    pd.testing.assert_index_equal(model.inverse_transform(F[4:9]).index, index[4:9])


def test_labels_reach_what_is_built_of_several_steps():
    X = Blocks({"rna": frame(), "atac": frame("atac")})
    both = FeatureUnion([("two", CoupledNMF(2, max_iter=3, tol=0)), ("one", CoupledNMF(1, max_iter=3, tol=0))])
    for model in (both, make_pipeline("passthrough", estimator())):
        pd.testing.assert_index_equal(model.set_output(transform="pandas").fit_transform(X).index, CELLS)
    search = GridSearchCV(estimator(), {"n_components": [1, 2]}, cv=KFold(2)).fit(X)
    pd.testing.assert_index_equal(search.transform(X[3:7]).index, CELLS[3:7])
    two_level = pd.concat({"rna": frame(), "atac": frame("atac")}, axis=1)
    pd.testing.assert_index_equal(estimator().fit_transform(two_level).index, CELLS)


class Unwrapped(CoupledNMF, auto_wrap_output_keys=None):
    """scikit-learn does not make a DataFrame of what it gives, whatever is asked for."""

    def __init__(self, n_components=2):
        super().__init__(n_components)


def test_what_has_no_labels_or_wants_none():
    assert Blocks({"rna": MADE["rna"]}).index is None
    some = Blocks({"rna": frame(rows=ODDS), "atac": MADE["atac"]}, samples={"rna": ODDS})
    assert some.index is None, "the labels of the others are not known"
    pd.testing.assert_index_equal(estimator().fit_transform(some).index, pd.RangeIndex(20))
    pl = pytest.importorskip("polars")
    assert Blocks({"rna": pl.DataFrame(MADE["rna"])}).index is None
    labelled = Blocks({"rna": frame(), "atac": frame("atac")})
    assert isinstance(estimator().set_output(transform="polars").fit_transform(labelled), pl.DataFrame)
    with sklearn.config_context(transform_output="pandas"):
        pd.testing.assert_index_equal(CoupledNMF(2, max_iter=3, tol=0).fit_transform(labelled).index, CELLS)
        assert isinstance(Unwrapped().fit_transform(labelled), np.ndarray)


OTHERS = pd.Index([f"other{i}" for i in range(20)])


def three(labels):
    return pd.DataFrame(np.ones((3, 2)), index=list(labels))


@pytest.mark.parametrize(
    ("make", "labels"),
    [
        (lambda: Blocks({"a": three("ppq"), "b": np.ones((4, 2))}, samples={"a": [0, 1, 3]}), None),
        (lambda: Blocks({"a": three("ppq")}, samples={"a": [0, 1, 2]}), "ppq"),
        (lambda: Blocks({"a": three("ppq"), "b": three("ppq")}), "ppq"),
        (lambda: Blocks({"a": three("pqr"), "b": three("ppr")}), "pqr"),
        (lambda: Blocks({"a": three("pqp"), "b": three("ppq")[:2]}, samples={"b": [1, 2]}), "pqp"),
    ],
    ids=["of some", "alone", "of both", "after others", "elsewhere"],
)
def test_labels_that_come_twice_tell_of_no_place(make, labels):
    found = make().index
    assert found is None if labels is None else list(found) == list(labels)


@pytest.mark.filterwarnings("error")
def test_labels_that_come_twice_leave_the_others_to_tell():
    for other in ("qpp", "ppr"):
        with pytest.raises(ValueError, match="Blocks 'a' and 'b' are DataFrames that share index labels at other"):
            Blocks({"a": three("ppq"), "b": three(other)})
    with pytest.warns(UserWarning, match="labels of block 'a' have none in common with those of 'b'"):
        Blocks({"a": three("ppq"), "b": three("rrs")})
    with pytest.warns(UserWarning, match="labels of block 'a' have none in common with those of 'b'"):
        Blocks({"a": three("pqr"), "b": three("sss")})


CONFLICTS = {
    "in another order": lambda: Blocks({"a": frame(), "b": frame("atac", CELLS[::-1])}),
    "not those of the first": lambda: Blocks(
        {"a": frame(), "b": frame("atac", CELLS[:19].append(OTHERS[:1])), "c": frame()}
    ),
    "of the first to the third": lambda: Blocks(
        {"a": frame(index=OTHERS), "b": frame(), "c": frame(index=CELLS[::-1])}
    ),
    "of those that some have": lambda: Blocks({"a": frame(), "b": frame("atac", rows=EVENS)}, samples={"b": ODDS}),
    "of those that some have, and no one all": lambda: Blocks(
        {"a": frame(rows=EVENS), "b": frame("atac", rows=EVENS), "c": MADE["rna"]}, samples={"a": EVENS, "b": ODDS}
    ),
    "where both are, and no one has all": lambda: Blocks(
        {"a": frame(rows=np.arange(9)), "b": frame("atac", rows=np.arange(1, 10)), "c": MADE["rna"]},
        samples={"a": np.arange(9), "b": np.arange(9)},
    ),
    "a reordered frame of numbers, after": lambda: Blocks(
        {"a": frame(index=None), "b": frame("atac", index=pd.Index(range(20)))[::-1]}
    ),
    "a reordered frame of numbers, before": lambda: Blocks(
        {"a": frame("atac", index=pd.Index(range(20)))[::-1], "b": frame(index=None)}
    ),
    "numbers of others": lambda: Blocks(
        {"a": frame(index=None), "b": frame("atac", pd.RangeIndex(20), slice(3, 6))}, samples={"b": [0, 1, 2]}
    ),
}


@pytest.mark.parametrize("make", CONFLICTS.values(), ids=CONFLICTS)
def test_labels_that_contradict_the_places(make):
    with pytest.raises(ValueError, match=r"Blocks '.' and '.' are DataFrames that share index labels at other places"):
        make()


def test_labels_that_have_nothing_in_common_warn_once_at_the_callers_line():
    with pytest.warns(UserWarning, match="labels of block 'a' have none in common with those of 'b', 'd'") as caught:
        X = Blocks({"a": frame(), "b": frame("atac", OTHERS), "c": MADE["rna"], "d": frame(index=OTHERS)})
    assert len(caught) == 1
    assert caught[0].filename == __file__
    pd.testing.assert_index_equal(X.index, CELLS)
    with pytest.warns(UserWarning, match="labels of block 'a' have none in common with those of 'b'"):
        some = Blocks({"a": frame(), "b": frame("atac", OTHERS, EVENS)}, samples={"b": EVENS})
    with pytest.warns(UserWarning, match="labels of block 'a' have none in common with those of 'b'"):
        Blocks({"a": frame(rows=EVENS), "b": frame("atac", OTHERS, EVENS)}, samples={"a": EVENS, "b": EVENS})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        X[2:5].select(["b", "a"])  # it was said once
        estimator().fit(X).transform(some)
        Blocks({"a": frame(), "b": frame("atac", None), "c": MADE["rna"]})  # labels unasked say nothing
        Blocks({"a": frame(index=None), "b": frame("atac", pd.RangeIndex(7, 27))})
        Blocks({"a": frame(rows=EVENS), "b": frame("atac", OTHERS, ODDS)}, samples={"a": EVENS, "b": ODDS})


def halves(gap, where=10):
    """Two blocks, and who has which: the first ones, or the others; by ``samples`` or by rows of NaN."""
    a, b, first = MADE["rna"].copy(), MADE["atac"].copy(), np.arange(20) < where
    if gap == "samples":
        return {"a": a[first], "b": b[~first]}, {"a": first, "b": ~first}
    a[~first], b[first] = np.nan, np.nan
    return {"a": a, "b": b}, {}


@pytest.mark.parametrize("gap", ["samples", "NaN"])
def test_blocks_that_share_no_sample_warn_at_the_fit(gap):
    blocks, samples = halves(gap)
    X = Blocks(blocks, samples=samples)
    for fit in (estimator().fit, estimator().fit_transform, lambda X: rank_path(X, [1, 2])):
        with pytest.warns(
            UserWarning, match=r"No sample has blocks of more than one of these groups: 'a' \| 'b'"
        ) as caught:
            fit(X)
        assert [record.filename for record in caught if "No sample" in str(record.message)] == [__file__]
    longer = Blocks(
        {**blocks, "c": MADE["rna"][:10], "d": MADE["atac"][10:]},
        samples=samples | {"c": np.arange(10), "d": np.arange(10, 20)},
    )
    with pytest.warns(UserWarning, match=r"groups: 'a', 'c' \| 'b', 'd'\."):
        estimator().fit(longer)
    coupled = Blocks({**blocks, "e": MADE["rna"][9:11]}, samples=samples | {"e": [9, 10]})
    with pytest.warns(UserWarning, match=r"groups: 'a', 'e' \| 'b'\."):
        estimator().fit(coupled, sample_weight=np.arange(20) != 10)  # without it, nothing leads across
    with pytest.warns(UserWarning, match=r"groups: 'a' \| 'b'\."):
        estimator(block_weights={"e": 0}).fit(coupled)


def test_blocks_that_one_chain_couples_or_that_are_no_fit_do_not_warn():
    blocks, samples = halves("samples")
    X = Blocks(blocks, samples=samples)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.filterwarnings("ignore", category=ConvergenceWarning)
        chained = Blocks({**blocks, "e": MADE["rna"][9:11]}, samples=samples | {"e": [9, 10]})
        model = estimator().fit(chained)
        model.transform(X)  # each sample by itself
        model.partial_fit(Blocks({**blocks, "e": MADE["rna"][:0]}, samples=samples | {"e": []}))  # one batch of many
        estimator().fit(Blocks({"a": MADE["rna"], "b": MADE["atac"][:0]}, samples={"b": []}))  # no one has it
