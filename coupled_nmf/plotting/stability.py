"""Likeness of restarts against rank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from coupled_nmf.model_selection import Stability
from coupled_nmf.plotting.axes import dots_and_line, one_axes


class StabilityDisplay:
    """Cosine of matched components against rank: every component of the best fit as a dot, the mean as a line.

    Make one by `from_stability`.

    Parameters
    ----------
    ranks : array-like of shape (n_ranks,)
        The ranks.
    similarities : array-like of shape (n_ranks,)
        Mean cosine of matched components of each rank's restarts.
    component_similarities : sequence of array-like of shape (rank,)
        For each rank, that of each component of the best fit.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn.
    dots_, line_ : matplotlib PathCollection and Line2D
        The components, and the line through the means.

    Raises
    ------
    ValueError
        If the numbers of ranks differ.

    Examples
    --------
    >>> from coupled_nmf import StabilityDisplay, make_coupled_blocks, stability
    >>> X, _, _ = make_coupled_blocks(100, {"a": 30, "b": 20}, 3, noise=0.3, random_state=0)
    >>> display = StabilityDisplay.from_stability(stability(X, [2, 3, 4], n_init=3, random_state=0))
    >>> len(display.dots_.get_offsets())
    9
    """

    def __init__(
        self, *, ranks: ArrayLike, similarities: ArrayLike, component_similarities: Sequence[ArrayLike]
    ) -> None:
        self.ranks, self.similarities = np.asarray(ranks), np.asarray(similarities, dtype=np.float64)
        self.component_similarities = [np.asarray(some, dtype=np.float64) for some in component_similarities]
        if not len(self.ranks) == len(self.similarities) == len(self.component_similarities):
            raise ValueError(
                f"there are {len(self.ranks)} ranks, {len(self.similarities)} similarities and "
                f"{len(self.component_similarities)} component_similarities; give one of each a rank."
            )

    @classmethod
    def from_stability(
        cls, found: Stability, *, ax: Any = None, line_kw: dict[str, Any] | None = None
    ) -> StabilityDisplay:
        """Draw what `stability` returns.

        Parameters
        ----------
        found : Stability
            What `stability` returns.
        ax, line_kw
            As for `plot`.

        Returns
        -------
        display : StabilityDisplay
        """
        display = cls(
            ranks=[one.rank for one in found.by_rank],
            similarities=[one.similarity for one in found.by_rank],
            component_similarities=[one.component_similarity for one in found.by_rank],
        )
        return display.plot(ax, line_kw=line_kw)

    def plot(self, ax: Any = None, *, line_kw: dict[str, Any] | None = None) -> StabilityDisplay:
        """Draw the similarities.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None: a new figure.
        line_kw : dict, default=None
            Passed on to the line's ``plot``.

        Returns
        -------
        self : StabilityDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = one_axes(ax, "StabilityDisplay")
        names = ("component of the best restart", "mean over pairs of restarts")
        self.dots_, self.line_ = dots_and_line(
            ax, self.ranks, self.component_similarities, self.similarities, names, line_kw
        )
        ax.set_ylabel("cosine of matched components")
        ax.set_ylim(0, 1.03)
        ax.legend(frameon=False, loc="lower left")
        self.ax_, self.figure_ = ax, ax.figure
        return self
