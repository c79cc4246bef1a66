"""What holds X: what is no matrix says what to pass, sparse rows are indexed, what cannot be sent is named."""

import copy
import pickle
import types

import numpy as np
import pytest
import scipy.sparse as sp
from joblib import parallel_config
from sklearn.model_selection import GridSearchCV, KFold

from coupled_nmf import Blocks, CoupledNMF, make_coupled_blocks

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

MADE, _, _ = make_coupled_blocks(30, {"rna": 6, "atac": 5}, 3, noise=0.1, random_state=0)
SPARSE = sp.csr_array(np.where(MADE["rna"] > 1, MADE["rna"], 0))


class Source:
    """Lies outside memory: a shape, a dtype, and rows by slices or rising numbers."""

    def __init__(self, rows, shape=None, dtype=None):
        self.rows, self.shape = rows, rows.shape if shape is None else shape
        self.dtype = rows.dtype if dtype is None else dtype

    def __getitem__(self, rows):
        assert isinstance(rows, slice) or np.all(np.diff(rows) > 0)
        return self.rows[rows]


def estimator():
    return CoupledNMF(2, max_iter=3, tol=0, random_state=0)


def annotated(module, **attributes):
    """An instance of a class of that module, and one of a class of the user's that is built on it."""
    base = type("AnnData" if "mod" not in attributes else "MuData", (), {"__module__": module})
    mine = type("Mine", (base,), {})
    for kind in (base, mine):
        found = kind()
        vars(found).update(attributes)
        yield found


@pytest.mark.parametrize(
    ("module", "attributes", "message"),
    [
        ("anndata._core.anndata", {"X": MADE["rna"], "obs": None, "shape": (30, 6)}, "pass its matrix, its .X"),
        ("mudata._core.mudata", {"mod": {}, "shape": (30, 6)}, r"pass its matrices, as by Blocks\(\{name: part.X for"),
    ],
)
def test_what_holds_matrices_and_is_none(module, attributes, message):
    for data in annotated(module, **attributes):
        kind = type(data).__name__
        with pytest.raises(TypeError, match=f"^X is an? {kind}; {message}"):
            estimator().fit(data)
        with pytest.raises(TypeError, match=f"^Block 'rna' is an? {kind}; {message}"):
            Blocks({"rna": data, "atac": MADE["atac"]})
        with pytest.raises(TypeError, match=f"^X is an? {kind}; {message}"):
            estimator().fit(MADE["rna"]).transform(data)


UNKNOWN = "lengths that are not known, as of a Dask array after a filter; call its .compute_chunk_sizes"
SHAPES = {
    "unknown rows": ((np.nan, 6), UNKNOWN),
    "unknown rows, as NumPy's": ((np.float64("nan"), 6), UNKNOWN),
    "unknown columns": ((30, float("nan")), UNKNOWN),
    "None": ((None, 6), r"shape \(None, 6\), whose lengths are no whole numbers"),
    "fractions": ((30.5, 6), "no whole numbers"),
    "whole floats": ((30.0, 6.0), "no whole numbers"),
    "what is yet to be computed": ((types.SimpleNamespace(), 6), "no whole numbers.*to_dask_array"),
    "below zero": ((-1, 6), "no whole numbers"),
    "one number": (30, "the shape 30; a shape is two whole numbers"),
    "a method": (lambda: (30, 6), "a shape is two whole numbers"),
    "nothing": (None, "the shape None; a shape is two whole numbers"),
    "one dimension": ((30,), r"shape \(30,\); a block is 2-D \(n_samples, n_features\). Give one column"),
    "no dimension": ((), r"shape \(\); a block is 2-D"),
    "three dimensions": ((30, 3, 2), r"shape \(30, 3, 2\); a block is 2-D .* Flatten images"),
    "no columns": ((30, 0), r"0 feature\(s\)"),
}


class Lazy(Source):
    def __init__(self, shape):
        self.rows, self.shape, self.dtype = MADE["rna"], shape, np.dtype(float)


