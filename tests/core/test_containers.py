"""DataFrames, sparse arrays and Blocks through scikit-learn: blocks, names, dtypes, missing values, metadata."""

import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from coupled_nmf import Blocks, CoupledNMF, make_coupled_blocks

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

MADE, _, _ = make_coupled_blocks(60, {"rna": 6, "atac": 5}, 3, noise=0.1, random_state=0)
INDEX = [f"cell{i}" for i in range(60)]


def estimator(**params):
    return CoupledNMF(3, max_iter=20, tol=0, random_state=0, **params)


def two_level():
    columns = pd.MultiIndex.from_tuples([(name, f"{name}{i}") for name in MADE for i in range(MADE[name].shape[1])])
    return pd.DataFrame(MADE.to_array(), columns=columns, index=INDEX)


def single_level(X=None):
    X = MADE.to_array() if X is None else X
    return pd.DataFrame(X, columns=[f"gene{i}" for i in range(X.shape[1])])


def swapped(frame):
    """The same data with the first two columns in the other order."""
    order = [1, 0, *range(2, frame.shape[1])]
    return frame.iloc[:, order]


def test_two_level_columns_are_blocks():
    X = two_level()
    model = estimator()
    F = model.fit_transform(X)
    np.testing.assert_array_equal(F, estimator().fit_transform(MADE))
    assert model.layout_.names == ("rna", "atac")
    assert model.block_feature_names_["atac"] == ("atac0", "atac1", "atac2", "atac3", "atac4")
    weighted = estimator(block_weights={"atac": 3.0})
    np.testing.assert_array_equal(weighted.fit_transform(X), estimator(block_weights={"atac": 3.0}).fit_transform(MADE))


def test_some_of_the_top_level_columns_are_some_of_the_blocks():
    model = estimator().fit(two_level())
    np.testing.assert_array_equal(model.transform(two_level()[["atac"]]), model.transform(MADE.select(["atac"])))
    np.testing.assert_allclose(model.transform(two_level()[["atac", "rna"]]), model.transform(MADE), rtol=1e-9)


def test_names_and_order_of_two_level_columns_are_checked():
    model = estimator().fit(two_level())
    with pytest.raises(ValueError, match="block 'rna' are in another order; column 0 is 'rna1', and was 'rna0'"):
        model.transform(swapped(two_level()))
    with pytest.raises(ValueError, match="block 'atac' are not those; column 2 is 'peak'"):
        model.transform(two_level().rename(columns={"atac2": "peak"}, level=1))
    with pytest.raises(ValueError, match=r"unknown blocks \['gex'\]"):
        model.transform(two_level().rename(columns={"rna": "gex"}, level=0))
    with pytest.raises(ValueError, match="'rna' has 5 features, but the model was fitted with 6"):
        model.transform(two_level().drop(columns=[("rna", "rna3")]))
    with pytest.raises(ValueError, match="column 0 is 'rna1'"):
        model.partial_fit(swapped(two_level()))


@pytest.mark.parametrize("frame", [two_level, lambda: single_level().set_axis(INDEX)])
def test_pandas_output_keeps_the_index(frame):
    model = estimator().set_output(transform="pandas")
    found = model.fit_transform(frame())
    assert list(found.index) == INDEX
    assert list(found.columns) == list(model.get_feature_names_out()) == [f"couplednmf{i}" for i in range(3)]
    assert list(model.transform(frame().iloc[10:20]).index) == INDEX[10:20]
    np.testing.assert_array_equal(found.to_numpy(), estimator().fit_transform(frame()))


def test_single_level_columns_are_checked_by_scikit_learn():
    model = estimator().fit(single_level())
    assert list(model.feature_names_in_) == list(single_level().columns)
    np.testing.assert_array_equal(model.transform(single_level()), estimator().fit_transform(MADE.to_array()))
    with pytest.raises(ValueError, match="must be in the same order"):
        model.transform(swapped(single_level()))
    with pytest.raises(ValueError, match="unseen at fit time"):
        model.transform(single_level().rename(columns={"gene0": "other"}))
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.transform(MADE.to_array())
    assert not hasattr(model.fit(MADE.to_array()), "feature_names_in_"), "an array has no names, and none are kept"


@pytest.mark.parametrize("given", [single_level, two_level])
@pytest.mark.parametrize("how", ["pickle", "save"])
def test_names_outlive_pickle_and_save(given, how, tmp_path):
    model = estimator().fit(given())
    if how == "pickle":
        again = pickle.loads(pickle.dumps(model))
    else:
        model.save(tmp_path / "model")
        again = CoupledNMF.load(tmp_path / "model")
    np.testing.assert_array_equal(again.transform(given()), model.transform(given()))
    assert list(again.get_feature_names_out()) == list(model.get_feature_names_out())
    assert again.block_feature_names_ == model.block_feature_names_
    with pytest.raises(ValueError, match=r"feature names should match|same order"):
        again.transform(swapped(given()))


