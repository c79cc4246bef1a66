"""This project's fits of one matrix, and the fewest iterations that reach a loss; part of `shapes`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from benchmarks.shape_data import KULLBACK_LEIBLER, Shape
from benchmarks.shape_peers import loss_of
from benchmarks.workload import timed
from coupled_nmf import CoupledNMF

Budget = tuple[int, float, int]  # iterations at most, tol, and starts


class Ours:
    """Fits with defaults but for the number of iterations, and where no such fit reaches a loss, for tol or n_init.

    A fit of one seed repeats bit for bit, so a loss is found once for each budget.
    """

    DEFAULT: ClassVar[Budget] = (200, 1e-4, 1)
    LAST: ClassVar[Budget] = (1000, 0.0, 1)
    STARTS: ClassVar[tuple[int, ...]] = (2, 4, 8)
    LONGEST: ClassVar[float] = 30.0  # seconds of a fit, after which no longer one is tried

    def __init__(self, data: Any, X: Any, shape: Shape, **options: Any) -> None:
        self._data, self._X, self._shape = data, X, shape
        of_loss = {"solver": "mu", "beta_loss": shape.loss} if shape.loss == KULLBACK_LEIBLER else {}
        self._options = {"random_state": 0} | of_loss | options
        self._losses: dict[Budget, float] = {}
        self._lasted: dict[Budget, tuple[float, int]] = {}

    def fit(self, budget: Budget) -> Callable[[], tuple[Any, CoupledNMF]]:
        """A fit that can be timed."""
        n_iter, tol, n_init = budget
        model = CoupledNMF(self._shape.rank, max_iter=n_iter, tol=tol, n_init=n_init, **self._options)
        return lambda: (model.fit_transform(self._data), model)

    def loss_at(self, budget: Budget) -> float:
        """The loss at the end of a fit."""
        if budget not in self._losses:
            seconds, (F, model) = timed(self.fit(budget))
            self._losses[budget] = loss_of(self._X, F, model.components_, self._shape.loss)
            self._lasted[budget] = seconds, model.n_iter_
        return self._losses[budget]

    def budget_for(self, goal: float) -> Budget | None:
        """The fewest iterations that end at the goal or below, else the fewest starts, or None."""
        return self.by_one_start(goal) or self._by_starts(goal)

    def by_one_start(self, goal: float) -> Budget | None:
        """The fewest iterations that end at the goal or below, or None."""
        return self._search(goal, *self.DEFAULT[:2]) or self._search(goal, *self.LAST[:2])

    def _by_starts(self, goal: float) -> Budget | None:
        """More starts, each to where it ends by itself: their best is no matter of one's luck."""
        n_iter, tol, _ = self.DEFAULT
        for n_init in self.STARTS:
            budget = n_iter, tol, n_init
            if self.loss_at(budget) <= goal:
                return budget
            if self._lasted[budget][0] > self.LONGEST:
                break
        return None

    def _search(self, goal: float, most: int, tol: float) -> Budget | None:
        """Double until it is reached, then halve the rest."""
        missed, reached = 0, 1
        while self.loss_at((reached, tol, 1)) > goal:
            seconds, n_iter = self._lasted[reached, tol, 1]
            if reached >= most or n_iter < reached or seconds > self.LONGEST:
                return None
            missed, reached = reached, min(2 * reached, most)
        while reached - missed > 1:
            middle = (missed + reached) // 2
            if self.loss_at((middle, tol, 1)) > goal:
                missed = middle
            else:
                reached = middle
        return reached, tol, 1