@pytest.mark.parametrize(("shape", "message"), SHAPES.values(), ids=SHAPES)
def test_lengths_that_are_not_known(shape, message):
    with pytest.raises(ValueError, match=f"^X has .*{message}"):
        estimator().fit(Lazy(shape))
    with pytest.raises(ValueError, match=f"^Block 'rna' has .*{message}"):
        Blocks({"atac": MADE["atac"], "rna": Lazy(shape)})
    with pytest.raises(ValueError, match=f"^Block 'rna' has .*{message}"):
        Blocks({"atac": MADE["atac"], "rna": Lazy(shape)}, samples={"rna": np.arange(20)})


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("float32", np.float32),
        ("<f4", np.float32),
        (np.float32, np.float32),
        (np.float16, np.float32),
        (float, np.float64),
        ("int16", np.float64),
        (np.uint8, np.float64),
        (bool, np.float64),
    ],
)
def test_a_dtype_by_its_name_or_type(dtype, expected):
    array = (4 * MADE["rna"]).astype(dtype)
    source = Source(array, dtype=dtype)
    F = estimator().fit_transform(source)
    assert F.dtype == expected
    np.testing.assert_array_equal(F, estimator().fit_transform(array))
    X = Blocks({"rna": source, "atac": MADE["atac"].astype(np.float32)})
    assert X.dtype == estimator().fit_transform(X[5:20]).dtype == expected
    some = Blocks({"rna": source, "atac": np.ones((40, 2), "f")}, samples={"rna": np.arange(30)})
    np.testing.assert_array_equal(some["rna"][28:31][:2], array[28:])


@pytest.mark.parametrize("dtype", ["datetime64[ns]", "M8[D]", "complex64", np.complex128, "U3"])
def test_a_dtype_that_is_no_real_number(dtype):
    source = Source(MADE["rna"], dtype=dtype)
    for make in (lambda: estimator().fit(source), lambda: Blocks({"rna": source})):
        with pytest.raises(ValueError, match=r"has dtype .*(real numbers|encode)"):
            make()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_tensors_keep_their_dtype_alone_and_as_blocks(dtype):
    torch = pytest.importorskip("torch")
    array = MADE["rna"].astype(dtype)
    tensor = torch.from_numpy(array.copy())
    expected = CoupledNMF(3, random_state=0, max_iter=5, tol=0).fit(array)
    for X in (tensor, Blocks({"X": tensor})):
        found = CoupledNMF(3, random_state=0, max_iter=5, tol=0).fit(X)
        assert found.components_.dtype == dtype
        np.testing.assert_array_equal(found.components_, expected.components_)


def test_a_tensor_with_a_gradient_is_refused():
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(MADE["rna"].copy()).requires_grad_()
    model = CoupledNMF(6, random_state=0, max_iter=5, tol=0).fit(tensor.detach())
    message = r"is a tensor with requires_grad=True.*pass its \.detach\(\)"
    for method in (model.fit, model.transform, model.inverse_transform):
        with pytest.raises(TypeError, match=f"X {message}"):
            method(tensor)
    with pytest.raises(TypeError, match=f"Block 'rna' {message}"):
        Blocks({"rna": tensor})
    with pytest.raises(ValueError, match="H is no array of real numbers"):
        CoupledNMF(6, init="custom").fit(MADE["rna"], H=tensor[:6])


def test_sparse_rows_from_outside_memory_are_indexed_as_others_are():
    X = Blocks({"rna": Source(SPARSE), "atac": MADE["atac"]})
    expected = Blocks({"rna": SPARSE.toarray(), "atac": MADE["atac"]})
    for rows in (slice(2, 9), [3, 1, 1], np.arange(30) % 2 == 0, slice(None, None, -3)):
        np.testing.assert_array_equal(X[rows].to_array(), expected[rows].to_array())
    np.testing.assert_array_equal(np.asarray(X), expected.to_array())
    there = np.arange(0, 40, 2)
    some = Blocks({"rna": Source(SPARSE[:20]), "atac": np.ones((40, 2))}, samples={"rna": there})
    found = some[5:9].to_array()[:, :6]
    np.testing.assert_array_equal(found[[1, 3]], SPARSE[[3, 4]].toarray())
    assert np.all(np.isnan(found[[0, 2]]))


