"""Both moves in one call, where X is small, against one after the other: the bits are the same."""

import numpy as np
import pytest
from oracles import RowSource
from scipy.sparse import random_array

from coupled_nmf import Blocks, CoupledNMF
from coupled_nmf.backends.cpu.backend import NumpyBackend
from coupled_nmf.backends.cpu.kernels import compiled
from coupled_nmf.backends.cpu.losses import frobenius
from coupled_nmf.backends.cpu.losses.frobenius import Frobenius
from coupled_nmf.backends.cpu.moves.small import Small
from coupled_nmf.data.checks import read_X
from coupled_nmf.problem.contracts import InTurn
from coupled_nmf.problem.penalties import Penalties
from coupled_nmf.problem.problem import examine
from coupled_nmf.problem.sample_weights import NO_WEIGHTS
from coupled_nmf.problem.solvers import HALS, MultiplicativeUpdate

PENALIZED = {"alpha_F": 0.1, "alpha_H": {"0": 0.3}, "l1_ratio": 1.0}
L2_OF_F = {"alpha_F": 0.1, "alpha_H": 0.0, "l1_ratio": 0.5}
RULES = [
    (HALS(10), HALS(3, 1)),
    (MultiplicativeUpdate(1), MultiplicativeUpdate(2, 1)),
    (HALS(2, 2), HALS(1)),
    (HALS(1), MultiplicativeUpdate(1)),
]
SHAPES = {"one tile": (60, (20,)), "ranges": (60, (150, 1, 180)), "tiles": (2100, (7, 30)), "one row": (1, (3,))}


def blocks_of(n, widths, dtype, *, sparse=False):
    rng = np.random.default_rng(n)
    parts = {f"{i}": rng.gamma(0.5, 1, (n, width)).astype(dtype) for i, width in enumerate(widths)}
    if sparse:
        parts["stored"] = random_array((n, 40), density=0.2, rng=rng, dtype=dtype, format="csr")
    return Blocks(parts)


@pytest.fixture
def made(monkeypatch):
    """What was made to move a small X in one call."""
    found = []
    monkeypatch.setattr(frobenius, "Small", lambda *given: found.append(Small(*given)) or found[-1])
    return found