FLOATS = {"float16": np.float32, "float32": np.float32, "float64": np.float64, "longdouble": np.float64}
OTHERS = dict.fromkeys(["int8", "uint16", "int64", "uint64", "bool"], np.float64)


@pytest.mark.parametrize(("dtype", "expected"), (FLOATS | OTHERS).items())
@pytest.mark.parametrize(
    "container",
    [np.asarray, pd.DataFrame, sp.csr_array, lambda X: Blocks({"a": X}), lambda X: Blocks({"a": pd.DataFrame(X)})],
    ids=["array", "DataFrame", "sparse", "Blocks", "DataFrame in Blocks"],
)
def test_the_dtype_of_the_factors(dtype, expected, container):
    X = np.floor(MADE.to_array() * 3).astype(dtype)
    if container is sp.csr_array and dtype == "float16":
        pytest.skip("SciPy has no sparse arrays of float16")
    model = estimator()
    F = model.fit_transform(container(X))
    assert F.dtype == model.components_.dtype == expected
    plain = estimator().fit_transform(np.asarray(X, dtype=expected))
    np.testing.assert_allclose(F, plain, rtol=1e-3, atol=1e-3 if expected is np.float32 else 1e-8)


def test_blocks_of_several_dtypes_are_float64_unless_all_are_short():
    a, b = MADE["rna"].astype(np.float32), MADE["atac"]
    for other, expected in ((b.astype(np.float16), np.float32), (b, np.float64), ((3 * b).astype(int), np.float64)):
        model = estimator()
        assert model.fit_transform(Blocks({"a": a, "b": other})).dtype == model.components_.dtype == expected
    frame = pd.concat([single_level(a), pd.DataFrame({"n": np.arange(60)})], axis=1)
    assert estimator().fit_transform(frame).dtype == np.float64


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("Float64", np.float64),
        ("Float32", np.float32),
        ("Int64", np.float64),
        ("boolean", np.float64),
        (object, np.float64),
    ],
)
@pytest.mark.parametrize("container", [lambda X: X, lambda X: Blocks({"a": X})], ids=["alone", "in Blocks"])
def test_pd_NA_is_missing(kind, expected, container):
    X = np.floor(MADE["rna"])
    X = (X > 0).astype(float) if kind == "boolean" else X
    frame = pd.DataFrame(X).astype({"boolean": bool, "Int64": int}.get(kind, float)).astype(kind)
    frame.iloc[3, 2] = frame.iloc[5, 1] = pd.NA
    X[3, 2] = X[5, 1] = np.nan
    F = estimator().fit_transform(container(frame))
    assert F.dtype == expected
    np.testing.assert_allclose(F, estimator().fit_transform(X.astype(expected)), rtol=1e-4, atol=1e-5)


def test_two_level_columns_may_be_missing_and_of_several_dtypes():
    frame = two_level().astype({column: "Float32" for column in two_level().columns if column[0] == "atac"})
    frame.loc["cell4", "atac"] = pd.NA
    array = MADE.to_array()
    array[4, 6:] = np.nan
    array[:, 6:] = array[:, 6:].astype(np.float32)
    expected = estimator(blocks={"rna": 6, "atac": 5}).fit_transform(array)
    np.testing.assert_allclose(estimator().fit_transform(frame), expected, atol=1e-8)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_DataFrame_of_sparse_columns_stays_sparse(dtype):
    X = np.where(MADE.to_array() > 2, MADE.to_array(), 0).astype(dtype)
    frame = pd.DataFrame.sparse.from_spmatrix(sp.csr_matrix(X))
    expected = estimator().fit_transform(sp.csr_array(X))
    np.testing.assert_array_equal(estimator().fit_transform(frame), expected)
    assert sp.issparse(Blocks({"a": frame})["a"])
    np.testing.assert_array_equal(estimator().fit_transform(Blocks({"a": frame})), expected)


