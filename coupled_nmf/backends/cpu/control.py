"""The loop's decisions on the host, at once."""

from __future__ import annotations

import math
from dataclasses import astuple

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.problem.control import WINDOW, Momentum, Terms, Verdict


class HostJudge:
    """Decides at once."""

    patience = 1

    def __init__(self, terms: Terms) -> None:
        self.terms, self.betas = terms, (0.0, 0.0)
        self._momentum = Momentum() if terms.extrapolated else None
        self._rejected = self._settled = False
        self.history: list[float] = []

    def decide(self, value: float) -> bool:
        """Whether what has J ``value`` is kept.

        Raises
        ------
        ValueError
            If J is not finite.
        """
        if not math.isfinite(value):
            raise self.terms.overflow()
        history, momentum, restart = self.history, self._momentum, self._rejected
        # J belongs to an extrapolated F, and may lie below that of the F that is held: the plain step after a
        # rejection is kept whatever its J, or nothing would be accepted any more.
        if momentum and history and not restart and value > history[-1]:
            momentum.reject()
            history.append(history[-1])
            self.betas, self._rejected, self._settled = (0.0, 0.0), True, False
            return False
        if momentum and not restart:
            momentum.accept()
        history.append(max(value, 0.0))
        self.betas, self._rejected = (self.betas[1], momentum.beta if momentum else 0.0), False
        self._settled = not restart and self._falls_too_little()
        return True

    def _falls_too_little(self) -> bool:
        """J falls too slowly, or is below what its sums resolve."""
        history, terms = self.history, self.terms
        if terms.tol == 0:
            return False
        if history[-1] <= terms.floor:
            return True
        fall = history[-1 - WINDOW] - history[-1] if len(history) > WINDOW else math.inf
        return bool(fall <= terms.tol * history[-1])

    def packed(self) -> dict[str, NDArray[np.float64]]:
        """All that later decisions go by."""
        flags = np.array([*self.betas, self._rejected, self._settled])
        momentum = np.array(astuple(self._momentum) if self._momentum else ())
        return {"history": np.array(self.history), "flags": flags, "momentum": momentum}

    def unpack(self, packed: dict[str, NDArray[np.float64]]) -> None:
        """Go on from what a judge of the same terms had packed."""
        self.history[:] = packed["history"].tolist()
        last, following, rejected, settled = packed["flags"].tolist()
        self.betas, self._rejected, self._settled = (last, following), bool(rejected), bool(settled)
        self._momentum = Momentum(*packed["momentum"].tolist()) if self._momentum else None

    def look(self) -> Verdict:
        """What was decided so far."""
        return Verdict(self.history, self._settled)
