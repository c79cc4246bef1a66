"""Studies from Python: what the command line finds, as a table and a page."""

import json

import pytest
from pages import document_in

from cnn_probe import cli, load_dataset, study
from cnn_probe.data import datasets
from cnn_probe.studies import making


@pytest.fixture(scope="module")
def found(few_digits, tmp_path_factory):
    with pytest.warns(UserWarning, match=r"have learned little .*train longer \(epochs=\)"):
        return study(
            ["untrained", "fraction"],
            few_digits,
            tmp_path_factory.mktemp("studied"),
            ranks=[2, 3],
            seeds=[0],
            epochs=1,
            max_iter=5,
        )


def test_it_finds_what_the_command_line_finds(found, few_digits, tmp_path, monkeypatch, unrendered):
    monkeypatch.setattr(datasets, "load_dataset", lambda *arguments, **options: few_digits)
    asked = ["--ranks", "2,3", "--seeds", "0", "--epochs", "1", "--max-iter", "5", "--out", str(tmp_path)]
    for name in ("fraction", "untrained"):
        assert cli.main(["study", name, "--resume", *asked]) == 0
    typed = json.loads((tmp_path / "results.json").read_bytes())
    assert {name: one["verdicts"] for name, one in typed["studies"].items()} == {
        name: json.loads(json.dumps(one["verdicts"])) for name, one in found.results["studies"].items()
    }
    assert typed["provenance"]["settings"] == json.loads(json.dumps(found.results["provenance"]["settings"]))


def test_its_table_has_a_row_a_claim(found):
    table, studies = found.table(), found.results["studies"]
    assert len(table) == len(found.claims) == sum(len(one["verdicts"]) for one in studies.values())
    assert set(table["study"]) == {"untrained", "fraction"}
    for row, claim in zip(table.rows(), found.claims, strict=True):
        assert dict(zip(table.columns, row, strict=True)) == {name: claim[name] for name in table.columns}
    assert repr(found).startswith("StudyResult(untrained, fraction; ")
    assert "<table>" in found._repr_html_()


def test_its_page_is_one_file_for_which_nothing_is_trained_again(found, tmp_path, monkeypatch):
    monkeypatch.setattr(making, "measure_network", lambda *given: pytest.fail("it was trained again"))
    page = found.save_page(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]
    document = document_in(page)
    assert [len(one["claims"]) for one in document["studies"]] == [
        len(one["verdicts"]) for one in found.results["studies"].values()
    ]
    assert [one["label"] for one in document["results"]], "with patterns"
    assert found.save_page(tmp_path / "own.html", images=False).name == "own.html"


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"names": "fractoin"}, ValueError, "names must be of fraction, .*, or all, got 'fractoin'"),
        ({"names": []}, ValueError, "names must be"),
        ({"data": "digits"}, TypeError, "data must be ImageData, as load_dataset returns it, got str"),
        ({"ranks": (0,)}, ValueError, "ranks must be"),
        ({"ranks": (10_000,)}, ValueError, "is the most"),
    ],
)
def test_what_cannot_be_is_refused(change, error, message, tmp_path):
    asked = {"names": "fraction", "data": load_dataset("digits"), "out": tmp_path / "out", "epochs": 1, **change}
    with pytest.raises(error, match=message):
        study(**asked)
    assert not (tmp_path / "out").exists()
