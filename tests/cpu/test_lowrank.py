"""The stand-in and the start on it."""

import numpy as np
import pytest

from coupled_nmf import Blocks, CoupledNMF, make_coupled_blocks
from coupled_nmf.backends.cpu.backend import NumpyBackend
from coupled_nmf.backends.cpu.losses.frobenius import Frobenius
from coupled_nmf.data.tiled_matrix import TiledMatrix
from coupled_nmf.fit.costs import Costs
from coupled_nmf.fit.loop import Alternation
from coupled_nmf.fit.stand_in import find_stand_in, start_on_stand_in, unweigh
from coupled_nmf.problem.penalties import Penalties
from coupled_nmf.problem.problem import Problem
from coupled_nmf.problem.sample_weights import NO_WEIGHTS
from coupled_nmf.problem.solvers import HALS

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


SCALE = 2.0  # a power of two, so that it divides without rounding


@pytest.fixture(scope="module")
def X():
    """Of mixed parts and dtypes, six planted components, above the size from which 'auto' compresses."""
    made, _, _ = make_coupled_blocks(6000, {"a": 150, "b": 60}, 6, noise=0.3, random_state=0)
    return Blocks({"a": made["a"], "b": np.asfortranarray(made["b"].astype(np.float32))})


def matrix(X):
    return TiledMatrix([X[name] for name in X.names], X.layout, X.dtype)


@pytest.fixture(scope="module")
def backend():
    with NumpyBackend(2) as opened:
        yield opened


def stand_in_of(X, backend, weights, k=6):
    return find_stand_in(matrix(X), backend, weights, SCALE, k, np.random.RandomState(0))


def test_stand_in_is_nearly_the_best_of_its_width_and_honours_weights(X, backend):
    weights = np.repeat([4.0, 0.25], X.layout.sizes)
    weighted = X.to_array() * np.sqrt(weights)
    stand_in = stand_in_of(X, backend, weights)
    Y, B = stand_in.Y, stand_in.Bt.T
    weighted = weighted / SCALE
    np.testing.assert_allclose(B @ B.T, np.eye(len(B)), atol=1e-8)
    error = np.sum((weighted - Y @ B) ** 2)
    best = np.sum(np.linalg.svd(weighted, compute_uv=False)[len(B) :] ** 2)
    assert best <= error < 1.05 * best
    assert stand_in.objective().weighted_squares == pytest.approx(np.sum(Y**2))


def test_the_first_columns_of_a_wide_stand_in_are_one_for_a_smaller_rank(X, backend):
    wide = stand_in_of(X, backend, np.ones(X.shape[1]), k=40)
    narrow = wide.first(10)
    Y, B = narrow.Y, narrow.Bt.T
    error = np.sum((X.to_array() / SCALE - Y @ B) ** 2)
    best = np.sum(np.linalg.svd(X.to_array() / SCALE, compute_uv=False)[10:] ** 2)
    assert best <= error < 1.02 * best
    assert wide.first(1000) is wide


