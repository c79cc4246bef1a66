"""What all networks say together: of each measure, of scale, and of RMSE."""

from dataclasses import asdict, replace
from itertools import product

import pytest
from scipy.stats import spearmanr
from studied import network_record, trained

from cnn_probe.studies import Settings, Treatment
from cnn_probe.studies.findings import findings
from cnn_probe.studies.findings.quality import by_signs, correlation, quality, spearman
from cnn_probe.studies.findings.scale import scale_table

SETTINGS = Settings(ranks=(2, 3), seeds=(0, 1))


def network(accuracy, rmse, seed=0, balanced=0.2, **more):
    """A network with an error of its own, and a key."""
    plan = {name: value for name, value in more.items() if name in ("max_steps", "shuffle_labels", "n_images")}
    other = {name: value for name, value in more.items() if name not in plan}
    made = network_record(accuracy=accuracy, training=trained(seed=seed, **plan), **other)
    errors = {"pixels": 0.2, "relu1": accuracy, "relu2": balanced}  # the first layer's goes with accuracy
    return replace(
        made,
        key=repr((accuracy, rmse, seed, balanced, sorted(map(repr, more.items())))),
        fits={rank: replace(fit, rmse=rmse) for rank, fit in made.fits.items()},
        balanced={rank: replace(fit, block_relative_error=errors) for rank, fit in made.balanced.items()},
    )


def scaled(by, rmse, seed=0):
    return network(0.9, rmse, seed, treatment=asdict(Treatment(scale=by)))


def test_spearman_is_scipys_and_none_of_what_does_not_vary():
    first, second = [0.1, 0.5, 0.2, 0.9, 0.5], [3, 1, 4, 1, 5]
    assert spearman(first, second) == pytest.approx(spearmanr(first, second).statistic)
    assert spearman([1, 1], [1, 2]) is None


def test_chance_goes_through_all_signs():
    values = [0.9, 0.2, -0.1, 0.4]
    found = abs(sum(values))
    as_large = [
        abs(sum(s * v for s, v in zip(signs, values, strict=True))) >= found for signs in product((1, -1), repeat=4)
    ]
    assert by_signs(values) == pytest.approx(sum(as_large) / 16)
    assert by_signs([0.5] * 5) == 2 / 2**5
    assert 0 < by_signs([0.5] * 30) < 1e-3


def test_correlations_are_within_a_seed():
    """Seeds that lie apart do not make a correlation where within each there is the opposite one."""
    runs = [network(accuracy, rmse, seed) for seed in (0, 1) for accuracy, rmse in (
        (seed + 0.1, 5 * seed + 3), (seed + 0.2, 5 * seed + 2), (seed + 0.3, 5 * seed + 1)
    )]  # fmt: skip
    found = correlation("RMSE, rank 2", runs)
    assert found == pytest.approx({"correlation": -1, "low": -1, "high": -1, "seeds": 2, "networks": 6, "chance": 0.5})
    assert correlation("zeros of relu1", runs) is None, "which never varies"


def test_each_network_counts_once_and_treated_ones_not():
    one, two, three = network(0.1, 1), network(0.2, 2), network(0.3, 0.5)
    found = {
        "fraction": {"a": [one], "b": [two]},
        "untrained": {"a": [one], "c": [three]},
        "scaling": {"a": [one], "scaled": [scaled(8.0, 8)]},
    }
    row = next(row for row in quality(found, ["untrained", "scaling"], {}) if row["measure"] == "RMSE, rank 2")
    assert (row["paper"]["networks"], row["all"]["networks"]) == (2, 3)
    assert row["paper"]["correlation"] == pytest.approx(1)
    assert row["all"]["correlation"] == pytest.approx(-0.5)
    assert row["scale_free"] is None


