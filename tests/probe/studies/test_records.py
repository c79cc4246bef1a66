"""What studies leave on disk: whole, checked when it is read, and made anew where it is damaged."""

import json
from dataclasses import replace
from pathlib import Path

import kills
import numpy as np
import pytest

from cnn_probe import cli
from cnn_probe.data.datasets import load_dataset
from cnn_probe.report import publish
from cnn_probe.studies import STUDIES, Settings, making
from cnn_probe.studies.record import NetworkRecord
from cnn_probe.studies.records import write_record
from cnn_probe.studies.runner import run_studies
from cnn_probe.system.locks import only_one

SETTINGS = Settings(ranks=(2,), seeds=(0,), max_iter=5)
ORDER, FRACTION = STUDIES["order"], STUDIES["fraction"]


def few(full):
    return replace(full, train=full.train.subset(list(range(130))), test=full.test.subset(list(range(50))))


@pytest.fixture(scope="module")
def data():
    return few(load_dataset("digits"))


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("finished")
    return out, run_studies([ORDER], data, SETTINGS, out)


def copy_of(finished, tmp_path):
    out = tmp_path / "out"
    (out / "networks").mkdir(parents=True)
    for path in (finished[0] / "networks").iterdir():
        (out / "networks" / path.name).write_bytes(path.read_bytes())
    return out


def altered(change):
    """A damage of the record's content."""

    def damage(path):
        record = json.loads(path.read_text())
        change(record)
        path.write_text(json.dumps(record))

    return damage


def swap_arrays(path):
    other = next(p for p in path.parent.glob("*.npz") if p.stem != path.stem)
    path.with_suffix(".npz").write_bytes(other.read_bytes())


def cut_arrays(path):
    arrays = path.with_suffix(".npz")
    arrays.write_bytes(arrays.read_bytes()[:-200])


def drop_weights(path):
    """Arrays that lack the network's weights, under a record that says that they belong to it."""
    with np.load(path.with_suffix(".npz")) as found:
        rest = {name: array for name, array in found.items() if not name.startswith("weights_")}
    write_record(path, NetworkRecord.from_json(json.loads(path.read_text())), rest)


DAMAGES = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "no JSON": lambda path: path.write_text("finished"),
    "no UTF-8": lambda path: path.write_bytes(b"\xff\xfe{}"),
    "nothing": lambda path: path.write_text("{}"),
    "a list": lambda path: path.write_text("[]"),
    "nested": lambda path: path.write_text("[" * 100_000),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "NaN": altered(lambda record: record.update(accuracy=float("nan"))),
    "another number": altered(lambda record: record.update(accuracy=0.5)),
    "a text for a number": altered(lambda record: record["fits"]["2"].update(rmse="small")),
    "a start less": altered(lambda record: record["balanced"]["2"]["starts"].pop()),
    "no weights": drop_weights,
    "an entry less": altered(lambda record: record.pop("svd_floor")),
    "another rank": altered(lambda record: record["fits"].update({"3": record["fits"].pop("2")})),
    "another key": altered(lambda record: record.update(key="0" * 16)),
    "no arrays": lambda path: path.with_suffix(".npz").unlink(),
    "empty arrays": lambda path: path.with_suffix(".npz").write_bytes(b""),
    "cut arrays": cut_arrays,
    "another's arrays": swap_arrays,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_made_anew_and_named_and_the_rest_is_taken(finished, data, tmp_path, damage, monkeypatch):
    out, heard, measured = copy_of(finished, tmp_path), [], []
    path = min((out / "networks").glob("*.json"))
    DAMAGES[damage](path)
    measure = making.measure_network
    monkeypatch.setattr(making, "measure_network", lambda *given: (measured.append(given[1]), measure(*given))[1])
    if damage == "a folder":
        with pytest.raises(OSError, match=path.name):  # what is no file is not ours to replace
            run_studies([ORDER], data, SETTINGS, out, resume=True, notice=heard.append)
    else:
        again = run_studies([ORDER], data, SETTINGS, out, resume=True, notice=heard.append)
        assert comparable(again) == comparable(finished[1])
    assert len(measured) == 1, "one of the three networks"
    assert len(heard) == 1
    assert path.name in heard[0]
    assert "damaged" in heard[0]


def comparable(results):
    """All that does not depend on how long it took."""
    found = json.loads(json.dumps(results["studies"]))
    for study in found.values():
        for runs in study["records"].values():
            for run in runs:
                for key in ("seconds", "digest"):
                    del run[key]
                del run["training"]["seconds"]
                for fit in (*run["fits"].values(), *run["balanced"].values()):
                    del fit["seconds"]
    return found


def test_without_a_listener_a_damage_is_a_warning(finished, data, tmp_path):
    out = copy_of(finished, tmp_path)
    min((out / "networks").glob("*.json")).write_text("{}")
    with pytest.warns(UserWarning, match="is damaged"):
        run_studies([ORDER], data, SETTINGS, out, resume=True)


