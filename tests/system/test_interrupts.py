"""Ctrl-C: what belongs to the whole process is put back, and a model is never half changed."""

import os
import signal
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
from processes import blas_threads, with_tests

from coupled_nmf import CoupledNMF, rank_path
from coupled_nmf.backends.cpu.backend import NumpyBackend
from coupled_nmf.backends.cpu.control import HostJudge
from coupled_nmf.backends.cpu.losses.frobenius import Frobenius
from coupled_nmf.model import sessions
from coupled_nmf.system.blas import BlasGuard
from coupled_nmf.system.interrupts import INTERRUPTS, Interrupts

posix = pytest.mark.skipif(os.name != "posix", reason="signals and forks as POSIX has them")


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).uniform(0.1, 1, (300, 40))


OFTEN = """
import random, signal, threading, time, warnings
import numpy as np
from sklearn.base import clone
from processes import blas_threads
from coupled_nmf import CoupledNMF

warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
X = rng.uniform(0.1, 1, (400, 60))
model = CoupledNMF(4, max_iter=30, tol=0, random_state=0).fit(X)
stream = CoupledNMF(4, max_iter=5, tol=0, random_state=0).partial_fit(X)
outside, main, kept, draw = blas_threads(), threading.main_thread().ident, [], random.Random(1)
steps = 1
busy = over = False  # no events of threading: interrupted at its lock, one keeps it for ever

def shoot():
    global busy
    while not over:
        time.sleep(draw.uniform(0, 0.02))
        if busy:
            busy = False
            signal.pthread_kill(main, signal.SIGINT)

threading.Thread(target=shoot, daemon=True).start()
interrupted = number = 0
while interrupted < 100:  # however fast the machine is
    number += 1
    try:
        try:
            busy = True
            if number % 4 == 0:
                model.fit(X)
            elif number % 4 == 1:
                stream.partial_fit(X)
            elif number % 4 == 2:
                model.transform(X)
            else:
                model.component_shares(X)
            busy = False
            time.sleep(0.001)
        finally:
            busy = False
            time.sleep(0.001)
    except KeyboardInterrupt as error:
        interrupted += 1
        kept.append(error)
    assert blas_threads() == outside, (number, blas_threads())
    assert len(model.objective_history_) == model.n_iter_
    assert model.components_.shape == (4, 60) and np.isfinite(model.components_).all()
    assert stream.n_steps_ == stream._stream.n_batches
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
over = True
print(interrupted)
"""


@posix
def test_hundreds_of_interrupts_leave_blas_and_the_model_as_they_belong():
    """From another thread, at random moments of whatever takes BLAS; tracebacks are kept, as IPython does."""
    command = [sys.executable, "-c", OFTEN]
    done = subprocess.run(command, env=with_tests(), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout) == 100


def test_an_interrupt_in_the_last_solve_costs_no_iteration(X, monkeypatch):
    solve = Frobenius.solve

    def interrupted(self, H):
        signal.raise_signal(signal.SIGINT)
        return solve(self, H)

    expected = CoupledNMF(3, max_iter=7, tol=0, random_state=0).fit(X)
    monkeypatch.setattr(Frobenius, "solve", interrupted)
    with pytest.warns(UserWarning, match="was interrupted, and is fitted to iteration 7"):
        model = CoupledNMF(3, max_iter=7, tol=0, random_state=0).fit(X)
    np.testing.assert_array_equal(model.components_, expected.components_)