def test_what_moves_with_scale_is_told_from_what_does_not():
    records = {
        "all": [network(0.9, 2.0, seed) for seed in (0, 1)],
        "half": [scaled(0.5, 1.0, 0), scaled(0.5, 1.5, 1)],
        "eight": [scaled(8.0, 6.0, 0), scaled(8.0, 2.0, 1)],
    }
    rows = {row["measure"]: row for row in scale_table(records)}
    assert rows["RMSE, rank 2"] == {
        "measure": "RMSE, rank 2", "moves": {"0.5": -37.5, "8": 100.0}, "most": 200.0, "scale_free": False,
    }  # fmt: skip
    assert rows["zeros of relu1"]["scale_free"]
    grown = replace(records["half"][0], dead_neurons={"relu1": 0.1, "relu2": 0.5})
    none = replace(records["all"][0], dead_neurons={"relu1": 0.1, "relu2": 0.0})
    (row,) = [row for row in scale_table({"a": [none], "b": [grown]}) if row["measure"] == "dead neurons of relu2"]
    assert (row["moves"], row["most"], row["scale_free"]) == ({"0.5": None}, None, False)


def all_controls(*, untrained=0.1, scale=0.4, random=0.2, true=0.6, free=(0.1, 0.4)):
    """Networks of two seeds, of which RMSE is a sign unless one of the numbers is another."""
    whole = [network(0.9, 0.4, seed, free[1], train_accuracy=0.9) for seed in (0, 1)]
    return {
        "untrained": {
            "nothing": [network(0.1, untrained, seed, free[0], max_steps=0) for seed in (0, 1)],
            "all": whole,
        },
        "memorised": {
            "random": [network(0.11, random, seed, 0.2, shuffle_labels=True, train_accuracy=0.97) for seed in (0, 1)],
            "true": [network(0.8, true, seed, 0.3, n_images=9) for seed in (0, 1)],
            "all": whole,
        },
        "scaling": {"all": whole, "half": [scaled(0.5, scale, seed) for seed in (0, 1)]},
    }


@pytest.mark.parametrize(
    ("change", "against", "said"),
    [
        ({}, [], "RMSE (rank 2) is borne out as a sign of training quality: it moves by +0.0% (layer × 0.5)"),
        ({"untrained": 0.5}, ["untrained"], "the one that is better on the test images has the higher RMSE in 0 of 2"),
        ({"scale": 0.3}, ["scaling"], "it moves by -25.0% (layer × 0.5) while the network computes the same"),
        (
            {"random": 0.5},
            ["memorised"],
            "networks that were trained on random labels, and know 97% of them by heart, have an RMSE of 0.50 (right "
            "on 11% of the test images), those of the same images with true labels 0.60 (right on 80% of the test "
            "images), and those of all images 0.40 (right on 90% of the test images)",
        ),
        (
            {"free": (0.35, 0.4)},
            ["all networks"],
            "each block counting the same, 1.00 (relu1) and 0.40 (relu2)",
        ),
        ({"true": 0.1}, ["memorised"], "those of the same images with true labels 0.10"),
        (
            {"free": (0.4, 0.1)},
            ["all networks"],
            "each block counting the same, 1.00 (relu1) and -0.80 (relu2)",
        ),
    ],
)
def test_the_finding_is_made_of_the_numbers(change, against, said):
    found = findings(all_controls(**change), ["untrained", "memorised", "scaling"], SETTINGS)
    assert [one["control"] for one in found["evidence"] if not one["speaks_for"]] == against
    assert said in found["finding"]
    assert found["finding"].startswith("RMSE (rank 2) is no sign of training quality by itself: ") == bool(against)
    assert all(one["text"] in found["finding"] for one in found["evidence"])


def test_without_controls_nothing_is_found():
    found = findings({"fraction": {"a": [network(0.1, 1)], "b": [network(0.2, 2)]}}, [], SETTINGS)
    assert found["finding"].startswith("No control that was run says")
    assert (found["evidence"], found["scaling"]) == ([], [])
    assert found["quality"][0]["measure"] == "RMSE, rank 2"


def test_of_networks_that_all_learned_little_nothing_is_said_but_how_scale_moves_them():
    little = {"class_accuracy": {0: 0.2, 1: 0.1}}
    found = {
        "epochs": {"1": [network(0.1, 1, **little)], "2": [network(0.2, 2, **little)]},
        "scaling": {"all": [network(0.1, 1, **little)], "half": [replace(scaled(0.5, 0.5), **little)]},
    }
    told = findings(found, ["epochs", "scaling"], SETTINGS)
    assert [one["control"] for one in told["evidence"]] == ["scaling"]
    found["epochs"]["2"] = [network(0.8, 2)]
    assert "epochs" in [one["control"] for one in findings(found, ["epochs", "scaling"], SETTINGS)["evidence"]]
