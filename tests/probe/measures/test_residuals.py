"""What is not explained of each input and block, against a slow loop and the model's own figures."""

import numpy as np
import pytest

from cnn_probe.measures.counting import rows
from cnn_probe.measures.residuals import fence, measure_residuals
from coupled_nmf import Blocks, CoupledNMF, make_coupled_blocks


@pytest.fixture(scope="module")
def parts():
    generator = np.random.default_rng(0)
    F, H = generator.uniform(size=(30, 3)), {"a": generator.uniform(size=(3, 8)), "b": generator.uniform(size=(3, 5))}
    X = {name: F @ block + 0.3 * generator.uniform(size=(30, block.shape[1])) for name, block in H.items()}
    X["a"][4] *= 3  # the worst of all
    X["b"][9] = F[9] @ H["b"] * 0.2  # the worst in b
    X["a"][2, 3:6] = np.nan
    X["b"][5] = np.nan
    X["a"][7] = 0
    return X, F, H


def test_residuals_against_a_slow_loop(parts):
    X, F, H = parts
    found = measure_residuals(X, F, H)
    for i in range(30):
        left, there = 0.0, 0.0
        for number, name in enumerate(X):
            seen = ~np.isnan(X[name][i])
            rest = float(np.sum((X[name][i, seen] - (F[i] @ H[name])[seen]) ** 2))
            squares = float(np.sum(X[name][i, seen] ** 2))
            left, there = left + rest, there + squares
            expected = rest / squares if squares else np.nan
            np.testing.assert_allclose(found.by_block[i, number], expected)
        np.testing.assert_allclose(found.of_inputs[i], left / there)
    assert np.argwhere(np.isnan(found.by_block)).tolist() == [[5, 1], [7, 0]]
    assert found.quantile.max() == 1
    for number in range(2):
        known = [value for value in found.by_block[:, number] if value == value]
        for i, value in enumerate(found.by_block[:, number]):
            expected = np.mean([other <= value for other in known]) if value == value else np.nan
            np.testing.assert_allclose(found.quantile_by_block[i, number], expected)
    for i in (0, 5, 7):
        assert found.quantile[i] == np.mean(found.of_inputs <= found.of_inputs[i])


def test_the_worst_come_first(parts):
    found = measure_residuals(*parts)
    assert found.worst(30).tolist() == sorted(range(30), key=lambda i: -found.of_inputs[i])
    assert found.worst(1, "b").tolist() == [9]
    assert len(found.worst(30, "a")) == 29
    assert 7 not in found.worst(30, "a")
    table = found.table().sorted_by("residual", descending=True)
    assert table["input"][:5] == tuple(found.worst(5))
    assert table["quantile"][0] == 1
    assert table.sorted_by("residual_of_b", descending=True)["quantile_of_b"][:1] == (1.0,)
    with pytest.raises(ValueError, match="no block 'c'; there are a, b"):
        found.worst(3, "c")


def test_of_blocks_is_the_ratio_of_all_squares(parts):
    X, F, H = parts
    table = measure_residuals(X, F, H, block_weights={"a": 1, "b": 4}).of_blocks()
    left = {name: np.nansum((X[name] - F @ H[name]) ** 2) for name in X}
    there = {name: np.nansum(X[name] ** 2) for name in X}
    expected = [left["a"] / there["a"], left["b"] / there["b"]]
    expected.append((left["a"] + 4 * left["b"]) / (there["a"] + 4 * there["b"]))
    assert table["block"] == ("a", "b", "all")
    np.testing.assert_allclose(table["residual"], expected)
    assert table["worst_input"][1] == 9
    assert table["quantile_95"][0] > table["median"][0]


def test_the_standard_error_is_that_of_drawing_inputs():
    generator = np.random.default_rng(0)
    F, H = np.ones((4000, 1)), {"a": np.ones((1, 6))}
    X = generator.exponential(size=(4000, 6))
    runs = [measure_residuals({"a": X[i : i + 40]}, F[:40], H).of_blocks() for i in range(0, 4000, 40)]
    spread = np.std([run["residual"][0] for run in runs])
    assert np.mean([run["standard_error"][0] for run in runs]) == pytest.approx(spread, rel=0.2)


def test_blocks_of_a_model_and_pieces(monkeypatch):
    X, _, _ = make_coupled_blocks(60, {"a": 20, "b": 9}, 3, noise=0.2, random_state=0)
    there = np.arange(0, 60, 2)
    for given in (X, Blocks({"a": X["a"], "b": X["b"][there]}, samples={"b": there})):
        model = CoupledNMF(3, random_state=0, max_iter=500)
        F = model.fit_transform(given)
        whole = measure_residuals(given, F, model.block_components_)
        explained = {name: share.sum() for name, share in model.component_shares(given).items()}
        np.testing.assert_allclose(
            whole.of_blocks()["residual"][:2], [1 - explained["a"], 1 - explained["b"]], atol=1e-3
        )
        monkeypatch.setattr(rows, "ENTRIES", 29 * 7)
        pieces = measure_residuals(given, F, model.block_components_)
        monkeypatch.undo()
        np.testing.assert_allclose(pieces.of_inputs, whole.of_inputs)
    assert np.isnan(whole.by_block[1, 1])
    assert not np.isnan(whole.of_inputs).any()


def test_what_does_not_fit_is_refused(parts):
    X, F, H = parts
    for given, says in [
        (({"a": X["a"]}, F, H), "X has the blocks a, and H has a, b"),
        ((X, F[:9], H), r"X\['a'\] has shape \(30, 8\), which F \(9, 3\)"),
        ((X, F, H | {"a": H["b"]}), r"X\['a'\]"),
        ((X | {"a": X["a"] + np.inf}, F, H), "infinite"),
    ]:
        with pytest.raises(ValueError, match=says):
            measure_residuals(*given)
    with pytest.raises(ValueError, match="block_weights must have one of a, b each"):
        measure_residuals(X, F, H, block_weights={"a": 1})


@pytest.mark.parametrize("n", [30, 360, 3000])
def test_of_alike_distributed_inputs_any_stands_out_in_a_twentieth_of_cases(n):
    generator = np.random.default_rng(0)
    laws = {
        "normal": 0.3 + 0.03 * generator.normal(size=(200, n)),
        "beta": generator.beta(2, 8, size=(200, n)),
        "lognormal": 0.2 * np.exp(0.3 * generator.normal(size=(200, n))),
    }
    for law, values in laws.items():
        assert np.mean([one.max() > fence(one) for one in values]) < 0.12, law
        far = np.median(values) * (np.quantile(values, 0.99) / np.median(values)) ** 4
        assert np.mean([fence(one) < far for one in values]) > 0.9, law


def test_nothing_stands_out_of_what_is_alike():
    assert fence(np.full(50, 0.2)) == np.inf
    assert fence(np.r_[np.zeros(30), 1.0]) == np.inf


@pytest.mark.filterwarnings("error")
def test_the_fence_of_numbers_that_differ_by_magnitudes_is_a_number():
    values = np.array([1e-300, 1e-200, 0.5])
    assert fence(values) == pytest.approx(np.finfo(float).max, rel=1e-9)
    even = np.linspace(0.1, 0.2, 21)
    assert fence(even * 1e-250) == pytest.approx(fence(even) * 1e-250)
