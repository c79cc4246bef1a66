"""What else is told of networks of studies: made once, checked, and made anew without training."""

import json
from dataclasses import replace

import numpy as np
import pytest

from cnn_probe.networks.training import evaluate
from cnn_probe.studies import STUDIES, Settings, measuring
from cnn_probe.studies.record import records_of
from cnn_probe.studies.records import DamagedRecordError, read_page
from cnn_probe.studies.runner import run_studies

SETTINGS = Settings(ranks=(3, 2), seeds=(0, 1), max_iter=5)
SCALING = STUDIES["scaling"]


@pytest.fixture(scope="module")
def data(few_digits):
    return few_digits


class Teller:
    """Keeps what it is given, and tells the errors of its factorization."""

    def __init__(self):
        self.heard = []

    def __call__(self, probed):
        self.heard.append(probed)
        return json.dumps(probed.result.model.block_rmse_).encode()

    def holds(self, page):
        return True


@pytest.fixture(scope="module")
def told(data, tmp_path_factory):
    out, teller = tmp_path_factory.mktemp("told"), Teller()
    return out, teller.heard, run_studies([SCALING], data, SETTINGS, out, tell_more=teller)


def first_records(results):
    return [runs[0] for runs in records_of(results["studies"]["scaling"]).values()]


def copy_of(told, tmp_path):
    out = tmp_path / "out"
    (out / "networks").mkdir(parents=True)
    for path in (told[0] / "networks").iterdir():
        (out / "networks" / path.name).write_bytes(path.read_bytes())
    return out


def test_networks_of_the_first_seed_are_told_of_as_they_were_measured(told, data):
    out, heard, results = told
    assert len(heard) == 3, "one a condition, of two seeds"
    for probed, record in zip(heard, first_records(results), strict=True):
        assert probed.case.plan.seed == 0
        assert probed.result.F.shape == (50, 3), "the first rank"
        assert probed.result.model.block_rmse_ == record.fits[3].block_rmse
        assert probed.result.accuracy == record.accuracy == evaluate(probed.result.network, probed.data.test).accuracy
        assert probed.recorded.X.names == ("pixels", "relu1", "relu2")
        size = float(np.sqrt(np.mean(np.square(probed.recorded.X["relu1"]))))
        assert size == pytest.approx(record.root_mean_square["relu1"], rel=1e-5), "the network as it was treated"
        page = read_page(out / "networks" / f"{record.key}.json", record)
        assert json.loads(page) == record.fits[3].block_rmse
    others = [runs[1] for runs in records_of(results["studies"]["scaling"]).values()]
    assert [record.page for record in others] == ["", "", ""]
    with pytest.raises(FileNotFoundError, match="nothing else is told"):
        read_page(out / "networks" / f"{others[0].key}.json", others[0])


def test_what_is_told_is_taken_and_what_is_missing_or_another_is_made_anew_untrained(told, data, tmp_path, monkeypatch):
    out = copy_of(told, tmp_path)
    monkeypatch.setattr(measuring, "train_network", lambda *given: pytest.fail("a network was trained"))
    paths = [out / "networks" / f"{record.key}.page" for record in first_records(told[2])]
    paths[0].unlink()
    paths[2].write_bytes(paths[1].read_bytes() + b" ")
    with pytest.raises(DamagedRecordError, match="another network's, or was changed"):
        read_page(paths[2].with_suffix(".json"), first_records(told[2])[2])
    teller = Teller()
    again = run_studies([SCALING], data, SETTINGS, out, resume=True, tell_more=teller)
    assert len(teller.heard) == 2
    for path, record in zip(paths, first_records(again), strict=True):
        found = json.loads(read_page(path.with_suffix(".json"), record))
        assert found == record.fits[3].block_rmse, "the same factorization, to the bit"
    assert [record.page for record in first_records(again)] == [record.page for record in first_records(told[2])]


def test_pages_come_to_records_that_had_none(data, tmp_path, monkeypatch):
    first = run_studies([SCALING], data, SETTINGS, tmp_path)
    monkeypatch.setattr(measuring, "train_network", lambda *given: pytest.fail("a network was trained"))
    teller = Teller()
    second = run_studies([SCALING], data, SETTINGS, tmp_path, resume=True, tell_more=teller)
    assert len(teller.heard) == 3
    for before, after in zip(first_records(first), first_records(second), strict=True):
        assert after.page
        assert replace(after, page="", digest="") == replace(before, digest="")