def test_a_writer_that_is_killed_leaves_a_record_that_is_whole_or_known_to_be_damaged(tmp_path):
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import json, kills
from dataclasses import replace
from pathlib import Path
import numpy as np
import test_records
from cnn_probe.data.datasets import load_dataset
from cnn_probe.studies import runner
from cnn_probe.studies.record import NetworkRecord
from cnn_probe.studies.records import DamagedRecordError, Shelf, read_record, write_record
from cnn_probe.studies.study import Given

data = test_records.few(load_dataset("digits"))
out = Path({str(tmp_path)!r})
given = Given((13,) * 10, 50, 1)
case = next(iter(runner.cases_of(test_records.ORDER, given, test_records.SETTINGS).values()))[0]
results = runner.run_studies([test_records.ORDER], data, test_records.SETTINGS, out)
path = Shelf(out / "networks", data.fingerprint(), data, test_records.SETTINGS).path(case)
old = json.loads(path.read_text())
arrays = dict(np.load(path.with_suffix(".npz")))
record = NetworkRecord.from_json(old)
new = replace(record, accuracy=0.25)
other = {{name: array + 1 for name, array in arrays.items()}}
found = set()

def check():
    try:
        found.add(read_record(path, data, case, test_records.SETTINGS).accuracy)
    except DamagedRecordError:
        found.add("damaged")
    write_record(path, record, arrays)

n = kills.each(lambda: write_record(path, new, other), check)
print(n >= 8, found == {{old["accuracy"], 0.25, "damaged"}}, len(list((out / "networks").glob("*.json"))))
"""
    assert kills.run(code).split() == ["True", "True", "3"]


@pytest.mark.parametrize("content", ["[]", "{}", "", "null", '{"provenance": 3}'])
def test_a_damaged_page_of_results_is_replaced_and_named(finished, tmp_path, content):
    out, heard = copy_of(finished, tmp_path), []
    (out / "results.json").write_text(content)
    (out / "index.html").write_text("an old page")
    page = publish(finished[1], out, notice=heard.append)
    assert "damaged" in heard[0]
    assert "What the paper claims, and what holds" in page.read_text()
    assert json.loads((out / "results.json").read_text())["studies"].keys() == {"order"}


def test_two_runs_in_one_folder_at_once_are_refused(finished, data, tmp_path, capsys):
    out = copy_of(finished, tmp_path)
    with only_one(out / "networks"), pytest.raises(BlockingIOError, match="another run is writing"):
        run_studies([ORDER], data, SETTINGS, out, resume=True)
    with only_one(out):
        for command in (["study", "order"], ["run"]):
            assert cli.main([*command, "--out", str(out)]) == 2
            assert "another run is writing" in capsys.readouterr().err


def test_a_study_keeps_the_others_of_its_folder_and_its_page(finished, data, tmp_path):
    """With the same data and settings; with others, none is shown beside what it does not belong to."""
    out = copy_of(finished, tmp_path)
    studies = list(STUDIES.values())
    both = run_studies([FRACTION], data, SETTINGS, out, keep=studies)
    assert list(both["studies"]) == ["fraction", "order", "untrained"], "whose networks these have"
    page = publish(both, out).read_text()
    assert "figures/order-rmse.png" in page
    heard = []
    other = run_studies([ORDER], data, replace(SETTINGS, max_iter=6), out, keep=studies)
    assert list(other["studies"]) == ["order", "untrained"], "as before"
    page = publish(other, out, notice=heard.append).read_text()
    assert "other settings" in heard[0]
    assert "fraction-" not in page
    assert not list((out / "figures").glob("fraction-*")), "no figures are left that no page shows"
    assert len(list((out / "networks").glob("*.json"))) > 4, "finished networks stay"


def test_what_cannot_be_is_found_before_anything_is_trained(data, tmp_path, monkeypatch):
    monkeypatch.setattr(making, "measure_network", lambda *given: pytest.fail("it was trained"))
    for change, message in (
        ({"ranks": (10**9,)}, "is the most"),
        ({"init": "nowhere"}, "init"),
        ({"solver": "hals2"}, "solver"),
    ):
        with pytest.raises(ValueError, match=message):
            run_studies([ORDER], data, replace(SETTINGS, **change), tmp_path)
    unlabelled = replace(data, test=replace(data.test, labels=None))
    with pytest.raises(ValueError, match="has no labels"):
        run_studies([ORDER], unlabelled, SETTINGS, tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ranks", (0,)), ("ranks", (2, 2)), ("ranks", ()), ("ranks", (True,)), ("seeds", (-1,)), ("seeds", (2**64,)),
        ("epochs", 0), ("epochs", True), ("max_iter", 0), ("solver", None), ("ranks", np.array([2])),
        ("starts", 0), ("starts", 1.5), ("starts", True),
    ],
)  # fmt: skip
def test_settings_are_checked(name, value):
    with pytest.raises(ValueError, match=f"{name} must be"):
        replace(SETTINGS, **{name: value})
