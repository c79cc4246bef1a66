"""Rows on disk and in memory: found again, gone on with, refused, and never stale."""

import json

import numpy as np
import pytest
from stored import BESIDE, BLOCKS, FACTS, ROWS, N, check_whole, open_store, record

from cnn_probe.activations.store import Memory, Store, bytes_needed, kept_arrays
from cnn_probe.activations.store.manifest import pack, unpack


@pytest.fixture(params=["disk", "memory"])
def opened(request, tmp_path):
    """Open whatever keeps rows."""

    def open_either(n=N):
        return open_store(tmp_path, n=n) if request.param == "disk" else Memory(BLOCKS, n=n, beside=BESIDE)

    return open_either


@pytest.mark.parametrize("n", [N, None], ids=["n", "unknown n"])
def test_what_is_written_is_there(opened, n, monkeypatch):
    monkeypatch.setattr("cnn_probe.activations.store.memory.FIRST_ROWS", 5)
    with opened(n) as store:
        assert (store.rows_done, store.finished, store.running) == (0, False, {})
        record(store)
        store.finish()
    check_whole(store)


def test_rows_can_be_written_again_until_they_are_committed(opened):
    """A batch that did not fit is tried again, in two."""
    with opened() as store:
        record(store, stop=8)
        for name, values in ROWS.items():
            store.write(name, slice(8, 16), np.zeros_like(values[8:16]))
        store.write("relu1", slice(8, 12), ROWS["relu1"][8:12])
        with pytest.raises(ValueError, match=r"16 rows cannot be committed: \{'relu1': 12\}"):
            store.commit(16)
        record(store)
        store.finish()
    check_whole(store)


def test_shifts_are_subtracted(opened):
    minima = ROWS["relu1"].min(axis=0)
    with opened() as store:
        record(store)
        store.finish({"relu1": minima})
    np.testing.assert_array_equal(np.asarray(store.arrays()["relu1"]), ROWS["relu1"] - minima)
    np.testing.assert_array_equal(store.arrays()["layer.1 (negative)"], ROWS["layer.1 (negative)"])


def test_what_cannot_be_written(opened):
    some = np.zeros((4, 5), np.float32)
    with opened() as store:
        record(store, stop=8)
        for rows, values, error, message in [
            (slice(12, 16), some, ValueError, "'relu1' has 8 rows, 8 of them committed: the next begin at 8"),
            (slice(4, 8), some, ValueError, "the next begin at 8"),
            (slice(8, 12, 2), some, ValueError, "the next begin at 8"),
            (slice(8, 13), some, ValueError, r"rows 8 to 12 of 'relu1' have shape \(5, 5\), got \(4, 5\)"),
            (slice(8, 12), some[:, :4], ValueError, r"got \(4, 4\)"),
            (slice(8, 32), np.zeros((24, 5), np.float32), ValueError, "'relu1' is of 23 rows; got rows up to 32"),
        ]:
            with pytest.raises(error, match=message):
                store.write("relu1", rows, values)
        with pytest.raises(TypeError, match=r"'labels' is of int64, got torch\.float32"):
            store.write("labels", slice(8, 9), np.zeros(1, np.float32))
        store.write("relu1", slice(8, 12), some)
        with pytest.raises(ValueError, match=r"12 rows cannot be committed: \{'layer.1 \(negative\)': 8"):
            store.commit(12)
        with pytest.raises(ValueError, match="8 of 23 rows are there"):
            store.finish()
        with pytest.raises(RuntimeError, match="rows are still to come"):
            store.arrays()
        record(store)
        store.finish()
        with pytest.raises(RuntimeError, match="finished"):
            store.write("relu1", slice(23, 24), some[:1])
    with opened(None) as other, pytest.raises(ValueError, match="no row was committed"):
        other.finish()


