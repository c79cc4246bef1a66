"""F for a given H under Kullback–Leibler: at a minimum whatever a row's length, its numbers, and those of H."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.special import xlogy

from coupled_nmf import Blocks, CoupledNMF


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_rows_of_fewer_entries_than_components_are_at_a_minimum(kind, dtype):
    """Active sets may go in circles there: at a minimum no entry of F has a slope, but those at zero one upwards."""
    for seed in range(6):
        rng = np.random.default_rng(seed)
        H = rng.gamma(0.3, size=(60, 20)) * (rng.random((60, 20)) < (0.2 if kind == "sparse" else 1))
        means = (rng.gamma(0.5, size=(15, 60)) * (rng.random((15, 60)) < 0.3)) @ H
        X, H = rng.poisson(3 * means / means.mean()).astype(dtype), H.astype(dtype)
        X[:, ~H.any(axis=0)] = 0
        F = CoupledNMF(60, solver="mu", beta_loss="kullback-leibler").set_components(H).transform(X).astype(np.float64)
        H = H.astype(np.float64)
        quotients = np.divide(X, F @ H, out=np.zeros((15, 20)), where=X > 0)
        slopes = 1 - quotients @ (H / (H.sum(axis=1)[:, None] + 1e-300)).T
        assert np.all(slopes >= -1e-3)
        assert np.all(np.abs(F * slopes).sum(axis=1) <= 1e-3 * F.sum(axis=1))


@pytest.mark.parametrize(("dtype", "far"), [(np.float32, 1e-4), (np.float64, 1e-8)])
@pytest.mark.parametrize("n", [1, 7, 8, 9, 31, 33, 100])
@pytest.mark.parametrize("k", [1, 3, 4, 6, 9])
def test_rows_of_any_length_meet_the_conditions_of_a_minimum(k, n, dtype, far):
    """Products go over whole vectors of a row, and some components at a time: what is beyond them counts nothing."""
    rng = np.random.default_rng(100 * k + n)
    H = (rng.gamma(1.0, size=(k, n)) * (rng.random((k, n)) < 0.7) + 0.01).astype(dtype)
    X = (rng.poisson(3 * rng.gamma(1.0, size=(30, k)) @ H) * (rng.random((30, n)) < 0.9)).astype(dtype)
    model = CoupledNMF(k, solver="mu", beta_loss="kullback-leibler").set_components(H)
    for kind in (np.asarray, csr_array):
        F = model.transform(kind(X)).astype(np.float64)
        found = F @ H
        quotients = np.divide(X, found, out=np.zeros(found.shape), where=X > 0)
        gradient = H.sum(axis=1, dtype=np.float64) - quotients @ H.T  # of each entry of F, over what it is made of
        share = gradient / H.sum(axis=1)
        assert share.min() >= -far
        assert np.abs(F * share).max() <= far * F.max()


@pytest.mark.parametrize("counts", [0.3, 3, 300])
@pytest.mark.parametrize(("k", "n"), [(5, 25), (10, 300), (20, 100), (40, 1000)])
def test_float32_ends_where_float64_does(k, n, counts):
    """To a millionth of the largest entry, where entries count by the roots of their curvatures."""
    rng = np.random.default_rng(k)
    H = rng.gamma(0.5, size=(k, n)).astype(np.float32)
    X = rng.poisson(counts * rng.gamma(0.3, size=(60, k)) @ H).astype(np.float32)

    def solved(dtype):
        model = CoupledNMF(k, solver="mu", beta_loss="kullback-leibler").set_components(H.astype(dtype))
        return model.transform(X.astype(dtype)).astype(np.float64)

    found, expected = solved(np.float32), solved(np.float64)
    products = expected @ H.astype(np.float64)
    weights = np.divide(X, products**2, out=np.zeros(products.shape), where=(X > 0) & (products > 0))
    lengths = np.sqrt(weights @ (H.astype(np.float64) ** 2).T)
    far, largest = (np.max(one * lengths, axis=1) for one in (np.abs(found - expected), expected))
    assert np.all(far <= 1e-6 * largest)


def test_rows_are_the_same_bits_again_whatever_memory_held_before():
    """Products go over whole vectors, and what lies beyond a row's entries counts nothing, were it NaN."""
    rng = np.random.default_rng(0)
    H = rng.gamma(0.5, size=(5, 121))
    X = rng.poisson(3 * rng.gamma(0.5, size=(300, 5)) @ H).astype(float)
    model = CoupledNMF(5, solver="mu", beta_loss="kullback-leibler", n_jobs=1).set_components(H)
    F = model.transform(X)
    for _ in range(60):
        junk = [np.full(size, np.nan) for size in rng.integers(8, 400, size=60)]
        del junk
        np.testing.assert_array_equal(model.transform(X), F)
    np.testing.assert_array_equal(
        np.concatenate([model.transform(X[::-1][:131]), model.transform(X[:169][::-1])]), F[::-1]
    )


