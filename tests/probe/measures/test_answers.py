"""Every answer of a result, from one more pass over its inputs."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from cnn_probe import ask, compare, joint_blocks, joint_use, probe, refits
from cnn_probe.measures.causes import interventions
from cnn_probe.probing.recording import record
from coupled_nmf import CoupledNMF, rank_path


def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 3, 3), nn.GELU(), nn.Flatten(), nn.Linear(48, 3)
        )


@pytest.fixture(scope="module")
def images():
    return torch.rand(60, 1, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def result(images):
    return probe(network(), images, n_components=3, negative={"3": "shift"}, pool={"1": "mean"})


def test_what_is_recorded_again_is_what_was_factored(result, images):
    answers = ask(result, images)
    np.testing.assert_allclose(result.model.transform(answers.X), result.F, rtol=1e-5, atol=1e-6)
    total = np.sum([answers.shares["3"][i] for i in range(3)])
    assert total == pytest.approx(1 - result.model.block_relative_error_["3"], abs=1e-5)
    left = answers.residuals.of_blocks()
    found = dict(zip(left["block"], left["residual"], strict=True))
    for name, error in result.model.block_relative_error_.items():
        assert found[name] == pytest.approx(error, rel=1e-4)


def test_nothing_looks_at_labels_that_are_not_given(result, images):
    answers = ask(result, images)
    assert "class" not in answers.patterns.table().columns
    assert "class" not in answers.units["1"].table().columns
    assert not any(name.startswith("labels") for name in answers.tables())
    with pytest.raises(ValueError, match=r"cannot be said without labels; give them: ask\(\.\.\., labels=\)"):
        _ = answers.label_errors


def test_with_labels_every_table_is_written(result, images, tmp_path):
    labels = np.arange(60) % 3
    answers = ask(result, images, labels=labels, class_names=["a", "b", "=c"])
    paths = answers.save(tmp_path)
    assert {path.stem for path in paths} == {
        "patterns", "residuals", "added", "units-1", "units-3", "channels-3", "labels-factors", "labels-network",
        "labels-pixels",
    }  # fmt: skip
    rows = {path.stem: list(csv.reader(path.read_text().splitlines())) for path in paths}
    assert {name: len(own) - 1 for name, own in rows.items() if name != "labels-network"} == {
        "patterns": 3, "added": 3, "residuals": 60, "units-1": 4, "units-3": 48, "channels-3": 3, "labels-factors": 60,
        "labels-pixels": 60,
    }  # fmt: skip
    assert "'=c" in {cell for row in rows["labels-pixels"] for cell in row}, "a name is no formula"
    assert answers.label_errors["network"].out_of_sample is False


def fixed_scores(result, n_outputs, n=60):
    scores = np.random.default_rng(1).normal(size=(n, n_outputs)).astype(np.float32)
    return replace(result, scores=scores), np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)


def test_outputs_are_taken_by_the_number_of_the_class(result, images):
    other, softmax = fixed_scores(result, 4)
    gaps = np.array([0, 1, 3])[np.arange(60) % 3]
    found = ask(other, images, labels=gaps, unseen=True)
    assert found.missing_sources == {}
    network = found.label_errors["network"]
    assert network.classes == ("0", "1", "3")
    assert network.out_of_sample
    present = softmax[:, [0, 1, 3]]
    np.testing.assert_allclose(network.probabilities, present / present.sum(axis=1, keepdims=True), rtol=1e-6)
    named = ask(other, images, labels=np.arange(60) % 2, class_names=list("abcd")).label_errors["network"]
    np.testing.assert_allclose(named.probabilities, softmax, rtol=1e-6)


def test_a_source_that_is_not_there_says_why(result, images):
    gaps = np.array([0, 1, 3])[np.arange(60) % 3]
    answers = ask(result, images, labels=gaps)
    assert set(answers.label_errors) == {"factors", "pixels"}, "output 2 is not class 3"
    assert answers.missing_sources == {
        "network": "the network has 3 outputs for 4 classes (the largest label is the last); class_names= says how "
        "many there are"
    }
    few = ask(result, images, labels=np.arange(60) % 2)
    assert "3 outputs for 2 classes" in few.missing_sources["network"]
    assert "network" in ask(result, images, labels=np.arange(60) % 2, class_names=list("abc")).label_errors
    named = ask(result, images, labels=np.arange(60) % 2, class_names=list("abcd"))
    assert named.missing_sources["network"] == "the network has 3 outputs for 4 classes, of which there are names"
    assert "counted from 0" in ask(result, images, labels=np.arange(60) % 3 - 1).missing_sources["network"]
    assert set(ask(result, images).missing_sources) == {"factors", "network", "pixels"}
    bare = ask(replace(result, scores=None), images, labels=gaps)
    assert "no scores" in bare.missing_sources["network"]


def test_what_takes_further_fits(result, images):
    answers = ask(result, images)
    use = answers.use.table()
    assert use["block"] == ("pixels", "1", "3", "all")
    assert all(own >= floor for own, floor in zip(use["relative error"], use["SVD floor"], strict=True))
    assert len(answers.stability.verdicts) == 3
    assert answers.head.module == "5"
    assert answers.added.shape == (3, 3)
    assert answers.causes(data=images[:20], n_shuffles=2).change.shape == (3, 3)


def test_units_of_a_pooled_layer_are_what_it_was_pooled_to(result, images):
    units = ask(result, images).units
    assert (units["1"].neurons.kind, units["1"].channels) == ("channel", None)
    assert units["1"].table().columns[:2] == ("channel", "rate")
    assert (units["3"].neurons.kind, units["3"].channels.kind) == ("neuron", "channel")
    pooled = probe(network(), images, n_components=3, negative={"3": "shift"}, pool={"1": "token", "3": "max"})
    units = ask(pooled, images).units
    assert (units["1"].neurons.kind, units["3"].neurons.kind) == ("place", "channel")


def test_units_of_a_wide_layer_are_not_compared(result, images, monkeypatch):
    monkeypatch.setattr("cnn_probe.measures.answering.of_units.MOST_UNITS", 47)
    units = ask(result, images).units
    assert units["1"].neurons.compared
    assert not units["3"].neurons.compared
    assert set(units["3"].table()["redundant"]) == {None}


def test_each_answer_is_found_once(result, images, monkeypatch):
    answers = ask(result, images)
    assert answers.units is answers.units
    passes = []
    own = interventions.scores_after
    monkeypatch.setattr(interventions, "scores_after", lambda *a, **k: passes.append(1) or own(*a, **k))
    _ = answers.patterns, answers.residuals, answers.units, answers.shares
    assert not passes


def test_other_inputs_and_labels_that_do_not_fit_are_refused(result, images):
    with pytest.raises(ValueError, match=r"data are not those that were probed: their fingerprint is [0-9a-f]{16}"):
        ask(result, images.flip(0))
    with pytest.raises(ValueError, match=r"labels must be 60 whole numbers, got int64 of shape \(59,\)"):
        ask(result, images, labels=np.zeros(59, dtype=np.int64))


def test_two_networks_in_one_fit_by_what_the_package_shows(result, images):
    other = probe(network(), images, n_components=3, negative={"3": "shift"}, pool={"1": "mean"}, random_state=1)
    answers, others = ask(result, images), ask(other, images)
    X = joint_blocks(answers.X, others.X)
    fits = rank_path(X, [3], n_init=2, estimator=CoupledNMF(block_weights="balanced", random_state=0)).fits
    found = joint_use(X, fits[0].model, fits[0].F, starts=[(fit.model, fit.F) for fit in fits[1:]])
    assert found.one_sided == ("", "", ""), "it is the same network"
    starts = refits(answers.X, result.model, 2)
    assert [F.shape for F in starts] == [(60, 3)] * 2
    assert compare(result, other, starts_a=starts, starts_b=starts).lost == ()


def test_answers_are_saved_in_a_folder_that_is_made(result, images, tmp_path):
    paths = ask(result, images).save(tmp_path / "a" / "b")
    assert paths
    assert all(path.stat().st_size > 10 for path in paths)


def test_accuracy_is_known_only_where_outputs_are_the_classes_of_the_labels(result, images):
    labels = np.arange(60) % 3
    answers = ask(result, images, labels=labels, class_names=["a", "b", "c"])
    assert answers.accuracy == pytest.approx(np.mean(result.predictions == labels))
    assert list(answers.output_names) == ["a", "b", "c"]
    other = ask(result, images, labels=labels, class_names=["a", "b", "c", "d"])
    assert other.accuracy is None
    assert other.output_names is None
    assert "for 4 classes" in other.missing_sources["network"]


def test_what_takes_fits_says_how_far_it_is(result, images):
    heard = []
    answers = ask(result, images, watch=lambda what, done, total: heard.append((what, done, total)))
    answers.stability  # noqa: B018 (it is asked for)
    assert heard[-1][0] == "which factors come out again"
    assert heard[-1][1] == heard[-1][2] > 1


class Named(torch.utils.data.Dataset):
    """Pictures whose classes have names, as datasets of torchvision have them."""

    def __init__(self, images, classes):
        self.images, self.classes = images, classes

    def __len__(self):
        return len(self.images)

    def __getitem__(self, number):
        return self.images[number], number % 3


def test_names_of_classes_that_the_data_bring_along_are_taken(images):
    data = Named(images, ["cat", "dog", "eel"])
    found = probe(network(), data, n_components=2, negative="clip")
    assert ask(found, data, labels=found.labels).class_names == ("cat", "dog", "eel")
    loader = torch.utils.data.DataLoader(data, batch_size=20)
    assert ask(found, loader, labels=found.labels).class_names == ("cat", "dog", "eel")
    assert ask(found, data, labels=found.labels, class_names=["x", "y", "z"]).class_names == ["x", "y", "z"]
    assert ask(found, data).class_names is None
    assert ask(found, data, labels=2 - found.labels).class_names is None, "other labels than the data's"
    for odd in (["cat", "dog"], [("cat",), ("dog",), ("eel",)], None):
        data.classes = odd
        assert ask(found, data, labels=found.labels).class_names is None


class Random(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.act = nn.Conv2d(1, 4, 3), nn.ReLU()
        self.second, self.end = nn.Conv2d(4, 3, 3), nn.ReLU()

    def forward(self, images):
        return self.end(self.second(nn.functional.dropout(self.act(self.first(images)), 0.1))).flatten(1)


def test_a_network_that_is_random_in_evaluation_mode_is_told_of(images):
    found = probe(Random(), images, n_components=2)
    with pytest.warns(UserWarning, match="gives other activations from layer 'end' on") as heard:
        ask(found, images)
    assert len(heard) == 1
    recorded = record(found.prepare(images), shifts=found.minima)
    ask(found, images, recorded=recorded)  # what was factored is at hand: nothing to say
