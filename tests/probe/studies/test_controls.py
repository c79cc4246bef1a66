"""What the controls train and treat, and that they are what they are called."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cnn_probe import cli
from cnn_probe.data import datasets
from cnn_probe.networks.training import order_of_training
from cnn_probe.networks.training_plan import TrainingPlan, epochs_for
from cnn_probe.runs.run_plan import RunPlan
from cnn_probe.studies import CONTROLS, STUDIES, Given, Settings, Treatment, measuring, runner
from cnn_probe.studies.records import images_of, read_arrays
from cnn_probe.studies.runner import cases_of, check_studies, run_studies
from cnn_probe.studies.settings import Case

MNIST = Given((5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949), 10_000, 1)
SETTINGS = Settings(ranks=(2, 3), seeds=(0,), max_iter=5)


@pytest.fixture(scope="module")
def data(few_digits):
    return few_digits


def plans(name, given=MNIST):
    return {condition.label: condition.plan for condition in STUDIES[name].conditions(given)}


def steps_of(plan, n_images):
    n_chosen = n_images if plan.n_images is None else plan.n_images
    n_chosen = max(1, round(plan.fraction * n_chosen))
    steps = plan.epochs * -(-n_chosen // min(plan.batch_size, n_chosen))
    return steps if plan.max_steps is None else min(steps, plan.max_steps)


@pytest.mark.parametrize("given", [MNIST, Given((13,) * 10, 50, 20), Given((1, 2, 1, 1), 4, 3)])
def test_less_data_get_as_many_steps_as_all(given):
    found = {label: steps_of(plan, given.n_train) for label, plan in plans("steps", given).items()}
    assert len(set(found.values())) == 1, found
    assert plans("steps", given)["100%, all steps"] == TrainingPlan(epochs=given.epochs), "which others train as well"


def test_of_all_classes_there_are_as_many_examples_as_of_some():
    labels = torch.arange(10).repeat_interleave(torch.tensor(MNIST.class_sizes))
    sizes = {label: len(order_of_training(labels, plan)) for label, plan in plans("examples").items()}
    assert sizes == {
        "{0}": 5923, "all, as many as {0}": 5923, "{0–4}": 30596, "all, as many as {0–4}": 30596,
    }  # fmt: skip
    of_all = order_of_training(labels, plans("examples")["all, as many as {0}"])
    assert set(labels[of_all].tolist()) == set(range(10))


def test_networks_that_controls_share_with_the_papers_studies_are_the_same():
    paper = {plan for name in ("fraction", "classes", "order") for plan in plans(name).values()}
    shared = {
        "untrained": {"nothing", "all"},
        "memorised": {"all"},
        "examples": {"{0}", "{0–4}"},
        "epochs": {"1 epoch"},
        "scaling": {"all", "all, first layer × ½", "all, first layer × 8"},
        "orders": {"9 first, 8 last", "shuffled"},
    }
    for name, labels in shared.items():
        assert {label for label, plan in plans(name).items() if plan in paper} == labels, name
    assert [plan.order[0] for label, plan in plans("orders").items() if label != "shuffled"] == [9, 3, 6, 0]


def test_conditions_that_are_not_to_be_compared_have_levels_apart():
    for name in ("examples", "updates", "test-images"):
        by_level = {condition.level: condition.label for condition in STUDIES[name].conditions(MNIST)}
        pairs = [(by_level[low], by_level[low + 1]) for low in by_level if low + 1 in by_level]
        mixed = {"paper's updates", "6000 images"}
        assert pairs
        assert all(len({any(what in label for what in mixed) for label in pair}) == 1 for pair in pairs), pairs


def test_every_control_asks_a_question_and_says_that_it_is_one():
    assert {study.name for study in CONTROLS} == {name for name, study in STUDIES.items() if study.control}
    assert all(study.question.endswith("?") for study in STUDIES.values())


def test_a_network_is_treated_without_being_trained_again(data, tmp_path, monkeypatch):
    trained, train = [], measuring.train_network
    monkeypatch.setattr(measuring, "train_network", lambda *given: (trained.append(given[1]), train(*given))[1])
    found = run_studies([STUDIES["scaling"]], data, SETTINGS, tmp_path)["studies"]["scaling"]["records"]
    assert trained == [TrainingPlan()]
    (as_it_was,), (half,), (eight,) = found.values()
    for factor, scaled in ((0.5, half), (8.0, eight)):
        assert scaled["treatment"]["scale"] == factor
        assert scaled["training"] == as_it_was["training"]
        for same in ("accuracy", "class_accuracy", "train_accuracy", "zeros", "dead_neurons"):
            assert scaled[same] == as_it_was[same], same
        sizes = {name: scaled["root_mean_square"][name] / size for name, size in as_it_was["root_mean_square"].items()}
        assert sizes == pytest.approx({"pixels": 1, "relu1": factor, "relu2": 1}, rel=1e-6)
    (tmp_path / "networks" / f"{half['key']}.json").unlink()
    again = run_studies([STUDIES["scaling"]], data, SETTINGS, tmp_path, resume=True)
    assert trained == [TrainingPlan()], "its weights are on disk"
    assert again["studies"]["scaling"]["records"]["all, first layer × ½"][0]["fits"]["2"]["rmse"] == pytest.approx(
        half["fits"]["2"]["rmse"]
    )


def test_the_papers_updates_come_from_a_uniform_start_and_fewer_images_are_a_part_of_all(data, tmp_path, monkeypatch):
    used, fit_ranks = [], runner.fit_ranks

    def heard(X, seed, settings, *rest, **more):
        used.append((len(X), settings.solver, settings.init))
        return fit_ranks(X, seed, settings, *rest, **more)

    monkeypatch.setattr(measuring, "fit_ranks", heard)
    cases = [Case(TrainingPlan(), Treatment(paper_updates=True)), Case(TrainingPlan(), Treatment(test_images=30))]
    for case in cases:
        measuring.measure_network(data, case, SETTINGS, lambda *told: None)
    assert used == [(50, "mu", "uniform")] * 2 + [(30, "hals", "auto")] * 2
    few = images_of(data, cases[1]).test
    assert torch.equal(few.images, images_of(data, cases[1]).test.images), "the seed says which"
    assert not torch.equal(few.images, data.test.images[:30]), "not the first, which may be easier"
    other = images_of(data, replace(cases[1], plan=TrainingPlan(seed=1))).test
    assert not torch.equal(few.images, other.images)
    of_each = np.stack([part.labels.bincount(minlength=10) for part in (few, data.test)])
    assert of_each[0].sum() == 30
    np.testing.assert_allclose(of_each[0], 0.6 * of_each[1], atol=1)


def test_a_quick_run_of_all_leaves_out_what_takes_long(data, tmp_path, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(datasets, "load_dataset", lambda *arguments, **options: data)
    monkeypatch.setattr(runner, "check_studies", lambda studies, *given: asked.append(studies) or 1 / 0)
    for options in (["all", "--quick"], ["all"], ["epochs", "--quick"]):
        with pytest.raises(ZeroDivisionError):
            cli.main(["study", *options, "--out", str(tmp_path)])
    names = [[study.name for study in studies] for studies in asked]
    left_out = ["epochs", "orders", "updates", "test-images"]
    assert names == [[name for name in STUDIES if name not in left_out], list(STUDIES), ["epochs"]]
    assert cli.main(["study", "--help"]) == 0
    assert f"not {', '.join(left_out)}" in " ".join(capsys.readouterr().out.split())


def test_networks_are_trained_until_small_data_are_learned_unless_it_is_said(data, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(datasets, "load_dataset", lambda *arguments, **options: data)
    monkeypatch.setattr(runner, "check_studies", lambda studies, data, settings: asked.append(settings.epochs) or 1 / 0)
    for options in ([], ["--quick"], ["--quick", "--epochs", "3"], ["--epochs", "1"]):
        with pytest.raises(ZeroDivisionError):
            cli.main(["study", "fraction", *options, "--out", str(tmp_path)])
    assert asked == [500, 20, 3, 1], "1500 steps of 3 an epoch"
    assert epochs_for(60_000) == 1, "the paper's schedule, on the paper's data"
    assert RunPlan().training(len(data.train), 0).epochs == 500, "as cnn-probe run does"


def test_expensive_studies_have_fewer_seeds_and_others_all(data):
    settings = replace(SETTINGS, seeds=(5, 6, 7, 8))
    for study in STUDIES.values():
        for cases in cases_of(study, MNIST, settings).values():
            assert [case.plan.seed for case in cases] == [5, 6, 7, 8][: study.most_seeds]


def test_a_treated_network_comes_after_its_training_and_each_case_once():
    case = Case(TrainingPlan(), Treatment(scale=8.0))
    assert runner._distinct({"a": {"x": [case], "y": [case]}}) == [Case(TrainingPlan()), case]


def test_ranks_must_fit_the_fewest_images_that_are_shown(data):
    ranks = replace(SETTINGS, ranks=(40,))
    check_studies([STUDIES["fraction"]], data, ranks)
    with pytest.raises(ValueError, match="40 is more than 30 test images"):
        check_studies([STUDIES["test-images"]], data, ranks)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale": 0.0}, "scale must be"),
        ({"scale": float("inf")}, "scale must be"),
        ({"test_images": 0}, "test_images"),
    ],
)
def test_treatments_are_checked(change, message):
    with pytest.raises(ValueError, match=message):
        Treatment(**change)


def test_the_weights_on_disk_are_those_that_were_measured(data, tmp_path):
    (record,), *_ = run_studies([STUDIES["untrained"]], data, SETTINGS, tmp_path)["studies"]["untrained"][
        "records"
    ].values()
    arrays = read_arrays(tmp_path / "networks" / f"{record['key']}.npz")
    network = measuring.build_network(1, 28, 10, seed=0)
    for name, weight in network.state_dict().items():
        np.testing.assert_array_equal(arrays[f"weights_{name}"], weight.numpy())
