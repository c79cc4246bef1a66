"""The studies, the page and the command line, on a few small images."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from pages import SVG, addresses_in, document_in, words_of
from studied import network_record, trained

from cnn_probe import cli
from cnn_probe.data import datasets
from cnn_probe.measures.counting.exact import LEVEL
from cnn_probe.networks.paper_net import build_network
from cnn_probe.networks.training import labels_of_training, order_of_training
from cnn_probe.networks.training_plan import TrainingPlan
from cnn_probe.report import draw_figures, publish, study_figures
from cnn_probe.report.document.studies.of_studies import WORDS, chart_id, quality_part, studies_part
from cnn_probe.report.figures.drawings import DRAWINGS
from cnn_probe.studies import STUDIES, Condition, Given, Settings, Study, making
from cnn_probe.studies.measuring import train_network
from cnn_probe.studies.record import NetworkRecord, records_of
from cnn_probe.studies.runner import run_studies

REPRODUCTION = Path(__file__).parents[3] / "docs" / "reproduction"
LITTLE = "all {} networks learned little"
SETTINGS = Settings(ranks=(2, 3), seeds=(0, 1), max_iter=5)


@pytest.fixture(scope="module")
def data(few_digits):
    return few_digits


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("study")
    return out, run_studies(list(STUDIES.values()), data, SETTINGS, out)


@pytest.fixture(scope="module")
def page(finished):
    """Of all studies; their figures are made for it, and drawn in the one test that looks at them."""
    out, results = finished
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study_figures, "file_of", lambda figure, kind: kind.encode())
        return publish(results, out)


def test_every_condition_has_one_record_a_seed(finished, data):
    out, results = finished
    assert list(results) == ["provenance", "finding", "evidence", "quality", "scaling", "studies"]
    given = Given(tuple(data.train.labels.bincount(minlength=10).tolist()), 50, SETTINGS.epochs)
    assert list(results["studies"]) == list(STUDIES)
    plans = []
    for name, study in STUDIES.items():
        records, conditions = results["studies"][name]["records"], study.conditions(given)
        assert list(records) == [condition.label for condition in conditions]
        plans += [(condition.plan, condition.treatment) for condition in conditions]
        for runs in records.values():
            assert [run["training"]["plan"]["seed"] for run in runs] == [0, 1]
            assert set(runs[0]["fits"]) == {"2", "3"}
            assert runs[0]["fits"]["3"]["relative_error"] >= runs[0]["svd_floor"]["3"]
    n_trained = len(set(plans)) * len(SETTINGS.seeds)
    assert len(set(plans)) < len(plans)
    assert len(list((out / "networks").glob("*.json"))) == n_trained, "networks that studies share are trained once"


def test_resume_trains_nothing_again_and_gives_the_same(finished, data, monkeypatch):
    out, results = finished

    def must_not_run(*args):
        raise AssertionError("a finished network was measured again")

    monkeypatch.setattr(making, "measure_network", must_not_run)
    again = run_studies(list(STUDIES.values()), data, SETTINGS, out, resume=True)
    assert json.loads(json.dumps(again)) == json.loads(json.dumps(results))
    with pytest.raises(AssertionError, match="measured again"):
        run_studies([STUDIES["order"]], data, replace(SETTINGS, max_iter=6), out, resume=True)


def test_an_interrupted_study_keeps_what_is_finished(data, tmp_path):
    def interrupt(what, done, total):
        if what == "network" and done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_studies([STUDIES["order"]], data, SETTINGS, tmp_path, progress=interrupt)
    assert len(list((tmp_path / "networks").glob("*.json"))) == 1


def test_page_and_figures_are_drawn(finished, page, data):
    out, results = finished
    drawn = draw_figures(results, data.class_names, out)
    files = [file for pairs in drawn.values() for file, _ in pairs]
    assert len(files) == len(set(files)) >= sum(len(study.figures) for study in STUDIES.values())
    for file in files:
        assert (out / file).stat().st_size > 5000
        assert file in document_in(page)["about"]["files"]
    for name, pairs in drawn.items():
        for file, caption in pairs:
            assert caption.endswith("; 50 test images."), file
            assert ("All 2 seeds (0, 1)" in caption) != ("Seed 0; " in caption), file
            assert "rank 2" in caption or not any(part in file for part in ("latent", "neurons")), name
    assert addresses_in(page) <= {SVG}, "the page must work offline"
    assert "\\x" not in words_of(page), "what the page says itself is no name, and needs no escapes"


def test_the_page_has_every_number_of_the_studies(finished, data):
    results = finished[1]
    parts = dict(zip(results["studies"], studies_part(results), strict=True))
    for name, study in results["studies"].items():
        part, records = parts[name], list(study["records"].values())
        assert [one["label"] for one in part["conditions"]] == list(study["records"])
        told = [{key: one[key] for key in one if key not in ("show", "word")} for one in part["claims"]]
        assert told == study["verdicts"]
        assert [one["word"] for one in part["claims"]] == [WORDS[one["verdict"]] for one in study["verdicts"]]
        rmse, *layers = part["errors"]
        for c, runs in enumerate(records):
            assert part["conditions"][c]["accuracy"] == [run["accuracy"] for run in runs]
            for s, run in enumerate(runs):
                assert rmse["values"][c, s].tolist() == pytest.approx([run["fits"][r]["rmse"] for r in ("2", "3")])
                assert (rmse["floor"][c, s] <= rmse["values"][c, s] + 1e-6).all(), "no fit is below the SVD"
                for layer, found in zip(("relu1", "relu2"), layers, strict=True):
                    balanced = [run["balanced"][r]["block_relative_error"][layer] for r in ("2", "3")]
                    assert found["values"][c, s].tolist() == pytest.approx(balanced)
                    assert (found["floor"][c, s] <= found["values"][c, s] + 1e-6).all(), "no fit is below the SVD"
            assert part["spectra"][0]["values"][c, 0][0] == pytest.approx(runs[0]["singular_values"]["relu1"][0])
        assert len(part["spectra"][1]["reference"]) == 2, "untrained networks of both seeds"
    everything = {
        one["look"] for part in parts.values() for one in part["conditions"] if one["label"] in ("100%", "all")
    }
    assert everything == {0}, "one colour in all studies"
    signed = {
        "finding": "It moves by -0.3",
        "evidence": [{"control": "steps", "speaks_for": True, "text": "-2 to 3-4"}],
    }
    told = quality_part({**results, **signed})
    assert (told["finding"], told["evidence"][0]["text"]) == ("It moves by −0.3", "−2 to 3-4"), "a minus, as on a page"


def test_verdicts_come_first_and_lead_to_their_studies(finished, page):
    results = finished[1]
    found = document_in(page)
    assert words_of(page).index(found["about"]["lead"][0]) < words_of(page).index("Verdicts")
    assert results["finding"].startswith(found["about"]["lead"][0].rstrip("."))
    first, *others = found["cards"]
    assert first["show"] == "study-finding"
    assert [card["show"] for card in others] == [
        chart_id(name, "recognized" if name == "orders" else "rmse")
        for name, study in results["studies"].items()
        if study["verdicts"]
    ]
    for card, study in zip(others, (one for one in results["studies"].values() if one["verdicts"]), strict=True):
        number = f"{sum(one['verdict'] == 'reproduced' for one in study['verdicts'])} of {len(study['verdicts'])}"
        few = min(one["least_chance"] for one in study["verdicts"]) > LEVEL
        none = few or all(one["verdict"] == "undecided" for one in study["verdicts"])
        assert card["number"] == ("undecided" if none else number)
        assert not none or card["answer"].startswith(f"{number} of the paper's claims")
        little = sum(run.learned_little for runs in records_of(study).values() for run in runs)
        assert (f"{little} of them learned little" in card["sure"]) is (little > 0)


def test_a_fourth_study_is_a_study_and_a_line(data, tmp_path, monkeypatch):
    def conditions(given):
        return (
            Condition("two classes", TrainingPlan(classes=(0, 1), epochs=given.epochs), 0),
            Condition("all of it", TrainingPlan(epochs=given.epochs), 1),
        )

    fourth = Study("fourth", "A fourth study", conditions, ("rmse", "latent images", "overlap"))
    monkeypatch.setitem(STUDIES, "fourth", fourth)
    monkeypatch.setattr(datasets, "load_dataset", lambda *arguments, **options: data)
    asked = ["study", "fourth", "--ranks", "2", "--seeds", "0", "--max-iter", "5", "--epochs", "1"]
    assert cli.main([*asked, "--out", str(tmp_path)]) == 0
    page = (tmp_path / "index.html").read_text()
    assert "A fourth study" in page
    drawn = ["fourth-latent-all-of-it", "fourth-latent-two-classes", "fourth-overlap", "fourth-rmse"]
    pictures = {path.name for path in (tmp_path / "figures").iterdir()}
    assert pictures == {f"{name}.{kind}" for name in drawn for kind in ("png", "svg")}
    files = document_in(page)["about"]["files"]
    assert all(f"figures/{name}.png" in files for name in drawn)


@pytest.mark.parametrize(
    ("accuracies", "plan", "little"),
    [
        ({0: 0.1, 1: 0.6}, {}, True),
        ({0: 0.9, 1: 0.6}, {}, False),
        ({0: 0.9, 1: 0.0}, {"classes": (0,)}, True),  # a network that knows one class has to know it always
        ({0: 1.0, 1: 0.0}, {"classes": (0,)}, False),
        ({0: 0.9, 1: 0.8, 2: 0.0}, {"classes": (0, 1)}, False),
        ({0: 1.0, 1: 0.0}, {"order": (1, 0)}, False),
        ({0: 0.1, 1: 0.1}, {"max_steps": 0}, False),
        ({0: 0.1, 1: 0.1}, {"shuffle_labels": True}, False),
    ],
)
def test_a_network_is_judged_by_the_classes_that_it_was_trained_on(accuracies, plan, little):
    assert network_record(class_accuracy=accuracies, training=trained(**plan)).learned_little == little


def test_networks_that_learned_little_are_told_of_and_their_verdicts_marked(
    data, tmp_path, monkeypatch, capsys, unrendered
):
    monkeypatch.setattr(datasets, "load_dataset", lambda *arguments, **options: data)
    asked = ["study", "fraction", "--ranks", "2", "--seeds", "0", "--max-iter", "5"]
    assert cli.main([*asked, "--epochs", "1", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().err
    assert "study fraction: 1 of 1 networks trained on 25% have learned little (accuracy " in said
    assert "train longer (--epochs)" in said
    (study,) = document_in(tmp_path / "index.html")["studies"]
    assert [one["little"] for one in study["conditions"]] == [1, 1, 1, 1]
    assert {one["little"] for one in study["claims"]} == {4}
    assert {(one["verdict"], one["reason"]) for one in study["claims"]} == {("undecided", LITTLE.format(4))}
    assert {one["counted"] for one in study["claims"]} == {
        "pairs of networks of one seed, one of them trained on more images"
    }
    (verdict,) = document_in(tmp_path / "index.html")["cards"]
    assert verdict["number"] == "undecided"
    assert "4 of them learned little" in verdict["sure"]
    assert "It has learned little" in words_of(tmp_path / "index.html")
    assert cli.main([*asked, "--epochs", "60", "--out", str(tmp_path / "long")]) == 0
    assert "100% have learned little" not in capsys.readouterr().err


def test_progress_begins_with_how_many_networks_there_are(data, tmp_path):
    told = []
    run_studies([STUDIES["order"]], data, SETTINGS, tmp_path, progress=lambda *what: told.append(what))
    assert told[0] == ("network", 0, 6)


def test_studies_name_figures_that_there_are(data, tmp_path):
    assert all(set(study.figures) <= set(DRAWINGS) for study in STUDIES.values())
    odd = {"provenance": {"settings": {}}, "studies": {"odd": {"records": {}, "figures": ["pie"]}}}
    with pytest.raises(ValueError, match="study odd names the figure 'pie'; there are rmse"):
        draw_figures(odd, data.class_names, tmp_path)
    assert list(tmp_path.iterdir()) == [], "nothing was begun"


def test_no_two_figures_have_one_file(data, tmp_path, monkeypatch):
    stems = [drawing.keywords["stem"] for drawing in DRAWINGS.values() if isinstance(drawing, partial)]
    assert len(set(stems)) == len(stems) == 3
    odd = {"provenance": {"settings": {}}, "studies": {"odd": {"records": {}, "figures": ["rmse", "rmse"]}}}
    with pytest.raises(ValueError, match="study odd names the figure 'rmse' twice"):
        draw_figures(odd, data.class_names, tmp_path)
    for name in ("one", "two"):
        monkeypatch.setitem(DRAWINGS, name, lambda material: iter([("same", "", Figure())]))
    odd["studies"]["odd"]["figures"] = ["one", "two"]
    with pytest.raises(ValueError, match="study odd has two figures 'same'"):
        draw_figures(odd, data.class_names, tmp_path)


def test_the_classes_of_a_study_are_on_the_page_as_its_figures_name_them(finished):
    out, results = finished
    shown = dict(zip(results["studies"], studies_part(results, out), strict=True))
    for name, part in shown.items():
        named = {"groups", "firing", "overlap", "recognized"} & {*results["studies"][name]["figures"]}
        assert (part["classes"] is None) == (not named), name
    found, records = shown["order"]["classes"], results["studies"]["order"]["records"]
    assert found["names"] == list("0123456789")
    assert found["firing"]["of"] == "relu2, seed 0"
    for c, runs in enumerate(records.values()):
        arrays = np.load(out / "networks" / f"{runs[0]['key']}.npz")
        rates = arrays["firing_relu2"]
        fires, shape = rates > 0.5, found["firing"]["rates"][c].shape
        assert shape == (10, *arrays["components_relu2"].shape[1:])
        np.testing.assert_allclose(found["firing"]["rates"][c].reshape(rates.shape) / 255, rates, atol=0.5 / 255)
        assert found["firing"]["counts"][c] == fires.sum(axis=1).tolist()
        assert found["firing"]["own"][c] == (fires & (fires.sum(axis=0) == 1)).sum(axis=1).tolist()
        group = found["firing"]["groups"][c].reshape(rates.shape)
        assert ((group > 0) == fires).all(), "what does not fire is black"
        assert (group[fires & (fires.sum(axis=0) == 1)] == 255).all(), "what is of one class alone is brightest"
        np.testing.assert_allclose(found["overlap"][c], np.mean([run["firing_overlap"] for run in runs], axis=0))
    (known,) = found["recognized"]
    assert (known["label"], known["order"]) == ("class by class", [9, *range(9)])
    runs = records["class by class"]
    assert known["known"] == pytest.approx(
        [np.mean([run["class_accuracy"][str(i)] for run in runs]) for i in known["order"]]
    )


def test_a_record_comes_back_from_json_as_it_was():
    record = network_record()
    written = record.to_json()
    assert NetworkRecord.from_json(json.loads(json.dumps(written))) == record
    assert json.loads(json.dumps(written)) == written
    assert [(block.name, block.layer) for block in record.blocks] == [
        ("pixels", None), ("relu1", "relu1"), ("relu2", "relu2"),
    ]  # fmt: skip


def test_results_of_an_earlier_version_can_be_shown():
    """Those in the documentation."""
    results = json.loads((REPRODUCTION / "results.json").read_text())
    shown = dict(zip(results["studies"], studies_part(results), strict=True))
    assert {name: len(part["conditions"]) for name, part in shown.items()} == {
        name: len(study["records"]) for name, study in results["studies"].items()
    }
    drawn = [path.name for path in (REPRODUCTION / "figures").iterdir()]
    of_studies = {name: [file for file in drawn if file.startswith(f"{name}-")] for name in shown}
    assert all(of_studies[name] for name, study in results["studies"].items() if study["figures"]), "as they ask"
    assert sum(map(len, of_studies.values())) == len(drawn), "and nothing else"


def test_every_start_is_told_and_the_first_is_reported(data, tmp_path, monkeypatch, unrendered):
    monkeypatch.setattr(datasets, "load_dataset", lambda *arguments, **options: data)
    asked = ["study", "order", "--ranks", "3", "--seeds", "0", "--epochs", "1", "--max-iter", "5", "--starts", "3"]
    assert cli.main([*asked, "--out", str(tmp_path)]) == 0
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["provenance"]["settings"]["starts"] == 3
    for (run,) in results["studies"]["order"]["records"].values():
        for fits in (run["fits"], run["balanced"]):
            starts = fits["3"]["starts"]
            assert len(set(starts)) == 3, "starts that differ end at errors that differ"
            assert fits["3"]["relative_error"] == starts[0]


def test_a_balanced_fits_error_is_the_mean_over_the_blocks_and_a_raw_ones_is_weighed_by_energy(finished):
    for study in finished[1]["studies"].values():
        for run in (one for runs in study["records"].values() for one in runs):
            sizes = {"pixels": 784, "relu1": 1440, "relu2": 320}
            energy = {name: run["root_mean_square"][name] ** 2 * size for name, size in sizes.items()}
            for rank in ("2", "3"):
                by_block, balanced = run["fits"][rank]["block_relative_error"], run["balanced"][rank]
                weighed = sum(energy[name] * error for name, error in by_block.items()) / sum(energy.values())
                assert run["fits"][rank]["relative_error"] == pytest.approx(weighed, rel=1e-4)
                of_blocks = list(balanced["block_relative_error"].values())
                assert balanced["relative_error"] == pytest.approx(np.mean(of_blocks), rel=1e-4)


def test_accuracy_on_what_was_trained_on_is_by_the_labels_trained_on(data):
    """An untrained network is right as often as what it says was to be learned."""
    plan = TrainingPlan(shuffle_labels=True, n_images=40, seed=3, max_steps=0)
    labels = labels_of_training(data.train.labels, plan)
    chosen = order_of_training(labels, plan)
    with torch.no_grad():
        said = build_network(1, 28, 10, seed=3)(data.train.images[chosen]).argmax(dim=1)
    right = (said == labels[chosen]).double().mean().item()
    assert right not in (0, (said == data.train.labels[chosen]).double().mean().item())
    found = train_network(data, plan, lambda *told: None)
    assert found.train_accuracy == pytest.approx(right)
    assert found.training["final_loss"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "mnits"], "mnits"),
        (["--data", "mnist", "--data-root", "nowhere"], "nowhere"),
        (["--ranks", "0"], "a rank is 1 or more"),
        (["--starts", "0"], "a number of starts is 1 or more"),
    ],
)
def test_command_line_says_what_is_wrong(arguments, message, tmp_path, capsys):
    assert cli.main(["study", "order", *arguments, "--out", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err


def test_an_output_that_cannot_be_written_is_found_first(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert cli.main(["run", "--out", str(tmp_path / "file" / "below")]) == 2
    assert "choose another folder" in capsys.readouterr().err
