"""Objective against iteration."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from coupled_nmf.model.estimator import CoupledNMF
from coupled_nmf.plotting.axes import add_legend, one_axes

STYLES = ("-", "--", "-.", ":")  # so that lines are told apart without colour


class ConvergenceDisplay:
    """J after each iteration of one fit or several.

    Make one by `from_estimator`.

    Parameters
    ----------
    histories : mapping of str to sequence of float
        J after each iteration, by the name of the fit.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn.
    lines_ : list of matplotlib Line2D
        One line a fit.

    Raises
    ------
    ValueError
        If there is no history, or one is empty.

    Examples
    --------
    >>> from coupled_nmf import ConvergenceDisplay, CoupledNMF, make_coupled_blocks
    >>> X, _, _ = make_coupled_blocks(100, {"a": 30, "b": 20}, 3, noise=0.3, random_state=0)
    >>> models = {
    ...     name: CoupledNMF(3, solver=name, tol=0, max_iter=50, random_state=0).fit(X)
    ...     for name in ("hals", "mu")
    ... }
    >>> display = ConvergenceDisplay.from_estimator(models)
    >>> [line.get_label() for line in display.lines_]
    ['hals', 'mu']
    """

    def __init__(self, *, histories: Mapping[str, Sequence[float]]) -> None:
        self.histories = {name: np.asarray(history, dtype=np.float64) for name, history in histories.items()}
        empty = [name for name, history in self.histories.items() if history.size == 0]
        if not self.histories:
            raise ValueError("histories has nothing to draw; give one history or more.")
        if empty:
            raise ValueError(f"histories has {empty} without values; give J of one iteration or more.")

    @classmethod
    def from_estimator(
        cls, estimator: CoupledNMF | Mapping[str, CoupledNMF], *, relative: bool = True, ax: Any = None
    ) -> ConvergenceDisplay:
        """Draw the histories of fitted models.

        Parameters
        ----------
        estimator : CoupledNMF or mapping of str to CoupledNMF
            Fitted: one model, or several by name.
        relative, ax
            As for `plot`.

        Returns
        -------
        display : ConvergenceDisplay
        """
        models = estimator if isinstance(estimator, Mapping) else {type(estimator).__name__: estimator}
        for model in models.values():
            check_is_fitted(model, "objective_history_")
        display = cls(histories={name: model.objective_history_ for name, model in models.items()})
        return display.plot(ax, relative=relative)

    def plot(self, ax: Any = None, *, relative: bool = True) -> ConvergenceDisplay:
        """Draw the histories.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None: a new figure.
        relative : bool, default=True
            J above the lowest J of all fits, as a part of it, on a logarithmic axis; that lowest point itself is then
            not drawn. False, or where the lowest J is 0 or the only one: J itself.

        Returns
        -------
        self : ConvergenceDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = one_axes(ax, "ConvergenceDisplay")
        values = np.concatenate(list(self.histories.values()))
        lowest = values.min()
        relative = relative and 0 < lowest < values.max()  # nothing is a part of 0, and 0 has no logarithm
        self.lines_ = []
        for (name, history), style in zip(self.histories.items(), itertools.cycle(STYLES), strict=False):
            drawn = np.where(history > lowest, (history - lowest) / lowest, np.nan) if relative else history
            self.lines_ += ax.plot(np.arange(1, len(history) + 1), drawn, linestyle=style, label=name)
        if relative:
            ax.set_yscale("log")
        ax.set_ylabel("(J − lowest J) / lowest J" if relative else "J (in squared units of X)")
        ax.set_xlabel("iteration")
        ax.xaxis.get_major_locator().set_params(integer=True)
        if len(self.histories) > 1:
            add_legend(ax, self.lines_, self.histories)
        self.ax_, self.figure_ = ax, ax.figure
        return self
