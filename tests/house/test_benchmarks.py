"""What the benchmarks compute of their measurements: losses, searches, means, and the tables of them."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.decomposition import NMF

ROOT = Path(__file__).parents[2]
SPREAD = {"median": 2.0, "min": 1.0, "max": 300.0}


@pytest.fixture(autouse=True)
def on_the_path(monkeypatch):
    for folder in (
        ROOT / "docs" / "tables",
        ROOT,
    ):  # docs/tables/benchmarks.py has the name of the package, which comes first
        monkeypatch.syspath_prepend(str(folder))


@pytest.mark.parametrize("loss", ["frobenius", "kullback-leibler"])
def test_losses_are_those_of_scikit_learn(loss):
    from benchmarks.shape_peers import loss_of

    X = np.random.default_rng(0).poisson(1.0, (1200, 30)).astype(np.float64)
    model = NMF(4, solver="mu", beta_loss=loss, random_state=0, max_iter=20, tol=0)
    F = model.fit_transform(X)
    expected = model.reconstruction_err_**2 / 2 if loss == "kullback-leibler" else model.reconstruction_err_**2
    expected = expected / np.sum(X**2) if loss == "frobenius" else expected
    assert loss_of(X, F, model.components_, loss) == pytest.approx(expected, rel=1e-6)
    if loss == "frobenius":
        assert loss_of(csr_array(X), F, model.components_, loss) == pytest.approx(expected, rel=1e-9)


def test_counts_are_poisson_of_their_factors_with_as_many_zeros_as_asked_for():
    from benchmarks.shape_data import counts

    X = counts(3000, 400, 5, zeros=0.9)
    assert X.nnz / np.prod(X.shape) == pytest.approx(0.1, abs=0.01)
    assert set(np.unique(X.data)) >= {1, 2, 3}
    assert X.dtype == np.float32


def test_shapes_are_what_their_names_say_and_those_of_the_machine_skip_visibly(monkeypatch, tmp_path):
    from benchmarks import shape_data

    small = shape_data.SHAPES["100 x 20, float64"].make()
    assert small.shape == (100, 20)
    assert small.dtype == np.float64
    assert small.min() >= 0
    monkeypatch.setattr(shape_data, "MNIST", tmp_path)
    from benchmarks.shapes import measure_shape

    assert "MNIST" in measure_shape(shape_data.SHAPES["MNIST, rank 10"])["skipped"]


def fake(losses, most):
    """`Ours` whose fits end at these losses; a default fit stops by itself after ``most`` iterations."""
    from benchmarks.ours import Ours
    from benchmarks.shape_data import Shape

    class Fake(Ours):
        def loss_at(self, budget):
            n_iter, tol, n_init = budget
            ran = min(n_iter, most) if tol else n_iter
            self._lasted[budget] = 0.0, ran
            return losses(ran) / n_init

    return Fake(None, None, Shape(None, 3))


@pytest.mark.parametrize("n", [1, 2, 3, 7, 100, 130, 199, 200])
def test_the_fewest_iterations_are_found(n):
    ours = fake(lambda ran: 1 / ran, most=200)
    assert ours.budget_for(1 / n) == (n, 1e-4, 1)


def test_where_the_default_ends_too_early_a_smaller_tol_is_tried_then_more_starts_then_none():
    ours = fake(lambda ran: 1 / ran, most=60)
    assert ours.budget_for(1 / 60) == (60, 1e-4, 1)
    assert ours.budget_for(1 / 61) == (61, 0.0, 1)
    assert ours.budget_for(1 / 1000) == (1000, 0.0, 1)
    assert ours.budget_for(1 / 1001) is None
    ours = fake(lambda ran: 1 / min(ran, 60), most=60)
    assert ours.budget_for(1 / 61) == (200, 1e-4, 2)
    assert ours.budget_for(1 / 480) == (200, 1e-4, 8)
    assert ours.budget_for(1 / 481) is None


def test_what_takes_too_long_is_ended_and_said():
    from benchmarks.shape_peers import Refused, at_most

    with pytest.raises(Refused, match=r"did not end in 0\.05 s"), at_most(0.05):
        time.sleep(5)
    with at_most(0.05):
        pass
    time.sleep(0.1)  # the alarm is off


def test_all_products_count_those_of_the_ranks_square_included():
    from benchmarks.floors import flops

    n, m, k = 7, 5, 3
    with_X = 2 * (2 * n * m * k)  # X Hᵀ and Fᵀ X
    grams = n * k * k + m * k * k  # half of each, since they are symmetric
    assert flops(n, m, k, sweeps=2) == with_X + grams + 2 * (2 * n * k * k + 2 * m * k * k)


def one_shape(**peers):
    quiet = {"load_before": 0.1, "load_after": 1.0, "cores_of_others": 0.1}
    return {
        "shape": [4, 3], "stored": None, "dtype": "float32", "rank": 2, "loss": "frobenius", "rounds": 3,
        "reference": "scikit-learn cd", "date": "2026-01-01", "commit": "abc", "quiet": quiet, "peers": peers,
        "defaults": {"seconds": SPREAD, "loss": 0.1, "ratio": SPREAD, "loss_over_the_peers": 0.5},
    }  # fmt: skip


def measured_peer(ratio, tol=1e-4, starts=1):
    return {
        "seconds": SPREAD, "loss": SPREAD, "misses": 0, "ours": SPREAD, "iterations": 3, "tol": tol,
        "starts": starts,
        "ratio": {"median": ratio, "min": ratio, "max": ratio},
    }  # fmt: skip


def found_shapes():
    refused, missed = {"refused": "not installed"}, {"seconds": SPREAD, "loss": SPREAD, "misses": 3}
    rest = {"nmf-torch": refused, "pyplanc hals": missed}
    return {
        "a": one_shape(
            **{"scikit-learn cd": measured_peer(8.0), "scikit-learn mu": measured_peer(2.0, starts=4)}, **rest
        ),
        "b": one_shape(**{"scikit-learn cd": measured_peer(0.5, tol=0), "scikit-learn mu": refused}, **rest),
        "c": {"skipped": "not here", "quiet": {"cores_of_others": None}, "date": "2026-01-02", "commit": "abd"},
    }


def test_means_over_shapes_name_the_slower_the_missed_and_the_refused():
    from benchmarks.shapes import summarize

    figures = summarize(found_shapes())
    cd = figures["to_loss"]["scikit-learn cd"]
    assert cd["geometric_mean_ratio"] == pytest.approx(2.0)
    assert (cd["slower"], cd["by_a_smaller_tol"], cd["shapes"]) == (["b"], ["b"], 2)
    assert figures["to_loss_of_the_reference"] == cd
    assert figures["to_loss"]["scikit-learn mu"]["by_more_starts"] == ["a"]
    assert figures["to_loss"]["pyplanc hals"]["missed"] == ["a", "b"]
    assert figures["to_loss"]["pyplanc hals"]["geometric_mean_ratio"] is None
    assert figures["to_loss"]["nmf-torch"]["refused"] == {"a": "not installed", "b": "not installed"}


def test_tables_show_every_shape_and_what_was_refused_missed_or_skipped():
    from shape_tables import shapes as table

    from benchmarks.shapes import summarize

    found = found_shapes()
    lines = table(summarize(found) | {"shapes": found})
    text = "\n".join(lines)
    for said in (
        "not installed",
        "not reached",
        "not here",
        "(tol 0)",
        "best of 4 starts",
        "0.1 cores",
        "2026-01-02 at abd",
    ):
        assert said in text
    assert "e+" not in text
    widths = [line.count("|") for line in lines if line.startswith("|")]
    assert sorted(widths, key=widths.index) == widths, "every table has lines of one width"


def test_parts_are_measured_again_and_the_others_kept(monkeypatch, tmp_path):
    from benchmarks import record, shapes

    monkeypatch.setattr(record, "RESULTS", tmp_path)
    found = found_shapes()
    path = record.write_record(
        "shapes", "what", {"shapes": dict(zip(list(shapes.SHAPES), found.values(), strict=False))}
    )
    monkeypatch.setattr(shapes, "measure_shape", lambda shape: one_shape(**found["a"]["peers"]))
    first, second, third = list(shapes.SHAPES)[:3]
    figures = shapes.measure(only=[second])
    assert list(figures["shapes"]) == [first, second, third]
    assert figures["shapes"][first]["commit"] == "abc"
    assert figures["shapes"][second]["commit"] == record.stamp()["commit"]
    with pytest.raises(SystemExit, match="no shape nothing"):
        shapes.measure(only=["nothing"])
    path.write_text(json.dumps(json.loads(path.read_text()) | {"machine": {}}))
    assert record.kept("shapes") is None
