"""The fit of X with gaps against slow, obvious NumPy, dense and sparse; F and the errors over the entries there are."""

import numpy as np
import pytest
from scipy.optimize import nnls
from scipy.sparse import csr_array

from coupled_nmf import Blocks, CoupledNMF
from coupled_nmf.data.checks import read_X
from coupled_nmf.fit import session
from coupled_nmf.problem.solvers import SOLVERS

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

K, SIZES = 3, {"a": 7, "b": 5, "c": 1}
WEIGHTS = {"a": 2.0, "b": 0.5, "c": 3.0}
each_solver = pytest.mark.parametrize("solver", sorted(SOLVERS))
each_storage = pytest.mark.parametrize("storage", ["blocks", "array", "sparse", "mixed"])


def draw(n=120, *, absent=True, scattered=True, missing=0.15, sizes=SIZES):
    """Blocks of low rank with noise and zeros, NaN where something is missing, and which samples lack which block."""
    rng = np.random.default_rng(0)
    F = rng.uniform(size=(n, K)) * (rng.uniform(size=(n, K)) > 0.3)
    lacks = {name: (rng.uniform(size=n) < 0.3) & absent for name in sizes}
    for name in sizes:
        lacks[name][4] = absent  # a sample of which nothing is there
    blocks = {}
    for name, size in sizes.items():
        X = F @ rng.uniform(size=(K, size)) + 0.1 * rng.uniform(size=(n, size))
        X[rng.uniform(size=X.shape) < 0.2] = 0
        if scattered and size > 1:
            X[rng.uniform(size=X.shape) < missing] = np.nan
            X[:, 0] = np.where(np.isnan(X[:, 1:]).all(axis=1), 1.0, X[:, 0])  # a gap of a whole row is an absent block
            X[np.arange(n) % 2 == 0, 2] = 1.0
            if name == "a":
                X[:, 3] = np.nan  # a column that no sample has
        X[lacks[name]] = np.nan
        blocks[name] = X
    return blocks, lacks


def stored(blocks, lacks, storage):
    """The same data as a fit takes it."""
    if storage == "blocks":
        return Blocks(blocks)
    if storage == "array":
        return np.hstack(list(blocks.values()))
    kept = {name: X[~lacks[name]] for name, X in blocks.items()}
    sparse = {name: csr_array(X) if storage == "sparse" or name == "a" else X for name, X in kept.items()}
    return Blocks(sparse, samples={name: np.flatnonzero(~lacks[name]) for name in blocks})


def model_of(storage, sizes=SIZES, **params):
    return CoupledNMF(K, blocks=sizes if storage == "array" else None, **params)


def move(solver, v, gram, cross, l1, sweeps):
    """One vector by the solver, in plain letters."""
    v = v.copy()
    for _ in range(sweeps):
        if solver == "mu":
            v = v * cross / (gram @ v + l1 + 1e-300)
            continue
        for j in range(v.size):
            if gram[j, j] > 0:
                v[j] = max(0, v[j] + (cross[j] - l1 - gram[j] @ v) / gram[j, j])
    return v


