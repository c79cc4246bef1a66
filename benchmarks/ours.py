"""This project's fits of one matrix, and the fewest iterations that reach a loss; part of `shapes`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from benchmarks.shape_data import KULLBACK_LEIBLER, Shape
from benchmarks.shape_peers import loss_of
from benchmarks.workload import timed
from coupled_nmf import CoupledNMF

Budget = tuple[int, float]  # iterations at most, and tol


class Ours:
    """Fits with defaults but for the number of iterations (and tol, where the default ends too early).

    A fit of one seed repeats bit for bit, so a loss is found once for each budget.
    """

    DEFAULT: ClassVar[Budget] = (200, 1e-4)
    LAST: ClassVar[Budget] = (1000, 0.0)
    LONGEST: ClassVar[float] = 30.0  # seconds of a fit, after which no longer one is tried

    def __init__(self, data: Any, X: Any, shape: Shape) -> None:
        self._data, self._X, self._shape = data, X, shape
        self._options = {"solver": "mu", "beta_loss": shape.loss} if shape.loss == KULLBACK_LEIBLER else {}
        self._losses: dict[Budget, float] = {}
        self._lasted: dict[Budget, tuple[float, int]] = {}

    def fit(self, budget: Budget) -> Callable[[], tuple[Any, CoupledNMF]]:
        """A fit that can be timed."""
        n_iter, tol = budget
        model = CoupledNMF(self._shape.rank, random_state=0, max_iter=n_iter, tol=tol, **self._options)
        return lambda: (model.fit_transform(self._data), model)

    def loss_at(self, budget: Budget) -> float:
        """The loss at the end of a fit."""
        if budget not in self._losses:
            seconds, (F, model) = timed(self.fit(budget))
            self._losses[budget] = loss_of(self._X, F, model.components_, self._shape.loss)
            self._lasted[budget] = seconds, model.n_iter_
        return self._losses[budget]

    def budget_for(self, goal: float) -> Budget | None:
        """The fewest iterations that end at the goal or below, or None."""
        return self._search(goal, *self.DEFAULT) or self._search(goal, *self.LAST)

    def _search(self, goal: float, most: int, tol: float) -> Budget | None:
        """Double until it is reached, then halve the rest."""
        missed, reached = 0, 1
        while self.loss_at((reached, tol)) > goal:
            seconds, n_iter = self._lasted[reached, tol]
            if reached >= most or n_iter < reached or seconds > self.LONGEST:
                return None
            missed, reached = reached, min(2 * reached, most)
        while reached - missed > 1:
            middle = (missed + reached) // 2
            if self.loss_at((middle, tol)) > goal:
                missed = middle
            else:
                reached = middle
        return reached, tol