def objective_on(X, weights, backend, block_weights=None, **penalties):
    matrix = read_X(CoupledNMF(2), X, reset=True)
    scanned = backend.scan(matrix, weights)
    problem = examine(matrix, scanned, block_weights=block_weights, by_totals=False, learns=True)
    given = {"alpha_F": 0.0, "alpha_H": 0.0, "l1_ratio": 0.5} | penalties
    return Frobenius(problem, Penalties.scaled(matrix.layout, 1.0, **given), backend)


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("case", ["plain", "extrapolated", "l1", "l2", "weighted", "blocks weighted", "sparse"])
@pytest.mark.parametrize("shape", SHAPES)
def test_an_iteration_in_one_call_has_the_bits_of_one_in_two(shape, case, dtype, rules, made):
    (n, widths), k, rng = SHAPES[shape], 5, np.random.default_rng(0)
    X = blocks_of(n, widths, dtype, sparse=case == "sparse")
    weights = rng.uniform(0.5, 2, n) if case == "weighted" else NO_WEIGHTS
    given = {"l1": PENALIZED, "l2": L2_OF_F, "blocks weighted": {"block_weights": {"0": 3.0}}}.get(case, {})
    betas = (0.0, 0.0) if case == "plain" else (0.5, 0.7)
    with NumpyBackend(1) as backend:
        objective = objective_on(X, weights, backend, **given)
        H = [rng.random((k, objective.tiles.shape[1])).astype(dtype) for _ in range(2)]
        F = [rng.random((n, k)).astype(dtype) for _ in range(2)]
        pairs, others = ([tuple(map(np.copy, pair)) for pair in (F, H)] for _ in range(2))
        if case == "plain":  # F moves in place
            pairs[0], others[0] = ((pair[0][0],) * 2 for pair in (pairs, others))
        point = objective.point_of(pairs[1][0])
        value, further = objective.move_both(rules, point, *pairs, betas)
        assert len(made) == 1
        expected, expected_further = InTurn.move_both(objective, rules, point, *others, betas)
    assert value == expected
    for found, wanted in zip((*pairs[0], *pairs[1]), (*others[0], *others[1]), strict=True):
        np.testing.assert_array_equal(found, wanted)
    for name in ("R", "grams", "H"):
        found, wanted = getattr(further, name), getattr(expected_further, name)
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("settings", [{}, {"solver": "mu"}, {"extrapolate": False}, {"alpha_F": 0.01, "l1_ratio": 1.0}])
def test_a_small_fit_has_the_same_bits_in_one_call_an_iteration_and_in_two(settings, dtype, monkeypatch):
    X, weights = blocks_of(300, (30, 50), dtype), np.random.default_rng(0).uniform(0.5, 2, 300)

    def factors():
        model = CoupledNMF(4, random_state=0, tol=0, max_iter=60, **settings)
        return model.fit_transform(X, sample_weight=weights), model.components_, model.objective_history_

    at_once = factors()
    calls = []
    monkeypatch.setattr(frobenius, "pays_at_once", lambda X, k: calls.append(k))
    for one, other in zip(at_once, factors(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert calls == [4]  # once, and not in each iteration


def test_what_threads_share_or_tiles_do_not_sum_is_not_moved_in_one_call(made):
    def at_once(X, k, **given):
        made.clear()
        with NumpyBackend(1) as backend:
            objective = objective_on(X, NO_WEIGHTS, backend, **given)
            F, H = np.ones((2, X.shape[0], k)), np.ones((2, k, X.shape[1]))
            objective.move_both((HALS(1), HALS(1)), objective.point_of(H[0]), tuple(F), tuple(H), (0.0, 0.0))
        return bool(made)

    X = np.random.default_rng(0).random((500, 60))
    assert at_once(X, 5)
    assert at_once(np.asfortranarray(X), 5), "copied once"
    assert not at_once(X, 101), "worth threads"
    assert not at_once(np.ones((2, 1000)), 60), "the columns are worth threads"
    assert not at_once(RowSource(X), 5)
    assert not at_once(np.where(X > 0.9, np.nan, X), 5)
    assert not at_once(X, 5, alpha_F=0.0, alpha_H=1.0, l1_ratio=0.0), "blocks have grams of their own"
    assert not at_once(random_array((500, 600), density=0.01, rng=0, format="csr"), 5), "it is held twice"


def test_arrays_that_do_not_go_together_are_refused_before_anything_moves():
    tile = compiled.DoubleTile(3)
    tile.add_dense(np.ones((3, 4)), 0)
    edges, l1s, alpha = np.array([0, 4]), np.zeros(1), np.ones(4)
    with pytest.raises(ValueError, match="must not be empty"):
        compiled.DoubleSmall(tile, 0, 4, 0.0, 0.0, NO_WEIGHTS, edges, l1s, alpha)
    with pytest.raises(ValueError, match="weights has not the right length"):
        compiled.DoubleSmall(tile, 3, 4, 0.0, 0.0, np.ones(2), edges, l1s, alpha)
    with pytest.raises(ValueError, match="end with X"):
        compiled.DoubleSmall(tile, 3, 4, 0.0, 0.0, NO_WEIGHTS, np.array([0, 5]), l1s, alpha)
    held = compiled.DoubleSmall(tile, 3, 4, 0.0, 0.0, NO_WEIGHTS, edges, l1s, alpha)
    R, gram, F, H, HHts = np.ones((2, 4)), np.eye(2), np.ones((3, 2)), np.ones((2, 4)), np.ones((1, 2, 2))
    given = [("hals", 1, 0), ("hals", 1, 0), R, gram, F, F.copy(), H, H.copy(), 0.5, 0.5, np.ones((2, 4)), HHts]
    assert np.all(np.isfinite(held.move(*given)))
    shorter = {2: R[:, :3], 3: np.eye(3), 4: F[:2], 7: H[:1], 10: R[:, 1:], 11: HHts[:, :1]}
    for place, wrong in shorter.items():
        with pytest.raises(ValueError, match="has not the right shape"):
            held.move(*given[:place], wrong, *given[place + 1 :])
    with pytest.raises(TypeError):
        held.move(*given[:2], R.astype("f"), *given[3:])
    with pytest.raises(ValueError, match="'hals' or 'mu'"):
        held.move(("newton", 1, 0), *given[1:])
    tile.add_dense(np.ones((3, 1)), 4)
    with pytest.raises(ValueError, match="grown"):
        held.move(*given)