def slow_fit(blocks, lacks, F, H, solver, n_iter, alpha, weights, l1=0.0, l2=0.0, sweeps=2):
    """F moves row by row, from the blocks that the row has, gaps filled by F H; then they are filled anew and H moves.

    l1 and l2 are n_features or n_samples times alpha_F here, as the estimator scales them.
    """
    F, H = F.copy(), {name: H_b.copy() for name, H_b in H.items()}
    for name, X in blocks.items():
        H[name][:, np.isnan(X).all(axis=0)] = 0
    n_features, history = sum(X.shape[1] for X in blocks.values()), []
    l1_F, l2_F, l1_H, l2_H = l1 * n_features, l2 * n_features, l1 * weights.sum(), l2 * weights.sum()
    for _ in range(n_iter):
        for i in range(len(F)):
            there = [name for name in blocks if not lacks[name][i]]
            rows = {name: np.where(np.isnan(blocks[name][i]), F[i] @ H[name], blocks[name][i]) for name in there}
            gram = sum((alpha[name] * H[name] @ H[name].T for name in there), l2_F * np.eye(K))
            cross = sum((alpha[name] * H[name] @ rows[name] for name in there), np.zeros(K))
            F[i] = move(solver, F[i], gram, cross, l1_F, sweeps)
        J = weights @ (2 * l1_F * F + l2_F * F**2).sum(axis=1)
        for name, X in blocks.items():
            rows = np.flatnonzero(~lacks[name])
            filled = np.where(np.isnan(X), F @ H[name], X)[rows]
            f, w = F[rows], weights[rows, None]
            gram, cross = f.T @ (w * f) + l2_H / alpha[name] * np.eye(K), f.T @ (w * filled)
            for c in range(X.shape[1]):
                H[name][:, c] = move(solver, H[name][:, c], gram, cross[:, c], l1_H / alpha[name], sweeps)
            J += alpha[name] * np.sum(w * (filled - f @ H[name]) ** 2)
            J += np.sum(2 * l1_H * H[name] + l2_H * H[name] ** 2)
        history.append(J)
    return F, np.hstack(list(H.values())), history


def start(n=120, sizes=SIZES):
    rng = np.random.default_rng(5)
    return rng.uniform(0.1, 1, size=(n, K)), {name: rng.uniform(0.1, 1, size=(K, size)) for name, size in sizes.items()}


@each_storage
@each_solver
@pytest.mark.parametrize("gaps", [(False, False), (True, False), (False, True), (True, True)])
def test_iterates_are_those_of_a_slow_loop(gaps, solver, storage):
    blocks, lacks = draw(absent=gaps[0], scattered=gaps[1])
    check_iterates(blocks, lacks, solver, storage, dict.fromkeys(SIZES, 1.0), None, 0.0, 0.0)


@each_storage
@each_solver
def test_iterates_with_weights_and_penalties_are_those_of_a_slow_loop(solver, storage):
    check_iterates(*draw(), solver, storage, WEIGHTS, np.arange(120) % 4 / 2.0, 0.01, 0.6)


@each_solver
@pytest.mark.parametrize("storage", ["blocks", "array"])
@pytest.mark.parametrize("missing", [0.2, 0.3, 0.9])
@pytest.mark.parametrize(("dtype", "tol"), [(np.float32, 1e-3), (np.float64, 1e-8)])
def test_iterates_where_much_is_missing_are_those_of_a_slow_loop(missing, dtype, tol, storage, solver):
    """From a quarter on, all of F H is made in the place of the gaps alone; widths with and without whole vectors."""
    blocks, lacks = draw(missing=missing, sizes={"a": 150, "b": 23, "c": 5})
    blocks = {name: X.astype(dtype) for name, X in blocks.items()}
    check_iterates(blocks, lacks, solver, storage, WEIGHTS, np.arange(120) % 4 / 2.0, 0.01, 0.6, tol)


def check_iterates(blocks, lacks, solver, storage, alpha, sample_weight, alpha_F, l1_ratio, tol=1e-8):
    sizes = {name: X.shape[1] for name, X in blocks.items()}
    F, H = start(sizes=sizes)
    seen = {}
    model = model_of(
        storage, sizes, solver=solver, init="custom", max_iter=6, tol=0, inner_sweeps=2, extrapolate=False,
        block_weights=alpha, alpha_F=alpha_F, l1_ratio=l1_ratio, callbacks=[lambda info: seen.update(F=info.F.copy())],
    )  # fmt: skip
    model.fit(stored(blocks, lacks, storage), F=F, H=np.hstack(list(H.values())), sample_weight=sample_weight)
    weights = np.ones(len(F)) if sample_weight is None else sample_weight
    penalties = {"l1": l1_ratio * alpha_F, "l2": (1 - l1_ratio) * alpha_F}
    slow_F, slow_H, history = slow_fit(blocks, lacks, F, H, solver, 6, alpha, weights, **penalties)
    np.testing.assert_allclose(seen["F"], slow_F, rtol=tol, atol=tol / 100, err_msg="F")
    np.testing.assert_allclose(model.components_, slow_H, rtol=tol, atol=tol / 100, err_msg="H")
    np.testing.assert_allclose(model.objective_history_, history, rtol=tol / 10, err_msg="J")


