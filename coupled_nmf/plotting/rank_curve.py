"""Error against rank."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from coupled_nmf.model_selection import Holdout, RankPath
from coupled_nmf.plotting.axes import dots_and_line, one_axes


class RankCurveDisplay:
    """Error against rank: every repeat as a dot, their mean or best as a line, the chosen rank marked.

    Make one by `from_rank_path`, `from_holdout` or `from_search`.

    Parameters
    ----------
    ranks : array-like of shape (n_ranks,)
        The ranks.
    errors : array-like of shape (n_ranks, n_repeats)
        Errors of each rank's repeats; NaN where there is none.
    line : {'mean', 'lowest'}, default='mean'
        What of a rank's errors the line joins.
    chosen_rank : int or None, default=None
        The rank to mark.
    error_name : str, default='error'
        What the errors are, with their unit.
    repeat_name : str, default='repeat'
        What a dot is.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Where the curve was drawn.
    dots_, line_ : matplotlib PathCollection and Line2D
        The errors, and the line through their mean or lowest.
    chosen_line_ : matplotlib Line2D or None
        The mark of the chosen rank.

    Raises
    ------
    ValueError
        If ``errors`` has not one row a rank, or ``line`` is unknown.

    Examples
    --------
    >>> from coupled_nmf import CoupledNMF, RankCurveDisplay, make_coupled_blocks, rank_path
    >>> X, _, _ = make_coupled_blocks(100, {"a": 30, "b": 20}, 3, noise=0.1, random_state=0)
    >>> path = rank_path(X, [1, 2, 3, 4], n_init=2, estimator=CoupledNMF(random_state=0))
    >>> display = RankCurveDisplay.from_rank_path(path)
    >>> display.ax_.get_ylabel()
    'RMSE of the fit (in units of X)'
    """

    def __init__(
        self,
        *,
        ranks: ArrayLike,
        errors: ArrayLike,
        line: str = "mean",
        chosen_rank: int | None = None,
        error_name: str = "error",
        repeat_name: str = "repeat",
    ) -> None:
        self.ranks, self.errors = np.asarray(ranks), np.asarray(errors, dtype=np.float64)
        if self.errors.ndim != 2 or len(self.errors) != len(self.ranks):
            raise ValueError(
                f"errors has shape {self.errors.shape} for {len(self.ranks)} ranks; give one row a rank, one column "
                "a repeat."
            )
        if line not in ("mean", "lowest"):
            raise ValueError(f"line is {line!r}; choose 'mean' or 'lowest'.")
        self.line, self.chosen_rank = line, chosen_rank
        self.error_name, self.repeat_name = error_name, repeat_name

    @classmethod
    def from_rank_path(
        cls, path: RankPath, *, ax: Any = None, line_kw: dict[str, Any] | None = None
    ) -> RankCurveDisplay:
        """RMSE of the fits: it falls with the rank, and chooses none.

        Parameters
        ----------
        path : RankPath
            What `rank_path` returns.
        ax, line_kw
            As for `plot`.

        Returns
        -------
        display : RankCurveDisplay
        """
        ranks, errors = _by_rank([(fit.rank, fit.rmse) for fit in path.fits])
        display = cls(
            ranks=ranks, errors=errors, line="lowest", error_name="RMSE of the fit (in units of X)",
            repeat_name="restart",
        )  # fmt: skip
        return display.plot(ax, line_kw=line_kw)

    @classmethod
    def from_holdout(
        cls, holdout: Holdout, *, ax: Any = None, line_kw: dict[str, Any] | None = None
    ) -> RankCurveDisplay:
        """Errors on hidden entries.

        Parameters
        ----------
        holdout : Holdout
            What `holdout_entries` returns.
        ax, line_kw
            As for `plot`.

        Returns
        -------
        display : RankCurveDisplay
        """
        ranks, errors = _by_rank([(fit.rank, fit.error) for fit in holdout.fits])
        display = cls(
            ranks=ranks, errors=errors, chosen_rank=holdout.best_rank,
            error_name="squared error on hidden entries\n(part of their squares)",
        )  # fmt: skip
        return display.plot(ax, line_kw=line_kw)

    @classmethod
    def from_search(cls, search: Any, *, ax: Any = None, line_kw: dict[str, Any] | None = None) -> RankCurveDisplay:
        """One minus the test scores of a grid search, at the best values of its other parameters.

        Parameters
        ----------
        search : GridSearchCV
            Fitted over ``n_components`` of a `CoupledNMF`, alone or as the last step of a pipeline.
        ax, line_kw
            As for `plot`.

        Returns
        -------
        display : RankCurveDisplay

        Raises
        ------
        ValueError
            If the search is not fitted, has no best parameters, or not one parameter ``n_components``.
        """
        if not hasattr(search, "best_index_"):
            raise ValueError("search has no best_index_; fit it first, with several metrics give it a refit.")
        results = search.cv_results_
        names = [name for name in results["params"][0] if name.split("__")[-1] == "n_components"]
        if len(names) != 1:
            raise ValueError(f"search varies {list(results['params'][0])}; one of these has to be n_components.")
        best = results["params"][search.best_index_]
        others = {name: value for name, value in best.items() if name != names[0]}
        shown = [
            i for i, params in enumerate(results["params"])
            if all(params[name] == value for name, value in others.items())
        ]  # fmt: skip
        metric = search.refit if search.multimetric_ else "score"
        scores = [results[f"split{fold}_test_{metric}"][shown] for fold in range(search.n_splits_)]
        ranks = [results["params"][i][names[0]] for i in shown]
        display = cls(
            ranks=ranks, errors=1.0 - np.transpose(scores), chosen_rank=best[names[0]],
            error_name="1 − test score", repeat_name="fold",
        )  # fmt: skip
        return display.plot(ax, line_kw=line_kw)

    def plot(self, ax: Any = None, *, line_kw: dict[str, Any] | None = None) -> RankCurveDisplay:
        """Draw the curve.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None: a new figure.
        line_kw : dict, default=None
            Passed on to the line's ``plot``.

        Returns
        -------
        self : RankCurveDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = one_axes(ax, "RankCurveDisplay")
        summary = np.nanmin if self.line == "lowest" else np.nanmean
        there = [row[~np.isnan(row)] for row in self.errors]
        line = [float(summary(row)) if len(row) else np.nan for row in there]
        names = (self.repeat_name, f"{self.line} of {self.repeat_name}s")
        self.dots_, self.line_ = dots_and_line(ax, self.ranks, there, line, names, line_kw)
        self.chosen_line_ = None
        if self.chosen_rank is not None:
            self.chosen_line_ = ax.axvline(
                self.chosen_rank,
                color="0.3",
                linestyle="--",
                linewidth=1,
                label=f"chosen: {self.chosen_rank}",
                zorder=1,
            )
        ax.set_ylabel(self.error_name)
        ax.legend(frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _by_rank(pairs: list[tuple[int, float]]) -> tuple[list[int], np.ndarray]:
    """Ranks, and each one's errors in a row, filled up with NaN."""
    found: dict[int, list[float]] = {}
    for rank, error in pairs:
        found.setdefault(rank, []).append(error)
    errors = np.full((len(found), max(map(len, found.values()))), np.nan)
    for row, some in zip(errors, found.values(), strict=True):
        row[: len(some)] = some
    return list(found), errors