def test_a_loop_on_the_stand_in_is_a_loop_on_its_product(X, backend):
    """Q B is signed; HALS takes it all the same, and so can be run on it in full."""
    stand_in = stand_in_of(X, backend, np.ones(X.shape[1]))
    full = stand_in.Y @ stand_in.Bt.T
    tiles, ones = TiledMatrix([full], X.layout, full.dtype), np.ones(2)
    squares = np.array([np.sum(block**2) for block in X.layout.split(full).values()])
    exact = Frobenius(
        Problem(tiles, ones, NO_WEIGHTS, squares, ones, 1.0, None),
        Penalties.scaled(X.layout, 1.0, 0.0, "same", 0.0),
        backend,
    )
    H = np.random.RandomState(0).uniform(size=(6, X.shape[1]))
    found, expected = (
        Alternation(objective, HALS(3), extrapolated=True).run(None, start.copy(), max_iter=20, tol=0)
        for objective, start in [(stand_in.objective(), np.ascontiguousarray(H.T)), (exact, H)]
    )
    np.testing.assert_allclose(found.H.T, expected.H, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(found.F, expected.F, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(found.history, expected.history, rtol=1e-9)


def test_weights_of_zero_leave_no_components():
    H = np.ones((2, 3), dtype=np.float32)
    np.testing.assert_array_equal(unweigh(H, np.array([4.0, 0.0, 1.0])), [[0.5, 0, 1]] * 2)


def test_compressed_start_is_near_the_end_of_a_long_random_one(X):
    start = CoupledNMF(6, init="compressed", max_iter=1, random_state=0).fit(X)
    long = [CoupledNMF(6, init="random", max_iter=300, random_state=seed).fit(X) for seed in range(3)]
    best = min(model.reconstruction_err_ for model in long)
    assert start.reconstruction_err_**2 < 1.01 * best**2


def test_a_narrow_x_is_started_from_a_part_of_its_stand_in_alone(backend):
    X, _, _ = make_coupled_blocks(6000, {"a": 20}, 6, noise=0.1, random_state=0)
    narrow = matrix(X)
    assert not Costs(narrow.shape, narrow.n_entries, 6, 3, 4).all_of_stand_in_pays
    stand_in = stand_in_of(X, backend, np.ones(20))
    F, H = start_on_stand_in(stand_in, HALS(3), 6, np.random.RandomState(0), extrapolated=True, on_all=False)
    assert F is None
    whole, like = start_on_stand_in(stand_in, HALS(3), 6, np.random.RandomState(0), extrapolated=True)
    assert whole.shape == (6000, 6)
    assert not np.array_equal(H, like)
    start = CoupledNMF(6, init="compressed", max_iter=1, random_state=0).fit(X)
    best = min(CoupledNMF(6, init="random", random_state=s).fit(X).reconstruction_err_ for s in range(3))
    assert start.reconstruction_err_**2 < 1.02 * best**2


def test_j_on_the_stand_in_is_about_that_of_x(X, backend):
    """With what the stand-in lacks: tolerances are parts of it. So it is on some of the rows, and of fewer columns."""
    weights = np.ones(X.shape[1])
    squares = np.sum(X.to_array() ** 2) / SCALE**2
    rng = np.random.RandomState(0)
    whole = find_stand_in(matrix(X), backend, weights, SCALE, 20, rng, squares)
    for stand_in in (whole, whole.first(17)):
        H = stand_in.draw_components(6, rng)
        found = Alternation(stand_in.objective(), HALS(4), extrapolated=True).run(None, H, max_iter=60, tol=3e-4)
        J = np.sum((X.to_array() / SCALE - found.F @ found.H.T) ** 2)
        assert found.history[-1] == pytest.approx(J, rel=0.02)
    some = whole.some_rows(np.arange(0, len(X), 2))
    assert some.objective().weighted_squares == pytest.approx(squares / 2, rel=0.05)


def test_a_stand_in_pays_by_shapes():
    def costs(n, m, k):
        return Costs((n, m), n * m, k, 3, 4)

    shapes = [(400, 4096, 40), (300, 50_000, 20), (500_000, 30, 8), (5000, 3000, 30), (5000, 2000, 200)]
    assert all(costs(*shape).stand_in_pays(200) for shape in shapes)
    assert not costs(2000, 500, 120).stand_in_pays(200), "moves are what costs"
    few = [costs(*shape).stand_in_pays(5) for shape in shapes]
    assert few == [False, False, True, True, False], "a start costs at most thrice the iterations asked for"
    assert not costs(10_000, 2544, 50).stand_in_pays(1)


def test_an_exact_fit_in_float32_settles():
    made, _, _ = make_coupled_blocks(6000, {"a": 200}, 3, random_state=0)
    model = CoupledNMF(3, max_iter=2000, tol=1e-12, random_state=0).fit(made["a"].astype(np.float32))
    assert model.n_iter_ < 2000
    assert model.score(made["a"].astype(np.float32)) > 1 - 1e-5


def test_auto_compresses_large_x_for_hals_alone(X):
    def begun(**how):
        return CoupledNMF(6, max_iter=30, random_state=0, **how).fit(X).objective_history_[0]

    first = {
        (solver, init): begun(solver=solver, init=init)
        for solver, init in [("hals", "auto"), ("hals", "compressed"), ("mu", "auto"), ("mu", "random")]
    }
    assert first["hals", "auto"] == first["hals", "compressed"]
    assert first["mu", "auto"] == first["mu", "random"]


def test_auto_draws_at_random_where_a_start_would_cost_more_than_what_is_asked_for(X):
    first = [CoupledNMF(6, init=i, max_iter=1, random_state=0).fit(X).objective_history_ for i in ("auto", "random")]
    assert first[0] == first[1]


def test_bits_do_not_depend_on_threads_and_the_seed_decides(X):
    given = {"init": "compressed", "max_iter": 3}
    fits = [CoupledNMF(6, n_jobs=n, random_state=0, **given).fit(X).components_ for n in (1, 2, 5)]
    np.testing.assert_array_equal(fits[0], fits[1])
    np.testing.assert_array_equal(fits[0], fits[2])
    assert not np.array_equal(fits[0], CoupledNMF(6, random_state=1, **given).fit(X).components_)


def test_a_block_of_weight_zero_still_gets_its_components(X):
    model = CoupledNMF(6, block_weights={"b": 0.0}, random_state=0).fit(X)
    assert model.block_relative_error_["b"] < 0.5
    alone = CoupledNMF(6, random_state=0).fit(X.select(["a"]))
    assert model.block_relative_error_["a"] == pytest.approx(alone.block_relative_error_["a"], rel=0.02)


@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (3, 4)])
def test_asked_for_on_tiny_data_it_works(shape):
    X = np.random.RandomState(0).uniform(size=shape)
    model = CoupledNMF(4, init="compressed", max_iter=500, tol=1e-8, random_state=0).fit(X)
    assert model.score(X) > 0.99
    assert CoupledNMF(2, init="compressed", random_state=0).fit(np.zeros(shape)).reconstruction_err_ == 0