@each_storage
def test_transform_is_least_squares_over_what_is_there_row_by_row(storage):
    blocks, lacks = draw()
    X = stored(blocks, lacks, storage)
    model = model_of(storage, random_state=0, block_weights=WEIGHTS).fit(X)
    array, root = np.hstack(list(blocks.values())), np.sqrt(np.repeat(list(WEIGHTS.values()), list(SIZES.values())))
    found = model.transform(X)
    for number, row in enumerate(array):
        seen = ~np.isnan(row)
        H, x = (model.components_ * root)[:, seen], (row * root)[seen]
        best, distance = nnls(H.T, x) if seen.any() else (np.zeros(K), 0.0)
        assert np.linalg.norm(x - found[number] @ H) == pytest.approx(distance, abs=1e-9), f"row {number}"
        if seen.sum() >= K or not seen.any():  # fewer entries have more than one minimum
            np.testing.assert_allclose(found[number], best, atol=1e-8, err_msg=f"row {number}")


@each_storage
def test_transform_with_penalties_is_the_penalized_least_squares(storage):
    """½ f·G f − c·f with G = L Lᵀ is ½ ‖Lᵀ f − L⁻¹ c‖², which ``nnls`` solves."""
    blocks, lacks = draw()
    X = stored(blocks, lacks, storage)
    model = model_of(storage, random_state=0, alpha_F=0.02, l1_ratio=0.5).fit(X)
    on_F, expected = 0.01 * sum(SIZES.values()), []
    for row in np.hstack(list(blocks.values())):
        H = model.components_[:, ~np.isnan(row)]
        root = np.linalg.cholesky(H @ H.T + on_F * np.eye(K))
        expected.append(nnls(root.T, np.linalg.solve(root, H @ row[~np.isnan(row)] - on_F))[0])
    np.testing.assert_allclose(model.transform(X), expected, atol=1e-8)
    assert np.any(np.asarray(expected) > 0), "the penalty leaves something"


@each_storage
def test_errors_count_the_entries_that_are_there(storage):
    blocks, lacks = draw()
    X, weights = stored(blocks, lacks, storage), np.arange(120) % 3 + 0.5
    model = model_of(storage, random_state=0, block_weights=WEIGHTS)
    F = model.fit_transform(X, sample_weight=weights)
    squares, sizes, entries = {}, {}, {}
    for name, array in blocks.items():
        seen = ~np.isnan(array)
        squares[name] = weights @ np.where(seen, array - F @ model.block_components_[name], 0) ** 2
        sizes[name], entries[name] = weights @ np.where(seen, array, 0) ** 2, weights @ seen
        assert model.block_rmse_[name] == pytest.approx(np.sqrt(squares[name].sum() / entries[name].sum()))
        assert model.block_relative_error_[name] == pytest.approx(squares[name].sum() / sizes[name].sum())
    J = sum(WEIGHTS[name] * squares[name].sum() for name in SIZES)
    assert model.reconstruction_err_ == pytest.approx(np.sqrt(J))
    n_entries = sum(some.sum() for some in entries.values())
    assert model.rmse_ == pytest.approx(np.sqrt(sum(some.sum() for some in squares.values()) / n_entries))
    total = sum(WEIGHTS[name] * sizes[name].sum() for name in SIZES)
    assert model.score(X, sample_weight=weights) == pytest.approx(1 - J / total)


@each_solver
def test_a_sample_without_anything_gets_zeros_and_a_block_without_anything_no_error(solver):
    blocks, _ = draw(absent=False, scattered=False)
    blocks["b"][:] = np.nan
    blocks["a"][7], blocks["c"][7] = np.nan, np.nan
    model = CoupledNMF(K, solver=solver, random_state=0)
    F = model.fit_transform(Blocks(blocks))
    assert np.all(F[7] == 0)
    assert np.all(model.block_components_["b"] == 0)
    assert model.block_rmse_["b"] == model.block_relative_error_["b"] == 0


