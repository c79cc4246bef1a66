"""Training and evaluation set state of PyTorch: whatever happens, it is put back, and threads do not see each other."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import OrderedDict

import numpy as np
import pytest
import torch
from activations import activations_of
from processes import forked
from torch import nn

from cnn_probe.activations.recorder import ActivationRecorder
from cnn_probe.data.images import ImageSet
from cnn_probe.networks.state import CPU, evaluating, run_isolated
from cnn_probe.networks.training import evaluate, train
from cnn_probe.networks.training_plan import TrainingPlan

# An interrupt that comes while Python runs a finalizer is Python's to drop.
IN_A_FINALIZER = "ignore::pytest.PytestUnraisableExceptionWarning"


def state():
    """All of PyTorch's global state that training touches, as this thread and one that starts now see it."""
    elsewhere = []
    thread = threading.Thread(target=lambda: elsewhere.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.get_num_threads(),
        elsewhere[0],
        torch.is_grad_enabled(),
        torch.random.get_rng_state().numpy().tobytes(),
    )


@pytest.fixture(autouse=True)
def _as_it_was():
    """A state that is nobody's default, so that what puts a default back is found out."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(True, warn_only=True)
    yield
    torch.set_grad_enabled(True)
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    pixels = torch.from_numpy(rng.random((64, 1, 4, 4), dtype=np.float32))
    return ImageSet(pixels, torch.from_numpy(rng.integers(0, 3, 64)))


def network(seed=0):
    """With dropout, so that training draws from the global generator."""
    with torch.device("meta"):  # drawn below: the global generator takes no part
        made = nn.Sequential(nn.Flatten(), nn.Linear(16, 16), nn.Dropout(0.5), nn.Linear(16, 3))
    made.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    for weights in made.parameters():
        nn.init.normal_(weights, generator=generator)
    return made.eval()


def trained(images, seed):
    made = network(seed)
    train(made, images, TrainingPlan(seed=seed, batch_size=4, epochs=2))
    return torch.cat([weights.detach().flatten() for weights in made.parameters()])


def test_inside_it_is_seeded_deterministic_and_on_so_many_threads():
    made = network()
    before = state()

    def look():
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.is_deterministic_algorithms_warn_only_enabled()
        assert torch.get_num_threads() == 1
        assert all(module.training for module in made.modules())
        return torch.rand(4)

    drawn = [run_isolated(look, made, seed=3, device=CPU, threads=1) for _ in range(2)]
    assert torch.equal(*drawn)
    assert state() == before
    assert not made.training


def test_work_that_fails_or_comes_again_leaves_no_trace():
    made = network()
    before = state()

    def inner():
        raise RuntimeError("injected")

    def outer():
        inside = state()
        with pytest.raises(RuntimeError, match="injected"):
            run_isolated(inner, made, seed=1, device=CPU, threads=2)
        assert state() == inside
        raise KeyError("outside")

    with pytest.raises(KeyError, match="outside"):
        run_isolated(outer, made, seed=0, device=CPU, threads=1)
    assert state() == before


def test_trainings_in_threads_give_the_weights_that_they_give_alone(images):
    before = state()
    alone = {seed: trained(images, seed) for seed in range(3)}
    different = []

    def work(seed):
        for _ in range(5):
            if not torch.equal(trained(images, seed), alone[seed]):
                different.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (0, 1, 2, 0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert different == []
    assert state() == before


@pytest.mark.filterwarnings(IN_A_FINALIZER)
@pytest.mark.parametrize("gradients", [True, False])
def test_an_interrupt_at_any_moment_leaves_no_trace(images, gradients):
    """Real ones, by a timer: from before the training begins to after its end."""
    made, plan = network(), TrainingPlan(batch_size=32)
    torch.set_grad_enabled(gradients)
    interrupt_at_any_moment(lambda: train(made, images, plan), made, training=False)


@pytest.mark.filterwarnings(IN_A_FINALIZER)
def test_an_interrupt_of_an_evaluation_leaves_no_trace(images):
    made = network().train()
    interrupt_at_any_moment(lambda: evaluate(made, images, batch_size=8), made, training=True)


@pytest.mark.filterwarnings(IN_A_FINALIZER)
def test_an_interrupt_of_a_recording_leaves_no_hook_and_no_trace(images):
    made = network().train()
    interrupt_at_any_moment(
        lambda: activations_of(made, images.images, ["1"], batch_size=8, negative="clip"), made, training=True
    )


@pytest.mark.filterwarnings(IN_A_FINALIZER)
def test_an_interrupt_of_a_recorders_block_leaves_no_hook_once_the_recorder_is_gone(images):
    made = network()

    def work():
        with ActivationRecorder(made, ["0", "1", "3"]):
            made(images.images[:2])

    interrupt_at_any_moment(work, made, training=False, keep=False)


class Interrupting(OrderedDict):
    """Hooks of a module, whose first removal is interrupted."""

    interrupted = False

    def pop(self, *arguments):
        if not self.interrupted:
            self.interrupted = True
            raise KeyboardInterrupt
        return super().pop(*arguments)


@pytest.mark.parametrize("at", [1, 2])
def test_an_interrupt_before_a_hooks_handle_is_kept_leaves_no_hook(monkeypatch, at):
    made, register, calls = network(), nn.Module.register_forward_hook, []

    def interrupted(self, hook, **how):
        register(self, hook, **how)
        calls.append(hook)
        if len(calls) == at:
            raise KeyboardInterrupt

    monkeypatch.setattr(nn.Module, "register_forward_hook", interrupted)
    with pytest.raises(KeyboardInterrupt), ActivationRecorder(made, ["1", "3"]):
        pass
    assert n_hooks(made) == 0


def test_an_interrupt_while_hooks_are_removed_leaves_none():
    made = network()
    made[1]._forward_hooks = Interrupting()
    with pytest.raises(KeyboardInterrupt), ActivationRecorder(made, ["1", "3"]):
        assert n_hooks(made) == 3
    assert n_hooks(made) == 0


def n_hooks(made):
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in made.modules())


def seconds(work):
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def interrupt_at_any_moment(work, made, *, training, keep=True):
    if not hasattr(signal, "setitimer"):
        pytest.skip("no interval timers here")
    before = state()
    longest = 1.2 * min(seconds(work) for _ in range(5))

    def interrupt(number, frame):
        raise KeyboardInterrupt

    earlier = signal.signal(signal.SIGALRM, interrupt)
    interrupted, kept = 0, []
    try:
        for moment in np.linspace(1e-5, longest, 300):
            try:
                signal.setitimer(signal.ITIMER_REAL, moment)
                work()
                signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt as error:
                interrupted += 1
                if keep:
                    kept.append(error)  # as an interactive shell keeps the traceback
            assert state() == before, f"after an interrupt {moment * 1e6:.0f} µs in"
            assert {module.training for module in made.modules()} == {training}
            assert n_hooks(made) == 0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, earlier)
    assert interrupted > 30


def test_an_evaluation_that_fails_puts_every_module_and_gradients_back():
    made = nn.Sequential(nn.Dropout(), nn.BatchNorm1d(2))
    made[1].eval()

    def work():
        assert not torch.is_grad_enabled()
        assert not any(module.training for module in made.modules())
        raise RuntimeError("injected")

    with pytest.raises(RuntimeError, match="injected"):
        evaluating(work, made)
    assert torch.is_grad_enabled()
    assert [module.training for module in made.modules()] == [True, True, False]


def in_threads(n, work):
    """Run ``work(number)`` in as many threads at once; an error in one is the test's."""
    errors, start = [], threading.Barrier(n)

    def run(number):
        try:
            start.wait(60)
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_the_last_of_two_evaluations_that_overlap_puts_the_mode_back():
    made = network().train()
    made[2].eval()
    first_is_in, second_is_in, first_is_out = (threading.Event() for _ in range(3))

    def first():
        first_is_in.set()
        assert second_is_in.wait(60)

    def second():
        second_is_in.set()
        assert first_is_out.wait(60)
        assert not any(module.training for module in made[1:]), "the first took the mode away"

    def work(number):
        if number:
            assert first_is_in.wait(60)
            evaluating(second, made[1:])  # another network, which has modules in common with the first
        else:
            evaluating(first, made)
            assert [module.training for module in made] == [True, False, False, False]
            first_is_out.set()

    in_threads(2, work)
    assert made.training
    assert [module.training for module in made] == [True, True, False, True]


