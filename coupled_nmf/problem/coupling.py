"""Whether the blocks are coupled: by samples that have more than one of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from coupled_nmf.problem.problem import Problem
from coupled_nmf.system.notices import warn_caller


def warn_uncoupled(problem: Problem) -> None:
    """Warn if blocks fall into groups that share no sample: nothing then says which of their components go together.

    Asked of what is fitted, not where Blocks are made: those may be a batch, or for `transform`. Blocks and samples of
    weight 0, and blocks that no sample has, couple nothing.
    """
    if problem.gaps is None:
        return
    present = ~problem.gaps.patterns
    blocks = np.flatnonzero((problem.alpha > 0) & present.any(axis=0))
    groups = _groups_of(present[:, blocks])
    if len(groups) > 1:
        names = problem.X.layout.names
        listed = " | ".join(", ".join(repr(names[blocks[i]]) for i in group) for group in groups)
        warn_caller(
            f"No sample has blocks of more than one of these groups: {listed}. So nothing is coupled across them, and "
            "F of one says nothing of another; give samples that have both, or fit the groups one by one."
        )


def _groups_of(present: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """Numbers of the blocks, by groups that samples connect; ``present`` (n_patterns, n_blocks) says what some have."""
    n_samples, n_blocks = present.shape
    if np.any(np.all(present, axis=1)):
        return [np.arange(n_blocks)]
    samples, blocks = np.nonzero(present)
    n = n_samples + n_blocks
    graph = coo_array((np.ones(len(samples), np.int8), (samples, n_samples + blocks)), shape=(n, n))
    labels = connected_components(graph, directed=False)[1][n_samples:]
    return [np.flatnonzero(labels == label) for label in dict.fromkeys(labels.tolist())]