class File:
    """What a source opened, and cannot be sent to another process."""

    def __reduce__(self):
        raise TypeError("files cannot be pickled")


class OnDisk(Source):
    """As an HDF5 dataset."""

    def __reduce__(self):
        raise TypeError("h5py objects cannot be pickled")


class AroundAFile(Source):
    """As anndata's sparse data sets on HDF5: what it holds cannot be pickled."""

    def __init__(self, rows):
        super().__init__(rows)
        self.file = File()


def unpicklable(kind):
    array = kind(MADE["rna"])
    yield Blocks({"atac": MADE["atac"], "rna": array})
    yield Blocks({"rna": array, "atac": np.ones((40, 2))}, samples={"rna": np.arange(30)})


def reason(error):
    """The message, and those of what it came of."""
    return "" if error is None else f"{error} {reason(error.__cause__)}"


# joblib's own thread may look once more for a task that was given up.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("kind", [OnDisk, AroundAFile])
def test_a_block_that_cannot_be_sent_to_another_process_is_named(kind):
    named = rf"Block 'rna' is a .*\.{kind.__name__}, which cannot be sent to another process \(.* cannot be pickled\)"
    for X in unpicklable(kind):
        with pytest.raises(TypeError, match=f"{named}.*n_jobs=1"):
            pickle.dumps(X)
        np.testing.assert_array_equal(copy.copy(X).to_array(), X.to_array())
        assert pickle.loads(pickle.dumps(X.select(["atac"]))).names == ("atac",)
        search = GridSearchCV(estimator(), {"n_components": [1, 2]}, cv=KFold(2), n_jobs=2)
        with pytest.raises(pickle.PicklingError) as caught:
            search.fit(X)
        assert "Block 'rna' is a" in reason(caught.value)
        assert "parallel_config(backend='threading')" in reason(caught.value)
        with parallel_config(backend="threading"):
            assert search.fit(X).best_score_ > 0


class Counted(Source):
    """Counts how often it is looked at to be sent."""

    sent = 0

    def __reduce__(self):
        Counted.sent += 1
        return Source, (self.rows,)


def test_what_can_be_sent_goes_through(tmp_path):
    path = tmp_path / "rna.npy"
    np.save(path, MADE["rna"])
    X = Blocks({"rna": np.load(path, mmap_mode="r"), "atac": SPARSE, "more": Counted(MADE["atac"])})
    again = pickle.loads(pickle.dumps(X))
    np.testing.assert_array_equal(again.to_array(), X.to_array())
    assert Counted.sent == 2

    class Local(Source):  # joblib can send it, pickle cannot
        pass

    local = Blocks({"rna": Local(MADE["rna"])})
    with pytest.raises((AttributeError, pickle.PicklingError), match="Local"):
        pickle.dumps(local)
    search = GridSearchCV(estimator(), {"n_components": [1, 2]}, cv=KFold(2), n_jobs=2).fit(local)
    assert search.best_score_ > 0


