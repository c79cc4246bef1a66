"""Children that are forked during a fit are as their parent was outside of it."""

import os
import signal
import threading
from functools import partial

import numpy as np
import pytest
from processes import blas_threads, forked

from coupled_nmf import CoupledNMF
from coupled_nmf.system.blas import BLAS
from coupled_nmf.system.interrupts import INTERRUPTS

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="forks as POSIX has them"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).uniform(0.1, 1, (300, 40))


def test_a_child_forked_during_a_fit_has_all_its_threads_and_can_fit(X):
    outside, stop = blas_threads(), threading.Event()
    model = CoupledNMF(3, max_iter=20, tol=0, random_state=0)
    expected = model.fit(X).components_

    def learn():
        while not stop.is_set():
            CoupledNMF(3, max_iter=20, tol=0).fit(X)

    def is_whole(number):
        same = blas_threads() == outside and BLAS.n_threads(None) == max(outside)
        if number % 8 == 0:
            same &= np.array_equal(CoupledNMF(**model.get_params()).fit(X).components_, expected)
        return same

    worker = threading.Thread(target=learn)
    worker.start()
    try:
        for number in range(40):
            status = forked(partial(is_whole, number))
            assert status == 0, f"child {number} ended with {status}: 1 is BLAS at other threads, -14 a child that hung"
    finally:
        stop.set()
        worker.join()


def interrupt_comes_out():
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        return signal.getsignal(signal.SIGINT) is signal.default_int_handler
    return False


def test_a_child_hears_ctrl_c_whichever_thread_forked_it_during_a_fit(X):
    ended = []

    def fork_elsewhere(info):
        thread = threading.Thread(target=lambda: ended.append(forked(interrupt_comes_out)))
        thread.start()
        thread.join()

    def own_end():
        signal.raise_signal(signal.SIGINT)  # it is noted, since this child is within the fit
        return INTERRUPTS.take()

    CoupledNMF(3, max_iter=2, tol=0, callbacks=fork_elsewhere, random_state=0).fit(X)
    CoupledNMF(3, max_iter=2, tol=0, callbacks=lambda info: ended.append(forked(own_end)), random_state=0).fit(X)
    assert ended == [0] * 4

    def fork_in_a_fit_of_another_thread(info):
        ended.append(forked(fit_here))

    def fit_here():
        INTERRUPTS.__exit__()  # as the fit's end, of a thread that is the main one by now
        with INTERRUPTS:
            signal.raise_signal(signal.SIGINT)
            noted = INTERRUPTS.take()
        return noted and interrupt_comes_out()

    model = CoupledNMF(3, max_iter=1, tol=0, callbacks=fork_in_a_fit_of_another_thread, random_state=0)
    with INTERRUPTS:
        thread = threading.Thread(target=model.fit, args=(X,))
        thread.start()
        thread.join()
    assert ended == [0] * 5