MIXED = {
    "sparse": lambda: sp.csr_array(MADE.to_array()),
    "sparse blocks": lambda: Blocks({"a": sp.csr_array(MADE["rna"]), "b": sp.csc_array(MADE["atac"])}),
    "sparse and dense blocks": lambda: Blocks({"a": sp.coo_array(MADE["rna"]), "b": MADE["atac"]}),
    "blocks of DataFrames": lambda: Blocks({"a": pd.DataFrame(MADE["rna"]), "b": MADE["atac"]}),
    "two-level columns": two_level,
    "a block that some lack": lambda: Blocks(
        {"a": MADE["rna"], "b": sp.csr_array(MADE["atac"][:50])}, samples={"b": np.arange(50)}
    ),
}
each_kind = pytest.mark.parametrize("make", MIXED.values(), ids=MIXED)


@each_kind
def test_train_test_split_and_cross_validation(make):
    train, test = train_test_split(make(), random_state=0)
    rows, held_out = train_test_split(np.arange(60), random_state=0)
    model = estimator().fit(train)
    expected = estimator().fit(make().iloc[rows] if hasattr(make(), "iloc") else make()[rows])
    np.testing.assert_array_equal(model.components_, expected.components_)
    assert model.transform(test).shape == (len(held_out), 3)
    scores = cross_val_score(estimator(), make(), cv=KFold(3))
    assert np.all(scores > 0.9), scores


@each_kind
def test_grid_search_in_a_pipeline(make):
    search = GridSearchCV(make_pipeline(estimator()), {"couplednmf__n_components": [1, 3]}, cv=KFold(2))
    assert search.fit(make()).best_params_ == {"couplednmf__n_components": 3}
    assert search.best_score_ > 0.9
    assert search.transform(make()).shape == (60, 3)


def test_sparse_rows_pass_through_other_steps():
    pipeline = make_pipeline(MaxAbsScaler(), estimator())
    np.testing.assert_allclose(
        pipeline.fit_transform(sp.csr_array(MADE.to_array())), pipeline.fit_transform(MADE.to_array()), atol=1e-8
    )


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.mark.usefixtures("routing")
def test_factors_to_invert_are_no_metadata():
    assert set(estimator().get_metadata_routing().inverse_transform.requests) == {"block"}


WEIGHTS = np.random.RandomState(0).uniform(0.1, 5, size=60)


@pytest.mark.usefixtures("routing")
@pytest.mark.parametrize(
    "make", [lambda: MADE, lambda: MADE.to_array(), two_level], ids=["Blocks", "array", "DataFrame"]
)
def test_sample_weight_is_routed_through_a_pipeline(make):
    asked = estimator().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
    pipeline = make_pipeline(asked).fit(make(), sample_weight=WEIGHTS)
    expected = estimator().fit(make(), sample_weight=WEIGHTS)
    np.testing.assert_array_equal(pipeline[-1].components_, expected.components_)
    assert np.any(expected.components_ != estimator().fit(make()).components_)
    assert pipeline.score(make(), sample_weight=WEIGHTS) == expected.score(make(), sample_weight=WEIGHTS)
    assert pipeline.score(make(), sample_weight=WEIGHTS) != expected.score(make())


@pytest.mark.usefixtures("routing")
def test_sample_weight_is_routed_through_a_grid_search():
    folds = KFold(2)
    asked = estimator().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
    search = GridSearchCV(asked, {"n_components": [1, 3]}, cv=folds).fit(MADE, sample_weight=WEIGHTS)
    for place, rank in enumerate([1, 3]):
        by_hand = [
            clone(estimator())
            .set_params(n_components=rank)
            .fit(MADE[train], sample_weight=WEIGHTS[train])
            .score(MADE[test], sample_weight=WEIGHTS[test])
            for train, test in folds.split(np.arange(60))
        ]
        assert search.cv_results_["mean_test_score"][place] == pytest.approx(np.mean(by_hand), rel=1e-12)


