"""X that is not what it was when it was looked at: refused, never followed. Each case in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

HEAD = """
import os, sys, threading, time, warnings
import numpy as np
import scipy.sparse as sp
from coupled_nmf import BlockLayout, Blocks, CoupledNMF
warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
LOSSES = [{"solver": "hals"}, {"solver": "mu"}, {"solver": "mu", "beta_loss": "kullback-leibler"}]

class Source:
    ndim = 2
    def __init__(self, array):
        self.array = array
    shape = property(lambda self: self.array.shape)
    dtype = property(lambda self: self.array.dtype)
    def __getitem__(self, key):
        return self.array[key]

def made(kind, n=60):
    array = rng.random((n, 6))
    return {"dense": np.array, "sparse": sp.csr_array, "coo": sp.coo_array, "source": Source}[kind](array)

def change(block, shape):
    if isinstance(block, Source):
        block.array = rng.random(shape)
    elif isinstance(block, np.ndarray):
        block.resize(shape, refcheck=False)
    else:
        block.resize(shape)
        if shape[1] > 6 and block.format == "csr":
            block[:, -1] = 1.0

def refused(work):
    try:
        work()
    except (ValueError, IndexError) as error:
        return "changed" in str(error) or "before" in str(error) or "anew" in str(error) or repr(error)
    return "accepted"

def attempt(name, work):
    child = os.fork()
    if child == 0:
        found = refused(work)
        os._exit(0 if found is True else (print(name, found, flush=True), 3)[1])
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        print(name, "killed by signal", os.WTERMSIG(status), flush=True)
"""

BLOCKS = """
for kind in ("dense", "sparse", "coo", "source"):
    for lacking in (False, True):
        for shape in ((60, 40), (60, 3), (30, 6), (90, 6), (60, 2_000_000)):
            n = 40 if lacking else 60
            block, samples = made(kind, n), {"samples": {"a": range(40)}} if lacking else {}
            whole = Blocks({"b": rng.random((60, 5)), "a": block}, **samples)
            change(block, (shape[0] * n // 60, shape[1]))
            for number, params in enumerate(LOSSES):
                model = CoupledNMF(3, max_iter=2, tol=0, random_state=0, init="random", **params)
                attempt((kind, lacking, shape, number), lambda: model.fit(whole))
"""

BY_HAND = """
X = rng.random((50, 200))
for params in LOSSES:
    model = CoupledNMF(3, max_iter=2, init="random", random_state=0, **params).fit(X)
    model.layout_ = BlockLayout(("X",), (190,))
    model.components_ = np.ascontiguousarray(model.components_[:, :190])
    for call in ("score", "transform", "partial_fit"):
        attempt((params, call), lambda: getattr(model, call)(X))
"""

COORDINATES = """
def spoil(numbers):
    array = sp.coo_array(np.ones((30, 20)))
    rows = array.coords[0].astype(float)
    rows[: len(numbers)] = numbers
    array.coords = (rows, array.coords[1])
    return array

def refused(work):
    try:
        work()
    except ValueError as error:
        return "indices that cannot be" in str(error)
    return "accepted"

for name, numbers in (("nan and far out", [np.nan, *[1e9] * 300]), ("nan", [np.nan]), ("fractions", [0.5, -0.5])):
    attempt(name, lambda: CoupledNMF(2, max_iter=2).fit(spoil(numbers)))
    attempt((name, "blocks"), lambda: Blocks({"a": spoil(numbers)})[2:5])
lil = sp.lil_array(np.eye(5))
lil.rows[2] = [1.5]
attempt("lil", lambda: CoupledNMF(2, max_iter=2).fit(lil))
"""

FLIPPED = """
array = sp.coo_array(np.ones((3000, 200)))
rows = array.coords[0]
good, over = rows.copy(), threading.Event()

def flip():
    while not over.is_set():
        rows[-1000:] = 2**30
        rows[-1000:] = good[-1000:]
        time.sleep(0.0005)

threading.Thread(target=flip, daemon=True).start()
model, refusals = CoupledNMF(2, max_iter=1, tol=0, init="random"), 0
for call in (lambda: model.fit(array), lambda: Blocks({"a": array})[5:2000]):
    for _ in range(60):
        try:
            call()
        except ValueError as error:
            assert "indices that cannot be" in str(error), error
            refusals += 1
over.set()
"""


def run(code):
    """What went wrong."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-W", "ignore", "-c", HEAD + code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize(
    "code", [BLOCKS, BY_HAND, COORDINATES, FLIPPED], ids=["blocks", "by hand", "numbers", "flipped"]
)
def test_what_has_changed_is_refused_and_nothing_crashes(code):
    assert run(code) == ""
