"""How much of a network is used: against NumPy's SVD, scikit-learn's NMF and k-means, and plain sums."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.decomposition import NMF
from sklearn.exceptions import NotFittedError

from cnn_probe.measures import spectrum as spectra
from cnn_probe.measures.counting import centroids
from cnn_probe.measures.counting.centroids import k_means_error
from cnn_probe.measures.counting.ratios import ratio
from cnn_probe.measures.spectrum import rows_of, spectrum
from cnn_probe.measures.use import network_use
from coupled_nmf import Blocks, CoupledNMF


def blocks_of(n=120, seed=0):
    generator = np.random.default_rng(seed)
    F = generator.gamma(0.4, size=(n, 6))
    X = {name: F @ generator.gamma(0.4, size=(6, width)) for name, width in (("pixels", 40), ("relu", 150))}
    X = {name: np.maximum(part + generator.normal(size=part.shape) - 0.3, 0) for name, part in X.items()}
    return Blocks({name: part.astype(np.float32) for name, part in X.items()})


@pytest.fixture(scope="module")
def X():
    return blocks_of()


@pytest.fixture(scope="module")
def fitted(X):
    model = CoupledNMF(4, random_state=0, block_weights={"pixels": 3.0, "relu": 1.0})
    return model, model.fit_transform(X)


@pytest.fixture(scope="module")
def found(X, fitted):
    return network_use(X, *fitted)


def entropy_rank(values):
    share = values[values > 1e-6 * values[0]] / values.sum()
    return np.prod(share**-share)


def arrays(X):
    """Each block, and all side by side with their weights, in float64."""
    parts = [X["pixels"].astype(float), X["relu"].astype(float)]
    return [*parts, np.concatenate([np.sqrt(3.0) * parts[0], parts[1]], axis=1)]


def test_errors_and_zeros_are_those_of_plain_sums(X, fitted, found):
    model, F = fitted
    for block, array in zip(found.blocks, arrays(X), strict=False):
        left = np.sum((array - F.astype(float) @ model.block_components_[block.name]) ** 2)
        assert block.relative_error == pytest.approx(left / np.sum(array**2))
        assert block.relative_error == pytest.approx(model.block_relative_error_[block.name], rel=1e-4)
        assert block.explained_variance == pytest.approx(1 - left / np.sum((array - array.mean(axis=0)) ** 2))
        assert block.zeros == np.mean(array == 0)
    whole = arrays(X)[-1]
    assert found.together.relative_error == pytest.approx(model.reconstruction_err_**2 / np.sum(whole**2), rel=1e-4)


def test_spectra_ranks_and_floors_are_those_of_numpys_svd(X, found):
    for block, array in zip((*found.blocks, found.together), arrays(X), strict=True):
        values = np.linalg.svd(array, compute_uv=False)
        np.testing.assert_allclose(block.spectrum.values, values, atol=1e-6 * values[0])
        assert block.spectrum.effective_rank == pytest.approx(entropy_rank(values), rel=1e-3)
        assert block.spectrum.effective_rank_of_energies == pytest.approx(entropy_rank(values**2), rel=1e-3)
        assert block.svd_floor == pytest.approx(np.sum(values[4:] ** 2) / np.sum(values**2), rel=1e-6)
        centred = np.linalg.svd(array - array.mean(axis=0), compute_uv=False)
        assert block.centred.effective_rank == pytest.approx(entropy_rank(centred), rel=1e-3)


def test_separate_nmf_is_as_good_as_scikit_learns_and_coupling_costs_what_is_more(X, found):
    for block, array in zip(found.blocks, arrays(X), strict=False):
        peers = [
            NMF(4, init="random", random_state=seed, max_iter=1000, tol=1e-6).fit(array).reconstruction_err_ ** 2
            for seed in range(3)
        ]
        assert block.separate.mean() == pytest.approx(np.mean(peers) / np.sum(array**2), rel=0.02)
        cost, least, most = block.coupling_costs
        assert cost == pytest.approx(block.relative_error - block.separate.mean())
        assert 0 < least <= cost <= most
        assert block.svd_floor < block.separate.min()
    assert abs(found.together.coupling_costs[0]) < 0.02 * found.together.relative_error


@pytest.mark.parametrize(
    "parameters",
    [
        {"beta_loss": "kullback-leibler", "solver": "mu", "block_weights": [3.0, 1.0]},
        {"alpha_F": 0.01, "alpha_H": {"pixels": 0.01, "relu": 0.02}, "block_weights": [3.0, 1.0]},
        {"fixed_components": np.ones((1, 190), dtype=np.float32)},
    ],
    ids=["Kullback-Leibler", "penalties", "fixed components"],
)
def test_separate_errors_are_relative_whatever_was_minimized(X, parameters):
    model = CoupledNMF(4, random_state=0, max_iter=1000, **parameters)
    found = network_use(X, model, model.fit_transform(X), n_starts=1)
    for block in (*found.blocks, found.together):
        assert 1 <= block.separate[0] / block.svd_floor < 1.3
    assert found.together.separate[0] == pytest.approx(found.together.relative_error, rel=0.1)


def test_k_means_is_scikit_learns(X, found):
    for block, array in zip((*found.blocks, found.together), arrays(X), strict=True):
        peer = KMeans(4, n_init=3, random_state=0).fit(array)
        left = np.sum((array - peer.cluster_centers_[peer.labels_]) ** 2)
        assert block.k_means == pytest.approx(left / np.sum(array**2), rel=1e-3)


@pytest.mark.parametrize(("in_memory", "entries"), [(300 * 64, 100 * 64), (300 * 64, 5 * 64), (0, 100 * 64)])
def test_k_means_of_what_is_read_in_chunks_is_as_good_where_rows_are_in_order_of_their_class(
    monkeypatch, in_memory, entries
):
    images, labels = load_digits(return_X_y=True)
    images = images[np.argsort(labels, kind="stable")]
    X, whole = Blocks({"pixels": images}), KMeans(10, n_init=3, random_state=0).fit(images).inertia_ / np.sum(images**2)
    monkeypatch.setattr(centroids, "IN_MEMORY", in_memory)  # 300 rows are drawn first, or as many as centroids
    monkeypatch.setattr(spectra, "ENTRIES", entries)  # fewer rows at a time than centroids, or more
    found = k_means_error(rows_of(X, "pixels"), 10, 0)
    assert whole * 0.99 < found < whole * (1.02 if in_memory else 1.1)
    assert found == k_means_error(rows_of(X, "pixels"), 10, 0)


def test_chunks_of_any_height_add_up_to_the_same(X, fitted, found, monkeypatch):
    monkeypatch.setattr(spectra, "ENTRIES", 700)
    again = network_use(X, *fitted)
    for column in found.table().columns[1:]:
        np.testing.assert_allclose(again.table()[column], found.table()[column], rtol=1e-3, atol=1e-7, err_msg=column)


@pytest.mark.parametrize("shape", [(500, 300), (300, 500)])
def test_of_large_blocks_the_first_singular_values_with_a_bound(shape):
    generator = np.random.default_rng(0)
    array = generator.exponential(size=(shape[0], 60)) @ generator.exponential(size=(60, shape[1]))
    array += 0.5 * generator.uniform(size=shape)
    X, values = Blocks({"x": array}), np.linalg.svd(array, compute_uv=False)
    some = spectrum(rows_of(X, "x"), exact=100)
    assert len(some.values) == 200
    assert 0 < some.error < 0.05
    too_small = values[:200] - some.values
    assert too_small.min() > -1e-8 * values[0]
    assert too_small.max() < some.error * values[0]
    np.testing.assert_allclose(some.values[:60], values[:60], rtol=1e-6)
    low, high = some.effective_rank_bounds
    assert low < entropy_rank(values) < high
    assert high / low < 1.1
    assert some.floor(10) == pytest.approx(np.sum(values[10:] ** 2) / np.sum(values**2), rel=1e-6)
    assert spectrum(rows_of(X, "x"), exact=300).error == 0
    more = spectrum(rows_of(X, "x"), exact=100, first=250)
    assert more.floor(240) == pytest.approx(np.sum(values[240:] ** 2) / np.sum(values**2), rel=0.02)


def test_the_margin_is_that_of_a_bootstrap():
    generator = np.random.default_rng(0)
    squares = generator.gamma(2.0, size=400)
    errors = squares * generator.uniform(0, 0.3, size=400)
    drawn = generator.integers(400, size=(4000, 400))
    low, high = np.quantile(errors[drawn].sum(axis=1) / squares[drawn].sum(axis=1), [0.025, 0.975])
    found, margin = ratio(errors, squares)
    assert found == pytest.approx(errors.sum() / squares.sum())
    assert margin == pytest.approx((high - low) / 2, rel=0.06)


def test_the_margin_holds_where_few_inputs_hold_the_squares():
    generator, held = np.random.default_rng(0), []
    for _ in range(300):
        squares = np.exp(1.5 * generator.normal(size=30))
        found, margin = ratio(squares * generator.beta(2, 5, size=30), squares)
        held.append(abs(found - 2 / 7) <= margin)
    assert np.mean(held) > 0.87
    assert ratio(np.zeros(3), np.zeros(3)) == (0, 0)


def test_blocks_of_zeros_sparse_ones_and_such_as_never_change(X):
    constant = np.ones((120, 5), dtype=np.float32)
    mixed = Blocks({"dead": np.zeros((120, 6)), "sparse": csr_array(X["relu"]), "constant": constant})
    model = CoupledNMF(2, random_state=0)
    dead, sparse, same = network_use(mixed, model, model.fit_transform(mixed)).blocks
    assert (dead.relative_error, dead.spectrum.effective_rank, dead.zeros, dead.k_means) == (0, 0, 1, 0)
    assert sparse.zeros == np.mean(X["relu"] == 0)
    assert same.spectrum.effective_rank == pytest.approx(1, abs=1e-4)
    assert same.centred.effective_rank == pytest.approx(0, abs=1e-6)
    assert same.k_means == pytest.approx(0, abs=1e-9)


def test_an_untrained_network_stands_beside_and_must_be_of_the_same_shape(X, fitted, found):
    other = blocks_of(seed=5)
    model = CoupledNMF(4, random_state=0)
    reference = network_use(other, model, model.fit_transform(other))
    table = network_use(X, *fitted, untrained=reference).table()
    assert table["block"] == ("pixels", "relu", "all")
    assert table["untrained: effective rank"] == reference.table()["effective rank"]
    assert table["effective rank"] == found.table()["effective rank"]
    with pytest.raises(NotFittedError):
        network_use(X, CoupledNMF(4), fitted[1])
    with pytest.raises(ValueError, match="it must have rank 4"):
        network_use(X, *fitted, untrained=replace(reference, rank=3))


def test_progress_and_what_is_refused(X, fitted):
    model, F = fitted
    told = []
    network_use(X, model, F, n_starts=1, progress=lambda *at: told.append(at))
    assert told == [(1, 3), (2, 3), (3, 3)]
    gappy = Blocks({"pixels": np.where(X["pixels"] > 4, np.nan, X["pixels"]), "relu": X["relu"]})
    for arguments, said in (
        ({"F": F[:5]}, r"F of shape \(5, 4\)"),
        ({"X": X.select(["relu"])}, "are not those of a model"),
        ({"n_starts": 0}, "n_starts must be 1 or more"),
        ({"X": gappy}, "'pixels' has missing or infinite entries"),
    ):
        with pytest.raises(ValueError, match=said):
            network_use(**{"X": X, "model": model, "F": F, **arguments})