class Scaled(TransformerMixin, BaseEstimator):
    """A step before the last, so that the last one's fit is reached by the pipeline's fit_transform."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return 2 * X


@pytest.mark.usefixtures("routing")
def test_sample_weight_is_routed_through_fit_transform_and_refused_unasked():
    asked = estimator().set_fit_request(sample_weight=True)
    found = make_pipeline(Scaled(), asked).fit_transform(MADE.to_array(), sample_weight=WEIGHTS)
    np.testing.assert_array_equal(found, estimator().fit_transform(2 * MADE.to_array(), sample_weight=WEIGHTS))
    with pytest.raises(sklearn.exceptions.UnsetMetadataPassedError, match="sample_weight"):
        make_pipeline(estimator()).fit(MADE.to_array(), sample_weight=WEIGHTS)


class TestPolars:
    """DataFrames of polars, where it is installed."""

    @pytest.fixture
    def pl(self):
        return pytest.importorskip("polars")

    def test_as_X_and_as_blocks(self, pl):
        X = pl.DataFrame(MADE.to_array(), schema=[f"gene{i}" for i in range(11)])
        model = estimator().fit(X)
        np.testing.assert_array_equal(model.transform(X), estimator().fit_transform(MADE.to_array()))
        assert list(model.feature_names_in_) == X.columns
        with pytest.raises(ValueError, match="must be in the same order"):
            model.transform(X.select(X.columns[::-1]))
        blocks = Blocks({"rna": X[:, :6], "atac": X[:, 6:]})
        assert blocks.feature_names["atac"] == ("gene6", "gene7", "gene8", "gene9", "gene10")
        model = estimator().fit(blocks)
        np.testing.assert_array_equal(model.transform(blocks), estimator().fit_transform(MADE))
        with pytest.raises(ValueError, match="block 'rna' are in another order"):
            model.transform(Blocks({"rna": X[:, [1, 0, 2, 3, 4, 5]]}))

    def test_output(self, pl):
        X = pl.DataFrame(MADE.to_array(), schema=[f"gene{i}" for i in range(11)])
        model = estimator().set_output(transform="polars")
        found = model.fit_transform(X)
        assert isinstance(found, pl.DataFrame)
        assert found.columns == ["couplednmf0", "couplednmf1", "couplednmf2"]
        np.testing.assert_array_equal(found.to_numpy(), estimator().fit_transform(MADE.to_array()))
        assert isinstance(model.fit_transform(MADE), pl.DataFrame)

    @pytest.mark.parametrize("container", [lambda X: X, lambda X: Blocks({"a": X})], ids=["alone", "in Blocks"])
    @pytest.mark.parametrize(
        ("kind", "expected"), [("Float32", np.float32), ("Float64", np.float64), ("Int16", np.float64)]
    )
    def test_nulls_and_dtypes(self, pl, kind, expected, container):
        X = np.floor(MADE["rna"])
        X[3, 2] = np.nan
        frame = pl.DataFrame(X, schema=list("abcdef")).fill_nan(None).cast(getattr(pl, kind))
        assert frame["c"].null_count() == 1
        F = estimator().fit_transform(container(frame))
        assert F.dtype == expected
        np.testing.assert_allclose(F, estimator().fit_transform(X.astype(expected)), rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("values", [["x", "y"], [[1.0], [2.0]], np.array([0, 1], "M8[D]")])
    def test_what_is_no_number(self, pl, values):
        frame = pl.DataFrame({"n": [1.0, 2.0], "other": values})
        for make in (lambda: frame, lambda: Blocks({"a": frame})):
            with pytest.raises(ValueError, match=r"columns \['other'\] do not hold real numbers"):
                estimator().fit(make())

    def test_a_lazy_frame(self, pl):
        with pytest.raises(TypeError, match="X is a LazyFrame; pass"):
            estimator().fit(pl.DataFrame(MADE["rna"]).lazy())

    def test_splits_and_grid_search(self, pl):
        X = pl.DataFrame(MADE.to_array())
        train, test = train_test_split(X, random_state=0)
        assert estimator().fit(train).transform(test).shape == (15, 3)
        search = GridSearchCV(estimator(), {"n_components": [1, 3]}, cv=KFold(2)).fit(X)
        assert search.best_params_ == {"n_components": 3}


def test_frames_with_the_same_labels_in_another_order_are_not_coupled_by_place():
    a = pd.DataFrame(np.ones((4, 2)), index=list("wxyz"))
    assert Blocks({"a": a, "b": a.copy()}).shape == (4, 4)
    assert Blocks({"a": a, "b": pd.DataFrame(np.ones((4, 2)))}).shape == (4, 4), "other labels say nothing"
    with pytest.raises(ValueError, match="'a' and 'b' are DataFrames that share index labels at other places"):
        Blocks({"a": a, "b": a[::-1]})
    assert Blocks({"a": a, "b": a.iloc[1:3]}, samples={"b": [1, 2]}).shape == (4, 4)
    with pytest.raises(ValueError, match="where they belong"):
        Blocks({"a": a, "b": a.iloc[1:3]}, samples={"b": [0, 1]})
    plain = pd.DataFrame(np.ones((4, 2)))
    assert Blocks({"a": plain, "b": plain.iloc[:2]}, samples={"b": [2, 3]}).shape == (4, 4), "unasked labels"
    with pytest.raises(ValueError, match="columns of 3 levels"):
        CoupledNMF(1).fit(pd.DataFrame(np.ones((3, 2)), columns=pd.MultiIndex.from_tuples([("a", "b", "c")] * 2)))
