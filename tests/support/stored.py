"""A pass whose rows are known, for the tests of what keeps them."""

import numpy as np
import torch

from cnn_probe.activations.store import Store

FACTS = {"network": "2-0123456789abcdef", "data": "0123456789abcdef", "pool": {"relu1": "whole"}}
BLOCKS = {"relu1": 5, "layer.1 (negative)": 3}
BESIDE = {"labels": ((), "int64"), "outputs": ((200,), "float32")}
N = 23
RNG = np.random.default_rng(0)
ROWS = {
    "relu1": RNG.random((N, 5), dtype=np.float32),
    "layer.1 (negative)": RNG.random((N, 3), dtype=np.float32),
    "labels": RNG.integers(10, size=N),
    "outputs": RNG.normal(size=(N, 200)).astype(np.float32),
}


def open_store(folder, facts=FACTS, n=N):
    return Store.open(folder, facts, BLOCKS, n=n, beside=BESIDE)


def record(store, stop=N, batch=4):
    """Go on with a pass up to a row; the running fact is the least number so far, in float32."""
    running = store.running or {"minima": np.full(5, np.inf, np.float32), "energy": 0.0}
    for start in range(store.rows_done, stop, batch):
        rows = slice(start, min(start + batch, stop))
        for name, values in ROWS.items():
            store.write(name, rows, torch.from_numpy(values[rows]) if name == "relu1" else values[rows])
        some = ROWS["relu1"][rows]
        running = {
            "minima": np.minimum(running["minima"], some.min(axis=0)),
            "energy": running["energy"] + float((some.astype(float) ** 2).sum()),
        }
        store.commit(rows.stop, running)


def check_whole(store):
    assert store.finished
    assert store.rows_done == N
    assert list(store.arrays()) == list(BLOCKS)
    for name, array in (store.arrays() | store.beside()).items():
        np.testing.assert_array_equal(array, ROWS[name])
        assert array.dtype == ROWS[name].dtype
    np.testing.assert_array_equal(store.running["minima"], ROWS["relu1"].min(axis=0))