class TestReal:
    """The libraries themselves, where they are installed."""

    @pytest.fixture
    def h5(self, tmp_path):
        with pytest.importorskip("h5py").File(tmp_path / "X.h5", "w") as file:
            yield file

    def test_h5py(self, h5):
        rna = h5.create_dataset("rna", data=MADE["rna"], chunks=(7, 6))
        X = Blocks({"rna": rna, "atac": MADE["atac"]})
        np.testing.assert_array_equal(estimator().fit_transform(X), estimator().fit_transform(MADE))
        np.testing.assert_array_equal(X[[3, 1, 1]].to_array(), MADE[[3, 1, 1]].to_array())
        with pytest.raises(
            TypeError, match=r"Block 'rna' is a h5py.*Dataset, which .*\(h5py objects cannot be pickled\)"
        ):
            pickle.dumps(X)
        search = GridSearchCV(estimator(), {"n_components": [1, 2]}, cv=KFold(2), n_jobs=2)
        with parallel_config(backend="threading"):
            assert search.fit(X).best_score_ > 0

    def test_zarr(self, tmp_path):
        zarr = pytest.importorskip("zarr")
        rna = zarr.create_array(str(tmp_path / "X.zarr"), shape=(30, 6), chunks=(7, 6), dtype="f8")
        rna[:] = MADE["rna"]
        X = Blocks({"rna": rna, "atac": MADE["atac"]})
        search = GridSearchCV(estimator(), {"n_components": [1, 2]}, cv=KFold(2), n_jobs=2).fit(X)
        assert (
            search.best_score_ == GridSearchCV(estimator(), {"n_components": [1, 2]}, cv=KFold(2)).fit(MADE).best_score_
        )

    def test_dask(self):
        da = pytest.importorskip("dask.array")
        rna = da.from_array(MADE["rna"], chunks=(7, 6))
        with pytest.warns(UserWarning, match=r"this process has no distributed\.Client"):
            F = estimator().fit_transform(rna)
        np.testing.assert_array_equal(F, estimator().fit_transform(MADE["rna"]))
        some = rna[rna[:, 0] > 1]
        with pytest.raises(ValueError, match=f"^X has shape .*{UNKNOWN}"):
            estimator().fit(some)
        with pytest.raises(ValueError, match=f"^Block 'rna' has shape .*{UNKNOWN}"):
            Blocks({"rna": some})
        F = estimator().set_params(backend="numpy").fit_transform(some.compute_chunk_sizes())
        assert F.shape == (np.sum(MADE["rna"][:, 0] > 1), 2)

    @pytest.mark.filterwarnings("default")  # of AnnData's own
    def test_anndata(self, tmp_path):
        anndata = pytest.importorskip("anndata")
        data = anndata.AnnData(sp.csr_matrix(SPARSE))
        data.write_h5ad(tmp_path / "X.h5ad")
        backed = anndata.read_h5ad(tmp_path / "X.h5ad", backed="r")
        for made in (data, data[:20], backed):
            with pytest.raises(TypeError, match="X is an AnnData; pass its matrix"):
                estimator().fit(made)
        X = Blocks({"rna": backed.X, "atac": MADE["atac"]})
        np.testing.assert_array_equal(X[[3, 1, 1]].to_array()[:, :6], SPARSE[[3, 1, 1]].toarray())
        np.testing.assert_array_equal(X.to_array()[:, :6], SPARSE.toarray())
        with pytest.raises(TypeError, match=r"Block 'rna' is a anndata.*, which cannot be sent"):
            pickle.dumps(X)


class Scratch:
    """A source that gives one buffer again and again."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.buffer = np.empty_like(array)

    def __getitem__(self, rows):
        some = self.array[rows]
        given = self.buffer[: len(some)]
        given[:] = some
        return given


def test_a_source_may_give_one_buffer_again_and_again():
    array = np.random.default_rng(0).random((20_000, 60)).astype(np.float32)
    given, expected = (
        CoupledNMF(3, random_state=0, max_iter=3, tol=0, n_jobs=1).fit(X) for X in (Scratch(array), array)
    )
    np.testing.assert_array_equal(given.components_, expected.components_)


def test_rows_of_a_source_are_chosen_as_those_of_an_array_are():
    array = np.arange(20.0).reshape(10, 2)
    blocks = Blocks({"a": Scratch(array)})
    for rows in ([0, -1], np.arange(10) % 2 == 0, slice(8, None, -3), np.array([3, 3])):
        np.testing.assert_array_equal(blocks[rows]["a"], array[rows])
    for rows in ([0, 12], [10**9], [True, False, True], [0.7, 1.2], ["1"], [-15]):
        with pytest.raises(IndexError):
            blocks[rows]
