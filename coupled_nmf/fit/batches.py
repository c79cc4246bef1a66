"""Batches of data that never end: what is kept of those that were seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from coupled_nmf.data.arrays import refuse_large
from coupled_nmf.fit.initial_factors import lift_zeros
from coupled_nmf.problem.contracts import Objective, Solution, Sums
from coupled_nmf.problem.solvers import Rule


@dataclass(frozen=True)
class Stream:
    """The sums over the batches seen, and their samples, those of each older one times ``forget_factor`` once more."""

    loss: str
    sums: Sums | None = None
    n_batches: int = 0
    n_samples: float = 0.0

    def refuse(self, loss: str, n_components: int, H: NDArray[Any]) -> None:
        """Raise ValueError if the loss or the rank is not that of the batches before."""
        if self.sums is not None and loss != self.loss:
            raise ValueError(f"beta_loss is {loss!r}, and was {self.loss!r} for the batches before; call fit first.")
        if n_components != len(H):
            raise ValueError(
                f"n_components is {n_components}, but the model has {len(H)} components; to change it, call fit."
            )

    def samples_with(self, n_samples: float, forget_factor: float) -> float:
        """The samples that H's move stands for, with a batch of as many: the penalty on H is scaled by them."""
        return n_samples + forget_factor * self.n_samples

    def take(
        self, objective: Objective, n_samples: float, rule: Rule, H: NDArray[Any], forget_factor: float, *, lifted: bool
    ) -> tuple[Stream, NDArray[Any], Solution]:
        """Solve a batch of ``n_samples`` for F, add its sums to the others, and move H by them all.

        Return the stream with the batch in it, H, and F with its errors: stream and model change together.

        ``lifted`` is for solvers that never move a zero: what no batch had may be in the next one.
        """
        refuse_large("components_", H, objective.tiles.dtype)
        H = H.astype(objective.tiles.dtype, order="C")
        if lifted:
            H = lift_zeros(H, rule.fixed)
        solution = objective.solve(H)
        sums = objective.sums_of(solution.F, H)
        if self.sums is not None:
            sums = tuple(new + forget_factor * old for new, old in zip(sums, self.sums, strict=True))
        moved = objective.learn(rule, sums, H)
        seen = self.samples_with(n_samples, forget_factor)
        return Stream(self.loss, sums, self.n_batches + 1, seen), moved, solution