@pytest.mark.parametrize(("dtype", "scale"), [(np.float64, 1e-25), (np.float64, 1e-14), (np.float32, 1e-14)])
@pytest.mark.parametrize("missing", [0.0, 0.5, 0.95])
def test_f_scales_as_x_does(dtype, scale, missing):
    """With gaps, too, which updates would fill by what they are far from."""
    rng = np.random.default_rng(0)
    H = rng.gamma(0.5, size=(8, 100)).astype(dtype)
    X = rng.poisson(3 * rng.gamma(0.5, size=(60, 8)) @ H).astype(dtype)
    X[rng.random(X.shape) < missing] = np.nan
    model = CoupledNMF(8, solver="mu", beta_loss="kullback-leibler").set_components(H)
    found, expected = (model.transform(X * dtype(by)) / by for by in (scale, 1.0))
    products = [F.astype(np.float64) @ H for F in (found, expected)]
    losses = [np.nansum(one - np.nan_to_num(X) * np.log(one + 1e-300), where=~np.isnan(X)) for one in products]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("alpha_F", "l1_ratio"), [(0.01, 1.0), (0.01, 0.0), (1.0, 0.5)])
@pytest.mark.parametrize("lacking", [False, True])
def test_rows_with_penalties_meet_the_conditions_of_a_minimum(alpha_F, l1_ratio, lacking, dtype):
    """Rows that lack a block in turn, too, and are found beside others that do not."""
    rng = np.random.default_rng(0)
    H = rng.gamma(0.5, size=(8, 100)).astype(dtype)
    X = rng.poisson(3 * rng.gamma(0.5, size=(60, 8)) @ H).astype(dtype)
    if lacking:
        X[::3, :40] = X[1::3, 40:] = np.nan
    blocks = Blocks({"a": X[:, :40], "b": X[:, 40:]})
    params = {"alpha_F": alpha_F, "alpha_H": 0.0, "l1_ratio": l1_ratio}
    F = (
        CoupledNMF(8, solver="mu", beta_loss="kullback-leibler", **params)
        .set_components({"a": H[:, :40], "b": H[:, 40:]})
        .transform(blocks)
    )
    F, there = F.astype(np.float64), ~np.isnan(X)
    quotients = np.where(there, np.nan_to_num(X) / np.maximum(F @ H, 1e-300), 0)
    linear = there @ H.astype(np.float64).T + 100 * alpha_F * l1_ratio
    slopes = (linear + 100 * alpha_F * (1 - l1_ratio) * F - quotients @ H.T) / linear
    assert slopes.min() >= -1e-3
    assert np.abs(F * slopes).max() <= 1e-3 * F.max()


@pytest.mark.parametrize(("dtype", "tiny"), [(np.float32, 1e-23), (np.float64, 1e-160), (np.float64, 1e-167)])
def test_what_only_tiny_entries_of_h_reach_is_reached(dtype, tiny):
    """x there is explained by tiny f h alone; the minimum in closed form: Σ h f = x, of one component."""
    H = np.zeros((1, 600), dtype)
    H[0, 0], H[0, 1] = tiny, 1.0
    X = np.zeros((3, 600), dtype)
    X[:, 0] = [1, 2, 5]
    F = CoupledNMF(1, solver="mu", beta_loss="kullback-leibler").set_components(H).transform(X)
    np.testing.assert_allclose(F[:, 0], X[:, 0], rtol=1e-4)


def test_components_may_fall_to_where_squares_are_no_numbers():
    """Of three peaks one after the other the nearest is 1e-150 where x is above 0, and the others less still."""
    rng, places = np.random.default_rng(0), np.arange(300)
    H = np.exp(-0.5 * ((places - np.array([[100], [104], [109]])) / 5.0) ** 2)
    X = rng.poisson(np.array([30, 10, 20.0]) @ H + 0.05, (20, 300)).astype(float)
    X[:, H.max(axis=0) < 1e-290] = 0
    F = CoupledNMF(3, solver="mu", beta_loss="kullback-leibler").set_components(H).transform(X)
    live = H.max(axis=0) >= 1e-290
    Xl, Hl, totals, slow = X[:, live], H[:, live] / H[:, live].max(axis=0), H.sum(axis=1), np.ones((20, 3))
    for _ in range(30_000):
        slow *= ((Xl / (slow @ Hl)) @ Hl.T) / totals

    def losses(F):
        return (F @ totals - (Xl * np.log(F @ Hl)).sum(axis=1)) / X.sum(axis=1)

    assert np.all(losses(F) <= losses(slow) + 1e-13)


@pytest.mark.parametrize("power", [-20, -140, -160, -300])
def test_an_entry_of_h_near_nothing_changes_nothing(power):
    H, X = np.array([[1, 10.0**power, 0.3]]), np.array([[0.7, 0.5, 0.5]])
    F = CoupledNMF(1, solver="mu", beta_loss="kullback-leibler").set_components(H).transform(X)
    np.testing.assert_allclose(F, X.sum() / H.sum(), rtol=1e-12)


def test_one_huge_entry_does_not_end_a_row_before_the_others_are_near():
    """Steps by which an entry of F H would fall to zero are cut, and then say nothing of how far there is to go."""
    far = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        H = (rng.random((6, 6)) * 10.0 ** rng.uniform(-12, 0, (6, 6))).astype(np.float32)
        x = rng.random((1, 6)).astype(np.float32) * 3
        x[0, rng.integers(6)] = 1e8

        def loss(dtype, H=H, x=x):
            model = CoupledNMF(6, solver="mu", beta_loss="kullback-leibler").set_components(H.astype(dtype))
            products = model.transform(x.astype(dtype)).astype(float) @ H.astype(float)
            return (products.sum() - xlogy(x.astype(float), products).sum()) / x.sum()

        far.append(loss(np.float32) - loss(np.float64))
    assert max(far) <= 5e-8
