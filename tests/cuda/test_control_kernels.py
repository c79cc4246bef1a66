"""The kernels by which the loop on a GPU decides and goes further on, emulated, against the code of the host."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import slow_moves
from emulation import COMPILER
from launches import DTYPES, NULL, Guarded, assert_close, beside, control_of, kernel, launch

from coupled_nmf.backends.cpu.control import HostJudge
from coupled_nmf.backends.cuda.kernels import CONTROL
from coupled_nmf.problem.control import NOISE, WINDOW, Momentum, Terms

pytestmark = pytest.mark.skipif(COMPILER is None, reason="g++, which compiles the emulation, is not installed")


def random_course(rng):
    """Values of J: falling, rising, crawling, jumping, of both signs of nothing, and not finite."""
    n, kind = int(rng.integers(1, 25)), rng.integers(0, 5)
    steps = rng.normal({0: -0.3, 1: 0.0, 2: -1e-4, 3: -2.0, 4: -0.05}[int(kind)], 0.2 if kind < 2 else 1e-5, n)
    values = np.exp(np.cumsum(steps)) * 10.0 ** rng.integers(-12, 6)
    values[rng.random(n) < 0.05] *= -1
    values[rng.random(n) < 0.1] *= 1.5
    values[rng.random(n) < 0.01] = rng.choice([np.nan, np.inf, -np.inf])
    repeated = np.flatnonzero(rng.random(n) < 0.1)
    values[repeated] = values[np.maximum(repeated - 1, 0)]
    return values


def decide_control(terms):
    momentum = Momentum()
    return control_of(
        BETA=momentum.beta, CEILING=momentum.ceiling, GOOD=momentum.good, EXTRAPOLATED=terms.extrapolated,
        GROWTH=momentum.growth, CEILING_GROWTH=momentum.ceiling_growth, CUT=momentum.cut, TOL=terms.tol,
        WINDOW=WINDOW, FLOOR=terms.floor,
    )  # fmt: skip


def judge_course(values, terms):
    """What the host decides: betas and whether it accepts, for each value, and how it ends."""
    judge, betas, accepted = HostJudge(terms), [], []
    for value in values:
        betas.append(judge.betas)
        try:
            accepted.append(judge.decide(float(value)))
        except ValueError:
            return betas, accepted, judge.history, "not finite"
        if judge.look().settled:
            return betas, accepted, judge.history, "settled"
    return betas, accepted, judge.history, "stopped by max_iter"


def test_decides_as_the_host_does():
    """The same values of J through `HostJudge` and the kernel: to the bit, since no sums differ."""
    rng, decide = np.random.default_rng(8), kernel("decide", np.float64)
    ends = {"settled": 0, "stopped by max_iter": 0, "not finite": 0, "rejected": 0}
    for course in range(2000):
        values, extrapolated = random_course(rng), bool(rng.integers(0, 2))
        tol = float(rng.choice([0, 1e-6, 1e-3, 0.1]))
        floor = NOISE["d"] * float(rng.choice([0.0, 1e-3, 1.0])) * 10.0 ** rng.integers(-12, 20)
        terms = Terms(extrapolated, tol, floor, np.dtype(np.float64))
        expected = judge_course(values, terms)
        control = Guarded(decide_control(terms))
        history, state = Guarded(np.full(len(values) + 1, -1.0)), control.array
        history.array[0] = 0.0  # in front of the history, and less than any J: not to be looked at
        passed = SimpleNamespace(data=SimpleNamespace(ptr=history.array[1:].ctypes.data))
        betas, accepted = [], []
        for value in values:
            betas.append((state[CONTROL["LAST_BETA"]], state[CONTROL["NEXT_BETA"]]))
            flipped = state[CONTROL["FLIPPED"]]
            decide((1,), (256,), [control, passed, np.float64(value), *[NULL, np.int32(0), np.int32(0)] * 3])
            if state[CONTROL["DONE"]] != 2:
                accepted.append(bool(state[CONTROL["FLIPPED"]] != flipped))
            if state[CONTROL["DONE"]]:
                break
        control.check(), history.check()
        count = int(state[CONTROL["COUNT"]])
        what = f"course {course}: {values}, {terms}"
        end = ("stopped by max_iter", "settled", "not finite")[int(state[CONTROL["DONE"]])]
        assert (betas, accepted, history.array[1 : count + 1].tolist(), end) == expected, what
        assert np.all(history.array[count + 1 :] == -1), what
        ends[end] += 1
        ends["rejected"] += not all(accepted)
    assert all(number > 50 for number in ends.values()), f"the courses miss some ends: {ends}"


def test_decide_sums_its_parts():
    rng, decide = np.random.default_rng(9), kernel("decide", np.float64)
    for sizes in ((0, 0, 0), (1, 0, 3), (255, 256, 257), (1000, 5000, 2)):
        parts = [rng.random((max(n, 1), stride)) - 0.3 for n, stride in zip(sizes, (1, 2, 3), strict=True)]
        arguments = []
        for n, part in zip(sizes, parts, strict=True):
            arguments += [part if n else None, np.int32(n), np.int32(part.shape[1])]
        control = decide_control(Terms(False, 0.0, 0.0, np.dtype(np.float64)))
        left = launch(decide, 1, 256, control, np.zeros(1), np.float64(2e4), *arguments)
        expected = 2e4 + sum(part[:n, 0].sum() for n, part in zip(sizes, parts, strict=True))
        assert left[1][0] == pytest.approx(expected, rel=1e-14)
        again = launch(decide, 1, 256, control, np.zeros(1), np.float64(2e4), *arguments)
        assert left[1][0] == again[1][0]


def test_decides_nothing_once_done():
    control = decide_control(Terms(True, 1e-3, 0.0, np.dtype(np.float64)))
    control[CONTROL["DONE"]] = 1
    left = launch(
        kernel("decide", np.float64),
        1,
        256,
        control,
        np.full(3, -1.0),
        np.float64(1),
        *[None, np.int32(0), np.int32(1)] * 3,
    )
    np.testing.assert_array_equal(left[0], control)
    assert np.all(left[1] == -1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 100, 700])
def test_points_of_a_pair_of_factors(n, dtype):
    rng = np.random.default_rng(10)
    k, ld = 6, n + 3
    first, second, room = (rng.random((k, ld)).astype(dtype) for _ in range(3))
    first[2, 0], first[3:5, 0], second[4:6, 0] = np.nan, (1e-30, 0), (0, 1e-30)
    weights = rng.random(n)
    sizes = (np.int32(k), np.int32(n))
    for flipped in (0, 1):
        held, other = (second, first) if flipped else (first, second)
        for above, slow in enumerate((slow_moves.extrapolated, slow_moves.extrapolated_above_zero)):
            left = launch(
                kernel("extrapolated", dtype, file="points"), 2, 64, control_of(LAST_BETA=0.8, FLIPPED=flipped), first,
                second, np.int64(ld), *sizes, np.int32(above), room, np.int64(ld),
            )  # fmt: skip
            assert_close(left[7][:, :n], slow(held[:, :n], other[:, :n], 0.8), dtype, slow.__name__)
            np.testing.assert_array_equal(left[7][:, n:], room[:, n:])
        left = launch(
            kernel("put_other", dtype, file="points"), 2, 64, control_of(FLIPPED=flipped), first, second, np.int64(ld),
            *sizes, beside(room[:, :n], 2), np.int64(n + 2),
        )  # fmt: skip
        stays, written = (left[2], left[1]) if flipped else (left[1], left[2])
        np.testing.assert_array_equal(stays, held)
        np.testing.assert_array_equal(written[:, :n], room[:, :n])
        np.testing.assert_array_equal(written[:, n:], other[:, n:])
        expected = held[:, :n].copy()
        for rejected in (0, 1):
            for w in (weights, None):
                left = launch(
                    kernel("keep_point", dtype, file="points"), 2, 64, control_of(REJECTED=rejected, FLIPPED=flipped),
                    first, second, np.int64(ld), w, room, room.copy(), np.int64(ld), *sizes,
                )  # fmt: skip
                weighted = (expected * (1 if w is None else w)).astype(dtype)
                for found, wanted in ((left[5], expected), (left[6], weighted)):
                    np.testing.assert_array_equal(found[:, :n], wanted if rejected else room[:, :n])
                    np.testing.assert_array_equal(found[:, n:], room[:, n:])
    left = launch(
        kernel("extrapolated", dtype, file="points"), 1, 64, None, first, second, np.int64(ld), *sizes, np.int32(0),
        room, np.int64(ld),
    )  # fmt: skip
    np.testing.assert_array_equal(left[7][:, :n], first[:, :n])