def test_what_a_fit_with_weight_zero_alone_has_seen_counts_as_unseen():
    X = np.random.default_rng(0).uniform(size=(30, 6))
    X[:, 2] = np.nan
    X[0, 2], weights = 1.0, np.ones(30)
    weights[0] = 0
    model = CoupledNMF(2, random_state=0).fit(X, sample_weight=weights)
    assert np.all(model.components_[:, 2] == 0), "a column that only a sample of weight 0 has"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_with_gaps_are_solved_for_whatever_the_lengths_of_components(dtype):
    rng = np.random.default_rng(0)
    H = rng.uniform(size=(5, 30))
    X = rng.uniform(size=(40, 5)) @ H + 0.1 * rng.uniform(size=(40, 30))
    X[np.arange(40), rng.integers(0, 30, 40)] = np.nan
    lengths = 10.0 ** np.array([-8, -3, 0, 3, 8])[:, None]
    model = CoupledNMF(5, random_state=0, max_iter=2).fit(X.astype(dtype)).set_components((lengths * H).astype(dtype))
    F = model.transform(X.astype(dtype)).astype(np.float64) * lengths[:, 0]
    for f, x in zip(F, X, strict=True):
        there = ~np.isnan(x)
        best, slack = nnls(H[:, there].T, x[there])[1] ** 2, 1e-9 if dtype == np.float32 else 1e-13
        assert np.sum((x - f @ H)[there] ** 2) <= best + slack * np.sum(x[there] ** 2)


@pytest.mark.not_emulated
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("width", [5, 20, 64, 300])
def test_a_whole_row_has_its_bits_whether_or_not_others_have_gaps(width, dtype):
    X = np.random.default_rng(width).uniform(size=(130, width)).astype(dtype)
    model = CoupledNMF(4, random_state=0, max_iter=20).fit(X)
    whole = model.transform(X)
    X[::3, 2] = np.nan
    np.testing.assert_array_equal(model.transform(X)[1::3], whole[1::3])


def test_samples_of_nan_alone_are_transformed_to_zeros():
    model = CoupledNMF(2, random_state=0).fit(np.random.default_rng(0).uniform(size=(20, 4)))
    np.testing.assert_array_equal(model.transform(np.full((6, 4), np.nan)), np.zeros((6, 2)))