@pytest.mark.parametrize(
    ("blocks", "beside", "message"),
    [
        ({}, None, "blocks is empty"),
        ({"a": 0}, None, "block 'a' has 0 features"),
        ({"a": 1}, {"a": ((), "int64")}, "'a' is a block, and kept beside"),
        ({"a": 1}, {"b": ((), "float16")}, "'b' has dtype float16; what is kept is float32 or int64"),
        ({"a": 1}, {"b": ((0,), "int64")}, r"'b' has shape \(0,\)"),
    ],
)
def test_what_cannot_be_kept(blocks, beside, message):
    with pytest.raises(ValueError, match=message):
        kept_arrays(blocks, beside)


def test_a_pass_goes_on_where_it_was_cut_off(tmp_path):
    def interrupted():
        with open_store(tmp_path) as store:
            record(store, stop=12)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with open_store(tmp_path) as again:
        assert again.rows_done == 12
        assert not again.finished
        record(again)
        again.finish()
    check_whole(again)
    with open_store(tmp_path / "unbroken") as whole:
        record(whole)
    assert whole.running["energy"] == again.running["energy"]


def test_running_facts_come_back_to_the_last_bit():
    facts = {
        "float": 0.1, "array": [np.float64(1 / 3), -np.inf, 7, None, True], "mapping": {"a.b": {}},
        "minima": np.float32([[0.1, np.inf]]), "none": np.zeros((0, 2), np.int64),
    }  # fmt: skip
    found = unpack(json.loads(json.dumps(pack(facts), allow_nan=False)))
    assert list(found) == list(facts)
    assert [found[name] for name in ("float", "array", "mapping")] == [
        0.1,
        [1 / 3, -np.inf, 7, None, True],
        {"a.b": {}},
    ]
    for name in ("minima", "none"):
        np.testing.assert_array_equal(found[name], facts[name])
        assert (found[name].dtype, found[name].flags.writeable) == (facts[name].dtype, True)
    assert np.isnan(unpack(pack(float("nan"))))


def test_a_finished_store_is_used_as_it_is(tmp_path):
    with open_store(tmp_path) as store:
        record(store)
        store.finish({"relu1": ROWS["relu1"].min(axis=0)})
    before = {path: path.stat().st_mtime_ns for path in store.path.iterdir()}
    with open_store(tmp_path) as first, open_store(tmp_path) as second:
        assert first.finished
        assert first.arrays()["relu1"].minima.tolist() == ROWS["relu1"].min(axis=0).tolist()
        array = second.arrays()["layer.1 (negative)"]
        assert isinstance(array, np.memmap)
        assert not array.flags.writeable
    assert {path: path.stat().st_mtime_ns for path in store.path.iterdir()} == before
    (file,) = store.path.glob("001-*.npy")
    np.testing.assert_array_equal(np.load(file), ROWS["layer.1 (negative)"])


def test_other_facts_are_another_store(tmp_path):
    for facts, n in [(FACTS, N), (FACTS | {"network": "another"}, N), (FACTS, None)]:
        with open_store(tmp_path, facts, n) as store:
            assert store.rows_done == 0
            record(store)
            store.finish()
    with Store.open(tmp_path, FACTS, {"relu1": 5}) as store:
        assert store.rows_done == 0
    assert len(list(tmp_path.glob("*/store.json"))) == 4
    need = bytes_needed(BLOCKS, N, BESIDE)
    kept = [folder for folder in tmp_path.iterdir() if folder != store.path]
    assert all(need < sum(file.stat().st_size for file in folder.iterdir()) < need + 4000 for folder in kept)


def test_the_order_of_facts_does_not_count_and_what_json_lacks_is_refused(tmp_path):
    with open_store(tmp_path) as store, pytest.raises(BlockingIOError, match="another run is writing"):
        open_store(tmp_path, dict(reversed(FACTS.items())))
    with open_store(tmp_path, dict(reversed(FACTS.items()))) as again:
        assert again.path == store.path
    with pytest.raises(TypeError, match="facts must hold strings, numbers, lists and mappings alone"):
        open_store(tmp_path, {"when": object()})


def test_rows_that_were_not_committed_are_cut_off(opened):
    with opened(None) as store:
        record(store)
        for name, values in ROWS.items():
            store.write(name, slice(N, N + 4), values[:4])
        store.finish()
    check_whole(store)
