"""Work that sets state of PyTorch, which is put back whatever comes; what is the process's is set one at a time."""

from __future__ import annotations

import _thread
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

Result = TypeVar("Result")
CPU = torch.device("cpu")
_Modes = tuple[tuple[nn.Module, bool], ...]


@dataclass(frozen=True)
class _State:
    """What PyTorch keeps once for the process or the thread, and the modes of a network's modules."""

    gradients: bool
    deterministic: bool
    warn_only: bool
    threads: int
    threads_elsewhere: int
    generators: tuple[tuple[torch.Generator, Tensor], ...]
    modes: _Modes

    def restore(self) -> None:
        for generator, state in self.generators:
            generator.set_state(state)
        _restore_modes(self.modes)
        torch.set_grad_enabled(self.gradients)
        torch.set_num_threads(self.threads)
        # The call above is also what threads that start later get.
        self.restore_settings(elsewhere=self.threads_elsewhere != self.threads)

    def restore_settings(self, *, elsewhere: bool) -> None:
        torch.use_deterministic_algorithms(self.deterministic, warn_only=self.warn_only)
        if elsewhere:
            _elsewhere(lambda: torch.set_num_threads(self.threads_elsewhere))


class _Evaluated:
    """A module that some work evaluates: the mode outside, and whose work, by the number of its thread, is inside."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.training = module.training
        self.inside: set[_Visit] = set()


class _Visit:
    """One work that evaluates a network, and the modes in which it found modules that others evaluate, too."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.found: dict[int, bool] = {}


class _EvaluationModes:
    """Evaluation modes that several works share: the first in takes a module's mode, the last out puts it back.

    Each step may be interrupted and done again: a visit that is over leaves as often as it likes.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.evaluated: dict[int, _Evaluated] = {}  # by id: a module lives while it is in here

    def enter(self, network: nn.Module, visit: _Visit) -> None:
        with self.lock:
            for module in network.modules():
                shared = self.evaluated.setdefault(id(module), _Evaluated(module))
                if shared.inside:
                    visit.found[id(module)] = module.training
                shared.inside.add(visit)
            network.eval()

    def leave(self, visit: _Visit) -> None:
        with self.lock:
            for key, shared in list(self.evaluated.items()):
                if visit in shared.inside and len(shared.inside) > 1:
                    # Not evaluation mode where the outer work trains, and the training evaluates.
                    shared.module.training = visit.found.get(key, shared.module.training)
                shared.inside.discard(visit)
                if not shared.inside:
                    shared.module.training = shared.training
                    del self.evaluated[key]

    def after_fork(self) -> None:
        """In the child only the thread that forked goes on: the works of others are over."""
        self.lock = threading.RLock()
        for shared in self.evaluated.values():
            shared.inside = {visit for visit in shared.inside if visit.thread == threading.get_ident()}
        self.leave(_Visit())


class _Gate:
    """The lock, and the state outside while someone is inside."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.inside: list[_State] = []

    def after_fork(self) -> None:
        """In the child only the thread that forked goes on: what another held is free, and as it was outside."""
        if self.lock.acquire(blocking=False):
            self.lock.release()
            return
        self.lock = threading.RLock()
        if self.inside:
            self.inside[0].restore_settings(elsewhere=True)
            self.inside = []


_GATE, _EVALUATION_MODES = _Gate(), _EvaluationModes()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_GATE.after_fork)
    os.register_at_fork(after_in_child=_EVALUATION_MODES.after_fork)


def run_isolated(
    work: Callable[[], Result], network: nn.Module, *, seed: int, device: torch.device, threads: int
) -> Result:
    """Run ``work`` with the network in training mode and gradients, seeded, deterministic, on so many threads.

    All is put back after. PyTorch keeps its generators, its deterministic mode and its number of threads once for a
    process: of several threads that come here, one works and the others wait. What was there comes back when the work
    ends, by an error and by Ctrl-C too.

    Parameters
    ----------
    work : callable
        May come here again, from the same thread.
    network : Module
        Trained by the work; afterwards each of its modules is in the mode that it was in.
    seed : int
        Seeds the generators of the CPU and of ``device``.
    device : torch.device
        The network's.
    threads : int
        CPU threads.
    """
    gate = _GATE
    if device.type == "cuda":
        # cuBLAS needs it to be deterministic, and PyTorch reads it only at the process's first cuBLAS call.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    with gate.lock:
        outside = _state_now(network, device, nested=bool(gate.inside))
        depth = len(gate.inside)

        def enter_and_work() -> Result:
            gate.inside.append(outside)
            _enter(network, seed, device, threads)
            return work()

        def leave() -> None:
            outside.restore()
            del gate.inside[depth:]

        return with_end(enter_and_work, leave)


def evaluating(work: Callable[[], Result], network: nn.Module) -> Result:
    """Run ``work`` with the network in evaluation mode and without gradients; put both back after, also by Ctrl-C.

    Of several threads that evaluate one network, or networks with a module in common, the last puts its mode back.
    """
    gradients, modes, visit = torch.is_grad_enabled(), _EVALUATION_MODES, _Visit()

    def enter_and_work() -> Result:
        modes.enter(network, visit)
        torch.set_grad_enabled(False)
        return work()

    def leave() -> None:
        modes.leave(visit)
        torch.set_grad_enabled(gradients)

    return with_end(enter_and_work, leave)


def with_end(work: Callable[[], Result], end: Callable[[], None]) -> Result:
    """Run ``work``, then ``end``, whole, whatever comes.

    No context manager: an interrupt between its end and the block's would leave everything as it is within.
    """
    try:
        return work()
    finally:
        interrupt = None
        while True:
            try:
                end()
                break
            except KeyboardInterrupt as error:
                interrupt = error
        if interrupt is not None:
            raise interrupt


def _modes_now(network: nn.Module) -> _Modes:
    return tuple((module, module.training) for module in network.modules())


def _restore_modes(modes: _Modes) -> None:
    for module, training in modes:
        module.training = training


def _enter(network: nn.Module, seed: int, device: torch.device, threads: int) -> None:
    network.train()
    # Not torch.manual_seed: that reseeds every GPU, also those that are not put back.
    for generator in _generators(device):
        generator.manual_seed(seed)
    torch.set_grad_enabled(True)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(threads)


def _state_now(network: nn.Module, device: torch.device, *, nested: bool) -> _State:
    threads = torch.get_num_threads()
    return _State(
        gradients=torch.is_grad_enabled(),
        deterministic=torch.are_deterministic_algorithms_enabled(),
        warn_only=torch.is_deterministic_algorithms_warn_only_enabled(),
        threads=threads,
        threads_elsewhere=threads if nested else _elsewhere(torch.get_num_threads),
        generators=tuple((generator, generator.get_state()) for generator in _generators(device)),
        modes=_modes_now(network),
    )


def _generators(device: torch.device) -> list[torch.Generator]:
    on_device = [torch.cuda.default_generators[device.index]] if device.type == "cuda" else []
    return [torch.default_generator, *on_device]


def _elsewhere(call: Callable[[], Result]) -> Result:
    """Run a call in a thread that has just begun: PyTorch's number of threads is each thread's own.

    A bare lock is waited for: an interrupt while a `threading.Thread` starts can leave its condition locked, on which
    that thread and the interpreter's end then hang.
    """
    done, results = _thread.allocate_lock(), []

    def run() -> None:
        results.append(call())
        done.release()

    done.acquire()
    _thread.start_new_thread(run, ())
    done.acquire()
    return results[0]
