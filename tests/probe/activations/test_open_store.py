"""Recordings on disk as Blocks, and parts of them that several processes write."""

import json
import pickle
from contextlib import suppress

import numpy as np
import pytest
import torch
from stored import BESIDE, BLOCKS, ROWS, N, check_whole, record
from stored import open_store as begin
from torch import nn

import cnn_probe.activations.store.part as part_module
from cnn_probe import open_store, probe
from cnn_probe.activations.store import Shifted, StorePart, WrittenPart, kept_arrays
from cnn_probe.system.mapped import as_mapped, map_array, place_in_file

MINIMA = ROWS["relu1"].min(axis=0)


def finished(folder, **facts):
    with begin(folder, facts) as store:
        record(store)
        store.finish({"relu1": MINIMA})
    return store


def test_a_recording_is_blocks(tmp_path):
    path = finished(tmp_path).path
    for folder in (tmp_path, str(tmp_path), path):
        X = open_store(folder)
        assert X.names == tuple(BLOCKS)
        assert isinstance(X["relu1"], Shifted)
        np.testing.assert_array_equal(X["relu1"][:], ROWS["relu1"] - MINIMA)
        np.testing.assert_array_equal(X["layer.1 (negative)"], ROWS["layer.1 (negative)"])
        again = pickle.loads(pickle.dumps(X))
        np.testing.assert_array_equal(again.to_array(), X.to_array())


def test_what_cannot_be_opened(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*missing; name the one that a probe had"):
        open_store(tmp_path / "missing")
    with pytest.raises(FileNotFoundError, match="nothing is recorded in"):
        open_store(tmp_path)
    with begin(tmp_path / "begun") as store:
        record(store, stop=12)
    with pytest.raises(ValueError, match=r"is not finished: 12 rows are there; probe\(\) with the same store= goes on"):
        open_store(tmp_path / "begun")
    path = finished(tmp_path / "two").path
    finished(tmp_path / "two", network="another")
    with pytest.raises(ValueError, match=rf"2 recordings lie in .*; name one of .*{path.name}.*open_store\('"):
        open_store(tmp_path / "two")
    assert open_store(path).shape == (N, 8)


@pytest.mark.parametrize("file", ["store.json", "000-relu1.npy"])
def test_what_is_damaged(tmp_path, file):
    path = finished(tmp_path).path / file
    content = path.read_bytes()
    path.write_bytes(content[:-3])
    with pytest.raises(ValueError, match=rf"is damaged: {file} .*; probe\(\) with the same store= makes it anew"):
        open_store(tmp_path)
    path.unlink()
    with pytest.raises((ValueError, FileNotFoundError), match=r"cannot be read|nothing is recorded"):
        open_store(tmp_path)


def test_a_store_that_does_not_say_what_is_in_it(tmp_path):
    """As earlier versions wrote them: a probe finds them, and that is all."""
    store = finished(tmp_path)
    found = json.loads((store.path / "store.json").read_text())
    del found["body"]["arrays"]
    found["sha256"] = part_module.hashlib.sha256(json.dumps(found["body"], sort_keys=True).encode()).hexdigest()
    (store.path / "store.json").write_text(json.dumps(found))
    with begin(tmp_path, {}) as again:
        assert again.finished
        assert list(again.arrays()) == list(BLOCKS)
    with pytest.raises(ValueError, match="does not say what is in it; delete the folder"):
        open_store(tmp_path)


def test_maps_that_are_pickled_by_name(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(30_000.0).reshape(-1, 3))
    mapped = map_array(tmp_path / "a.npy")
    for rows, small in [(mapped, True), (mapped[5:][2:9], True), (mapped[:, 1:], False), (mapped[[3, 1]], False)]:
        sent = pickle.dumps(rows)
        assert not small or len(sent) < 300
        np.testing.assert_array_equal(pickle.loads(sent), rows)
    assert type(mapped + 1) is np.ndarray
    assert type(mapped[[0]]) is np.ndarray
    assert isinstance(mapped.sum(), float)
    assert place_in_file(mapped.copy()) is None
    plain = np.load(tmp_path / "a.npy", mmap_mode="r+")
    plain[0] = 7
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(as_mapped(plain[:2]))), [[7, 7, 7], [3, 4, 5]])


