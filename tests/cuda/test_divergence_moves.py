"""Moves made of the kernels of the Kullback–Leibler loss, on the emulated device, against those of the CPU."""

from __future__ import annotations

import numpy as np
import pytest
from emulation import COMPILER
from launches import DTYPES, assert_close, control_of
from places import emulate
from scipy.sparse import csr_array

from coupled_nmf.backends.cpu.backend import NumpyBackend
from coupled_nmf.backends.cpu.losses.kullback_leibler import KullbackLeibler
from coupled_nmf.backends.cuda.backend import CupyBackend
from coupled_nmf.data.arrays import to_host
from coupled_nmf.data.blocks import BlockLayout
from coupled_nmf.data.partial_block import PartialBlock
from coupled_nmf.data.tiled_matrix import TiledMatrix
from coupled_nmf.problem.penalties import Penalties
from coupled_nmf.problem.problem import Gaps, examine
from coupled_nmf.problem.sample_weights import NO_WEIGHTS
from coupled_nmf.problem.solvers import MultiplicativeUpdate

pytestmark = pytest.mark.skipif(COMPILER is None, reason="g++, which compiles the emulation, is not installed")

ALPHA = np.array([0.5, 2.0, 1.25])


@pytest.fixture(params=["fits", "streams"])
def device(request, monkeypatch):
    """The emulated device, with tiles of a few rows, and room for X or none."""
    emulate(monkeypatch)
    monkeypatch.setattr("emulation.cupy.FREE_BYTES", [2**40 if request.param == "fits" else 0])
    monkeypatch.setattr("coupled_nmf.backends.cuda.matrix.MOST_ROWS", 40)


def blocks_of(rng, n, storage, dtype, *, gaps):
    """Parts of X and their layout: a dense one of two blocks, and one that is sparse or not."""
    dense = rng.poisson(rng.gamma(1.0, size=(n, 1)) * rng.gamma(1.0, size=11)).astype(dtype)
    other = rng.poisson(1.0, size=(n, 7)).astype(dtype)
    if gaps:
        dense[rng.random(dense.shape) < 0.1] = np.nan
        dense[rng.random(n) < 0.3, :6] = np.nan
    places = np.where(rng.random(n) < (0.4 if gaps else 0), -1, 0)
    places[places == 0] = np.arange(np.sum(places == 0))
    kept = other[places >= 0]
    last = PartialBlock(csr_array(kept) if storage == "sparse" else kept, places)
    return [dense, last], BlockLayout(("a", "b", "c"), (6, 5, 7))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("storage", ["dense", "sparse"])
@pytest.mark.parametrize(("gaps", "weighs", "scale"), [(False, False, 0.0), (True, True, 0.3), (True, False, 0.0)])
@pytest.mark.parametrize("extrapolated", [False, True])
@pytest.mark.usefixtures("device")
def test_moves_and_sums_are_those_of_the_numpy_backend(extrapolated, gaps, weighs, scale, storage, dtype):
    rng = np.random.default_rng(3)
    n, k = 130, 4
    parts, layout = blocks_of(rng, n, storage, dtype, gaps=gaps)
    weights = rng.integers(0, 3, n) / 2.0 if weighs else NO_WEIGHTS
    penalties = Penalties(scale, scale / 2, scale * ALPHA, scale * ALPHA / 3)
    F0, H0 = rng.gamma(1.0, size=(n, k)).astype(dtype), rng.gamma(1.0, size=(k, 18)).astype(dtype)
    found = []
    betas = (0.6, 0.8) if extrapolated else (0.0, 0.0)
    for kind in (NumpyBackend, CupyBackend):
        X = TiledMatrix(parts, layout, np.dtype(dtype))
        with CupyBackend(X, k) if kind is CupyBackend else NumpyBackend() as backend:
            scanned = backend.scan(X, weights)
            data = examine(X, scanned, block_weights=ALPHA, by_totals=True)
            assert isinstance(data.gaps, Gaps) == gaps
            found.append(moves_of(backend.objective("kullback-leibler", data, penalties), F0, H0, betas))
    for name, expected, other in zip(found[0], found[0].values(), found[1].values(), strict=True):
        assert_close(other, expected, dtype, name)


def moves_of(objective, F0, H0, betas):
    """Both factors moved twice, sums and what is learnt from them, and F solved for; the second time extrapolated."""
    rule = MultiplicativeUpdate(2)
    H0 = H0.copy()
    sums = objective.sums_of(F0.copy(), H0)
    learnt = objective.learn(rule, sums, H0)
    solution = objective.solve(H0)
    host = isinstance(objective, KullbackLeibler)
    F, H = objective.hold(F0.copy(), H0.copy())
    room = objective.backend.room_for
    pairs = [(F, room(F) if betas[0] else F), (H, room(H))]
    point, values = objective.point_of(H), []
    control = None if host else objective.device.put(control_of())
    for number, own in enumerate(((0.0, betas[0]), betas)):
        if host:
            control, now = own, [pair[:: -1 if number else 1] for pair in pairs]
        else:
            state = {"LAST_BETA": own[0], "NEXT_BETA": own[1], "FLIPPED": float(number)}
            control.set(control_of(**state))
            now = pairs
        value, point = objective.move_h(rule, objective.move_f(rule, point, *now[0], control), *now[1], control)
        if not host:
            value.then.run()
            value = sum(part.array.get().reshape(-1)[:: part.stride][: part.n].sum() for part in value.parts)
        values.append(value)
    names = ("moments", "sums of F", "extras")
    return {
        "F": to_host(pairs[0][0]), "H": to_host(pairs[1][0]), "J": values, "learnt": learnt,
        "solved F": to_host(solution.F), "losses": solution.losses, **dict(zip(names, sums, strict=True)),
    }  # fmt: skip