def test_evaluations_and_recordings_of_one_network_in_threads_give_what_they_give_alone(images):
    made = network().train()

    def look():
        found = evaluate(made, images, batch_size=8).predictions
        return found, activations_of(made, images.images, ["2"], batch_size=16, negative="clip")["2"]

    alone = look()

    def work(number):
        for _ in range(30):
            for found, expected in zip(look(), alone, strict=True):
                np.testing.assert_array_equal(found, expected)

    in_threads(4, work)
    assert all(module.training for module in made.modules())
    assert n_hooks(made) == 0


def test_an_evaluation_in_a_training_in_an_evaluation_comes_back_to_the_training(images):
    made, modes = network(), []

    def look(step, n_steps, loss):
        evaluate(made, images)
        modes.append(made.training)

    evaluating(lambda: train(made, images, TrainingPlan(max_steps=1), progress=look), made.train())
    assert modes == [True]
    assert made.training


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_a_fork_during_another_threads_evaluation_has_the_mode_outside_and_can_evaluate(images):
    made, started, may_end = network().train(), threading.Event(), threading.Event()

    def hold():
        started.set()
        may_end.wait(60)

    thread = threading.Thread(target=evaluating, args=(hold, made))
    thread.start()
    started.wait(60)

    def evaluate_again():
        torch.set_num_threads(1)
        outside = made.training
        evaluating(lambda: None, made)
        return outside and made.training

    status = forked(evaluate_again)
    may_end.set()
    thread.join()
    assert status == 0
    assert made.training


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_a_fork_during_another_threads_training_is_as_outside_and_can_train(images):
    started, may_end = threading.Event(), threading.Event()
    before = state()

    def hold():
        started.set()
        may_end.wait(60)

    def work():
        run_isolated(hold, network(), seed=0, device=CPU, threads=1)

    thread = threading.Thread(target=work)
    thread.start()
    started.wait(60)

    def train_again():
        torch.set_num_threads(1)
        train(network(), images, TrainingPlan(max_steps=1))
        deterministic = torch.are_deterministic_algorithms_enabled()
        return (deterministic, torch.is_deterministic_algorithms_warn_only_enabled()) == before[:2]

    status = forked(train_again)
    may_end.set()
    thread.join()
    assert status == 0
    assert state() == before