@pytest.mark.parametrize("init", ["compressed", "nndsvd", "nndsvda"])
def test_starts_that_need_all_of_X_say_so(init):
    with pytest.raises(ValueError, match=f"init='{init}' needs X without missing entries"):
        CoupledNMF(2, init=init).fit([[1.0, np.nan], [2.0, 1.0]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_of_many_solutions_the_smallest_is_found(dtype):
    """One entry is fitted by any component; the first has next to none of it, and would have to be huge."""
    H = np.array([[1e-3, 1.0, 0.2], [0.5, 0.1, 1.0], [0.4, 1.0, 0.0]], dtype=dtype)
    model = CoupledNMF(3, init="custom", max_iter=1, tol=0).fit(np.ones((4, 3), dtype), H=H)
    model.components_ = H
    row = np.array([[0.2, np.nan, np.nan]], dtype=dtype)
    expected = 0.2 * H[:, 0] / np.sum(H[:, 0] ** 2)
    np.testing.assert_allclose(model.transform(row)[0], expected, rtol=1e-2)
    block = CoupledNMF(3, init="custom", blocks={"a": 1, "b": 2}, max_iter=1, tol=0).fit(np.ones((4, 3), dtype), H=H)
    block.components_ = H
    np.testing.assert_allclose(block.transform(Blocks({"a": row[:, :1]}))[0], expected, rtol=1e-2)


@pytest.mark.parametrize("parameters", [{}, {"solver": "mu", "beta_loss": "kullback-leibler"}], ids=["hals", "kl"])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
def test_rows_of_nan_mean_the_same_in_every_form(parameters, weighted):
    """Dense, stored in a sparse array, two blocks of one array, or said by samples=: one content, one path."""
    rng = np.random.default_rng(0)
    a, b = rng.uniform(0.5, 1, (60, 9)), rng.uniform(0.5, 1, (60, 6))
    a[:, ::4] = 0
    lacks = np.arange(60) % 5 == 0
    a_nan = np.where(lacks[:, None], np.nan, a)
    forms = {
        "dense": Blocks({"a": a_nan, "b": b}),
        "sparse": Blocks({"a": csr_array(a_nan), "b": b}),
        "samples": Blocks({"a": a[~lacks], "b": b}, samples={"a": ~lacks}),
        "sparse samples": Blocks({"a": csr_array(a[~lacks]), "b": b}, samples={"a": ~lacks}),
        "one array": np.hstack([a_nan, b]),
        "one sparse array": csr_array(np.hstack([a_nan, b])),
    }
    weights = rng.uniform(0.5, 2, 60) if weighted else None
    found = {}
    for name, X in forms.items():
        blocks = None if isinstance(X, Blocks) else {"a": 9, "b": 6}
        model = CoupledNMF(3, blocks=blocks, init="uniform", random_state=0, max_iter=15, tol=0, **parameters)
        F = model.fit_transform(X, sample_weight=weights)
        found[name] = (model.components_, F, model.objective_history_, list(model.block_rmse_.values()))
    for name, parts in found.items():
        for part, expected in zip(parts, found["dense"], strict=True):
            np.testing.assert_allclose(part, expected, rtol=1e-8, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("kind", [np.asarray, csr_array], ids=["dense", "sparse"])
def test_a_look_counts_each_gap_once_known_or_found(kind):
    rng = np.random.default_rng(0)
    there = rng.uniform(size=70) < 0.6
    a, b = rng.uniform(0.5, 1, (70, 4)), rng.uniform(0.5, 1, (70, 5))
    b[:, 1], b[rng.uniform(size=70) < 0.3, 3], b[7:12], a[5, 2] = np.nan, np.nan, np.nan, np.nan
    weights = rng.integers(0, 3, 70) / 2.0
    X = read_X(CoupledNMF(), Blocks({"a": a, "b": kind(b[there])}, samples={"b": there}), reset=True)
    with session.open_backend("auto", X, 3, None, "full") as backend:
        scanned = backend.scan(X, weights)
    whole = np.hstack([a, np.where(there[:, None], b, np.nan)])
    found = scanned.gaps
    np.testing.assert_array_equal(found.unseen, np.isnan(whole)[weights > 0].all(axis=0))
    absent = np.stack([np.isnan(x).all(axis=1) for x in (a, whole[:, 4:])], 1)
    np.testing.assert_array_equal(found.patterns, np.unique(absent[weights > 0], axis=0))
    if found.absent is not None:  # else they are on workers
        np.testing.assert_array_equal(found.absent, absent)
        gaps = np.stack([np.isnan(x).any(axis=1) for x in (a, whole[:, 4:])], 1) & ~absent
        np.testing.assert_array_equal(found.scattered, gaps.any(axis=1))
    there_are = np.stack([(~np.isnan(x)).sum(axis=1) for x in (a, whole[:, 4:])], 1)
    np.testing.assert_allclose(scanned.entries, weights @ there_are, rtol=1e-14)


@pytest.mark.parametrize("kind", [np.asarray, csr_array], ids=["dense", "sparse"])
def test_nothing_observed_is_found_whatever_the_weights(kind):
    """Counts of what is there are summed, not taken from one another: that would leave a rounding."""
    X = kind(np.array([[np.nan] * 7, [1.0] * 7]))
    for weight in np.random.default_rng(0).uniform(size=50):
        with pytest.raises(ValueError, match="no observed entry"):
            CoupledNMF(2).fit(X, sample_weight=[weight, 0])