def test_it_does_not_serve_mu(X):
    with pytest.raises(ValueError, match="init='compressed' needs solver='hals', got 'mu'"):
        CoupledNMF(6, solver="mu", init="compressed").fit(X)


def test_rows_that_are_nearly_all_zero_lose_no_component():
    X = np.zeros((20_000, 100))
    X[::8] = make_coupled_blocks(2500, {"a": 100}, 5, random_state=0)[0].to_array()
    X[::40] = 0
    model = CoupledNMF(5, random_state=0).fit(X)
    assert model.score(X) > 0.99
    assert np.all(model.components_.any(axis=1))
    X[:] = 0
    X[3, 5] = 1.0  # so few rows that the passes may see none of them
    assert np.isfinite(CoupledNMF(5, random_state=0).fit(X).reconstruction_err_)


def test_blocks_of_zeros_beside_blocks_of_weight_zero(X):
    mixed = Blocks({"a": np.zeros((len(X), 150)), "b": X["b"]})
    model = CoupledNMF(6, init="compressed", block_weights={"b": 0.0}, random_state=0).fit(mixed)
    assert model.reconstruction_err_ == 0
    with pytest.raises(ValueError, match=r"\['b'\], whose block_weights are all 0"):
        model.transform(mixed.select(["b"]))


@pytest.mark.parametrize("others", [0, 30])
def test_rows_that_are_alike_are_fitted(others):
    """Components of a start are alike then, and all but one fade: their squares fall below the range of float32."""
    rng = np.random.RandomState(5)
    X = np.vstack([np.tile(rng.rand(500), (3000 - others, 1)), rng.rand(others, 500)]).astype(np.float32)
    for seed in range(6):
        model = CoupledNMF(8, init="compressed", random_state=seed).fit(X)
        assert np.isfinite(model.components_).all()
        assert model.objective_history_[-1] < 2e-3 * np.square(X, dtype=np.float64).sum()
