"""The loop's decisions on the device: the host neither waits for J nor knows yet which factors are held."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.backends.cuda.device import NULL, Device, Program
from coupled_nmf.backends.cuda.kernels import CONTROL
from coupled_nmf.problem.control import WINDOW, Momentum, Terms, Verdict

ROOM = 1024  # values of J for which there is room at first
NOT_FINITE = 2  # of DONE
DECIDING = 256  # threads


@dataclass(frozen=True)
class Parts:
    """Numbers in float64 on the device, every ``stride``-th of an array, to be added to J."""

    array: Any
    n: int
    stride: int = 1


@dataclass(frozen=True)
class Value:
    """J, still in parts: at most three; and what is to be done once it is decided on: where H is then depends on it."""

    base: float
    parts: list[Parts]
    then: Program = field(default_factory=Program)


class DeviceJudge:
    """As `HostJudge`, by the same rules, in the kernel ``decide``; ``betas`` is the state that the kernels read.

    Once it has settled the moves do nothing more: up to ``patience`` iterations are launched in vain, and none of them
    is counted.
    """

    patience = 4

    def __init__(self, terms: Terms, max_iter: int, device: Device) -> None:
        momentum = Momentum()
        state = {
            "BETA": momentum.beta, "CEILING": momentum.ceiling, "GOOD": momentum.good,
            "EXTRAPOLATED": terms.extrapolated, "GROWTH": momentum.growth, "CEILING_GROWTH": momentum.ceiling_growth,
            "CUT": momentum.cut, "TOL": terms.tol, "WINDOW": WINDOW, "FLOOR": terms.floor,
        }  # fmt: skip
        control = np.zeros(CONTROL["N_CONTROL"])
        for name, value in state.items():
            control[CONTROL[name]] = value
        self.terms, self.betas, self._device = terms, device.put(control), device
        self._history = device.zeros((min(max_iter, ROOM),), np.float64)
        self._kernel = device.kernel("decide.cu", "decide", terms.dtype)

    def decide(self, value: Value) -> None:
        """Let the device decide, and then do what depends on it."""
        some = [(part.array, np.int32(part.n), np.int32(part.stride)) for part in value.parts]
        some += [(NULL, np.int32(0), np.int32(1))] * (3 - len(some))
        arguments = (self.betas, self._history, np.float64(value.base), *some[0], *some[1], *some[2])
        self._kernel((1,), (DECIDING,), arguments)
        value.then.run()

    def packed(self) -> dict[str, NDArray[np.float64]]:
        """All that later decisions go by."""
        control = self.betas.get()
        return {"history": self._history.get()[: int(control[CONTROL["COUNT"]])], "control": control}

    def unpack(self, packed: dict[str, NDArray[np.float64]]) -> None:
        """Go on from what a judge of the same terms had packed."""
        n = len(packed["history"])
        self._history = self._device.zeros((max(len(self._history), 2 * n + self.patience),), np.float64)
        self._history[:n] = self._device.put(packed["history"])
        self.betas.set(packed["control"])

    def look(self) -> Verdict:
        """Wait for what was decided so far."""
        control = self.betas.get()
        if control[CONTROL["DONE"]] == NOT_FINITE:
            raise self.terms.overflow()
        n = int(control[CONTROL["COUNT"]])
        history = self._history.get()[:n].tolist()
        if n + self.patience > len(self._history):
            longer = self._device.zeros((2 * len(self._history) + self.patience,), np.float64)
            longer[: len(self._history)] = self._history
            self._history = longer
        return Verdict(history, bool(control[CONTROL["DONE"]]), bool(control[CONTROL["FLIPPED"]]))
