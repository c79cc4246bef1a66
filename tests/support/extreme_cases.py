"""Bad and extreme input: each case works as a plain array does, or has one right error."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from oracles import RowSource

from coupled_nmf import Blocks

RNG = np.random.RandomState(0)
G = RNG.uniform(0.05, 1, size=(12, 8))
COUNTS = RNG.poisson(1.5, size=(12, 8)).astype(float)  # with zeros
NAN, INF = np.nan, np.inf
DAY = np.datetime64("2020-01-01")


@dataclass
class Case:
    """``make`` gives X. Without an ``error`` it works as ``scale`` times ``plain`` does; ``at`` is where it is refused."""

    name: str
    make: Callable[[], Any]
    plain: Any = None
    scale: float = 1.0
    error: type[Exception] | None = None
    match: str = ""
    at: str = "everywhere"
    fitted: Callable[[], Any] = lambda: G
    fit: dict[str, Any] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)


def ok(name, make, plain=G, scale=1.0, fit=None, **params):
    return Case(name, make, plain, scale, fit=fit or {}, params=params)


def bad(name, make, match, error=ValueError, at="everywhere", fitted=lambda: G, fit=None, **params):
    return Case(name, make, error=error, match=match, at=at, fitted=fitted, fit=fit or {}, params=params)


def changed(value, rows=2, columns=3, base=G):
    """``base`` with other entries."""
    X = base.copy()
    X[rows, columns] = value
    return X


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def unaligned(X):
    return np.ndarray(X.shape, X.dtype, b"x" + X.tobytes(), 1)


def on_disk(X):
    with tempfile.TemporaryFile() as file:
        found = np.memmap(file, X.dtype, "w+", shape=X.shape)
    found[:] = X
    return found


def rebuilt(X, data=None, indices=None, indptr=None):
    """A compressed array with other insides than SciPy would give it."""
    X = X.copy()
    X.data = X.data if data is None else data
    X.indices = X.indices if indices is None else indices
    X.indptr = X.indptr if indptr is None else indptr
    return X


def twice_stored(X):
    rows, columns = np.nonzero(X)
    data = np.concatenate([0.25 * X[rows, columns], 0.75 * X[rows, columns]])
    return sp.coo_array((data, (np.tile(rows, 2), np.tile(columns, 2))), shape=X.shape)


def unsorted(X):
    X = sp.csr_array(X)
    order = np.concatenate([np.arange(a, b)[::-1] for a, b in zip(X.indptr[:-1], X.indptr[1:], strict=True)])
    return sp.csr_array((X.data[order], X.indices[order], X.indptr), shape=X.shape)


def explicit_zeros(X):
    rows, columns = np.indices(X.shape)
    return sp.coo_array((X.ravel(), (rows.ravel(), columns.ravel())), shape=X.shape).tocsr()


def halves(X):
    return Blocks({"a": X[:, :3], "b": X[:, 3:]})


def frame(X, names="abcdefgh"):
    return pd.DataFrame(X, columns=list(names))


F32, INTS, OBJECTS = G.astype("f"), np.floor(5 * G), G.astype(object)
NONE_SEEN = "no observed entry"
DATES = r"columns \['a'\] do not hold real numbers"
H, F = RNG.uniform(size=(3, 8)), RNG.uniform(size=(12, 3))
WHERE = r"\(block 'X', row 2\)"

# fmt: off
CASES = [
    # the size of values
    *(ok(f"float64 at 1e{e}", lambda e=e: G * 10.0**e, scale=10.0**e) for e in (-120, -80, -30, 30, 80, 120)),
    *(ok(f"float32 at 1e{e}", lambda e=e: (G * 10.0**e).astype("f"), scale=10.0**e) for e in (-15, -8, 8, 15)),
    *(bad(f"float64 at 1e{e}", lambda e=e: G * float(f"1e{e}"), "scale X up", at="fit") for e in (-320, -300, -200, -150)),
    *(bad(f"float64 at 1e{e}", lambda e=e: G * 10.0**e, "scale X down") for e in (141, 154, 200, 300)),
    *(bad(f"float32 at 1e{e}", lambda e=e: (G * 10.0**e).astype("f"), "scale X up, or", at="fit") for e in (-44, -38, -25, -18)),
    *(bad(f"float32 at 1e{e}", lambda e=e: (G * 10.0**e).astype("f"), "scale X down, or") for e in (19, 25, 37)),
    bad("Blocks at 1e-25", lambda: halves(1e-25 * F32), "scale X up, or pass it as float64", at="fit"),
    bad("sparse at 1e25", lambda: sp.csr_array(1e25 * F32), "scale X down, or pass it as float64"),
    bad("one entry of 1e300", lambda: changed(1e300), "too large .* scale X down"),
    bad("one block at 1e150", lambda: Blocks({"a": G, "b": 1e150 * G}), "scale X down", at="fit"),
    bad("blocks too far apart to balance", lambda: Blocks({"a": G, "b": 1e-150 * G}), "block weights up to", at="fit", block_weights="balanced"),
    bad("blocks of float32 too far apart", lambda: Blocks({"a": F32, "b": 1e-20 * F32}), "block weights up to", at="fit", block_weights="balanced"),
    ok("one block drowns", lambda: Blocks({"a": G, "b": 1e-200 * G}), np.hstack([G, 0 * G])),
    ok("a denormal entry", lambda: changed(5e-324), changed(0)),
    ok("a denormal entry in float32", lambda: changed(1e-45).astype("f"), changed(0)),
    ok("an entry of 1e-300", lambda: changed(1e-300), changed(0)),
    ok("minus zero", lambda: changed(-0.0), changed(0)),
    ok("minus zeros alone", lambda: -0.0 * G, 0 * G),
    bad("a tiny negative", lambda: changed(-1e-300), f"Negative values in data passed to CoupledNMF {WHERE}"),
    bad("a denormal negative", lambda: changed(-5e-324), f"Negative values .*{WHERE}"),
    bad("a negative in float32", lambda: changed(-1e-44).astype("f"), f"Negative values .*{WHERE}"),
    bad("a negative beside a gap", lambda: changed([-1, NAN], 2, [3, 4]), f"Negative values .*{WHERE}"),
    bad("a negative in a sparse array", lambda: sp.csc_array(changed(-1)), f"Negative values .*{WHERE}"),
    bad("a negative in a block", lambda: Blocks({"X": changed(-1)}), f"Negative values .*{WHERE}"),
    bad("infinity", lambda: changed(INF), f"contains infinity {WHERE}"),
    bad("minus infinity", lambda: changed(-INF), f"contains infinity {WHERE}"),
    bad("infinity beside a gap", lambda: changed([INF, NAN], 2, [3, 4]), f"contains infinity {WHERE}"),
    bad("infinity in a sparse array", lambda: sp.coo_array(changed(INF)), f"contains infinity {WHERE}"),
    bad("infinity on disk", lambda: RowSource(changed(INF)), f"contains infinity {WHERE}"),
    bad("longdouble past float64", lambda: np.full((12, 8), np.longdouble("1e4000")), "contains infinity"),
    bad("longdouble past float64 in a block", lambda: Blocks({"X": np.full((12, 8), np.longdouble("1e4000"))}), "contains infinity"),
    # zeros, duplicates, shapes
    ok("zeros", lambda: 0 * G, 0 * G),
    ok("zeros in float32", lambda: 0 * F32, 0 * G),
    ok("nothing stored", lambda: sp.csr_array((12, 8)), 0 * G),
    ok("a row of zeros", lambda: sp.csr_array(changed(0, 1, slice(None))), changed(0, 1, slice(None))),
    ok("a column of zeros", lambda: sp.csc_array(changed(0, slice(None), 1)), changed(0, slice(None), 1)),
    ok("a block of zeros", lambda: halves(changed(0, slice(None), slice(3, 8))), changed(0, slice(None), slice(3, 8))),
    ok("a block of zeros, balanced", lambda: Blocks({"a": G, "b": 0 * G}), np.hstack([G, 0 * G]), block_weights="balanced"),
    ok("rows twice are rows of weight 2", lambda: G, np.repeat(G, 2, axis=0), fit={"sample_weight": np.full(12, 2.0)}),
    ok("one and the same row", lambda: np.broadcast_to(G[0], (12, 8)), np.tile(G[0], (12, 1))),
    ok("one and the same column", lambda: np.broadcast_to(G[:, :1], (12, 8)), np.tile(G[:, :1], 8)),
    ok("one sample", lambda: sp.csr_array(G[:1]), G[:1]),
    ok("one feature", lambda: Blocks({"a": G[:, :1]}), G[:, :1]),
    ok("one entry", lambda: F32[:1, :1], G[:1, :1]),
    ok("blocks of one column", lambda: Blocks({str(i): G[:, i : i + 1] for i in range(8)})),
    ok("a rank above both dimensions", lambda: halves(G), n_components=30),
    ok("a rank above both, sparse", lambda: sp.csr_array(G), n_components=30),
    bad("no samples", lambda: G[:0], "0 sample"),
    bad("no samples in Blocks", lambda: Blocks({"X": G[:0]}), "0 sample"),
    bad("no samples, sparse", lambda: sp.csr_array((0, 8)), "0 sample"),
    bad("no features", lambda: G[:, :0], "0 feature"),
    bad("no features in a block", lambda: Blocks({"X": G[:, :0]}), "0 feature"),
    bad("no columns at all", pd.DataFrame, "0 sample", at="fit"),
    bad("an empty list", list, "Expected 2D array"),
    bad("a scalar", lambda: 3.0, "got scalar array"),
    bad("an array of no dimension", lambda: np.array(3.0), "got scalar array"),
    bad("1-D", lambda: G[0], "Expected 2D array, got 1D"),
    bad("1-D in a block", lambda: Blocks({"X": G[0]}), "'X' has shape .*a block is 2-D"),
    *([bad("1-D sparse", lambda: sp.coo_array(G[0]), "Expected 2D")] if sp.coo_array(G[0]).ndim == 1 else []),
    bad("3-D", lambda: G.reshape(12, 4, 2), "Found array with dim 3"),
    bad("3-D in a block", lambda: Blocks({"X": G.reshape(12, 4, 2)}), "Flatten"),
    bad("3-D on disk", lambda: RowSource(G.reshape(12, 4, 2)), "a block is 2-D"),
    # what is missing
    ok("gaps", lambda: changed(NAN, [0, 3, 3], [1, 2, 3]), changed(NAN, [0, 3, 3], [1, 2, 3])),
    ok("gaps in float32", lambda: changed(NAN).astype("f"), changed(NAN)),
    ok("gaps in a sparse array", lambda: sp.csr_array(changed(NAN, base=COUNTS)), changed(NAN, base=COUNTS)),
    ok("gaps in Blocks", lambda: Blocks({"X": changed(NAN)}), changed(NAN)),
    ok("gaps on disk", lambda: RowSource(changed(NAN)), changed(NAN)),
    ok("a column missing", lambda: frame(changed(NAN, slice(None), 1)), changed(NAN, slice(None), 1)),
    ok("a row missing", lambda: changed(NAN, 1, slice(None)), changed(NAN, 1, slice(None))),
    ok("a block missing", lambda: halves(changed(NAN, slice(None), slice(3, 8))), changed(NAN, slice(None), slice(3, 8)), blocks=None),
    ok("a block missing for some", lambda: halves(changed(NAN, [0, 4], slice(3, 8))), changed(NAN, [0, 4], slice(3, 8))),
    ok("all but one row missing", lambda: changed(NAN, slice(1, None), slice(None)), changed(NAN, slice(1, None), slice(None))),
    ok("all but one column missing", lambda: changed(NAN, slice(None), slice(1, None)), changed(NAN, slice(None), slice(1, None))),
    ok("all but one entry missing", lambda: changed(G[2, 3], base=NAN * G), changed(G[2, 3], base=NAN * G)),
    ok("zeros and gaps", lambda: 0 * changed(NAN), 0 * changed(NAN)),
    bad("everything missing", lambda: NAN * G, NONE_SEEN, at="fit"),
    bad("everything missing in float32", lambda: NAN * F32, NONE_SEEN, at="fit"),
    bad("everything missing, sparse", lambda: sp.csr_array(NAN * G), NONE_SEEN, at="fit"),
    bad("everything missing in Blocks", lambda: halves(NAN * G), NONE_SEEN, at="fit"),
    bad("nothing seen has a weight", lambda: changed(NAN, slice(6, None), slice(None)), NONE_SEEN, at="fit", fit={"sample_weight": [0] * 6 + [1] * 6}),
    bad("no block that is seen has a weight", lambda: halves(changed(NAN, slice(None), slice(3, 8))), NONE_SEEN, at="fit", block_weights={"a": 0.0}),
    # layouts in memory
    ok("Fortran order", lambda: np.asfortranarray(G)),
    ok("every other entry", lambda: np.repeat(np.repeat(G, 2, 0), 2, 1)[::2, ::2]),
    ok("every other entry, in a block", lambda: Blocks({"X": np.repeat(np.repeat(G, 2, 0), 2, 1)[::2, ::2]})),
    ok("backwards", lambda: G[::-1, ::-1], G[::-1, ::-1].copy()),
    ok("read-only", lambda: read_only(G)),
    ok("read-only Blocks", lambda: Blocks({"a": read_only(G[:, :3]), "b": read_only(G[:, 3:])})),
    ok("unaligned", lambda: unaligned(G)),
    ok("unaligned float32 in a block", lambda: Blocks({"X": unaligned(F32)})),
    ok("a memory map", lambda: on_disk(G)),
    ok("a memory map in float32, in a block", lambda: Blocks({"a": on_disk(F32[:, :3]), "b": F32[:, 3:]})),
    ok("rows on disk", lambda: RowSource(G)),
    ok("big-endian", lambda: G.astype(">f8")),
    ok("big-endian float32", lambda: G.astype(">f4")),
    ok("big-endian in a block", lambda: Blocks({"X": G.astype(">f4")})),
    # dtypes
    *(ok(f"{d}", lambda d=d: INTS.astype(d), INTS) for d in ("float16", "longdouble", "int8", "uint8", "int64", "uint64", "object")),
    *(ok(f"{d} in a block", lambda d=d: Blocks({"X": INTS.astype(d)}), INTS) for d in ("float16", "longdouble", "int8", "uint64", "object")),
    *(ok(f"{d}, sparse", lambda d=d: sp.csr_array(INTS.astype(d)), INTS) for d in ("int8", "uint64", "longdouble", "float32")),
    ok("bool", lambda: G > 0.5, (G > 0.5).astype(float)),
    ok("bool, sparse, in a block", lambda: Blocks({"X": sp.csr_array(G > 0.5)}), (G > 0.5).astype(float)),
    ok("the largest uint64", lambda: np.full((12, 8), 2**64 - 1, dtype=np.uint64), np.full((12, 8), 2.0**64)),
    ok("objects with None", lambda: changed(None, base=OBJECTS), changed(NAN)),
    ok("objects with None, in a block", lambda: Blocks({"X": changed(None, base=OBJECTS)}), changed(NAN)),
    ok("numbers as strings, as scikit-learn takes them", lambda: G.astype(str)),
    bad("numbers as strings, in a block", lambda: Blocks({"X": G.astype(str)}), "'X' has dtype"),
    bad("strings", lambda: np.full((12, 8), "a"), "could not convert string to float"),
    bad("objects that are no numbers", lambda: changed("a", base=OBJECTS), "could not convert string to float"),
    bad("objects that are no numbers, in a block", lambda: Blocks({"X": changed({}, base=OBJECTS)}), "'X' is no array of real numbers"),
    bad("integers past float64", lambda: np.full((12, 8), 10**400, dtype=object), "too large", error=OverflowError),
    bad("integers past float64, in a block", lambda: Blocks({"X": np.full((12, 8), 10**400, dtype=object)}), "no array of real numbers"),
    bad("complex", lambda: G * 1j, "Complex data not supported"),
    bad("complex without imaginary part", lambda: G + 0j, "Complex data not supported"),
    bad("complex, sparse", lambda: sp.csr_array(G * 1j), "Complex data not supported"),
    bad("complex in a block", lambda: Blocks({"X": G * 1j}), "blocks hold real numbers"),
    bad("complex on disk", lambda: RowSource(G * 1j), "real numbers"),
    bad("dates", lambda: np.full((12, 8), DAY), "dates and times are no real numbers"),
    bad("times", lambda: np.full((12, 8), DAY - DAY), "dates and times are no real numbers"),
    bad("dates in a block", lambda: Blocks({"X": np.full((12, 8), DAY)}), "blocks hold real numbers"),
    bad("records", lambda: np.zeros((12, 8), dtype=[("x", "f"), ("y", "f")]), "dtype", error=TypeError),
    # containers
    ok("lists", lambda: G.tolist()),
    ok("tuples in a block", lambda: Blocks({"X": tuple(map(tuple, G))})),
    ok("lists with None, in a block", lambda: Blocks({"X": changed(None, base=OBJECTS).tolist()}), changed(NAN)),
    ok("a matrix in a block", lambda: Blocks({"X": G.view(np.matrix)})),
    ok("Blocks in Blocks", lambda: Blocks({"a": halves(G), "b": COUNTS}), np.hstack([G, COUNTS])),
    ok("a masked array", lambda: np.ma.masked_array(G, mask=G > 0.9), np.where(G > 0.9, NAN, G)),
    ok("a masked array of integers, in a block", lambda: Blocks({"X": np.ma.masked_equal(INTS.astype(int), 2)}), np.where(INTS == 2, NAN, INTS)),
    ok("a masked array that hides nothing", lambda: np.ma.masked_array(F32)),
    bad("a matrix", lambda: G.view(np.matrix), "np.matrix is not supported", error=TypeError),
    bad("a ragged list", lambda: [[1.0, 2.0], [3.0]], "inhomogeneous"),
    bad("a ragged block", lambda: Blocks({"X": [[1.0, 2.0], [3.0]]}), "'X' is no array of real numbers"),
    bad("a dict", lambda: {"X": G}, r"pass Blocks\(X\)", error=TypeError),
    bad("a list of blocks", lambda: [G, G], "pass Blocks", error=TypeError),
    bad("a generator", lambda: (row for row in G), "X is a generator; pass a 2-D array", error=TypeError),
    bad("a generator in a block", lambda: Blocks({"X": (row for row in G)}), "'X' is no array of real numbers"),
    bad("a set", lambda: {1, 2}, "X is a set", error=TypeError),
    bad("None", lambda: None, "X is a NoneType", error=TypeError),
    bad("a string", lambda: "abc", "could not convert string"),
    bad("a list to Blocks", lambda: Blocks([G, G]), "Blocks takes a mapping"),
    bad("Blocks of different heights", lambda: Blocks({"a": G, "b": G[:5]}), "different numbers of rows"),
    bad("no blocks", lambda: Blocks({}), "one or more"),
    bad("a block whose name is a number", lambda: Blocks({3: G}), "non-empty string"),
    bad("a block without a name", lambda: Blocks({"": G}), "non-empty string"),
    # sparse arrays
    *(ok(f"{f} {kind}", lambda f=f, kind=kind: getattr(sp, f"{f}_{kind}")(sp.csr_array(COUNTS)), COUNTS) for f in ("csr", "csc", "coo", "lil", "dok", "dia", "bsr") for kind in ("array", "matrix")),
    *(ok(f"{f} in a block", lambda f=f: Blocks({"X": getattr(sp, f"{f}_array")(sp.csr_array(COUNTS))}), COUNTS) for f in ("csc", "coo", "lil", "dok", "dia", "bsr")),
    ok("entries stored twice", lambda: twice_stored(COUNTS), COUNTS),
    ok("entries stored twice, in a block", lambda: Blocks({"X": twice_stored(COUNTS)}), COUNTS),
    ok("stored zeros", lambda: explicit_zeros(COUNTS), COUNTS),
    ok("unsorted indices", lambda: unsorted(COUNTS), COUNTS),
    ok("indices in int64", lambda: rebuilt(sp.csr_array(COUNTS), indices=sp.csr_array(COUNTS).indices.astype("i8"), indptr=sp.csr_array(COUNTS).indptr.astype("i8")), COUNTS),
    ok("a read-only sparse array", lambda: rebuilt(sp.csr_array(COUNTS), data=read_only(sp.csr_array(COUNTS).data)), COUNTS),
    ok("sparse beside dense", lambda: Blocks({"a": sp.csr_array(COUNTS), "b": G}), np.hstack([COUNTS, G])),
    bad("a column past the last", lambda: rebuilt(sp.csr_array(G), indices=np.full(96, 99)), "indices that cannot be"),
    bad("a negative column", lambda: rebuilt(sp.csr_array(G), indices=np.full(96, -1)), "indices that cannot be"),
    bad("a row past the last", lambda: rebuilt(sp.csc_array(G), indices=np.full(96, 10**6)), "indices that cannot be"),
    bad("rows that end before they begin", lambda: rebuilt(sp.csr_array(G), indptr=np.array([0, *[96, 8] * 5, 90, 96])), "indices that cannot be"),
    bad("a column past the last, in a block", lambda: Blocks({"X": rebuilt(sp.csr_array(G), indices=np.full(96, 99))}), "indices that cannot be"),
    # DataFrames; more in test_containers
    ok("a DataFrame", lambda: frame(G)),
    ok("a DataFrame of pd.NA", lambda: frame(changed(pd.NA, base=OBJECTS)), changed(NAN)),
    ok("two-level columns", lambda: pd.DataFrame(G, columns=pd.MultiIndex.from_product([["a", "b"], range(4)]))),
    ok("names that come twice, in a block", lambda: Blocks({"X": frame(G, "aabbccdd")})),
    bad("names that come twice", lambda: frame(G, "aabbccdd"), "several columns of one name, .*rename them"),
    bad("a DataFrame with a date", lambda: frame(G).assign(a=DAY), DATES, fitted=lambda: frame(G)),
    bad("a DataFrame with a time, in a block", lambda: Blocks({"X": frame(G).assign(a=DAY - DAY)}), DATES),
    bad("a DataFrame with a string", lambda: frame(G).assign(a="x"), DATES, fitted=lambda: frame(G)),
    bad("a DataFrame with complex numbers", lambda: frame(G).assign(a=1j), DATES, fitted=lambda: frame(G)),
    bad("names of two kinds", lambda: frame(G, [1, *"bcdefgh"]), "string names", error=TypeError),
    bad("blocks that do not stand side by side", lambda: pd.DataFrame(G, columns=pd.MultiIndex.from_tuples([(b, i) for i in range(4) for b in "ab"])), "sort_index"),
    # other data than at the fit
    bad("too few features", lambda: G[:, :5], "X has 5 features, but CoupledNMF is expecting 8", at="later"),
    bad("too few features, sparse", lambda: sp.csr_array(G[:, :5]), "X has 5 features", at="later"),
    bad("too few features on disk", lambda: RowSource(G[:, :5]), "X has 5 features", at="later"),
    bad("too few features in a block", lambda: Blocks({"a": G[:, :2]}), "'a' has 2 features, but the model was fitted with 3", at="later", fitted=lambda: halves(G)),
    bad("an unknown block", lambda: Blocks({"a": G[:, :3], "c": G}), r"unknown blocks \['c'\]", at="later", fitted=lambda: halves(G)),
    bad("renamed columns", lambda: frame(G, "abcdefgz"), "feature names should match", at="later", fitted=lambda: frame(G)),
    bad("columns in another order", lambda: frame(G, "bacdefgh"), "feature names should match", at="later", fitted=lambda: frame(G)),
    bad("renamed columns of a block", lambda: Blocks({"X": frame(G, "abcdefgz")}), "not those; column 7 is 'z'", at="later", fitted=lambda: Blocks({"X": frame(G)})),
    bad("columns of a block in another order", lambda: Blocks({"X": frame(G, "bacdefgh")}), "another order; column 0 is 'b'", at="later", fitted=lambda: Blocks({"X": frame(G)})),
    # samples of a block
    ok("a block that some lack", lambda: Blocks({"a": G[:, :3], "b": G[5:, 3:]}, samples={"b": np.arange(5, 12)}), changed(NAN, slice(0, 5), slice(3, 8))),
    ok("a sparse block that some lack", lambda: Blocks({"a": G[:, :3], "b": sp.csr_array(G[5:, 3:])}, samples={"b": np.arange(12) > 4}), changed(NAN, slice(0, 5), slice(3, 8))),
    ok("a block that all lack", lambda: Blocks({"a": G[:, :3], "b": G[:0, 3:]}, samples={"b": []}), changed(NAN, slice(None), slice(3, 8))),
    *(
        bad(f"samples {name}", lambda s=s: Blocks({"X": G, "b": G[:2]}, samples=s), match)
        for name, s, match in (
            ("past the last", {"b": [0, 12]}, "goes from 0 to 12; samples are 0 to 11"),
            ("below 0", {"b": [-1, 0]}, "goes from -1 to 0"),
            ("twice", {"b": [1, 1]}, "names a sample twice"),
            ("too few", {"b": [1]}, "names 1 samples; the block has 2 rows"),
            ("as floats", {"b": [0.0, 1.0]}, "no list of sample numbers"),
            ("as a string", {"b": "ab"}, "no list of sample numbers"),
            ("in two dimensions", {"b": [[0, 1]]}, "no list of sample numbers"),
            ("as a short mask", {"b": [True, True]}, "has 2 entries, true or false, for 12 samples"),
            ("of an unknown block", {"c": [0, 1]}, "unknown blocks"),
            ("as a list", [0, 1], "samples is a list; it maps names"),
        )
    ),
    bad("samples of the only block as a string", lambda: Blocks({"X": G}, samples={"X": "abc"}), "no list of sample numbers"),
    # sample weights
    ok("weights of 1", lambda: G, fit={"sample_weight": [1] * 12}),
    ok("a scalar weight", lambda: G, fit={"sample_weight": 1.0}),
    ok("weights as a Series of bool", lambda: np.vstack([G, COUNTS]), G, fit={"sample_weight": pd.Series([True] * 12 + [False] * 12)}),
    *(
        bad(f"weights {name}", lambda: G, match, at="weights", fit={"sample_weight": w})
        for name, w, match in (
            ("too few", np.ones(5), "one number a sample"),
            ("in two dimensions", np.ones((12, 2)), "one number a sample"),
            ("below 0", -np.ones(12), "negative or not finite"),
            ("with NaN", [*np.ones(11), NAN], "negative or not finite"),
            ("with infinity", [*np.ones(11), INF], "negative or not finite"),
            ("all 0", np.zeros(12), "all its weights are zero"),
            ("of strings", ["a"] * 12, "sample_weight has dtype"),
            ("of complex numbers", np.ones(12) * 1j, "sample_weight has dtype complex128"),
            ("of dates", np.full(12, DAY), "sample_weight has dtype datetime64"),
            ("of None", [None] * 12, "negative or not finite"),
            ("ragged", [[1], [1, 2]], "sample_weight is no array of real numbers"),
            ("of 1e300", np.full(12, 1e300), "scale X down"),
            ("far apart", [1e300] + [1] * 11, "scale X down"),
        )
    ),
    bad("weights of 1e-300", lambda: G, "scale X up", at="fit", fit={"sample_weight": np.full(12, 1e-300)}),
    # parameters
    ok("a rank of True", lambda: G, n_components=True),
    ok("more threads than rows", lambda: G, n_jobs=40),
    ok("all threads but very many", lambda: G, n_jobs=-100),
    ok("a block weight of 1e-200", lambda: halves(G), G, block_weights=[1, 1e-200], blocks=None),
    *(
        bad(f"{name}={value!r}", lambda: G, match, at="fit", **{name: value})
        for name, value, match in (
            ("n_components", 0, "n_components"),
            ("n_components", 2.0, "n_components"),
            ("n_components", None, "n_components"),
            ("n_jobs", 0, "n_jobs=0"),
            ("n_jobs", 1.5, "n_jobs"),
            ("tol", NAN, "tol"),
            ("tol", -1, "tol"),
            ("max_iter", 2.5, "max_iter"),
            ("alpha_F", NAN, "alpha_F"),
            ("alpha_F", INF, "alpha_F"),
            ("alpha_F", -1, "alpha_F"),
            ("l1_ratio", 1.1, "l1_ratio"),
            ("alpha_H", "other", "alpha_H"),
            ("alpha_H", [1.0], "alpha_H"),
            ("alpha_H", {"z": 1.0}, "unknown blocks"),
            ("alpha_H", {"X": -1}, "not negative"),
            ("alpha_H", {"X": NAN}, "finite"),
            ("alpha_H", {"X": "a"}, "alpha_H has dtype"),
            ("forget_factor", 2, "forget_factor"),
            ("callbacks", 3, "callbacks"),
            ("random_state", -1, "random_state"),
            ("beta_loss", "itakura-saito", "beta_loss"),
            ("blocks", "ab", "blocks"),
            ("blocks", 8, "blocks"),
            ("blocks", {}, "add up to 0"),
            ("blocks", [4, 3], "add up to 7 columns, but X has 8"),
            ("blocks", [9, -1], "is -1"),
            ("blocks", [True] * 8, "is True"),
            ("blocks", ["a", "b"], "is 'a'"),
            ("blocks", {1: 8}, "non-empty string"),
            ("blocks", {"a": [4], "b": 4}, r"is \[4\]"),
            ("block_weights", "other", "block_weights"),
            ("block_weights", [1.0, 2.0], "2 entries for 1 blocks"),
            ("block_weights", {"z": 1.0}, "unknown blocks"),
            ("block_weights", [-1.0], "not negative"),
            ("block_weights", [NAN], "finite"),
            ("block_weights", [INF], "finite"),
            ("block_weights", [0.0], "not all 0"),
            ("block_weights", ["a"], "block_weights has dtype"),
            ("block_weights", [[1.0]], "one a block"),
            ("block_weights", [1e300], "block weights up to 1e[+]300"),
            ("block_weights", [1e-300], "block weights up to 1e-300"),
        )
    ),
    bad("blocks and Blocks", lambda: halves(G), "leave out one", at="fit", blocks=[3, 5]),
    # a start of one's own
    ok("a start as lists", lambda: G, fit={"H": H.tolist(), "F": F.tolist()}, init="custom"),
    *(
        bad(f"H {name}", lambda: G, match, at="fit", fit={"H": value, "F": F}, init="custom")
        for name, value, match in (
            ("of another rank", H[:2], r"H has shape \(2, 8\)"),
            ("turned", H.T, r"H has shape \(8, 3\)"),
            ("with NaN", NAN * H, "non-finite"),
            ("below 0", -H, "negative"),
            ("complex", H * 1j, "H has dtype complex128"),
            ("of strings", H.astype(str), "H has dtype"),
            ("ragged", [[1], [1, 2]], "H is no array of real numbers"),
            ("sparse", sp.csr_array(H), "H is no array of real numbers"),
            ("too large", 1e200 * H, "H has entries up to .* scale it down"),
        )
    ),
    *(bad(f"F {name}", lambda: G, match, at="fit", fit={"H": H, "F": value}, init="custom") for name, value, match in (("turned", F.T, r"F has shape \(3, 12\)"), ("1-D", F[0], r"F has shape \(3,\)"), ("with NaN", NAN * F, "non-finite"), ("too large", 1e200 * F, "F has entries up to"))),
    bad("a start too large for float32", lambda: F32, "H has entries up to", at="fit", fit={"H": 1e25 * H, "F": F}, init="custom"),
    bad("F without H", lambda: G, "needs", at="fit", fit={"F": F}, init="custom"),
    bad("a start that init does not ask for", lambda: G, "needs init='custom'", at="fit", fit={"H": H, "F": F}),
]
# fmt: on