@pytest.mark.parametrize(("place", "method"), [(sessions, "errors_of"), (NumpyBackend, "__exit__")])
def test_an_interrupt_after_the_last_solve_costs_nothing(X, monkeypatch, place, method):
    """While the errors are worked out, or the threads end; out of a path it comes all the same."""
    done = getattr(place, method)

    def interrupted(*arguments):
        signal.raise_signal(signal.SIGINT)
        return done(*arguments)

    expected = CoupledNMF(3, max_iter=7, tol=0, random_state=0).fit(X)
    monkeypatch.setattr(place, method, interrupted)
    with pytest.warns(UserWarning, match="was interrupted, and is fitted to iteration 7"):
        model = CoupledNMF(3, max_iter=7, tol=0, random_state=0).fit(X)
    np.testing.assert_array_equal(model.components_, expected.components_)
    assert model.rmse_ == expected.rmse_
    with pytest.raises(KeyboardInterrupt):
        rank_path(X, [2], estimator=model)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_in_the_loop_is_heard_at_once_and_in_a_path_comes_out(X):
    def press(info):
        if info.iteration == 3:
            signal.raise_signal(signal.SIGINT)

    model = CoupledNMF(3, max_iter=50, tol=0, callbacks=press, random_state=0)
    with pytest.warns(UserWarning, match="fitted to iteration 3"):
        model.fit(X)
    assert (model.n_iter_, len(model.objective_history_)) == (3, 3)
    with pytest.raises(KeyboardInterrupt):
        rank_path(X, [2], estimator=model)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_two_interrupts_close_together_are_one():
    with INTERRUPTS:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert INTERRUPTS.take()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_later_interrupt_comes_out_at_once(monkeypatch):
    monkeypatch.setattr("coupled_nmf.system.interrupts.AT_ONCE", 0.0)
    after = []

    def press_twice():
        with INTERRUPTS:
            signal.raise_signal(signal.SIGINT)
            after.append("first")
            signal.raise_signal(signal.SIGINT)
            after.append("second")

    with pytest.raises(KeyboardInterrupt):
        press_twice()
    assert after == ["first"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    INTERRUPTS.check()  # nothing is left of them


def test_one_that_nothing_checked_for_comes_out_at_the_end():
    after = []

    def press():
        with INTERRUPTS:
            with INTERRUPTS:
                signal.raise_signal(signal.SIGINT)
            after.append("inner")
        after.append("outer")

    with pytest.raises(KeyboardInterrupt):
        press()
    assert after == ["inner"], "the inner one leaves it to the outer one"


def test_a_handler_of_the_users_own_and_other_threads_are_left_alone():
    heard, found = [], []
    before = signal.signal(signal.SIGINT, lambda *_: heard.append(1))
    try:
        with Interrupts():
            signal.raise_signal(signal.SIGINT)
        assert heard == [1]
    finally:
        signal.signal(signal.SIGINT, before)

    def elsewhere():
        with INTERRUPTS:
            found.append(signal.getsignal(signal.SIGINT))
            INTERRUPTS.check()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert found == [signal.default_int_handler]


@pytest.mark.parametrize("place_of_it", ["session_of", "errors_of"])
def test_a_batch_that_is_interrupted_is_not_in_the_stream(X, monkeypatch, place_of_it):
    """Whether before or after the sums were made: given again, it counts once."""
    expected = CoupledNMF(3, random_state=0).partial_fit(X[:150]).partial_fit(X[150:])
    model = CoupledNMF(3, random_state=0).partial_fit(X[:150])
    kept, stream = model.components_, model._stream

    def interrupt(*arguments):
        raise KeyboardInterrupt

    module_of_it = {"session_of": "estimator", "errors_of": "sessions"}
    with monkeypatch.context() as patch:
        patch.setattr(f"coupled_nmf.model.{module_of_it[place_of_it]}.{place_of_it}", interrupt)
        with pytest.raises(KeyboardInterrupt):
            model.partial_fit(X[150:])
    assert model.components_ is kept
    assert model._stream is stream
    model.partial_fit(X[150:])
    np.testing.assert_array_equal(model.components_, expected.components_)
    assert (model.n_steps_, model._stream.n_samples) == (2, expected._stream.n_samples)


def test_history_and_components_are_of_one_iteration_wherever_an_interrupt_falls(X, monkeypatch):
    """Between the decision and the exchange of the factors as well, where no signal of ours falls."""
    decide = HostJudge.decide

    def interrupted(self, value):
        kept = decide(self, value)
        if len(self.history) == 5:
            raise KeyboardInterrupt
        return kept

    expected = CoupledNMF(3, max_iter=4, tol=0, random_state=0, init="random").fit(X)
    monkeypatch.setattr(HostJudge, "decide", interrupted)
    with pytest.warns(UserWarning, match="fitted to iteration 4"):
        model = CoupledNMF(3, max_iter=50, tol=0, random_state=0, init="random").fit(X)
    assert model.objective_history_ == expected.objective_history_
    np.testing.assert_array_equal(model.components_, expected.components_)


def test_blas_whose_threads_could_not_be_put_back_gets_them_by_the_next_use():
    guard, outside = BlasGuard(), blas_threads()

    def interrupted():
        with guard.one_thread():
            real, calls = guard._limiter, []

            class Limiter:
                def restore_original_limits(self):
                    calls.append(1)
                    if len(calls) == 1:
                        raise KeyboardInterrupt
                    real.restore_original_limits()

            guard._limiter = Limiter()

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert guard.n_threads(None) == max(outside)
    assert blas_threads() == outside


@posix
def test_an_interrupt_at_any_step_of_beginning_and_ending_to_learn_leaves_the_estimator_able_to(X):
    """By tracing: one Ctrl-C at each step of the context that a fit is learned in."""
    interrupted = 0

    def press_at(number, left):
        def within(frame, event, argument):
            if event == "opcode":
                left[0] -= 1
                if left[0] == 0:
                    sys.settrace(None)
                    signal.raise_signal(signal.SIGINT)
            return within

        def outside(frame, event, argument):
            if frame.f_code.co_name != "_learning":
                return None
            frame.f_trace_opcodes = True
            return within

        return outside

    for number in range(1, 400):
        model, left, traced = CoupledNMF(2, max_iter=2, tol=0, n_jobs=1), [number], sys.gettrace()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                sys.settrace(press_at(number, left))
                model.fit(X)
            except KeyboardInterrupt:
                interrupted += 1
            finally:
                sys.settrace(traced)
            model.fit(X)
        if left[0] > 0:
            break
    assert interrupted > 20
    assert left[0] > 0, "every step had its turn"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