def write_part(store, start, stop, batch=4):
    """As a worker does."""
    with StorePart(store.path, kept_arrays(BLOCKS, BESIDE), start) as part:
        for first in range(start, stop, batch):
            rows = slice(first, min(first + batch, stop))
            for name, values in ROWS.items():
                part.write(name, rows, values[rows])
            part.commit(rows.stop, {"minima": ROWS["relu1"][rows].min(axis=0)})
    return part.written


def test_parts_in_any_order_are_the_whole(tmp_path):
    kept = kept_arrays(BLOCKS, BESIDE)
    with begin(tmp_path) as store:
        for start, stop in [(16, N), (4, 16), (0, 4)]:
            write_part(store, start, stop)
    assert [(part.start, part.stop) for part in WrittenPart.all_in(store.path, kept)] == [(0, 4), (4, 16), (16, N)]
    assert len(WrittenPart.all_in(store.path, kept)[1].running()) == 3
    with begin(tmp_path) as again:
        assert again.rows_done == 0
        again.adopt(N, {"minima": MINIMA})
        again.finish()
        assert not list(store.path.glob("part-*"))
    check_whole(again)


def test_parts_that_do_not_count(tmp_path):
    """Of files that are too short, that are damaged, or whose store was made anew meanwhile."""
    kept = kept_arrays(BLOCKS, BESIDE)
    with begin(tmp_path) as store:
        write_part(store, 4, 8)
        write_part(store, 8, 16)
        first, second = sorted(store.path.glob("part-*"))
        first.write_text(first.read_text().replace("[4, 8", "[0, 8"))
        assert [part.start for part in WrittenPart.all_in(store.path, kept)] == [8]
        with open(store.path / "000-relu1.npy", "r+b") as file:
            file.truncate(200)
        assert WrittenPart.all_in(store.path, kept) == []
        second.unlink()
        part = StorePart(store.path, kept, 0).__enter__()
        (store.path / "000-relu1.npy").unlink()
        with pytest.raises(RuntimeError, match="made anew while"):
            part.__exit__(None, None, None)


def test_a_part_that_fails_is_not_there(tmp_path):
    with begin(tmp_path) as store:
        with suppress(KeyError), StorePart(store.path, store.kept, 0) as part:
            part.write("relu1", slice(0, 4), ROWS["relu1"][:4])
            raise KeyError
        assert WrittenPart.all_in(store.path, store.kept) == []
        record(store)
        store.finish()
    check_whole(store)


NETWORK = nn.Sequential(nn.Flatten(), nn.Linear(64, 3), nn.ReLU())
PICTURES = torch.rand(60, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def test_recording_on_workers_needs_a_place_and_a_cluster(tmp_path):
    for how, error, message in [
        ({"record_on": "there"}, ValueError, "record_on must be 'here' or 'workers', got 'there'"),
        ({"record_on": "workers"}, ValueError, r"record_on='workers' needs store=, a folder that this process and all"),
        ({"record_on": "workers", "store": tmp_path}, RuntimeError, r"record_on='workers' needs a cluster.*Client\(\)"),
        ({"backend": "dask"}, RuntimeError, "backend='dask' needs a cluster"),
        ({"backend": "elsewhere"}, ValueError, "backend"),
        ({"checkpoint": tmp_path, "random_state": None}, ValueError, "checkpoint needs a whole number as random_state"),
    ]:
        with pytest.raises(error, match=message):
            probe(NETWORK, PICTURES, n_components=2, **how)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_probe_goes_on_from_its_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr("coupled_nmf.fit.checkpoint.ITERATIONS", 5)
    monkeypatch.setattr("coupled_nmf.fit.checkpoint.SHARE", 1e9)
    how = {"n_components": 2, "tol": 0, "max_iter": 40, "init": "random"}
    expected = probe(NETWORK, PICTURES, **how, checkpoint=tmp_path / "whole")
    seen = []

    def cut_off(what, done, total):
        seen.append((what, done))
        if what == "fitting" and done == 22:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        probe(NETWORK, PICTURES, **how, checkpoint=tmp_path / "cut", progress=cut_off)
    seen.clear()
    told = lambda what, done, total: seen.append((what, done))  # noqa: E731
    again = probe(NETWORK, PICTURES, **how, checkpoint=tmp_path / "cut", progress=told)
    assert min(done for what, done in seen if what == "fitting") > 1, "it began anew"
    np.testing.assert_array_equal(again.F, expected.F)
    np.testing.assert_array_equal(again.model.components_, expected.model.components_)
    assert (again.model.random_state, again.model.checkpoint) == (0, None)
